/* SPDX-License-Identifier: MIT */
/*
 * Keeps programs running: `supervisor 'command one' 'command two'` runs each by the shell, starts it again when it fails, after
 * a pause that doubles up to 5 s, and is done when all have ended well. SIGHUP ends all, to be started again. SIGTERM and SIGINT
 * end them for good: asked first, killed after 2 s, with all that they started. Nobody is left behind, not even a zombie.
 */
#include <edo/edo.h>

#include <signal.h>
#include <stdio.h>

struct child {
    const char *command;
    edo_process *process; /* while it runs */
};

static struct child children[64];
static int count;

/* Waits for its end. Cancelled, it sees to it. */
static int watch(int *status, edo_process *process)
{
    int rc = edo_process_wait(status, process);

    if (rc != -ECANCELED)
        return rc;
    EDO_SHIELD (EDO_SEC(5)) {
        int ended = 0;

        edo_process_kill(process, SIGTERM);
        EDO_TIMEOUT (EDO_SEC(2), &ended) {
            ended = edo_process_wait(status, process);
        }
    }
    return rc; /* what is left of the group is killed when the process is closed */
}

static int supervise(void *argument)
{
    struct child *child = argument;
    const char *const argv[] = {"sh", "-c", child->command, NULL};
    int64_t pause = EDO_MS(100);
    int rc;

    for (;;) {
        int64_t began = edo_now();
        int status = 0;

        rc = edo_process_spawn(&child->process, argv,
                               EDO_OPTIONS(edo_process_options, .group = true, .kill_on_close = SIGKILL));
        if (rc < 0)
            return rc;
        printf("[%d] %s\n", (int)edo_process_id(child->process), child->command);
        fflush(stdout);
        rc = watch(&status, child->process);
        printf("[%d] %s %d\n", (int)edo_process_id(child->process), status < 0 ? "was ended by signal" : "exited with",
               status < 0 ? -status : status);
        fflush(stdout);
        edo_process_close(EDO_TAKE(child->process));
        if (rc < 0 || status == 0)
            return rc;
        if (edo_now() - began > EDO_SEC(10)) /* it was well for a while */
            pause = EDO_MS(100);
        rc = edo_sleep(pause);
        if (rc < 0)
            return rc;
        pause = pause < EDO_MS(2500) ? pause * 2 : EDO_SEC(5);
    }
}

static int restart(void *argument)
{
    edo_signal *signals = argument;
    int number;
    int rc;

    while ((rc = edo_signal_wait(&number, signals)) == 0)
        for (int i = 0; i < count; i++)
            if (children[i].process)
                edo_process_kill(children[i].process, SIGTERM);
    return rc;
}

static int run(void *argument)
{
    static const int wanted[] = {SIGHUP};
    edo_signal *hangup EDO_AUTO(edo_signal_close) = NULL;
    int rc = edo_signal_open(&hangup, wanted, EDO_COUNT(wanted));

    (void)argument;
    if (rc < 0)
        return rc;
    EDO_SCOPE (all, &rc) {
        rc = edo_spawn(all, restart, hangup);
        if (rc == 0) {
            EDO_SCOPE (supervised, &rc, .policy = EDO_SUPERVISE) {
                for (int i = 0; i < count && rc == 0; i++)
                    rc = edo_spawn(supervised, supervise, &children[i]);
            }
        }
        edo_scope_cancel(all); /* nothing is left to be restarted */
    }
    return rc;
}

int main(int argc, char **argv)
{
    int rc;

    for (int i = 1; i < argc && count < (int)EDO_COUNT(children); i++)
        children[count++].command = argv[i];
    if (count == 0) {
        fprintf(stderr, "usage: supervisor COMMAND...\n");
        return 2;
    }
    rc = edo_run(run, NULL, EDO_OPTIONS(edo_run_options, .workers = 1));
    if (rc < 0 && rc != -ECANCELED)
        fprintf(stderr, "supervisor: %s\n", edo_strerror(rc));
    return rc < 0 && rc != -ECANCELED;
}
