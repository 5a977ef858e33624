/* SPDX-License-Identifier: MIT */
/*
 * What gdb is shown by check.sh: a program that uses so little of a static libedo.a that most of the library is not in
 * it; whose runtime runs on another thread than main's, which stands in main itself; and with a task in a blocking
 * region.
 */
#include <edo/park.h>
#include <edo/runtime.h>
#include <edo/scope.h>
#include <edo/task.h>
#include <edo/blocking.h>

#include <pthread.h>
#include <unistd.h>

static uint32_t word;
static volatile int waits, in_region;

static int wait_word(void *argument)
{
    int rc;

    (void)argument;
    waits = 1;
    rc = edo_wait_word(&word, 0, EDO_FOREVER);
    return rc < 0 ? rc : 0;
}

static int stay_in_region(void *argument)
{
    (void)argument;
    edo_blocking_begin();
    in_region = 1;
    for (;;)
        pause();
    return 0;
}

static int root(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc) {
        rc = edo_spawn(all, wait_word, NULL, .name = "word");
        while (rc == 0 && !waits)
            rc = edo_yield();
        if (rc == 0)
            rc = edo_spawn(all, stay_in_region, NULL, .name = "region");
    }
    return rc;
}

static void *run(void *argument)
{
    edo_run(root, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
    return NULL;
}

int main(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, NULL) != 0)
        return 1;
    while (!in_region)
        usleep(1000);
    in_region = 2; /* gdb stops here */
    return 0;
}
