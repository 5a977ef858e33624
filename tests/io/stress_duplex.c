/* SPDX-License-Identifier: MIT */
/*
 * Streams in memory on many workers: readers and writers on both ends, waits with and without deadlines, cancellations,
 * halves and whole ends closed at any moment. What is read is what was written, in order; what was written and not read
 * is less than the capacity; nobody waits for ever, and nothing is left.
 */
#include "net.h"

enum { CAPACITY_MOST = 300, PAIRS = 8 };

struct pair {
    edo_stream *ends[2];
    uint64_t random;
    size_t capacity;
    _Atomic uint64_t put[2]; /* into which end */
    _Atomic uint64_t got[2]; /* out of which end */
};

struct half {
    struct pair *pair;
    uint64_t random;
    int end;
};

static unsigned char byte_at(uint64_t position, int way)
{
    return (unsigned char)(position * 2654435761u >> 7) ^ (unsigned char)(way * 0x55);
}

/* How a task goes about it this time: for ever, or for so long. */
static int64_t patience(uint64_t *random)
{
    return edo_test_random(random) % 4 ? EDO_FOREVER : edo_now() + (int64_t)(edo_test_random(random) % 20000);
}

static int writes(void *argument)
{
    struct half *half = argument;
    struct pair *pair = half->pair;
    edo_stream *out EDO_AUTO(edo_close_write) = pair->ends[half->end];
    uint64_t put = 0;
    ssize_t n = 0;

    for (int i = 0; i < 60 && n >= 0; i++) {
        unsigned char bytes[500];
        size_t size = 1 + edo_test_random(&half->random) % sizeof bytes;
        size_t written = 0;

        for (size_t j = 0; j < size; j++)
            bytes[j] = byte_at(put + j, half->end);
        switch (edo_test_random(&half->random) % 3) {
        case 0:
            n = edo_write_all_part(&written, out, bytes, size);
            put += written;
            break;
        case 1:
            n = edo_write(out, bytes, size);
            put += n > 0 ? (uint64_t)n : 0;
            break;
        default:
            n = edo_try_write(out, bytes, size);
            put += n > 0 ? (uint64_t)n : 0;
            if (n == -EAGAIN)
                n = edo_wait_writable(out, patience(&half->random));
            if (n == -ETIMEDOUT)
                n = 0;
            break;
        }
    }
    CHECK(n >= 0 || n == -EPIPE || n == -ECANCELED);
    atomic_store(&pair->put[half->end], put);
    return 0;
}

static int reads(void *argument)
{
    struct half *half = argument;
    struct pair *pair = half->pair;
    edo_stream *in EDO_AUTO(edo_close_read) = pair->ends[half->end];
    int rounds = edo_test_random(&half->random) % 4 ? 100000 : (int)(edo_test_random(&half->random) % 20);
    uint64_t got = 0;
    ssize_t n = 1;

    for (int i = 0; i < rounds && n != 0; i++) {
        unsigned char bytes[500];
        size_t size = 1 + edo_test_random(&half->random) % sizeof bytes;

        if (edo_test_random(&half->random) % 2) {
            n = edo_read(in, bytes, size);
        } else {
            n = edo_try_read(in, bytes, size);
            if (n == -EAGAIN) {
                n = edo_wait_readable(in, patience(&half->random));
                if (n == 0 || n == -ETIMEDOUT)
                    n = -EAGAIN;
            }
        }
        if (n == -EAGAIN)
            continue;
        if (n < 0)
            break;
        for (ssize_t j = 0; j < n; j++)
            CHECK_EQUAL(bytes[j], byte_at(got + (uint64_t)j, !half->end));
        got += (uint64_t)n;
    }
    CHECK(n >= 0 || n == -ECANCELED || n == -EAGAIN);
    atomic_store(&pair->got[half->end], got);
    return 0;
}

