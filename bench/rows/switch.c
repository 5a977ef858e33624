/* SPDX-License-Identifier: MIT */
/*
 * The context switch alone: Edo's against the bare one, in the same ring of coroutines. One thread.
 */
#include "floor/switch.h"
#include "measure.h"
#include "rows/rows.h"

#include "runtime/context.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define SWITCHES   ((size_t)5000000)

struct flow {
    struct edo_context context;
    struct flow *next;
};

static struct flow *running;

static inline void hand_over(void)
{
    struct flow *self = running;

    running = self->next;
    edo_context_switch(&self->context, &running->context, NULL);
}

static void forever(void *baton)
{
    (void)baton;
    for (;;)
        hand_over();
}

static int edo_ring(double *ns, size_t count, size_t switches)
{
    size_t rounds = switches / count + 1, size = count * STACK_SIZE;
    struct flow *ring = calloc(count, sizeof *ring);
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double begin;
    int rc = -ENOMEM;

    if (ring && stacks != MAP_FAILED) {
        edo_context_adopt(&ring[0].context);
        for (size_t i = 0; i < count; i++) {
            ring[i].next = &ring[(i + 1) % count];
            if (i > 0)
                edo_context_prepare(&ring[i].context, stacks + i * STACK_SIZE, STACK_SIZE, 0, forever);
        }
        running = &ring[0];
        hand_over();
        begin = bench_busy();
        for (size_t i = 0; i < rounds; i++)
            hand_over();
        *ns = (bench_busy() - begin) / (double)(rounds * count);
        for (size_t i = 1; i < count; i++)
            edo_context_finish(&ring[i].context);
        edo_context_forget(&ring[0].context);
        rc = 0;
    }
    if (stacks != MAP_FAILED)
        munmap(stacks, size);
    free(ring);
    return rc;
}

static int sample(const char *key, size_t count)
{
    double ns = bench_switch_ring(count, bench_amount(SWITCHES));
    int rc = 0;

    bench_floor(key, ns);
    if (bench_options.itself)
        ns = bench_switch_ring(count, bench_amount(SWITCHES));
    else
        rc = edo_ring(&ns, count, bench_amount(SWITCHES));
    if (rc == 0)
        bench_ours(key, ns);
    return rc;
}

static int run(const struct bench_row *row)
{
    int rc = 0;

    (void)row;
    if (bench_core(0) >= 0)
        bench_pin(bench_core(0));
    for (int round = 0; round < bench_rounds(15) && rc == 0; round++)
        if ((rc = sample("two", 2)) == 0)
            rc = sample("thousand", 1000);
    return rc;
}

static const struct bench_metric metrics[] = {
    {"two", "between 2 stacks, ns", "bare switch", BENCH_INFORMATION, 0},
    {"thousand", "over 1,000 stacks, ns", "bare switch, the same", BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_switch = {
    .name = "switch", .metrics = metrics, .run = run, .seconds = 5, .itself = true};
