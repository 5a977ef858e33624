/* SPDX-License-Identifier: MIT */
/*
 * Synchronisation against what threads have. The mutex uncontended: one task, one worker, against one thread and a
 * pthread_mutex (another thread exists, so that both pay for atomics). Contended: 8 tasks on two workers against 8
 * threads, each locking, adding one, and unlocking. Semaphore and notify for information.
 */
#include "rows/inside.h"
#include "rows/rows.h"

#include <errno.h>
#include <pthread.h>

enum { CROWD = 8 };

static edo_mutex ours = EDO_MUTEX_INIT;
static pthread_mutex_t floors = PTHREAD_MUTEX_INITIALIZER;
static volatile size_t guarded;

/* --- Uncontended -------------------------------------------------------------------------------------------------- */

static void *floor_alone(void *argument)
{
    size_t count = bench_amount(BENCH_SWITCHES);
    double begin = bench_busy();

    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&floors);
        guarded++;
        pthread_mutex_unlock(&floors);
    }
    *(double *)argument = (bench_busy() - begin) / (double)count;
    return NULL;
}

static int ours_alone(void *argument)
{
    size_t count = bench_amount(BENCH_SWITCHES);
    double begin = bench_busy();
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = edo_mutex_lock(&ours);
        guarded++;
        edo_mutex_unlock(&ours);
    }
    *(double *)argument = (bench_busy() - begin) / (double)count;
    return rc;
}

/* --- Contended ---------------------------------------------------------------------------------------------------- */

static void *floor_crowd(void *argument)
{
    size_t count = *(size_t *)argument;

    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&floors);
        guarded++;
        pthread_mutex_unlock(&floors);
    }
    return NULL;
}

static int floor_contended(double *ns)
{
    size_t count = bench_amount(1000000);
    pthread_t threads[CROWD];
    double begin = bench_now();

    for (int i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], NULL, floor_crowd, &count))
            return -EAGAIN;
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    *ns = (bench_now() - begin) / (double)(CROWD * count);
    return 0;
}

static int crowd(void *argument)
{
    size_t count = *(size_t *)argument;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = edo_mutex_lock(&ours);
        guarded++;
        edo_mutex_unlock(&ours);
    }
    return rc;
}

static int ours_contended(void *argument)
{
    size_t count = bench_amount(1000000);
    double begin = bench_now();
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < CROWD && rc == 0; i++)
            rc = edo_spawn(scope, crowd, &count);
    *(double *)argument = (bench_now() - begin) / (double)(CROWD * count);
    return rc;
}

/* --- Semaphore and notify ----------------------------------------------------------------------------------------- */

static int semaphore_alone(void *argument)
{
    edo_semaphore semaphore = EDO_SEMAPHORE_INIT(3);
    size_t count = bench_amount(BENCH_SWITCHES);
    double begin = bench_busy();
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = edo_semaphore_acquire(&semaphore, 2);
        edo_semaphore_release(&semaphore, 2);
    }
    *(double *)argument = (bench_busy() - begin) / (double)count;
    return rc;
}

struct notes {
    edo_notify to, fro;
    size_t count;
};

static int answers(void *argument)
{
    struct notes *notes = argument;
    int rc = 0;

    for (size_t i = 0; i < notes->count && rc == 0; i++) {
        rc = edo_notify_wait(&notes->to);
        edo_notify_one(&notes->fro);
    }
    return rc;
}

static int notify_round_trip(void *argument)
{
    struct notes notes = {EDO_NOTIFY_INIT, EDO_NOTIFY_INIT, bench_amount(500000)};
    double begin = bench_busy();
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, answers, &notes);
        for (size_t i = 0; i < notes.count && rc == 0; i++) {
            edo_notify_one(&notes.to);
            rc = edo_notify_wait(&notes.fro);
        }
    }
    *(double *)argument = (bench_busy() - begin) / (double)notes.count;
    return rc;
}

/* --- The rows ----------------------------------------------------------------------------------------------------- */

/* Runs fn and tells its sample. */
static int inside(const char *key, edo_task_fn fn, int workers)
{
    double ns = 0;
    int rc = bench_inside(fn, &ns, workers);

    if (rc == 0)
        bench_ours(key, ns);
    return rc;
}

/* Two workers come first: the runtime with one keeps the process on one core from then on. */
static int run(const struct bench_row *row)
{
    int rc = 0;
    double ns;

    (void)row;
    for (int round = 0; round < bench_rounds(9) && rc == 0; round++) {
        rc = floor_contended(&ns);
        if (rc == 0) {
            bench_floor("contended", ns);
            rc = inside("contended", ours_contended, 2);
        }
    }
    for (int round = 0; round < bench_rounds(11) && rc == 0; round++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, floor_alone, &ns))
            return -EAGAIN;
        pthread_join(thread, NULL);
        bench_floor("uncontended", ns);
        rc = inside("uncontended", ours_alone, 1);
        if (rc == 0)
            rc = inside("semaphore", semaphore_alone, 1);
        if (rc == 0)
            rc = inside("notify", notify_round_trip, 1);
    }
    return rc;
}

static const struct bench_metric metrics[] = {
    {"uncontended", "mutex, lock and unlock, ns", "pthread_mutex", BENCH_RATIO, 2},
    {"contended", "8 tasks, 2 workers, ns", "8 threads", BENCH_RATIO, 1},
    {"semaphore", "acquire, release 2, ns", NULL, BENCH_INFORMATION, 0},
    {"notify", "round trip, 1 worker, ns", NULL, BENCH_INFORMATION, 0},
    {0},
};
const struct bench_row bench_row_sync = {.name = "sync", .metrics = metrics, .run = run, .seconds = 10};
