/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide/thread-locals.md, word for word (docs/check.sh compares), and a main that runs them.
 */
#include <edo/edo.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a file is, or a negative errno. What errno says is taken before anything waits. */
static off_t size_of(const char *path)
{
    struct stat status;
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = stat(path, &status) < 0 ? -errno : 0;
    edo_blocking_end(); /* from here on errno may be another thread's */
    return rc < 0 ? rc : status.st_size;
}

/* Which request a task works for. Its children work for the same one, with a copy of their own. */
static int copy_id(void **child, void *id)
{
    *child = strdup(id);
    return *child ? 0 : -ENOMEM;
}

static const edo_local request_id = EDO_LOCAL_INIT(.destroy = free, .inherit = copy_id);

/* Deep inside, where nobody handed an id down. */
static void note(const char *what)
{
    const char *id = edo_local_get(&request_id);

    printf("[%s] %s\n", id ? id : "-", what);
}

static int resize(void *argument)
{
    note(argument); /* [7f3a] resize */
    return edo_sleep(EDO_MS(1));
}

static int serve(const char *id)
{
    static char job[] = "resize";
    char *copy = strdup(id);
    int rc = copy ? edo_local_set(&request_id, copy) : -ENOMEM;

    if (rc < 0) {
        free(copy); /* the task did not take it */
        return rc;
    }
    EDO_SCOPE (work, &rc) {
        rc = edo_spawn(work, resize, job);
        note("serve");
    }
    return rc;
}

/* For a block: the value is borrowed, and what was there before is back behind it, by whatever way. */
static int retry(int (*attempt)(void), int times)
{
    int rc = -EAGAIN;

    for (int i = 1; i <= times && rc == -EAGAIN; i++) {
        char id[32];

        snprintf(id, sizeof id, "attempt %d", i);
        EDO_WITH_LOCAL(&request_id, id)
        rc = attempt();
    }
    return rc;
}

/* A library that keeps something for its thread gets a task that stays on one. */
static int speaks_to_library(void *argument);

static int start_library(edo_scope *scope, void *session)
{
    return edo_spawn(scope, speaks_to_library, session, .pinned = true, .name = "session");
}

/* Or, where each thread has to be made known: before it runs anything, and behind all of it. */
static void attach(void *library);
static void detach(void *library);

static int run_attached(edo_task_fn fn, void *library)
{
    return edo_run(
        fn, library,
        EDO_OPTIONS(edo_run_options, .on_thread_start = attach, .on_thread_stop = detach, .on_argument = library));
}

/* --- A main that runs them ----------------------------------------------------------------------------------------------- */

static _Atomic int attached;

static void attach(void *library)
{
    (void)library;
    attached++;
}

static void detach(void *library)
{
    (void)library;
    attached--;
}

static int speaks_to_library(void *argument)
{
    static _Thread_local int state;
    int *before = &state;

    (void)argument;
    for (int i = 0; i < 10; i++) {
        edo_yield();
        if (before != &state)
            return -ENOTRECOVERABLE;
    }
    return 0;
}

static int third_time(void)
{
    note("try");
    return strcmp(edo_local_get(&request_id), "attempt 3") == 0 ? 0 : -EAGAIN;
}

static int root(void *argument)
{
    int rc = 0;

    (void)argument;
    if (attached < 1 || size_of("/nowhere") != -ENOENT || size_of("/dev/null") != 0)
        return -EPROTO;
    note("begin");
    rc = serve("7f3a");
    if (rc == 0)
        rc = retry(third_time, 5);
    if (rc == 0)
        EDO_SCOPE (scope, &rc)
            rc = start_library(scope, NULL);
    note("end");
    return rc;
}

int main(void)
{
    int rc = run_attached(root, NULL);

    if (rc < 0)
        fprintf(stderr, "locals: %s\n", edo_strerror(rc));
    return rc < 0 || attached != 0;
}
