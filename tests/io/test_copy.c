/* SPDX-License-Identifier: MIT */
/*
 * Copying from stream to stream: all of it, in order, and what is told when it does not come to its end (C2, C3, F1).
 */
#include "kinds.h"

#include <limits.h>

/* --- To the end --------------------------------------------------------------------------------------------------- */

static int from_each_kind_to_each(void *argument)
{
    size_t amount = KINDS_MUCH / 2 / EDO_TEST_SCALE;
    int rc = 0;

    (void)argument;
    for (int in = 0; in < KINDS && rc == 0; in++)
        for (int out = 0; out < KINDS && rc == 0; out++) {
            edo_stream *from[2];
            edo_stream *to[2];
            struct kinds_flow fed = {NULL, 3, amount};
            struct kinds_flow drained = {NULL, 3, amount};
            uint64_t moved = 1;

            kinds[in](from);
            kinds[out](to);
            fed.stream = from[0];
            drained.stream = to[1];
            EDO_SCOPE (scope, &rc) {
                CHECK_EQUAL(edo_spawn(scope, kinds_feed, &fed), 0);
                CHECK_EQUAL(edo_spawn(scope, kinds_drain, &drained), 0);
                CHECK_EQUAL(edo_copy(&moved, to[0], from[1]), 0);
                edo_close_write(to[0]);
                edo_close_read(from[1]);
            }
            CHECK_EQUAL(moved, amount);
            kinds_close_rest(from, in);
            kinds_close_rest(to, out);
        }
    return rc;
}

static void test_all_of_it_goes_from_each_kind_to_each(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, from_each_kind_to_each, NULL), 0);
    assert_int_equal(net_run(3, from_each_kind_to_each, NULL), 0);
}

static int echoes(void *argument)
{
    edo_stream *pair[2];
    struct kinds_flow fed;
    struct kinds_flow drained;
    uint64_t moved;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&pair[0], &pair[1], 100), 0);
    fed = drained = (struct kinds_flow){pair[0], 0, 10000};
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, kinds_feed, &fed), 0);
        CHECK_EQUAL(edo_spawn(scope, kinds_drain, &drained), 0);
        CHECK_EQUAL(edo_copy(&moved, pair[1], pair[1]), 0);
        edo_close(pair[1]);
    }
    CHECK_EQUAL(moved, 10000);
    return rc;
}

static void test_a_stream_copied_to_itself_echoes(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, echoes, NULL), 0);
}

/* --- Counts ------------------------------------------------------------------------------------------------------- */

static int counts(void *argument)
{
    edo_stream *from[2];
    edo_stream *to[2];
    char bytes[16];
    char memory[16];
    edo_copy_buffer buffer = {.memory = memory, .size = sizeof memory};
    uint64_t moved = 7;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&from[0], &from[1], 0), 0);
    CHECK_EQUAL(edo_duplex(&to[0], &to[1], 0), 0);
    CHECK_EQUAL(edo_write_all(from[0], "headbody!", 9), 9);
    CHECK_EQUAL(edo_copy_n(&moved, to[0], from[1], 0), 0);
    CHECK_EQUAL(moved, 0);
    CHECK_EQUAL(edo_copy_n(&moved, to[0], from[1], 1), 0);
    CHECK_EQUAL(edo_copy_through(&moved, to[0], from[1], 3, &buffer), 0);
    CHECK_EQUAL(moved, 3);
    CHECK_EQUAL(buffer.begin, buffer.end);
    CHECK_EQUAL(edo_read(from[1], bytes, 4), 4); /* nothing beyond was taken */
    CHECK(memcmp(bytes, "body", 4) == 0);
    CHECK_EQUAL(edo_read(to[1], bytes, sizeof bytes), 4);
    CHECK(memcmp(bytes, "head", 4) == 0);
    edo_close(from[0]);
    CHECK_EQUAL(edo_copy_n(&moved, to[0], from[1], 100), 0); /* the end comes earlier */
    CHECK_EQUAL(moved, 1);
    edo_close(from[1]);
    net_close_pair(to);
    return 0;
}

static void test_a_count_is_never_read_beyond(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, counts, NULL), 0);
}

static bool no_memory;

static void *allocate_none(size_t size)
{
    return no_memory ? NULL : edo_platform_system.allocate(size);
}

