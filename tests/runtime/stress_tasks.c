/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, from a seed: trees of tasks under random policies, cancelled at random scopes by tasks, by a
 * plain thread and by deadlines, behind shields, while they sleep, park on words, hold mutexes, start and stop timers,
 * block, lie dormant, echo over socket pairs or stay pinned; and a plain thread keeps taking workers from the threads
 * that carry them. What must hold is counted: nothing lost, nothing twice, nothing left.
 *
 * A hang is a finding too (a wake or a cancellation was lost); the timeout of the test tells.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <edo/edo.h>

#include "runtime/runtime.h"
#include "runtime/take_worker.h"
#include "stress.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { GARDENERS = 12, DEPTH = 3, TOKENS = 3, CANCELLERS_SLOTS = 4 };

/* One run: what all its tasks share. */
static struct garden {
    struct edo_runtime *runtime;
    int64_t end;
    uint64_t seed;
    _Atomic bool over; /* the plain threads are to stop */
    uint32_t stopped;  /* how many have */

    _Atomic int64_t spawned, ran, ended;
    _Atomic int64_t jobs, jobs_dropped;
    _Atomic int64_t takes;
    _Atomic int64_t wakes, woken; /* edo_wake_word's answers; edo_wait_word's zeros */

    uint32_t tokens;
    _Atomic int tokens_out;
    uint32_t mutex;
    uint64_t guarded, expected; /* the first under the mutex alone */

    pthread_mutex_t slots_lock;
    edo_scope *slots[CANCELLERS_SLOTS]; /* scopes that the plain thread may cancel */
} garden;

/* What a task carries. */
struct life {
    uint64_t random;
    int depth;
    edo_scope *victim; /* one around it that it may cancel; NULL: none */
};

static uint32_t pick(struct life *life, uint32_t count)
{
    return (uint32_t)(edo_test_random(&life->random) >> 33) % count;
}

static bool time_is_up(void)
{
    return edo_now() >= garden.end;
}

static struct life child_of(struct life *life, edo_scope *victim)
{
    struct life child = {edo_test_random(&life->random), life->depth + 1, victim};

    return child;
}

static int grow(void *argument);

/* --- Waiting on words --------------------------------------------------------------------------------------------- */

static int counted_wait(const uint32_t *word, uint32_t expected, int64_t deadline)
{
    int rc = edo_wait_word(word, expected, deadline);

    REQUIRE(rc == 0 || rc == -EAGAIN || rc == -ETIMEDOUT || rc == -ECANCELED);
    if (rc == 0)
        atomic_fetch_add(&garden.woken, 1);
    return rc;
}

static void counted_wake(const uint32_t *word, int count)
{
    atomic_fetch_add(&garden.wakes, edo_wake_word(word, count));
}

