/* SPDX-License-Identifier: MIT */
/*
 * The report of a deadlock: all tasks of a runtime wait, and nothing is left that could wake one. Each has a line, with
 * the place where it was spawned and what it waits for.
 *
 * Tasks are found as cancellation finds them (runtime/scope.h): those that wait are in their scopes' lists of children.
 * The walk is a loop, since trees may be deeper than a stack: from a task into its scopes, the innermost first, then to
 * its next sibling. What a task waits for is looked up where waiters are kept, which no wait has to pay for.
 */
#include "io/stream.h"
#include "runtime/runtime.h"
#include "testing/seeded.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct edo_wait {
    struct edo_task *task;
    struct edo_source *source; /* where the task waits, if anywhere */
    int direction;
    struct edo_handle *handle; /* which it joins */
};

/* --- What a task waits for ------------------------------------------------------------------------------------------------ */

static void edo_wait_look_at_source(void *context, void *block)
{
    struct edo_wait *wait = (struct edo_wait *)context;
    struct edo_source *source = (struct edo_source *)block;

    for (int i = 0; i < 2; i++) {
        if (atomic_load(&source->waiter[i]) == wait->task) {
            wait->source = source;
            wait->direction = i;
        }
    }
}

static void edo_wait_look_at_handle(void *context, void *block)
{
    struct edo_wait *wait = (struct edo_wait *)context;
    struct edo_handle *handle = (struct edo_handle *)block;

    if (atomic_load(&handle->joiner) == (uintptr_t)wait->task)
        wait->handle = handle;
}

static const char *edo_addr_text(char *text, size_t size, int fd,
                                 int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    edo_addr address;

    if (ask(fd, (struct sockaddr *)&storage, &length) < 0 ||
        edo_addr_from_sockaddr(&address, (struct sockaddr *)&storage, length) < 0 ||
        edo_addr_print(text, size, &address) < 0)
        return NULL;
    return text;
}

static bool edo_is_datagram_socket(int fd)
{
    socklen_t size = sizeof(int);
    int type;

    return edo_platform->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

static void edo_report_source(const struct edo_wait *wait)
{
    char local[EDO_ADDR_TEXT_SIZE];
    char remote[EDO_ADDR_TEXT_SIZE];
    const char *here = edo_addr_text(local, sizeof local, wait->source->fd, edo_platform->getsockname);
    const char *there = edo_addr_text(remote, sizeof remote, wait->source->fd, edo_platform->getpeername);

    bool datagrams = edo_is_datagram_socket(wait->source->fd);

    if (here && datagrams)
        fprintf(stderr, "to %s datagrams at %s\n", wait->direction == EDO_IN ? "receive" : "send", here);
    else if (here && there)
        fprintf(stderr, "to %s between %s and %s\n", wait->direction == EDO_IN ? "read" : "write", here, there);
    else if (wait->source->beneath)
        fprintf(stderr, "to %s %s\n", wait->direction == EDO_IN ? "read" : "write", wait->source->beneath->kind->name);
    else if (here)
        fprintf(stderr, "for a connection at %s\n", here);
    else
        fprintf(stderr, "for descriptor %d\n", wait->source->fd);
}

static const char *edo_report_name(const struct edo_task *task)
{
    return task->name ? task->name : task->site ? task->site->function : "task";
}

static bool edo_scope_is_waited_for(struct edo_scope_body *scope)
{
    return atomic_load(&scope->live) + scope->spawned > 0;
}

static void edo_report_wait(struct edo_task *task)
{
    struct edo_runtime *runtime = task->home->runtime;
    struct edo_wait wait = {.task = task};
    const uint32_t *word = edo_word_of(task);

    edo_blocks_each(&runtime->sources, edo_wait_look_at_source, &wait);
    edo_blocks_each(&runtime->handles, edo_wait_look_at_handle, &wait);
    if (wait.source)
        edo_report_source(&wait);
    else if (wait.handle)
        fprintf(stderr, "for the end of task %" PRIu64 " \"%s\"\n", edo_test_serial(wait.handle->task),
                edo_report_name(wait.handle->task));
    else if (word)
        fprintf(stderr, "on the word at %p\n", (const void *)word);
    else if (task->scope != task->home && edo_scope_is_waited_for(task->scope))
        fprintf(stderr, "for the tasks of its scope%s%s\n", task->scope->name ? " " : "",
                task->scope->name ? task->scope->name : "");
    else
        fputs("for a wake\n", stderr);
}

static void edo_report_task(struct edo_task *task)
{
    bool cancelled = edo_task_cancelled(task);

    fprintf(stderr, "edo:   task %" PRIu64 " \"%s\"", edo_test_serial(task), edo_report_name(task));
    if (task->site)
        fprintf(stderr, " (spawned at %s:%d)", task->site->file, task->site->line);
    fprintf(stderr, "%s%s waits ", cancelled ? ", cancelled," : "", task->flags & EDO_TASK_DORMANT ? ", dormant," : "");
    edo_report_wait(task);
}

/* --- All of them ------------------------------------------------------------------------------------------------------------ */

static struct edo_task *edo_task_of(struct edo_link *link)
{
    return link ? EDO_CONTAINER_OF(link, struct edo_task, sibling) : NULL;
}

/* The task after `task`: its first child, else a sibling, else the next of whoever is around; NULL after the last. */
static struct edo_task *edo_task_next(struct edo_task *task)
{
    struct edo_scope_body *scope = task->scope;

    while (task) {
        struct edo_task *next;

        for (; scope != task->home; scope = scope->outer)
            if ((next = edo_task_of(edo_list_first(&scope->children))))
                return next;
        if ((next = edo_task_of(edo_list_next(&task->home->children, &task->sibling))))
            return next;
        scope = task->home->outer; /* with this scope's children done, its owner has others further out */
        task = task->home->owner;
    }
    return NULL;
}

void edo_deadlock_report(struct edo_runtime *runtime)
{
    struct edo_task *first = edo_task_of(edo_list_first(&runtime->base.children));
    unsigned count = 0;

    for (struct edo_task *task = first; task; task = edo_task_next(task))
        count++;
    fprintf(stderr, "edo: deadlock: %u %s for ever\n", count, count == 1 ? "task waits" : "tasks wait");
    for (struct edo_task *task = first; task; task = edo_task_next(task))
        edo_report_task(task);
}