static int makes_no_sense(void *argument)
{
    char memory[4];
    edo_copy_buffer wrong[] = {{NULL, 4, 0, 0}, {memory, 0, 0, 0}, {memory, 4, 2, 1}, {memory, 4, 0, 5}};
    edo_stream *pair[2];
    uint64_t moved = 7;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&pair[0], &pair[1], 0), 0);
    for (size_t i = 0; i < EDO_COUNT(wrong); i++) {
        CHECK_EQUAL(edo_copy_through(&moved, pair[0], pair[0], 1, &wrong[i]), -EINVAL);
        CHECK_EQUAL(moved, 0);
    }
    no_memory = true;
    CHECK_EQUAL(edo_copy(&moved, pair[0], pair[0]), -ENOMEM);
    no_memory = false;
    net_close_pair(pair);
    return 0;
}

static void test_f1_f2_what_cannot_be_done_is_refused(void **state)
{
    uint64_t moved[2] = {7, 7};

    (void)state;
    net_table.allocate = allocate_none;
    assert_int_equal(net_run_alone(makes_no_sense, NULL), 0);
    assert_int_equal(edo_copy(&moved[0], NULL, NULL), -EPERM);
    assert_int_equal(edo_copy_both(&moved[0], &moved[1], NULL, NULL), -EPERM);
    assert_int_equal(moved[0] + moved[1], 0);
}

/* --- Not to the end ----------------------------------------------------------------------------------------------- */

struct copying {
    edo_stream *to;
    edo_stream *from;
    uint64_t count;
    edo_copy_buffer *buffer;
    uint64_t moved;
    int rc;
};

static int copies(void *argument)
{
    struct copying *copying = argument;

    copying->rc = edo_copy_through(&copying->moved, copying->to, copying->from, copying->count, copying->buffer);
    return 0;
}

/* The reader goes while there are bytes in the buffer; another stream gets the rest. */
static int write_fails(void *argument)
{
    unsigned char memory[1000];
    unsigned char bytes[200];
    edo_copy_buffer buffer = {.memory = memory, .size = sizeof memory};
    edo_stream *from[2];
    edo_stream *to[2];
    struct copying copying = {.count = 5000, .buffer = &buffer};
    struct kinds_flow fed = {NULL, 0, 5000};
    struct kinds_flow drained;
    uint64_t first;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&from[0], &from[1], 0), 0);
    CHECK_EQUAL(edo_duplex(&to[0], &to[1], 100), 0);
    fed.stream = from[0];
    copying.to = to[0];
    copying.from = from[1];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, kinds_feed, &fed), 0);
        CHECK_EQUAL(edo_spawn(scope, copies, &copying), 0);
        net_settle();
        CHECK_EQUAL(edo_read(to[1], bytes, sizeof bytes), 100);
        net_settle();
        edo_close(to[1]);
    }
    edo_close(to[0]);
    CHECK_EQUAL(copying.rc, -EPIPE);
    CHECK_EQUAL(copying.moved, 200);
    CHECK_EQUAL(buffer.end - buffer.begin, 800);
    CHECK(memcmp(memory + buffer.begin, kinds_bytes + 200, 800) == 0);

    /* Less than what is in the buffer, then all that is left. */
    first = copying.moved;
    CHECK_EQUAL(edo_duplex(&to[0], &to[1], 0), 0);
    CHECK_EQUAL(edo_copy_through(&copying.moved, to[0], from[1], 50, &buffer), 0);
    CHECK_EQUAL(copying.moved, 50);
    CHECK_EQUAL(edo_copy_through(&copying.moved, to[0], from[1], UINT64_MAX, &buffer), 0);
    CHECK_EQUAL(copying.moved, 5000 - first - 50);
    CHECK_EQUAL(buffer.end - buffer.begin, 0);
    edo_close_write(to[0]);
    drained = (struct kinds_flow){to[1], (size_t)first, 5000 - (size_t)first};
    kinds_drain(&drained);
    edo_close_read(to[0]);
    edo_close_write(to[1]);
    edo_close_read(from[0]);
    edo_close(from[1]);
    return rc;
}

static void test_c3_what_could_not_be_written_is_in_the_buffer(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, write_fails, NULL), 0);
}

