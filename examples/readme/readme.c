/* SPDX-License-Identifier: MIT */
/*
 * The short examples of README.md, word for word (docs/check.sh compares), and a main that runs each of them once.
 */
#include <edo/edo.h>

#include <stdio.h>
#include <sys/socket.h>

/* A deadline belongs to a scope, not to each call. Inside, calls return -ECANCELED; behind the block rc is -ETIMEDOUT. */
static int ask(edo_stream *peer, char *answer, size_t size)
{
    ssize_t n;
    int rc = 0;

    EDO_TIMEOUT (EDO_SEC(2), &rc) {
        n = edo_write_all(peer, "ping\n", 5);
        if (n >= 0)
            n = edo_read(peer, answer, size);
        rc = (int)n;
    }
    return rc;
}

/* Cleanup that has to wait gets a bounded shield from cancellation. */
static void say_goodbye(edo_stream *peer)
{
    EDO_SHIELD (EDO_MS(500))
        edo_write_all(peer, "bye\n", 4);
}

/* Arguments by value, and a result. */
struct range {
    int from, to;
};

static int sum(void *argument)
{
    struct range *range = argument;
    int total = 0;

    for (int i = range->from; i < range->to; i++) {
        if (edo_checkpoint() < 0) /* a few ns; lets others have a turn when it has been long enough */
            return -ECANCELED;
        total += i;
    }
    return total;
}

static int sum_in_two_tasks(int n)
{
    int upper = 0;
    int rc = 0;

    EDO_SCOPE (halves, &rc) {
        struct range range = {n / 2, n};
        edo_task *task;

        rc = edo_spawn(halves, sum, &range, .copy = sizeof range, .handle = &task, .name = "upper half");
        if (rc < 0)
            continue;
        rc = sum(&(struct range){0, n / 2});
        if (edo_join(&upper, task) < 0) /* only this wait was cancelled: the handle is still good */
            edo_detach(task);
    } /* nobody is left behind: here all tasks of the scope have returned */
    return rc < 0 ? rc : rc + upper;
}

/* Work that blocks its thread goes to one where that is allowed; the task waits. */
static int count_lines(void *path)
{
    FILE *file = fopen(path, "r");
    int lines = 0;

    if (!file)
        return -errno; /* no suspension between the call and errno: fine */
    for (int c; (c = getc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static int lines_of(char *path)
{
    return edo_blocking(count_lines, path);
}

/* --- Running them ---------------------------------------------------------------------------------------------------- */

static int pong(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = argument;
    char buffer[64];
    ssize_t n = 0;

    while (n >= 0 && (n = edo_read(peer, buffer, sizeof buffer)) > 0)
        n = edo_write_all(peer, buffer, (size_t)n);
    return (int)n;
}

static int run(void *argument)
{
    edo_stream *near EDO_AUTO(edo_close) = NULL;
    edo_stream *far;
    char answer[64];
    int fds[2];
    int rc;

    (void)argument;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    if ((rc = edo_stream_from_fd(&near, fds[0])) < 0 || (rc = edo_stream_from_fd(&far, fds[1])) < 0)
        return rc;
    if ((rc = edo_spawn(EDO_DETACHED, pong, far)) < 0)
        return rc;
    printf("ask: %d\n", ask(near, answer, sizeof answer));
    say_goodbye(near);
    printf("sum: %d\n", sum_in_two_tasks(1000));
    printf("lines: %d\n", lines_of((char[]){__FILE__}));
    return 0;
}

int main(void)
{
    int rc = edo_run(run, NULL, NULL);

    if (rc < 0)
        fprintf(stderr, "readme: %s\n", edo_strerror(rc));
    return rc < 0;
}