static int lives(void *argument)
{
    struct pair *pair = argument;
    struct half halves[4];
    int rc = 0;

    pair->capacity = 1 + edo_test_random(&pair->random) % CAPACITY_MOST;
    CHECK_EQUAL(edo_duplex(&pair->ends[0], &pair->ends[1], pair->capacity), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        for (int i = 0; i < 4; i++) {
            halves[i] = (struct half){pair, edo_test_random(&pair->random), i / 2};
            CHECK_EQUAL(edo_spawn(scope, i % 2 ? reads : writes, &halves[i]), 0);
        }
        if (edo_test_random(&pair->random) % 3 == 0) {
            edo_sleep((int64_t)(edo_test_random(&pair->random) % 100000));
            edo_scope_cancel(scope);
        }
    }
    for (int i = 0; i < 2; i++) {
        CHECK(pair->got[!i] <= pair->put[i]);
        CHECK(pair->put[i] - pair->got[!i] <= pair->capacity);
    }
    return 0;
}

static int many(void *argument)
{
    int64_t end = edo_now() + *(int64_t *)argument;
    uint64_t random = edo_test_seed();
    int rc = 0;

    do {
        struct pair pairs[PAIRS];

        EDO_SCOPE (scope, &rc) {
            for (int i = 0; i < PAIRS; i++) {
                pairs[i] = (struct pair){.random = edo_test_random(&random)};
                CHECK_EQUAL(edo_spawn(scope, lives, &pairs[i]), 0);
            }
        }
    } while (rc == 0 && edo_now() < end);
    return rc;
}

static void test_c3_what_goes_in_comes_out_whatever_happens(void **state)
{
    int64_t duration = edo_test_duration() / 4;

    (void)state;
    alarm(0);
    for (int workers = 1; workers <= 8; workers *= 2)
        assert_int_equal(net_run(workers, many, &duration), 0);
}

/* --- Whole ends, closed by anybody, under calls that are at work -------------------------------------------------- */

struct victim {
    edo_stream *stream;
    _Atomic int at_work;
};

static int uses(void *argument)
{
    struct victim *victim = argument;
    char bytes[16] = {0};
    ssize_t n = 0;

    atomic_fetch_add(&victim->at_work, 1);
    while (n >= 0 && (n = edo_read(victim->stream, bytes, sizeof bytes)) > 0)
        n = edo_write_all(victim->stream, bytes, (size_t)n);
    CHECK(n == 0 || n == -EBADF || n == -EPIPE);
    return 0;
}

static int feeds(void *argument)
{
    struct victim *victim = argument;
    char bytes[16] = {0};
    ssize_t n;

    while ((n = edo_write_all(victim->stream, bytes, sizeof bytes)) > 0 &&
           (n = edo_read(victim->stream, bytes, sizeof bytes)) > 0)
        ;
    CHECK(n == 0 || n == -EPIPE);
    return 0;
}

static int closes_anywhere(void *argument)
{
    int64_t end = edo_now() + *(int64_t *)argument;
    uint64_t random = edo_test_seed();
    int rc = 0;

    do {
        struct victim used = {.stream = NULL};
        struct victim feeding = {.stream = NULL};

        edo_stream *closed;

        CHECK_EQUAL(edo_duplex(&used.stream, &feeding.stream, 1 + edo_test_random(&random) % 40), 0);
        closed = used.stream;
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, uses, &used), 0);
            CHECK_EQUAL(edo_spawn(scope, feeds, &feeding), 0);
            while (!atomic_load(&used.at_work))
                edo_yield();
            for (uint64_t i = edo_test_random(&random) % 30; i > 0; i--)
                edo_yield();
            /* Nobody opens a stream meanwhile: calls that begin too late find this one, closed. */
            if (edo_test_random(&random) % 2)
                edo_close(EDO_TAKE(closed));
            else
                edo_shutdown(feeding.stream, (int)(edo_test_random(&random) % 3));
            edo_shutdown(feeding.stream, EDO_HALF_BOTH);
        }
        edo_close(closed);
        edo_close(feeding.stream);
    } while (rc == 0 && edo_now() < end);
    return rc;
}

static void test_s2_a_ends_go_under_calls_at_work(void **state)
{
    int64_t duration = edo_test_duration() / 4;

    (void)state;
    alarm(0);
    for (int workers = 1; workers <= 4; workers *= 2)
        assert_int_equal(net_run(workers, closes_anywhere, &duration), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_c3_what_goes_in_comes_out_whatever_happens),
        TEST(test_s2_a_ends_go_under_calls_at_work),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
