/* SPDX-License-Identifier: MIT */
/*
 * C2 and C3 by counting, under a storm of cancellations on two workers whose threads lose them all the time: what a
 * call that returned -ECANCELED left undone, and what one that completed did, must add up. Bytes written are bytes read
 * and bytes kept; connections made were taken or wait; a job was run or dropped, once; wakes given were consumed; every
 * task that was spawned has run and was joined once or let go.
 *
 * Each gardener plays round after round: a scope, a few tasks that work in it, and one that cancels it after a while,
 * from at once to longer than the work takes. A hang is a finding too; the timeout of the test tells.
 */
#include "runtime/helpers.h"

#include "io/stream.h"
#include "runtime/runtime.h"
#include "runtime/take_worker.h"

#include <pthread.h>
#include <sys/socket.h>

enum { KINDS = 5, GARDENERS = 2 * KINDS };

/* What all rounds have counted. */
static struct totals {
    _Atomic int64_t rounds, cancelled; /* rounds; calls that returned -ECANCELED */
    _Atomic int64_t out, in, kept;
    _Atomic int64_t connected, taken, waiting, tried;
    _Atomic int64_t calls, results, dropped, ran;
    _Atomic int64_t given, consumed;
    _Atomic int64_t spawned, ended, joined, let_go;
    _Atomic int64_t takes;
} total;

static int64_t end;
static uint64_t seed;
static _Atomic bool over;

/* One round. The scope ends before it does. */
struct round {
    uint64_t seed; /* each of its tasks makes its own choices of it */
    edo_scope *scope;
    edo_stream *ends[2];
    int64_t out, in; /* the writer's, the reader's */
    edo_listener *listener;
    edo_addr address;
    _Atomic int64_t connected, taken, tried;
    uint32_t word;
    _Atomic int64_t given, consumed;
};

static void add(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add(counter, n);
}

static uint32_t pick(uint64_t *random, uint32_t count)
{
    return (uint32_t)(edo_test_random(random) >> 33) % count;
}

/* Counts refusals; passes the result through. */
static int64_t seen(int64_t rc)
{
    add(&total.cancelled, rc == -ECANCELED);
    return rc;
}

/* Cancels the round after a while, or at once. */
static int cancels(void *argument)
{
    struct round *round = argument;
    uint64_t random = round->seed ^ 77;

    for (uint32_t turns = pick(&random, 8); turns > 0; turns--)
        edo_yield();
    if (pick(&random, 2))
        edo_sleep(EDO_US(pick(&random, 400)));
    if (pick(&random, 8) > 0)
        edo_scope_cancel(round->scope);
    return 0;
}

/* --- Bytes -------------------------------------------------------------------------------------------------------- */

static int writes(void *argument)
{
    static const char bytes[16384];
    struct round *round = argument;
    uint64_t random = round->seed ^ 1;

    for (int i = 0; i < 8; i++) {
        size_t size = 1 + pick(&random, sizeof bytes);
        struct iovec pieces[2] = {{(void *)(uintptr_t)bytes, size / 2}, {(void *)(uintptr_t)bytes, size - size / 2}};
        size_t written = 0;
        ssize_t n;

        if (pick(&random, 3) == 0) {
            n = seen(edo_writev(round->ends[0], pieces, 2));
            written = n > 0 ? (size_t)n : 0;
        } else {
            n = seen(edo_write_all_part(&written, round->ends[0], bytes, size));
            CHECK(n < 0 ? written < size : written == size);
        }
        round->out += (int64_t)written;
        if (n < 0)
            return (int)n;
    }
    return edo_shutdown(round->ends[0], EDO_HALF_WRITE);
}

static int reads(void *argument)
{
    struct round *round = argument;
    uint64_t random = round->seed ^ 2;
    char buffer[4096];
    ssize_t n;

    while ((n = seen(edo_read(round->ends[1], buffer, 1 + pick(&random, sizeof buffer)))) > 0)
        round->in += n;
    return (int)n;
}

static int reads_dormant(void *argument)
{
    struct round *round = argument;
    char buffer[4096];
    ssize_t n = seen(edo_resumption());

    if (n == 0)
        n = seen(edo_read(round->ends[1], buffer, sizeof buffer));
    if (n <= 0)
        return (int)n;
    round->in += n;
    return edo_continue(EDO_WHEN_READABLE(round->ends[1]), reads_dormant, round);
}

