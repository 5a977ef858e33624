/* SPDX-License-Identifier: MIT */
/*
 * A ring of coroutines that hand over to one another by the bare switch. The caller is the first of the ring.
 * The stacks are as far apart as Edo's are. The ring is used by one thread at a time.
 */
#include "floor/switch.h"

#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_DISTANCE ((size_t)256 * 1024)

struct coroutine {
    void *context;
    struct coroutine *next;
};

static struct coroutine *running;

static inline void hand_over(void)
{
    struct coroutine *self = running;

    running = self->next;
    bench_switch(&self->context, running->context);
}

static void forever(void)
{
    for (;;)
        hand_over();
}

double bench_switch_ring(size_t count, size_t switches)
{
    size_t rounds = switches / count + 1, size = count * STACK_DISTANCE;
    struct coroutine *ring = calloc(count, sizeof *ring);
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double begin, result = NAN;

    if (ring && stacks != MAP_FAILED) {
        for (size_t i = 0; i < count; i++) {
            ring[i].next = &ring[(i + 1) % count];
            ring[i].context = bench_switch_prepare(stacks + (i + 1) * STACK_DISTANCE, forever);
        }
        running = &ring[0];
        hand_over(); /* the first round touches the stacks */
        begin = bench_busy();
        for (size_t i = 0; i < rounds; i++)
            hand_over();
        result = (bench_busy() - begin) / (double)(rounds * count);
    }
    if (stacks != MAP_FAILED)
        munmap(stacks, size);
    free(ring);
    return result;
}