static int token_take(int64_t deadline)
{
    for (;;) {
        uint32_t count = __atomic_load_n(&garden.tokens, __ATOMIC_SEQ_CST);
        int rc;

        if (count > 0) {
            if (!__atomic_compare_exchange_n(&garden.tokens, &count, count - 1, false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST))
                continue;
            REQUIRE(atomic_fetch_add(&garden.tokens_out, 1) < TOKENS);
            return 0;
        }
        rc = counted_wait(&garden.tokens, 0, deadline);
        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
}

static void token_put(void)
{
    atomic_fetch_sub(&garden.tokens_out, 1);
    __atomic_fetch_add(&garden.tokens, 1, __ATOMIC_SEQ_CST);
    counted_wake(&garden.tokens, 1);
}

/* 0 free, 1 held, 2 held and perhaps waited for. */
static int mutex_lock(int64_t deadline)
{
    uint32_t free = 0;

    if (__atomic_compare_exchange_n(&garden.mutex, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    while (__atomic_exchange_n(&garden.mutex, 2, __ATOMIC_ACQUIRE) != 0) {
        int rc = counted_wait(&garden.mutex, 2, deadline);

        if (rc < 0 && rc != -EAGAIN)
            return rc;
    }
    return 0;
}

static void mutex_unlock(void)
{
    if (__atomic_exchange_n(&garden.mutex, 0, __ATOMIC_RELEASE) == 2)
        counted_wake(&garden.mutex, 1);
}

/* --- What a task may do ------------------------------------------------------------------------------------------- */

static void do_compute(struct life *life)
{
    int64_t end = edo_now() + EDO_US(pick(life, 60));

    while (edo_now() < end)
        if (pick(life, 2))
            edo_checkpoint();
}

static void do_yield(struct life *life)
{
    for (uint32_t i = pick(life, 20); i > 0; i--)
        edo_yield();
}

static void do_sleep(struct life *life)
{
    int64_t deadline = edo_now() + EDO_US(pick(life, 300)) - EDO_US(20);
    int rc = edo_sleep_until(deadline);

    if (rc == 0)
        REQUIRE(edo_now() >= deadline);
    else
        REQUIRE(rc == -ECANCELED && edo_cancelled());
}

static void do_token(struct life *life)
{
    int64_t deadline = pick(life, 3) ? EDO_FOREVER : edo_now() + EDO_US(pick(life, 100));

    if (token_take(deadline) < 0)
        return;
    if (pick(life, 2))
        edo_yield();
    token_put();
}

static void do_mutex(struct life *life)
{
    for (uint32_t i = pick(life, 10); i > 0; i--) {
        if (mutex_lock(pick(life, 3) ? EDO_FOREVER : edo_now() + EDO_US(pick(life, 50))) < 0)
            return;
        garden.guarded++;
        if (pick(life, 4) == 0)
            edo_yield();
        __atomic_fetch_add(&garden.expected, 1, __ATOMIC_RELAXED);
        mutex_unlock();
    }
}

struct bell {
    uint32_t alive;
    _Atomic int rings;
    int again;
    edo_timer timer;
};

static void ring_bell(void *argument)
{
    struct bell *bell = (struct bell *)argument;

    REQUIRE(bell->alive == 0x5afe);
    atomic_fetch_add(&bell->rings, 1);
    if (bell->again > 0) {
        bell->again--;
        edo_timer_start(&bell->timer, edo_now() + EDO_US(10));
    }
}

static void do_timer(struct life *life)
{
    struct bell bell = {.alive = 0x5afe};
    int stopped;
    int rings;

    edo_timer_init(&bell.timer, ring_bell, &bell);
    bell.again = pick(life, 2) ? (int)pick(life, 4) : 0;
    for (uint32_t i = pick(life, 2); bell.again == 0 && i > 0; i--)
        REQUIRE(edo_timer_start(&bell.timer, edo_now() + EDO_SEC(10)) == 0);
    REQUIRE(edo_timer_start(&bell.timer, edo_now() + EDO_US(pick(life, 120)) - EDO_US(10)) == 0);
    switch (pick(life, 4)) {
    case 0:
        do_sleep(life);
        break;
    case 1:
        do_yield(life);
        break;
    case 2:
        do_compute(life);
        break;
    }
    rings = bell.again;
    stopped = edo_timer_stop(&bell.timer);
    REQUIRE(stopped == 0 || stopped == 1);
    if (rings == 0 && bell.again == 0 && atomic_load(&bell.rings) <= 1)
        REQUIRE(stopped == 0 ? atomic_load(&bell.rings) >= 1 : true);
    rings = atomic_load(&bell.rings);
    bell.alive = 0xdead;
    if (pick(life, 3) == 0)
        edo_yield();
    REQUIRE(atomic_load(&bell.rings) == rings);
    REQUIRE(edo_timer_stop(&bell.timer) == 0);
}

static int job(void *argument)
{
    _Atomic int *runs = *(_Atomic int **)argument;

    if (runs)
        atomic_fetch_add(runs, 1);
    sched_yield();
    return 7;
}

static void job_dropped(void *argument)
{
    (void)argument;
    atomic_fetch_add(&garden.jobs_dropped, 1);
}

static void do_blocking(struct life *life)
{
    _Atomic int runs = 0;
    _Atomic int *told = &runs;
    int rc;

    if (pick(life, 2)) {
        rc = edo_blocking(job, &told);
        REQUIRE(rc == (atomic_load(&runs) ? 7 : -ECANCELED) && atomic_load(&runs) <= 1);
        return;
    }
    told = NULL;
    rc = edo_blocking(job, &told, .abandonable = true, .copy = sizeof told, .drop = job_dropped);
    REQUIRE(rc == 7 || rc == -ECANCELED);
    if (rc == -ECANCELED)
        atomic_fetch_add(&garden.jobs, 1);
}

/* --- Tasks of all kinds ------------------------------------------------------------------------------------------- */

static int spawned(int rc)
{
    REQUIRE(rc == 0);
    atomic_fetch_add(&garden.spawned, 1);
    return rc;
}

static int finish(int rc)
{
    atomic_fetch_add(&garden.ended, 1);
    return rc;
}

static int pinned(void *argument)
{
    struct life life = *(struct life *)argument;
    pid_t thread = gettid(); /* pthread_self is const to compilers: it would be asked once */

    atomic_fetch_add(&garden.ran, 1);
    for (int i = 0; i < 6; i++) {
        if (pick(&life, 2))
            do_sleep(&life);
        else
            do_compute(&life);
        edo_yield();
        REQUIRE(thread == gettid());
    }
    return finish(0);
}

static int later(void *argument)
{
    struct life *life = (struct life *)argument;
    int rc = edo_resumption();

    REQUIRE(rc == 0 || rc == -ECANCELED);
    REQUIRE((rc == -ECANCELED) <= edo_cancelled());
    if (life->depth++ == 0)
        atomic_fetch_add(&garden.ran, 1);
    if (pick(life, 3) == 0)
        do_sleep(life);
    if (life->depth > 5 || edo_cancelled())
        return finish(0);
    if (pick(life, 2))
        return edo_continue(EDO_WHEN_NOW, later, life);
    return edo_continue(EDO_WHEN_AT(edo_now() + EDO_US(pick(life, 100))), later, life);
}

static int failing(void *argument)
{
    struct life *life = (struct life *)argument;

    atomic_fetch_add(&garden.ran, 1);
    do_sleep(life);
    return finish(pick(life, 2) ? -EIO : 0);
}

/* Waits for what never comes, behind any number of scopes: only a cancellation ends it. */
static int sink_in(struct life *life, int scopes)
{
    static const uint32_t never = 0;
    int rc = 0;

    if (scopes > 0) {
        switch (pick(life, 4)) {
        case 0:
            EDO_TIMEOUT (EDO_SEC(3600), &rc) {
                rc = sink_in(life, scopes - 1);
            }
            break;
        case 1:
            EDO_SCOPE (inner, &rc, .shield = EDO_US(1 + pick(life, 100))) {
                rc = sink_in(life, scopes - 1);
            }
            break;
        default:
            EDO_SCOPE (inner, &rc, .policy = (int)pick(life, 2)) {
                struct life child = child_of(life, NULL);

                child.depth = 0;
                if (pick(life, 2))
                    spawned(edo_spawn(inner, later, &child, .copy = sizeof child));
                rc = sink_in(life, scopes - 1);
            }
        }
        return rc;
    }
    switch (pick(life, 3)) {
    case 0:
        rc = edo_sleep(EDO_SEC(3600));
        break;
    case 1:
        rc = counted_wait(&never, 0, pick(life, 2) ? EDO_FOREVER : edo_now() + EDO_SEC(3600));
        break;
    default:
        while ((rc = edo_yield()) == 0)
            ;
    }
    REQUIRE(rc == -ECANCELED && edo_cancelled() && edo_cancel_reason() != EDO_REASON_NONE);
    return rc;
}

static int sink(void *argument)
{
    struct life *life = (struct life *)argument;

    atomic_fetch_add(&garden.ran, 1);
    return finish(sink_in(life, (int)pick(life, 4)));
}

static void do_sinks(struct life *life)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = (int)pick(life, 2)) {
        for (uint32_t i = pick(life, 5); i > 0; i--) {
            struct life child = child_of(life, scope);

            spawned(edo_spawn(scope, sink, &child, .copy = sizeof child));
        }
        switch (pick(life, 3)) {
        case 0:
            do_sleep(life);
            break;
        case 1:
            do_yield(life);
            break;
        }
        edo_scope_cancel(scope);
    }
    REQUIRE(rc == 0 || rc == -ECANCELED); /* the latter if it came from outside */
}

static void do_deadline(struct life *life)
{
    struct life child = child_of(life, NULL);
    int64_t timeout = EDO_US(pick(life, 200));
    int64_t before = edo_now();
    int rc = 0;

    EDO_SCOPE (scope, &rc, .timeout = timeout ? timeout : -1) {
        spawned(edo_spawn(scope, sink, &child, .copy = sizeof child));
        rc = sink_in(life, (int)pick(life, 3));
    }
    REQUIRE(rc == -ETIMEDOUT || rc == -ECANCELED);
    REQUIRE(rc != -ETIMEDOUT || edo_now() >= before + timeout);
}

static void do_shield(struct life *life)
{
    EDO_SHIELD (EDO_US(1 + pick(life, 200))) {
        do_sleep(life);
        do_mutex(life);
        do_token(life);
    }
}

static void do_foreign_cancel(struct life *life)
{
    uint32_t slot = pick(life, CANCELLERS_SLOTS);
    bool mine = false;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        struct life child = child_of(life, scope);

        pthread_mutex_lock(&garden.slots_lock);
        mine = !garden.slots[slot] && !atomic_load(&garden.over);
        if (mine)
            garden.slots[slot] = scope;
        pthread_mutex_unlock(&garden.slots_lock);
        if (mine) {
            spawned(edo_spawn(scope, sink, &child, .copy = sizeof child));
            rc = sink_in(life, (int)pick(life, 3));
        }
        pthread_mutex_lock(&garden.slots_lock);
        if (mine && garden.slots[slot] == scope)
            garden.slots[slot] = NULL;
        pthread_mutex_unlock(&garden.slots_lock);
    }
}