static void play_bytes(struct round *round)
{
    int small = 4096;
    char buffer[4096];
    int64_t kept = 0;
    ssize_t n;
    int fds[2];
    int rc = 0;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    CHECK_RC(edo_stream_from_fd(&round->ends[0], fds[0]), 0);
    CHECK_RC(edo_stream_from_fd(&round->ends[1], fds[1]), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        round->scope = scope;
        CHECK_RC(edo_spawn(scope, writes, round), 0);
        if (round->seed & 1)
            CHECK_RC(edo_spawn(scope, reads, round), 0);
        else
            CHECK_RC(edo_spawn(scope, reads_dormant, round, .when = EDO_WHEN_READABLE(round->ends[1])), 0);
        CHECK_RC(edo_spawn(scope, cancels, round), 0);
    }
    while ((n = recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        kept += n;
    CHECK_RC(round->in + kept, round->out);
    add(&total.out, round->out);
    add(&total.in, round->in);
    add(&total.kept, kept);
    edo_close(round->ends[0]);
    edo_close(round->ends[1]);
}

/* --- Connections -------------------------------------------------------------------------------------------------- */

static int connects(void *argument)
{
    struct round *round = argument;
    int64_t rc = 0;

    for (int i = 0; i < 4 && rc == 0; i++) {
        edo_stream *stream = NULL;

        add(&round->tried, 1);
        rc = seen(edo_connect(&stream, &round->address, NULL));
        add(&round->connected, rc == 0);
        edo_close(stream);
    }
    return (int)rc;
}

static int accepts(void *argument)
{
    struct round *round = argument;
    int64_t rc = 0;

    while (rc == 0) {
        edo_stream *stream = NULL;

        rc = seen(edo_accept(&stream, round->listener));
        add(&round->taken, rc == 0);
        edo_close(stream);
    }
    return (int)rc;
}

static void play_connections(struct round *round)
{
    char name[64];
    int64_t waiting = 0;
    int rc = 0;
    int fd;

    snprintf(name, sizeof name, "@edo-counting-%d-%llx", (int)getpid(), (unsigned long long)round->seed);
    CHECK_RC(edo_unix_listen(&round->listener, name, NULL), 0);
    CHECK_RC(edo_listener_addr(&round->address, round->listener), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        round->scope = scope;
        CHECK_RC(edo_spawn(scope, accepts, round), 0);
        for (int i = 0; i < 2; i++)
            CHECK_RC(edo_spawn(scope, connects, round), 0);
        CHECK_RC(edo_spawn(scope, cancels, round), 0);
        edo_sleep(EDO_US(300));
        edo_scope_cancel(scope); /* who accepts waits for ever */
    }
    while ((fd = accept4(round->listener->source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        close(fd);
        waiting++;
    }
    /* A connect that was given up may have come to stand in the kernel all the same. */
    CHECK(round->connected <= round->taken + waiting);
    CHECK(round->taken + waiting <= round->tried);
    add(&total.connected, round->connected);
    add(&total.taken, round->taken);
    add(&total.waiting, waiting);
    add(&total.tried, round->tried);
    edo_listener_close(round->listener);
}

/* --- Blocking work ------------------------------------------------------------------------------------------------ */

/* It may outlive its round, where it is abandoned: it knows nothing but the totals. */
struct job {
    int work;
};

static int work(void *argument)
{
    struct job *job = argument;
    int64_t until = edo_now() + EDO_US(job->work);

    while (edo_now() < until)
        ;
    add(&total.ran, 1);
    return 3;
}

static void drop(void *argument)
{
    (void)argument;
    add(&total.dropped, 1);
}

static int blocks(void *argument)
{
    struct round *round = argument;
    uint64_t random = round->seed ^ 3;
    int64_t rc = 3;

    for (int i = 0; i < 4 && rc == 3; i++) {
        struct job job = {(int)pick(&random, 60)};

        add(&total.calls, 1);
        if (pick(&random, 2))
            rc = seen(edo_blocking(work, &job, .copy = sizeof job, .drop = drop, .abandonable = true));
        else
            rc = seen(edo_blocking(work, &job, .drop = drop));
        CHECK(rc == 3 || rc == -ECANCELED);
        add(&total.results, rc == 3);
    }
    return (int)(rc < 0 ? rc : 0);
}

static void play_jobs(struct round *round)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        round->scope = scope;
        CHECK_RC(edo_spawn(scope, cancels, round), 0);
        blocks(round);
    }
}

/* --- Words -------------------------------------------------------------------------------------------------------- */

static int waits(void *argument)
{
    struct round *round = argument;
    uint64_t random = round->seed ^ edo_task_id();

    for (int i = 0; i < 6; i++) {
        int rc = (int)seen(
            edo_wait_word(&round->word, 0, pick(&random, 2) ? EDO_FOREVER : edo_now() + EDO_US(pick(&random, 100))));

        CHECK(rc == 0 || rc == -ECANCELED || rc == -ETIMEDOUT);
        add(&round->consumed, rc == 0);
        if (rc == -ECANCELED)
            return rc;
    }
    return 0;
}

static void play_words(struct round *round)
{
    uint64_t random = round->seed ^ 4;
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        round->scope = scope;
        for (int i = 0; i < 4; i++)
            CHECK_RC(edo_spawn(scope, waits, round), 0);
        CHECK_RC(edo_spawn(scope, cancels, round), 0);
        for (int i = 0; i < 20; i++) {
            add(&round->given, edo_wake_word(&round->word, 1 + (int)pick(&random, 2)));
            edo_yield();
        }
        edo_scope_cancel(scope);
        add(&round->given, edo_wake_word(&round->word, INT_MAX));
    }
    CHECK_RC(round->consumed, round->given);
    add(&total.given, round->given);
    add(&total.consumed, round->consumed);
}

/* --- Joins -------------------------------------------------------------------------------------------------------- */

static int small_task(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;

    for (uint32_t turns = pick(&random, 4); turns > 0; turns--)
        edo_yield();
    add(&total.ended, 1);
    return 1234;
}

static int joins(void *argument)
{
    struct round *round = argument;
    uint64_t random = round->seed ^ 3;
    edo_task *tasks[8];

    for (size_t i = 0; i < EDO_COUNT(tasks); i++) {
        void *number = (void *)(uintptr_t)edo_test_random(&random);

        CHECK_RC(edo_spawn(edo_scope_current(), small_task, number, .handle = &tasks[i]), 0);
        add(&total.spawned, 1);
    }
    for (size_t i = 0; i < EDO_COUNT(tasks); i++) {
        int result = 0;
        int64_t rc = seen(edo_join(&result, tasks[i]));

        CHECK(rc == 0 ? result == 1234 : rc == -ECANCELED && result == 0);
        add(rc == 0 ? &total.joined : &total.let_go, 1);
        if (rc < 0) /* still good */
            edo_detach(tasks[i]);
    }
    return 0;
}

static void play_joins(struct round *round)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        round->scope = scope;
        CHECK_RC(edo_spawn(scope, cancels, round), 0);
        joins(round);
    }
    CHECK_RC(rc, 0);
}

