/* SPDX-License-Identifier: MIT */
/*
 * Datagrams and passed descriptors under the sweeps (rules C2, C3, F1): datagrams out = datagrams in + datagrams kept,
 * in order and whole, whatever is cancelled or refused; no descriptor is left, nor lost by a receive that was
 * cancelled.
 */
#include "testing/sweeps.h"

#include "platform/platform.h"

#include <edo/datagram.h>
#include <edo/pass.h>

#include <sys/socket.h>

enum { OUT, IN };
enum { AMOUNT = 24, PIECE = 100, BATCH = 5 };

/* --- What flows --------------------------------------------------------------------------------------------------- */

/* The numbers of datagrams are their first bytes; all of them have PIECE bytes. */
static void number(char *bytes, int64_t which)
{
    memset(bytes, 'x', PIECE);
    memcpy(bytes, &which, sizeof which);
}

static void check_number(const char *bytes, ssize_t size, int64_t which)
{
    int64_t found;

    CHECK_RC(size, PIECE);
    memcpy(&found, bytes, sizeof found);
    CHECK_RC(found, which);
}

/*
 * book->object[0] sends to [1], which is bound to *address, or the other end of a pair. 0, or an error and nothing
 * open.
 */
static int open_both(struct book *book, edo_addr *address)
{
    edo_datagram *pair[2] = {NULL, NULL};
    int small = 2048;
    int rc;

    if (!address) {
        rc = edo_datagram_pair(pair);
        if (rc == 0)
            setsockopt(edo_datagram_fd(pair[0]), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    } else {
        rc = edo_udp_bind(&pair[1], "127.0.0.1:0", NULL);
        if (rc == 0)
            rc = edo_datagram_local(address, pair[1]);
        if (rc == 0)
            rc = edo_datagram_connect(&pair[0], address, NULL);
        if (rc < 0)
            edo_datagram_close(EDO_TAKE(pair[1]));
    }
    book->object[0] = pair[0];
    book->object[1] = pair[1];
    return rc;
}

/* What is still under way was kept, and follows what was taken. */
static void close_both(struct book *book)
{
    edo_datagram *receiver = book->object[1];
    char buffer[PIECE];
    ssize_t n;

    while ((n = edo_platform_system.recv(edo_datagram_fd(receiver), buffer, sizeof buffer, MSG_DONTWAIT)) >= 0) {
        check_number(buffer, n, book_get(book, IN));
        book_add(book, IN, 1);
    }
    CHECK_RC(book_get(book, IN), book_get(book, OUT));
    edo_datagram_close(EDO_TAKE(book->object[0]));
    edo_datagram_close(EDO_TAKE(book->object[1]));
}

/* Moves at least one datagram: how many; an error. */
typedef ssize_t (*move_fn)(edo_datagram *datagram, int64_t next, const edo_addr *to);

struct flow {
    struct book *book;
    move_fn move;
    const edo_addr *to;
};

static int sends(void *argument)
{
    struct flow *flow = argument;
    ssize_t n = 0;

    while (n >= 0 && book_get(flow->book, OUT) < AMOUNT) {
        n = flow->move(flow->book->object[0], book_get(flow->book, OUT), flow->to);
        if (n > 0)
            book_add(flow->book, OUT, n);
    }
    return (int)(n < 0 ? n : 0);
}

static int flows(struct book *book, move_fn out, move_fn in, bool udp)
{
    edo_addr address;
    struct flow flow = {book, out, udp ? &address : NULL};
    int rc = open_both(book, udp ? &address : NULL);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        ssize_t n = 0;

        rc = edo_spawn(scope, sends, &flow);
        while (rc == 0 && n >= 0 && book_get(book, IN) < AMOUNT) {
            n = in(book->object[1], book_get(book, IN), flow.to);
            if (n > 0)
                book_add(book, IN, n);
        }
        if (rc == 0)
            rc = (int)(n < 0 ? n : 0);
    }
    close_both(book);
    return rc;
}