static int echo(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = *(edo_stream **)argument;
    char buffer[700];
    ssize_t n;

    atomic_fetch_add(&garden.ran, 1);
    while ((n = edo_read(stream, buffer, sizeof buffer)) > 0)
        if (edo_write_all(stream, buffer, (size_t)n) < 0)
            break;
    return finish(0);
}

static void do_echo(struct life *life)
{
    edo_stream *ends[2] = {NULL, NULL};
    int fds[2];
    int rc = 0;

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    REQUIRE(edo_stream_from_fd(&ends[0], fds[0]) == 0 && edo_stream_from_fd(&ends[1], fds[1]) == 0);
    EDO_SCOPE (scope, &rc) {
        spawned(edo_spawn(scope, echo, &ends[1], .copy = sizeof ends[1], .pinned = pick(life, 8) == 0));
        for (uint32_t i = pick(life, 20); rc >= 0 && i > 0; i--) {
            char sent[1000], got[1000];
            size_t size = 1 + pick(life, sizeof sent), have = 0;
            ssize_t n = 0;

            memset(sent, (int)pick(life, 256), size);
            if (edo_write_all(ends[0], sent, size) < 0)
                break;
            while (have < size && (n = edo_read(ends[0], got + have, size - have)) > 0)
                have += (size_t)n;
            if (have < size) {
                REQUIRE(edo_cancelled()); /* or the other end has seen that first, and closed */
                break;
            }
            REQUIRE(memcmp(sent, got, size) == 0);
        }
        edo_close(ends[0]); /* the echo sees the end, or that it is cancelled */
    }
}