/* --- All at once -------------------------------------------------------------------------------------------------- */

static void (*const kinds[KINDS])(struct round *round) = {play_bytes, play_connections, play_jobs, play_words,
                                                          play_joins};

static int gardener(void *argument)
{
    uint64_t random = seed ^ (uintptr_t)argument;

    while (edo_now() < end) {
        struct round round = {.seed = edo_test_random(&random)};

        kinds[(uintptr_t)argument % KINDS](&round);
        add(&total.rounds, 1);
        edo_yield();
    }
    return 0;
}

static void *take_workers(void *argument)
{
    struct edo_runtime *runtime = argument;
    uint64_t random = seed ^ 1234567;

    while (!atomic_load(&over)) {
        struct timespec pause = {0, 50000 + pick(&random, 300000)};
        int rc = take_worker(&runtime->workers[pick(&random, (uint32_t)runtime->worker_count)]);

        CHECK(rc == 0 || rc == -EBUSY);
        add(&total.takes, rc == 0);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static int storm(void *argument)
{
    struct edo_runtime *runtime = edo_thread_self()->runtime;
    pthread_t thief;
    int rc = 0;

    (void)argument;
    end = edo_now() + edo_test_duration();
    CHECK_RC(pthread_create(&thief, NULL, take_workers, runtime), 0);
    EDO_SCOPE (scope, &rc) {
        for (uintptr_t i = 0; i < GARDENERS; i++)
            CHECK_RC(edo_spawn(scope, gardener, (void *)i), 0);
    }
    atomic_store(&over, true);
    pthread_join(thief, NULL);
    return rc;
}

/* Jobs that were abandoned run on after the runtime's end, and are dropped then: each tells. */
static void await_abandoned(void)
{
    while (atomic_load(&total.results) + atomic_load(&total.dropped) < atomic_load(&total.calls)) {
        struct timespec pause = {0, 1000000};

        nanosleep(&pause, NULL);
    }
}

static void run_storm(const edo_run_options *options)
{
    memset(&total, 0, sizeof total);
    seed = edo_test_seed();
    atomic_store(&over, false);
    assert_int_equal(run_with(storm, NULL, options), 0);
    await_abandoned();
    print_message("# %lld rounds, %lld calls refused, %lld workers taken\n", (long long)total.rounds,
                  (long long)total.cancelled, (long long)total.takes);
    print_message("# bytes: %lld out, %lld in, %lld kept; connections: %lld made, %lld taken, %lld waited\n",
                  (long long)total.out, (long long)total.in, (long long)total.kept, (long long)total.connected,
                  (long long)total.taken, (long long)total.waiting);
    print_message("# jobs: %lld, %lld results, %lld dropped, %lld ran; wakes: %lld given; joins: %lld, %lld let go\n",
                  (long long)total.calls, (long long)total.results, (long long)total.dropped, (long long)total.ran,
                  (long long)total.given, (long long)total.joined, (long long)total.let_go);
    assert_true(total.rounds > 0);
    assert_true(total.cancelled > 0);
    assert_int_equal(total.out, total.in + total.kept);
    assert_int_equal(total.calls, total.results + total.dropped);
    assert_in_range(total.ran, total.results, total.calls);
    assert_int_equal(total.given, total.consumed);
    assert_int_equal(total.ended, total.spawned);
    assert_int_equal(total.joined + total.let_go, total.spawned);
}

static void test_c2_c3_all_adds_up_on_two_workers(void **state)
{
    (void)state;
    run_storm(EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE));
}

static void test_c2_c3_all_adds_up_where_tasks_always_migrate(void **state)
{
    (void)state;
    run_storm(EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE, .migrate_always = true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_all_adds_up_on_two_workers),
        cmocka_unit_test(test_c2_c3_all_adds_up_where_tasks_always_migrate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
