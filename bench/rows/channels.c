/* SPDX-License-Identifier: MIT */
/*
 * Channels: two tasks that hand a value to and fro; four that send to one; a select over eight of which one is ready,
 * against a receive from that one.
 */
#include "rows/inside.h"
#include "rows/rows.h"

enum { SENDERS = 4, CAPACITY = 1024, ARMS = 8 };

struct table {
    edo_channel *there;
    edo_channel *back;
    size_t rounds;
    double (*clock)(void);
    double floor, ours; /* ns each */
};

/* --- To and fro, against a pair of yields ------------------------------------------------------------------------- */

static int yields(void *argument)
{
    struct table *table = argument;

    for (size_t i = 0; i < table->rounds; i++)
        edo_yield();
    return 0;
}

static int pong(void *argument)
{
    struct table *table = argument;
    size_t value;

    while (edo_recv(&value, table->there) == 0)
        edo_send(table->back, &value);
    return 0;
}

static int ping_root(void *argument)
{
    struct table *table = argument;
    double begin;
    int rc = 0;

    edo_channel_create(&table->there, sizeof(size_t), 1);
    edo_channel_create(&table->back, sizeof(size_t), 1);
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, yields, table);
        begin = table->clock();
        yields(table);
        table->floor = (table->clock() - begin) / (double)table->rounds;
    }
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, pong, table);
        begin = table->clock();
        for (size_t i = 0; i < table->rounds; i++) {
            edo_send(table->there, &i);
            edo_recv(&i, table->back);
        }
        table->ours = (table->clock() - begin) / (double)table->rounds;
        edo_channel_close(table->there);
    }
    edo_channel_destroy(table->there);
    edo_channel_destroy(table->back);
    return rc;
}

static int ping_run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(11) && rc == 0; round++) {
        struct table table = {.rounds = bench_amount(1000000), .clock = bench_busy};

        rc = bench_inside(ping_root, &table, 1);
        bench_floor("round-trip", table.floor); /* of each of the two that yield: two switches, as a round trip has */
        bench_ours("round-trip", table.ours);
    }
    return rc;
}

static const struct bench_metric ping_metrics[] = {
    {"round-trip", "capacity 1, round trip, ns", "a pair of yields", BENCH_RATIO, 2},
    {0},
};
const struct bench_row bench_row_channel_ping = {
    .name = "sync-ping-pong", .metrics = ping_metrics, .run = ping_run, .seconds = 10};

/* --- Four to one -------------------------------------------------------------------------------------------------- */

static int sends(void *argument)
{
    struct table *table = argument;

    for (size_t i = 0; i < table->rounds; i++)
        edo_send(table->there, &i);
    return 0;
}

static int many_root(void *argument)
{
    struct table *table = argument;
    double begin;
    size_t value;
    int rc = 0;

    edo_channel_create(&table->there, sizeof(size_t), CAPACITY);
    EDO_SCOPE (scope, &rc) {
        begin = table->clock();
        for (int i = 0; i < SENDERS && rc == 0; i++)
            rc = edo_spawn(scope, sends, table);
        for (size_t i = 0; i < table->rounds * SENDERS; i++)
            edo_recv(&value, table->there);
        table->ours = (table->clock() - begin) / (double)(table->rounds * SENDERS);
    }
    edo_channel_destroy(table->there);
    return rc;
}

static int many_run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(7) && rc == 0; round++) {
        struct table table = {.rounds = bench_amount(500000), .clock = bench_now};

        rc = bench_inside(many_root, &table, 2);
        bench_ours("two-workers", table.ours);
    }
    for (int round = 0; round < bench_rounds(7) && rc == 0; round++) {
        struct table table = {.rounds = bench_amount(500000), .clock = bench_busy};

        rc = bench_inside(many_root, &table, 1);
        bench_ours("one-worker", table.ours);
    }
    return rc;
}

static const struct bench_metric many_metrics[] = {
    {"one-worker", "4 to 1, capacity 1,024, 1 worker, ns", NULL, BENCH_AT_MOST, 40},
    {"two-workers", "the same, 2 workers, ns", NULL, BENCH_AT_MOST, 55},
    {0},
};
const struct bench_row bench_row_channel_many = {
    .name = "sync-mpsc", .metrics = many_metrics, .run = many_run, .seconds = 10};

/* --- Select ------------------------------------------------------------------------------------------------------- */

static int select_root(void *argument)
{
    struct table *table = argument;
    edo_channel *channels[ARMS];
    edo_arm arms[ARMS];
    size_t value = 0;
    double begin;

    for (int i = 0; i < ARMS; i++) {
        edo_channel_create(&channels[i], sizeof value, 1);
        arms[i] = EDO_RECV(channels[i], &value);
    }
    /* A send that fills, and the receive or the select that empties; the send alone is taken off. */
    begin = table->clock();
    for (size_t i = 0; i < table->rounds; i++) {
        edo_try_send(channels[i % ARMS], &value);
        edo_recv(&value, channels[i % ARMS]);
    }
    table->floor = (table->clock() - begin) / (double)table->rounds;
    begin = table->clock();
    for (size_t i = 0; i < table->rounds; i++) {
        edo_try_send(channels[i % ARMS], &value);
        edo_select(arms, ARMS);
    }
    table->ours = (table->clock() - begin) / (double)table->rounds;
    for (int i = 0; i < ARMS; i++)
        edo_channel_destroy(channels[i]);
    return 0;
}

static int select_run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    for (int round = 0; round < bench_rounds(11) && rc == 0; round++) {
        struct table table = {.rounds = bench_amount(1000000), .clock = bench_busy};

        rc = bench_inside(select_root, &table, 1);
        bench_floor("ready", table.floor / 2); /* half of it is the send, which costs as much */
        bench_ours("ready", table.ours - table.floor / 2);
    }
    return rc;
}

static const struct bench_metric select_metrics[] = {
    {"ready", "over 8 channels, one ready, ns", "a receive", BENCH_RATIO, 6},
    {0},
};
const struct bench_row bench_row_select = {
    .name = "sync-select", .metrics = select_metrics, .run = select_run, .seconds = 10};