/* What a call for one datagram returned: how many that are. */
static ssize_t sent_one(ssize_t n)
{
    CHECK(n < 0 || n == PIECE);
    return n < 0 ? n : 1;
}

static ssize_t out_send(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE];

    (void)to;
    number(bytes, next);
    return sent_one(edo_datagram_send(datagram, bytes, sizeof bytes));
}

static ssize_t out_send_to(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE];

    number(bytes, next);
    return sent_one(edo_datagram_send_to(datagram, bytes, sizeof bytes, to));
}

static ssize_t wait_for_room(edo_datagram *datagram, ssize_t n)
{
    if (n != -EAGAIN)
        return n;
    n = edo_datagram_wait_writable(datagram, edo_now() + EDO_SEC(1000));
    return n < 0 ? n : 0;
}

static ssize_t out_try_send(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE];

    (void)to;
    number(bytes, next);
    return wait_for_room(datagram, sent_one(edo_datagram_try_send(datagram, bytes, sizeof bytes)));
}

static ssize_t out_try_send_to(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE];

    number(bytes, next);
    return wait_for_room(datagram, sent_one(edo_datagram_try_send_to(datagram, bytes, sizeof bytes, to)));
}

static size_t prepare(edo_datagram_message messages[BATCH], char bytes[BATCH][PIECE], int64_t next)
{
    memset(messages, 0, BATCH * sizeof *messages);
    for (int i = 0; i < BATCH; i++) {
        messages[i].buffer = bytes[i];
        messages[i].size = PIECE;
        number(bytes[i], next + i);
    }
    return (size_t)(AMOUNT - next < BATCH ? AMOUNT - next : BATCH);
}

static ssize_t out_send_many(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    edo_datagram_message messages[BATCH];
    char bytes[BATCH][PIECE];
    size_t count = prepare(messages, bytes, next);

    (void)to;
    return edo_datagram_send_many(datagram, messages, count);
}

static ssize_t out_try_send_many(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    edo_datagram_message messages[BATCH];
    char bytes[BATCH][PIECE];
    size_t count = prepare(messages, bytes, next);

    (void)to;
    return wait_for_room(datagram, edo_datagram_try_send_many(datagram, messages, count));
}

static ssize_t out_send_fds(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE];
    int fds[2] = {0, 1};

    (void)to;
    number(bytes, next);
    return sent_one(edo_datagram_send_fds(datagram, bytes, sizeof bytes, fds, 2));
}

static ssize_t got_one(const char *bytes, ssize_t n, int64_t next)
{
    if (n >= 0)
        check_number(bytes, n, next);
    return n < 0 ? n : 1;
}

static ssize_t in_recv(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE + 1];

    (void)to;
    return got_one(bytes, edo_datagram_recv(datagram, bytes, sizeof bytes), next);
}

static ssize_t in_recv_from(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE + 1];
    edo_addr from;
    ssize_t n = edo_datagram_recv_from(datagram, bytes, sizeof bytes, &from);

    CHECK(n < 0 || (from.size_ > 0) == (to != NULL));
    return got_one(bytes, n, next);
}

static ssize_t wait_for_more(edo_datagram *datagram, ssize_t n)
{
    if (n != -EAGAIN)
        return n;
    n = edo_datagram_wait_readable(datagram, edo_now() + EDO_SEC(1000));
    return n < 0 ? n : 0;
}

static ssize_t in_try_recv(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE + 1];

    (void)to;
    return wait_for_more(datagram, got_one(bytes, edo_datagram_try_recv(datagram, bytes, sizeof bytes), next));
}

static ssize_t in_try_recv_from(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE + 1];
    edo_addr from;
    ssize_t n = edo_datagram_try_recv_from(datagram, bytes, sizeof bytes, &from);

    CHECK(n < 0 || (from.size_ > 0) == (to != NULL));
    return wait_for_more(datagram, got_one(bytes, n, next));
}