/* It is cancelled again and again, and gone on with: not a byte is lost or comes twice. */
static int is_cancelled_often(void *argument)
{
    unsigned char memory[300];
    edo_copy_buffer buffer = {.memory = memory, .size = sizeof memory};
    edo_stream *from[2];
    edo_stream *to[2];
    struct copying copying = {.buffer = &buffer};
    struct kinds_flow fed = {NULL, 0, 20000};
    struct kinds_flow drained = {NULL, 0, 20000};
    uint64_t moved = 0;
    int cancelled = 0;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&from[0], &from[1], 170), 0);
    CHECK_EQUAL(edo_duplex(&to[0], &to[1], 130), 0);
    fed.stream = from[0];
    drained.stream = to[1];
    copying.to = to[0];
    copying.from = from[1];
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, kinds_feed, &fed), 0);
        CHECK_EQUAL(edo_spawn(scope, kinds_drain, &drained), 0);
        do {
            int result = 0;

            copying.count = UINT64_MAX;
            EDO_SCOPE (inner, &result) {
                CHECK_EQUAL(edo_spawn(inner, copies, &copying), 0);
                for (int i = cancelled % 7; i >= 0; i--)
                    edo_yield();
                edo_scope_cancel(inner);
            }
            moved += copying.moved;
            cancelled += copying.rc == -ECANCELED;
            CHECK(copying.rc == 0 || copying.rc == -ECANCELED);
        } while (copying.rc != 0);
        edo_close(to[0]);
    }
    CHECK(cancelled > 3);
    CHECK_EQUAL(moved, 20000);
    edo_close_write(to[1]);
    edo_close_read(from[0]);
    edo_close(from[1]);
    return rc;
}

static void test_c3_a_cancelled_copy_is_gone_on_with(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cancelled_often, NULL), 0);
}

/* --- Both ways ---------------------------------------------------------------------------------------------------- */

struct proxy {
    edo_stream *a;
    edo_stream *b;
    uint64_t there;
    uint64_t back;
    int rc;
};

static int relays(void *argument)
{
    struct proxy *proxy = argument;

    proxy->rc = edo_copy_both(&proxy->there, &proxy->back, proxy->a, proxy->b);
    return 0;
}

/* The client ends its half and waits for the answer; which the server begins when it sees the end. */
static int answers_after_the_end(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int kind = 0; kind < 3; kind++) { /* those that go both ways */
        edo_stream *client[2];
        edo_stream *server[2];
        struct proxy proxy;
        struct kinds_flow asked;
        struct kinds_flow answered;
        struct kinds_flow heard;

        kinds[kind](client);
        kinds[kind](server);
        proxy = (struct proxy){.a = client[1], .b = server[0]};
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, relays, &proxy), 0);
            asked = (struct kinds_flow){client[0], 0, 30000};
            CHECK_EQUAL(edo_spawn(scope, kinds_feed, &asked), 0);
            heard = (struct kinds_flow){server[1], 0, 30000};
            kinds_drain(&heard);
            answered = (struct kinds_flow){server[1], 5, 70000};
            CHECK_EQUAL(edo_spawn(scope, kinds_feed, &answered), 0);
            heard = (struct kinds_flow){client[0], 5, 70000};
            kinds_drain(&heard);
        }
        CHECK_EQUAL(proxy.rc, 0);
        CHECK_EQUAL(proxy.there, 30000);
        CHECK_EQUAL(proxy.back, 70000);
        edo_close(proxy.a);
        edo_close(proxy.b);
    }
    return rc;
}

static void test_an_end_is_passed_on_and_the_other_way_goes_on(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, answers_after_the_end, NULL), 0);
    assert_int_equal(net_run(2, answers_after_the_end, NULL), 0);
}

static int one_way_fails(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int which = 0; which < 2; which++) { /* the way of the calling task, or the child's */
        edo_stream *left[2];
        edo_stream *right[2];
        struct proxy proxy;

        CHECK_EQUAL(edo_duplex(&left[0], &left[1], 100), 0);
        CHECK_EQUAL(edo_duplex(&right[0], &right[1], 100), 0);
        proxy = (struct proxy){.a = which ? right[1] : left[1], .b = which ? left[1] : right[1]};
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_spawn(scope, relays, &proxy), 0);
            CHECK_EQUAL(edo_write_all(right[0], "1234", 4), 4);
            net_settle();
            edo_shutdown(right[0], EDO_HALF_READ);
            CHECK_EQUAL(edo_write_all(left[0], "x", 1), 1); /* which cannot be passed on */
        }
        CHECK_EQUAL(proxy.rc, -EPIPE);
        CHECK_EQUAL(which ? proxy.there : proxy.back, 4);
        CHECK_EQUAL(which ? proxy.back : proxy.there, 0);
        net_close_pair(left);
        net_close_pair(right);
    }
    return rc;
}

