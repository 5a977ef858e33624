/* SPDX-License-Identifier: MIT */
/* A program that stalls once; stripped.sh runs it. */
#include <edo/edo.h>

#include <time.h>

static volatile int sink;

__attribute__((noinline)) static void sleeps_here(void)
{
    struct timespec pause = {0, 300000000};

    nanosleep(&pause, NULL);
    sink++;
}

static int root(void *argument)
{
    (void)argument;
    sleeps_here();
    sink++;
    return 0;
}

int main(void)
{
    return edo_run(root, NULL, NULL);
}