/* A generation of children under some policy: some fail, some cancel the scope, some are joined, some detached. */
static void do_children(struct life *life)
{
    edo_task *handles[4] = {NULL};
    uint32_t count = 1 + pick(life, EDO_COUNT(handles));
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = (int)pick(life, 2)) {
        for (uint32_t i = 0; i < count; i++) {
            struct life child = child_of(life, scope);
            edo_task **handle = pick(life, 2) ? &handles[i] : NULL;

            switch (pick(life, 6)) {
            case 0:
                spawned(edo_spawn(scope, failing, &child, .copy = sizeof child, .handle = handle));
                break;
            case 1:
                spawned(edo_spawn(scope, pinned, &child, .copy = sizeof child, .handle = handle, .pinned = true));
                break;
            case 2:
                child.depth = 0;
                spawned(edo_spawn(scope, later, &child, .copy = sizeof child, .handle = handle,
                                  .pinned = pick(life, 4) == 0, .stack_size = pick(life, 3) ? 0 : 32768,
                                  .when = EDO_WHEN_AT(edo_now() + EDO_US(pick(life, 200)))));
                break;
            case 3:
                spawned(edo_spawn(EDO_DETACHED, failing, &child, .copy = sizeof child, .handle = handle));
                break;
            default:
                spawned(edo_spawn(scope, grow, &child, .copy = sizeof child, .handle = handle));
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            int result = 1;

            if (!handles[i])
                continue;
            if (pick(life, 4) == 0)
                edo_detach(handles[i]);
            else if ((rc = edo_join(&result, handles[i])) == 0)
                REQUIRE(result <= 0);
            else
                edo_detach(handles[i]);
        }
        rc = pick(life, 8) ? 0 : -EIO;
        if (pick(life, 8) == 0)
            break;
    }
    REQUIRE(rc == 0 || rc == -EIO || rc == -ECANCELED);
}