static void test_an_error_one_way_ends_both(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, one_way_fails, NULL), 0);
}

static int is_cancelled(void *argument)
{
    edo_stream *left[2];
    edo_stream *right[2];
    struct proxy proxy;
    char bytes[8];
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_duplex(&left[0], &left[1], 100), 0);
    CHECK_EQUAL(edo_duplex(&right[0], &right[1], 100), 0);
    proxy = (struct proxy){.a = left[1], .b = right[1]};
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        CHECK_EQUAL(edo_spawn(scope, relays, &proxy), 0);
        CHECK_EQUAL(edo_write_all(left[0], "abc", 3), 3);
        CHECK_EQUAL(edo_read(right[0], bytes, 3), 3);
        net_settle();
        edo_scope_cancel(scope);
    }
    CHECK_EQUAL(proxy.rc, -ECANCELED);
    CHECK_EQUAL(proxy.there, 3);
    CHECK_EQUAL(proxy.back, 0);
    CHECK_EQUAL(edo_write_all(left[1], "z", 1), 1); /* nothing was ended that had not ended */
    CHECK_EQUAL(edo_read(left[0], bytes, 8), 1);
    net_close_pair(left);
    net_close_pair(right);
    return 0;
}

static void test_c2_a_cancelled_copy_tells_both_counts(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, is_cancelled, NULL), 0);
}

static int copies_nothing(void *argument)
{
    edo_copy_buffer buffer = {.memory = (char[10]){0}, .size = 10};
    edo_file *file;
    edo_stream *pair[2];
    uint64_t moved;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, "/dev/null", O_RDONLY, 0), 0);
    for (int kind = 0; kind < KINDS; kind++) {
        kinds[kind](pair);
        EDO_SCOPE (scope, &rc) {
            CHECK_EQUAL(edo_copy_n(&moved, pair[0], pair[1], 0), 0);
            CHECK_EQUAL(edo_copy_through(&moved, pair[0], pair[1], 0, &buffer), 0);
            CHECK_EQUAL(edo_sendfile(&moved, pair[0], file, 0, 0), 0);
            edo_scope_cancel(scope);
            CHECK_EQUAL(edo_copy_n(&moved, pair[0], pair[1], 0), -ECANCELED);
            CHECK_EQUAL(edo_copy_through(&moved, pair[0], pair[1], 0, &buffer), -ECANCELED);
            CHECK_EQUAL(edo_sendfile(&moved, pair[0], file, 0, 0), -ECANCELED);
            CHECK_EQUAL(moved, 0);
        }
        net_close_pair(pair);
    }
    edo_file_close(file);
    return rc;
}

static void test_c1_a_count_of_0_is_a_suspension_point_too(void **state)
{
    edo_copy_buffer buffer = {.memory = (char[10]){0}, .size = 10};
    uint64_t moved;

    (void)state;
    assert_int_equal(net_run(1, copies_nothing, NULL), 0);
    assert_int_equal(edo_copy_through(&moved, NULL, NULL, 0, &buffer), -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_of_it_goes_from_each_kind_to_each),
        TEST(test_a_stream_copied_to_itself_echoes),
        TEST(test_a_count_is_never_read_beyond),
        TEST(test_f1_f2_what_cannot_be_done_is_refused),
        TEST(test_c3_what_could_not_be_written_is_in_the_buffer),
        TEST(test_c3_a_cancelled_copy_is_gone_on_with),
        TEST(test_an_end_is_passed_on_and_the_other_way_goes_on),
        TEST(test_an_error_one_way_ends_both),
        TEST(test_c2_a_cancelled_copy_tells_both_counts),
        TEST(test_c1_a_count_of_0_is_a_suspension_point_too),
    };

    kinds_fill();
    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
