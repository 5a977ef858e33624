/* SPDX-License-Identifier: MIT */
/*
 * Timers: start and stop without a clock reading (deadlines are absolute). In bulk: a million started, then
 * all stopped. Churn: one started and stopped at once, over and over, while none or a million others are
 * armed.
 *
 * A million timers do not fit into a cache, so bulk is compared with what their memory costs at least: the same memory,
 * put into lists and taken out again in the same order, as many lists as the wheel has slots for these deadlines.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 1000000 };

static void never(void *argument)
{
    (void)argument;
}

static void start_all(edo_timer *timers, int64_t now)
{
    for (size_t i = 0; i < MANY; i++)
        edo_timer_start(&timers[i], bench_far_deadline(now, i));
}

static void stop_all(edo_timer *timers)
{
    for (size_t i = 0; i < MANY; i++)
        edo_timer_stop(&timers[i]);
}

struct node {
    struct node *next, *prev;
    int64_t deadline;
};

/* In the memory of timers that are initialized afterwards. */
static void lists_floor(edo_timer *timers, int64_t now)
{
    enum { SLOT_BITS = 40, LISTS = 8 }; /* a slot of the wheel's level for deadlines in an hour or two */
    struct node heads[LISTS];
    double begin;

    memset(timers, 0, MANY * sizeof *timers);
    for (int i = 0; i < LISTS; i++)
        heads[i].next = heads[i].prev = &heads[i];
    begin = bench_busy();
    for (size_t i = 0; i < MANY; i++) {
        struct node *node = (struct node *)(void *)&timers[i];
        int64_t deadline = bench_far_deadline(now, i);
        struct node *head = &heads[deadline >> SLOT_BITS & (LISTS - 1)], *last = head->prev;

        *node = (struct node){head, last, deadline};
        head->prev = node;
        last->next = node;
    }
    for (size_t i = 0; i < MANY; i++) {
        struct node *node = (struct node *)(void *)&timers[i];

        node->prev->next = node->next;
        node->next->prev = node->prev;
        node->next = NULL;
    }
    bench_floor("bulk", (bench_busy() - begin) / MANY);
}

static double churn(int64_t now)
{
    size_t count = bench_amount(MANY);
    edo_timer timer;
    double begin;

    edo_timer_init(&timer, never, NULL);
    begin = bench_busy();
    for (size_t i = 0; i < count; i++) {
        edo_timer_start(&timer, bench_far_deadline(now, i));
        edo_timer_stop(&timer);
    }
    return (bench_busy() - begin) / (double)count;
}

static int root(void *argument)
{
    edo_timer *timers = argument;
    int64_t now = edo_now();

    for (int round = 0; round < bench_rounds(11); round++)
        lists_floor(timers, now);
    for (size_t i = 0; i < MANY; i++)
        edo_timer_init(&timers[i], never, NULL);
    for (int round = 0; round < bench_rounds(11); round++) {
        double begin = bench_busy(), started, stopping, stopped;

        start_all(timers, now);
        started = bench_busy();
        bench_ours("churn-among-1m", churn(now));
        stopping = bench_busy();
        stop_all(timers);
        stopped = bench_busy();
        bench_ours("bulk", (started - begin + stopped - stopping) / MANY);
        bench_ours("churn", churn(now));
    }
    return 0;
}

static int run(const struct bench_row *row)
{
    edo_timer *timers = calloc(MANY, sizeof *timers);
    int rc;

    (void)row;
    if (!timers)
        return -ENOMEM;
    rc = bench_inside(root, timers, 1);
    free(timers);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"bulk", "1M started, all stopped, ns", "their memory in lists", BENCH_AT_MOST, 15},
    {"churn", "started, stopped at once, ns", NULL, BENCH_AT_MOST, 15},
    {"churn-among-1m", "the same among 1M others, ns", NULL, BENCH_AT_MOST, 15},
    {0},
};
const struct bench_row bench_row_timer = {.name = "timer", .metrics = metrics, .run = run, .seconds = 5};
