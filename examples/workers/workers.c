/* SPDX-License-Identifier: MIT */
/*
 * A pool of workers with back-pressure: how many numbers below LIMIT are prime, counted in pieces.
 *
 *     workers [WORKERS [LIMIT]]
 *
 * The pieces go through a channel that holds no more than a few, so the one who makes them waits when all workers are busy,
 * and nothing piles up. Results come as they are ready, and are printed in order: a piece that is early waits for those before
 * it, and the producer may be no further ahead than there is room for such. Progress goes to stderr. Ctrl-C ends it well: no new
 * piece is made, those that were made are done, counted and printed.
 */
#include <edo/edo.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 10000, WAITING = 4, AHEAD = 64 };

struct piece {
    uint64_t number;
    uint64_t first;
    uint64_t behind;
    uint64_t primes;
};

static struct {
    int workers;
    uint64_t limit;
    edo_channel *pieces;
    edo_channel *results;
    edo_semaphore ahead; /* permits: pieces that may still be made before an earlier one is printed */
} pool;

static bool is_prime(uint64_t n)
{
    if (n < 2 || (n > 2 && n % 2 == 0))
        return false;
    for (uint64_t divisor = 3; divisor * divisor <= n; divisor += 2)
        if (n % divisor == 0)
            return false;
    return true;
}

/* --- Who makes the pieces ------------------------------------------------------------------------------------------------- */

static int produce(void *argument)
{
    int rc = 0;

    (void)argument;
    for (uint64_t number = 0; rc == 0 && number * PIECE < pool.limit; number++) {
        struct piece piece = {.number = number, .first = number * PIECE, .behind = (number + 1) * PIECE};

        if (piece.behind > pool.limit)
            piece.behind = pool.limit;
        rc = edo_semaphore_acquire(&pool.ahead, 1);
        if (rc == 0)
            rc = edo_send(pool.pieces, &piece); /* waits while the workers are busy: this is the back-pressure */
    }
    edo_channel_close(pool.pieces); /* the workers end when they have taken what is in it */
    return rc;
}

/* --- Who does the work ---------------------------------------------------------------------------------------------------- */

static int work(void *argument)
{
    struct piece piece;

    (void)argument;
    /* Behind a shield: cancelled is who makes the pieces, the workers end when the channel does. */
    while (edo_recv(&piece, pool.pieces) == 0) {
        for (uint64_t n = piece.first; n < piece.behind; n++) {
            piece.primes += is_prime(n);
            if (n % 256 == 0)
                edo_checkpoint(); /* it computes: others shall have a turn */
        }
        edo_send(pool.results, &piece);
    }
    return 0;
}

static int all_workers(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SHIELD (EDO_FOREVER)
        EDO_SCOPE (scope, &rc)
            for (int i = 0; i < pool.workers && rc == 0; i++)
                rc = edo_spawn(scope, work, NULL);
    edo_channel_close(pool.pieces); /* it is, unless a worker could not be had: nobody would take any */
    edo_channel_close(pool.results);
    return rc;
}

/* --- Who collects --------------------------------------------------------------------------------------------------------- */

static int show_progress(void *argument)
{
    const uint64_t *done = argument;
    edo_interval interval;
    int64_t missed = edo_interval_init(&interval, EDO_MS(200), EDO_MISSED_SKIP);

    while (missed >= 0 && (missed = edo_interval_tick(&interval)) >= 0)
        fprintf(stderr, "workers: %d%%\n", (int)(__atomic_load_n(done, __ATOMIC_RELAXED) * PIECE * 100 / pool.limit));
    return 0;
}

/* Prints the results in order, the early ones when their turn comes. How many pieces there were. */
static int collect(uint64_t *primes, uint64_t *done)
{
    static struct piece early[AHEAD];
    static bool here[AHEAD];
    struct piece piece;

    while (edo_recv(&piece, pool.results) == 0) {
        early[piece.number % AHEAD] = piece; /* free: the semaphore lets nobody get further ahead */
        here[piece.number % AHEAD] = true;
        for (; here[*done % AHEAD]; __atomic_fetch_add(done, 1, __ATOMIC_RELAXED)) {
            struct piece *next = &early[*done % AHEAD];

            here[*done % AHEAD] = false;
            *primes += next->primes;
            printf("%llu primes below %llu\n", (unsigned long long)*primes, (unsigned long long)next->behind);
            edo_semaphore_release(&pool.ahead, 1);
        }
    }
    return 0;
}

static int root(void *argument)
{
    uint64_t primes = 0;
    uint64_t done = 0;
    int rc = edo_channel_create(&pool.pieces, sizeof(struct piece), WAITING);
    int result = 0;

    (void)argument;
    edo_semaphore_init(&pool.ahead, AHEAD);
    if (rc == 0)
        rc = edo_channel_create(&pool.results, sizeof(struct piece), WAITING);
    if (rc == 0) {
        edo_task *producer = NULL;

        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            rc = edo_spawn(scope, produce, NULL, .handle = &producer);
            if (rc == 0)
                rc = edo_spawn(scope, all_workers, NULL);
            if (rc < 0)
                edo_channel_close(pool.pieces);
            EDO_SHIELD (EDO_FOREVER)
                if (rc == 0)
                    EDO_SCOPE (showing, NULL) {
                        edo_spawn(showing, show_progress, &done);
                        collect(&primes, &done);
                        edo_scope_cancel(showing);
                    }
        }
        EDO_SHIELD (EDO_FOREVER)
            if (producer)
                edo_join(&result, producer);
        if (rc >= 0)
            rc = result;
    }
    if (rc == -ECANCELED)
        fprintf(stderr, "workers: ended early\n");
    printf("%llu pieces, %llu primes\n", (unsigned long long)done, (unsigned long long)primes);
    edo_channel_destroy(pool.results);
    edo_channel_destroy(pool.pieces);
    edo_semaphore_finish(&pool.ahead);
    return rc;
}

int main(int argc, char **argv)
{
    int rc;

    pool.workers = argc > 1 ? atoi(argv[1]) : 4;
    pool.limit = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
    if (pool.workers < 1 || pool.limit < 1) {
        fprintf(stderr, "usage: workers [WORKERS [LIMIT]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rc = edo_run(root, NULL, NULL);
    if (rc < 0)
        fprintf(stderr, "workers: %s\n", edo_strerror(rc));
    return rc < 0;
}
