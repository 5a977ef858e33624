/* SPDX-License-Identifier: MIT */
/* The examples of docs/guide/dumps.md, word for word (docs/check.sh compares), and a main that runs them. */
#include <edo/edo.h>

#include <signal.h>
#include <unistd.h>

static int transfer(void *argument)
{
    edo_mutex **accounts = argument; /* from, to */
    int rc = edo_mutex_lock(accounts[0]);

    if (rc < 0)
        return rc;
    edo_yield();
    rc = edo_mutex_lock(accounts[1]); /* the other task has it, and waits for ours */
    if (rc == 0)
        edo_mutex_unlock(accounts[1]);
    edo_mutex_unlock(accounts[0]);
    return rc;
}

static int show(void *argument)
{
    edo_mutex a = EDO_MUTEX_INIT;
    edo_mutex b = EDO_MUTEX_INIT;
    edo_mutex *there[] = {&a, &b};
    edo_mutex *back[] = {&b, &a};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (transfers, &rc, .name = "transfers", .timeout = EDO_MS(100)) {
        rc = edo_spawn(transfers, transfer, there, .name = "there");
        if (rc == 0)
            rc = edo_spawn(transfers, transfer, back, .name = "back");
        if (rc == 0)
            rc = edo_sleep(EDO_MS(10));
        if (rc == 0)
            rc = edo_dump(STDOUT_FILENO, NULL);
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

int main(void)
{
    int rc = edo_dump_on_signal(SIGUSR1, STDERR_FILENO, EDO_OPTIONS(edo_dump_options, .backtraces = true));

    return rc < 0 ? -rc : -edo_run(show, NULL, NULL);
}