static int grow(void *argument)
{
    struct life life = *(struct life *)argument;
    static void (*const things[])(struct life *) = {do_compute,        do_yield,    do_sleep,    do_token, do_mutex,
                                                    do_timer,          do_blocking, do_deadline, do_sinks, do_shield,
                                                    do_foreign_cancel, do_echo,     do_timer,    do_mutex};

    atomic_fetch_add(&garden.ran, 1);
    for (uint32_t i = 1 + pick(&life, 4); i > 0; i--)
        things[pick(&life, EDO_COUNT(things))](&life);
    if (life.depth < DEPTH && pick(&life, 2))
        do_children(&life);
    if (life.victim && pick(&life, 10) == 0)
        edo_scope_cancel(life.victim);
    return finish(pick(&life, 12) ? 0 : -EIO);
}

static int gardener(void *argument)
{
    struct life life = *(struct life *)argument;

    atomic_fetch_add(&garden.ran, 1);
    while (!time_is_up()) {
        int rc = 0;

        EDO_SCOPE (season, &rc, .policy = (int)pick(&life, 2)) {
            for (uint32_t i = 1 + pick(&life, 3); i > 0; i--) {
                struct life child = child_of(&life, season);

                child.depth = 0;
                spawned(edo_spawn(season, grow, &child, .copy = sizeof child));
            }
        }
    }
    return finish(0);
}

/* --- Plain threads ------------------------------------------------------------------------------------------------ */

static void pause_for(int64_t duration)
{
    struct timespec time = {0, duration};

    nanosleep(&time, NULL);
}

static void plain_thread_ends(void)
{
    __atomic_fetch_add(&garden.stopped, 1, __ATOMIC_SEQ_CST);
    edo_wake_word(&garden.stopped, INT_MAX);
}

/* What a monitor does, far more often and for no reason. */
static void *take_workers(void *argument)
{
    struct life life = {.random = garden.seed ^ 1};

    (void)argument;
    while (!atomic_load(&garden.over)) {
        struct edo_runtime *runtime = garden.runtime;

        for (uint32_t i = pick(&life, 40); i > 0; i--) {
            int rc = take_worker(&runtime->workers[pick(&life, (uint32_t)runtime->worker_count)]);

            REQUIRE(rc == 0 || rc == -EBUSY);
            if (rc == 0)
                atomic_fetch_add(&garden.takes, 1);
        }
        pause_for(EDO_US(pick(&life, 300)));
    }
    plain_thread_ends();
    return NULL;
}

static void *cancel_scopes(void *argument)
{
    struct life life = {.random = garden.seed ^ 2};

    (void)argument;
    do {
        pthread_mutex_lock(&garden.slots_lock);
        for (int i = 0; i < CANCELLERS_SLOTS; i++) {
            if (garden.slots[i])
                edo_scope_cancel(garden.slots[i]);
            garden.slots[i] = NULL;
        }
        pthread_mutex_unlock(&garden.slots_lock);
        if (pick(&life, 2) && token_take(pick(&life, 2) ? EDO_FOREVER : edo_now() + EDO_US(30)) == 0)
            token_put();
        if (mutex_lock(EDO_FOREVER) == 0) {
            garden.guarded++;
            __atomic_fetch_add(&garden.expected, 1, __ATOMIC_RELAXED);
            mutex_unlock();
        }
        pause_for(EDO_US(pick(&life, 200)));
    } while (!atomic_load(&garden.over));
    pthread_mutex_lock(&garden.slots_lock);
    for (int i = 0; i < CANCELLERS_SLOTS; i++)
        if (garden.slots[i])
            edo_scope_cancel(garden.slots[i]);
    pthread_mutex_unlock(&garden.slots_lock);
    plain_thread_ends();
    return NULL;
}

/* --- A run -------------------------------------------------------------------------------------------------------- */