static ssize_t got_many(const edo_datagram_message *messages, ssize_t n, int64_t next)
{
    CHECK(n != 0 && n <= BATCH);
    for (ssize_t i = 0; i < n; i++) {
        check_number(messages[i].buffer, (ssize_t)messages[i].received, next + i);
        CHECK_RC(messages[i].full, PIECE);
    }
    return n;
}

static ssize_t in_recv_many(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    edo_datagram_message messages[BATCH];
    char bytes[BATCH][PIECE];

    (void)to;
    prepare(messages, bytes, -1);
    return got_many(messages, edo_datagram_recv_many(datagram, messages, BATCH), next);
}

static ssize_t in_try_recv_many(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    edo_datagram_message messages[BATCH];
    char bytes[BATCH][PIECE];

    (void)to;
    prepare(messages, bytes, -1);
    return wait_for_more(datagram, got_many(messages, edo_datagram_try_recv_many(datagram, messages, BATCH), next));
}

static ssize_t in_recv_fds(edo_datagram *datagram, int64_t next, const edo_addr *to)
{
    char bytes[PIECE + 1];
    int fds[2];
    int count = 2;
    ssize_t n = edo_datagram_recv_fds(datagram, bytes, sizeof bytes, fds, &count);

    (void)to;
    CHECK_RC(count, n < 0 ? 0 : 2);
    for (int i = 0; i < count; i++)
        edo_platform->close(fds[i]);
    return got_one(bytes, n, next);
}

static int row_one(void *argument)
{
    return flows(argument, out_send, in_recv, false);
}

static int row_try(void *argument)
{
    return flows(argument, out_try_send, in_try_recv, false);
}

static int row_many(void *argument)
{
    return flows(argument, out_send_many, in_recv_many, false);
}

static int row_try_many(void *argument)
{
    return flows(argument, out_try_send_many, in_try_recv_many, false);
}

static int row_to(void *argument)
{
    return flows(argument, out_send_to, in_recv_from, true);
}

static int row_try_to(void *argument)
{
    return flows(argument, out_try_send_to, in_try_recv_from, true);
}

static int row_fds(void *argument)
{
    return flows(argument, out_send_fds, in_recv_fds, false);
}

/* --- Over the simulated network ----------------------------------------------------------------------------------- */

/* A server that answers, and a client that asks again until it has the answer to its question: bears any weather. */
static int answers(void *argument)
{
    edo_datagram *server = argument;
    edo_datagram_message messages[4] = {{.buffer = NULL}};
    char bytes[4][16];
    ssize_t n;

    do {
        for (int i = 0; i < 4; i++) {
            messages[i].buffer = bytes[i];
            messages[i].size = sizeof bytes[i];
        }
        n = edo_datagram_recv_many(server, messages, 4);
        for (ssize_t i = 0; i < n; i++)
            messages[i].size = messages[i].received;
        for (ssize_t sent = 0, more; sent < n; sent += more) {
            more = edo_datagram_send_many(server, messages + sent, (size_t)(n - sent));
            if (more < 0)
                return (int)more;
        }
    } while (n >= 0);
    return (int)n;
}

static int ask(edo_datagram *client, int question)
{
    int answer = -1;
    int rc;

    do {
        ssize_t n = edo_datagram_send(client, &question, sizeof question);

        if (n < 0)
            return (int)n;
        EDO_TIMEOUT (EDO_MS(20), &rc) {
            rc = 0;
            while (answer != question && rc >= 0)
                rc = (int)edo_datagram_recv(client, &answer, sizeof answer);
        }
    } while (rc == -ETIMEDOUT);
    CHECK(rc < 0 || answer == question);
    return rc < 0 ? rc : 0;
}

static int row_ask(void *argument)
{
    edo_datagram *server EDO_AUTO(edo_datagram_close) = NULL;
    edo_datagram *client EDO_AUTO(edo_datagram_close) = NULL;
    edo_addr address;
    edo_scope serving;
    int rc = edo_udp_bind(&server, "10.0.0.1:53", NULL);

    (void)argument;
    if (rc == 0)
        rc = edo_datagram_local(&address, server);
    if (rc == 0)
        rc = edo_datagram_connect(&client, &address, NULL);
    if (rc < 0)
        return rc;
    edo_scope_begin(&serving, NULL, NULL);
    rc = edo_spawn(&serving, answers, server);
    for (int question = 0; question < 6 && rc == 0; question++)
        rc = ask(client, question);
    edo_scope_cancel(&serving);
    return edo_scope_end(&serving, rc);
}

