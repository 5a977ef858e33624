/* SPDX-License-Identifier: MIT */
/*
 * Ping-pong: two tasks hand a turn to and fro by waiting on a word; a round trip is at least two switches.
 */
#include "floor/switch.h"
#include "rows/inside.h"
#include "rows/rows.h"

struct table {
    uint32_t turn; /* 0 or 1: whose it is */
    size_t rounds;
    double (*clock)(void);
    double begin, end;
};

static void take_turn(struct table *table, uint32_t self)
{
    while (__atomic_load_n(&table->turn, __ATOMIC_ACQUIRE) != self)
        edo_wait_word(&table->turn, !self, EDO_FOREVER);
}

static void give_turn(struct table *table, uint32_t self)
{
    __atomic_store_n(&table->turn, !self, __ATOMIC_RELEASE);
    edo_wake_word(&table->turn, 1);
}

static int ping(void *argument)
{
    struct table *table = argument;

    table->begin = table->clock();
    for (size_t i = 0; i < table->rounds; i++) {
        take_turn(table, 0);
        give_turn(table, 0);
    }
    take_turn(table, 0);
    table->end = table->clock();
    return 0;
}

static int pong(void *argument)
{
    struct table *table = argument;

    for (size_t i = 0; i < table->rounds; i++) {
        take_turn(table, 1);
        give_turn(table, 1);
    }
    return 0;
}

static int root(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, pong, argument);
        if (rc == 0)
            rc = edo_spawn(scope, ping, argument);
    }
    return rc;
}

/* Two workers come first: the runtime with one keeps the process on one core from then on. */
static int sample(const char *key, int workers, size_t rounds)
{
    struct table table = {.rounds = rounds, .clock = workers == 1 ? bench_busy : bench_now};
    int rc;

    bench_floor(key, 2 * bench_switch_ring(2, bench_amount(BENCH_SWITCHES)));
    if ((rc = bench_inside(root, &table, workers)) == 0)
        bench_ours(key, (table.end - table.begin) / (double)rounds);
    return rc;
}

static int run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(5) && rc == 0; round++)
        rc = sample("two-workers", 2, bench_amount(200000));
    for (int round = 0; round < bench_rounds(11) && rc == 0; round++)
        rc = sample("one-worker", 1, bench_amount(1000000));
    return rc;
}

static const struct bench_metric metrics[] = {
    {"one-worker", "round trip, 1 worker, ns", "two bare switches", BENCH_INFORMATION, 0},
    {"two-workers", "round trip, 2 workers, ns", "two bare switches", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_ping_pong = {.name = "ping-pong", .metrics = metrics, .run = run, .seconds = 10};