static int tend(void *argument)
{
    pthread_t threads[2];
    edo_metrics metrics = EDO_METRICS_INIT;
    uint32_t stopped;
    int rc = 0;

    (void)argument;
    garden.runtime = edo_thread_self()->runtime;
    REQUIRE(pthread_create(&threads[0], NULL, cancel_scopes, NULL) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, take_workers, NULL) == 0);
    EDO_SCOPE (plot, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < GARDENERS; i++) {
            struct life life = {garden.seed + (uint64_t)i, 0, NULL};

            spawned(edo_spawn(plot, gardener, &life, .copy = sizeof life));
        }
    }
    REQUIRE(rc == 0);
    atomic_store(&garden.over, true);
    while ((stopped = __atomic_load_n(&garden.stopped, __ATOMIC_SEQ_CST)) < EDO_COUNT(threads))
        edo_wait_word(&garden.stopped, stopped, EDO_FOREVER);
    for (size_t i = 0; i < EDO_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    while (atomic_load(&garden.ended) < atomic_load(&garden.spawned)) /* detached ones */
        edo_sleep(EDO_US(100));
    edo_sleep(EDO_MS(1));
    /* A lazy alarm of a dormant task goes with the task; a counter of a worker may be a moment old. */
    for (int i = 0; i < 1000; i++) {
        REQUIRE(edo_metrics_read(&metrics) == 0);
        if (metrics.tasks_alive == 1 && metrics.timers == 0)
            break;
        edo_sleep(EDO_MS(1));
    }
    REQUIRE(metrics.tasks_alive == 1);
    REQUIRE(metrics.timers == 0);
    REQUIRE(metrics.streams == 0);
    REQUIRE(metrics.blocking_queued == 0);
    REQUIRE(metrics.stacks_in_use <= 1 + (uint64_t)metrics.workers * (EDO_STACK_CACHE + EDO_STACK_CACHE / 2));
    printf("# %d workers: %lld tasks, %lld waits woken, %llu handed off, %llu switches, %llu steals, %d threads\n",
           metrics.workers, (long long)garden.ended, (long long)garden.woken, (unsigned long long)metrics.handoffs,
           (unsigned long long)metrics.switches, (unsigned long long)metrics.steals, metrics.threads);
    return 0;
}

static void run_garden(const edo_run_options *options)
{
    int rc;

    memset(&garden, 0, sizeof garden);
    pthread_mutex_init(&garden.slots_lock, NULL);
    garden.seed = edo_test_seed();
    garden.end = edo_now() + edo_test_duration();
    garden.tokens = TOKENS;
    rc = edo_run(tend, NULL, options);
    assert_int_equal(rc, 0);
    assert_int_equal(garden.spawned, garden.ran);
    assert_int_equal(garden.spawned, garden.ended);
    assert_int_equal(garden.wakes, garden.woken);
    assert_int_equal(garden.tokens, TOKENS);
    assert_int_equal(garden.guarded, garden.expected);
    for (int i = 0; i < 5000 && atomic_load(&garden.jobs_dropped) < atomic_load(&garden.jobs); i++)
        pause_for(EDO_MS(1)); /* abandoned jobs outlive the runtime */
    assert_int_equal(garden.jobs, garden.jobs_dropped);
}

static void test_tasks_on_1_worker(void **state)
{
    (void)state;
    run_garden(EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE));
}

static void test_tasks_on_2_workers(void **state)
{
    (void)state;
    run_garden(EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
}

static void test_tasks_on_4_workers(void **state)
{
    (void)state;
    run_garden(EDO_OPTIONS(edo_run_options, .workers = 4, .signals = EDO_SIGNALS_IGNORE));
}

static void test_tasks_on_8_workers(void **state)
{
    (void)state;
    run_garden(EDO_OPTIONS(edo_run_options, .workers = 8, .signals = EDO_SIGNALS_IGNORE));
}

static void test_tasks_that_always_migrate(void **state)
{
    (void)state;
    run_garden(EDO_OPTIONS(edo_run_options, .workers = 3, .migrate_always = true, .signals = EDO_SIGNALS_IGNORE));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_on_1_worker),         cmocka_unit_test(test_tasks_on_2_workers),
        cmocka_unit_test(test_tasks_on_4_workers),        cmocka_unit_test(test_tasks_on_8_workers),
        cmocka_unit_test(test_tasks_that_always_migrate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