/* --- Descriptors over streams ------------------------------------------------------------------------------------- */

static int passes(void *argument)
{
    struct book *book = argument;
    int fds[2] = {0, 1};

    for (int i = 0; i < 5; i++) {
        ssize_t n = edo_send_fds(book->object[0], "ab", 2, fds, 2);

        if (n == 1) /* the second byte is for the next write */
            n = edo_write_all(book->object[0], "b", 1);
        if (n < 0)
            return (int)n;
        book_add(book, OUT, 2);
    }
    return edo_shutdown(book->object[0], EDO_HALF_WRITE);
}

static int takes(struct book *book)
{
    char bytes[16];
    int fds[4];
    ssize_t n;

    do {
        int count = 4;

        n = edo_recv_fds(book->object[1], bytes, sizeof bytes, fds, &count);
        for (int i = 0; i < count; i++)
            edo_platform->close(fds[i]);
        CHECK(n > 0 || count == 0);
        book_add(book, IN, count);
    } while (n > 0);
    return (int)n;
}

static int row_pass(void *argument)
{
    struct book *book = argument;
    int fds[2];
    int rc;

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        edo_stream *stream = NULL;

        rc = edo_stream_from_fd(&stream, fds[i]);
        book->object[i] = stream;
        if (rc < 0)
            close(fds[i]);
        if (rc < 0 && i == 0)
            close(fds[1]);
        if (rc < 0)
            break;
    }
    if (rc == 0)
        EDO_SCOPE (scope, &rc) {
            rc = edo_spawn(scope, passes, book);
            if (rc == 0)
                rc = takes(book);
            if (rc == 0)
                CHECK(edo_cancelled() || book_get(book, IN) == book_get(book, OUT));
        }
    edo_close(EDO_TAKE(book->object[0]));
    edo_close(EDO_TAKE(book->object[1]));
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_datagram_send edo_datagram_recv", row_one, 40, false},
    {"edo_datagram_try_send edo_datagram_try_recv edo_datagram_wait_readable edo_datagram_wait_writable", row_try, 40,
     false},
    {"edo_datagram_send_many edo_datagram_recv_many", row_many, 10, false},
    {"edo_datagram_try_send_many edo_datagram_try_recv_many", row_try_many, 10, false},
    {"edo_datagram_send_to edo_datagram_recv_from", row_to, 40, false},
    {"edo_datagram_try_send_to edo_datagram_try_recv_from", row_try_to, 40, false},
    {"edo_datagram_send_fds edo_datagram_recv_fds", row_fds, 40, false},
    {"a server and its client", row_ask, 20, true},
    {"edo_send_fds edo_recv_fds", row_pass, 10, false},
};

static void test_c2_c3_f1_datagrams_bear_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_f1_datagrams_bear_faulty_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        weather_row(&rows[i], 10);
}

/* UDP that loses, doubles and swaps what it is given: whoever asks again has the answer in the end. */
static void test_t2_udp_weather_is_borne_by_who_asks_again(void **state)
{
    edo_test_faults faults = {.size = sizeof faults, .losses = 300, .duplicates = 300, .reorderings = 300};

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct book book;

        book_reset(&book);
        assert_int_equal(edo_test_run_faulty(row_ask, &book, EDO_OPTIONS(edo_test_options, .seed = seed), &faults), 0);
        assert_int_equal(atomic_load(&test_failures), 0);
    }
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_datagram", rows, EDO_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c2_c3_f1_datagrams_bear_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_f1_datagrams_bear_faulty_weather),
        cmocka_unit_test(test_t2_udp_weather_is_borne_by_who_asks_again),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
