/* SPDX-License-Identifier: MIT */
/*
 * Streams under all that may happen to them at once: many connections echo both ways; they are closed by other tasks,
 * cancelled, timed out, half-closed and reset; servers are stackful and dormant; workers change threads, and tasks
 * migrate. Bytes come in order and, where nothing disturbed them, all of them; no descriptor is closed under a syscall;
 * nothing is left.
 */
#include "net.h"

#include "io/stream.h"
#include "runtime/runtime.h"
#include "runtime/take_worker.h"

enum { CLIENTS = 24, DESCRIPTORS = 4096, PAIRS = 32 };

/* --- Nobody closes a descriptor that a syscall is at -------------------------------------------------------------- */

static atomic_int in_use[DESCRIPTORS];

static void use(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_fetch_add(&in_use[fd], 1);
}

static void unuse(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_fetch_sub(&in_use[fd], 1);
}

static ssize_t used_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t result;

    use(fd);
    result = edo_platform_system.recv(fd, buffer, size, flags);
    unuse(fd);
    CHECK(result != -EBADF);
    return result;
}

static ssize_t used_send(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t result;

    use(fd);
    result = edo_platform_system.send(fd, buffer, size, flags);
    unuse(fd);
    CHECK(result != -EBADF);
    return result;
}

static ssize_t used_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t result;

    use(fd);
    result = edo_platform_system.sendmsg(fd, message, flags);
    unuse(fd);
    CHECK(result != -EBADF);
    return result;
}

static int used_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int result;

    use(fd);
    result = edo_platform_system.epoll_ctl(epoll, operation, fd, event);
    unuse(fd);
    CHECK(result == 0);
    return result;
}

static int used_close(int fd)
{
    int result;

    CHECK(fd < 0 || fd >= DESCRIPTORS || atomic_load(&in_use[fd]) == 0);
    result = edo_platform_system.close(fd);
    CHECK(result == 0);
    return result;
}

/* --- Servers ------------------------------------------------------------------------------------------------------ */

/* How the client wants to be served: its first byte. */
enum { SERVE_STACKFUL = 1, SERVE_DORMANT, SERVE_RUDE, SERVE_FORMS };

static struct {
    edo_addr addresses[2];
    int64_t end;
    atomic_ulong connections;
    atomic_ulong bytes;
    atomic_ulong undisturbed;
    atomic_ulong closed;
    atomic_ulong cancelled;
    atomic_ulong timeouts;
    atomic_ulong serial;
} world;

static uint64_t new_generator(void)
{
    return edo_test_seed() + 0x1000 * atomic_fetch_add(&world.serial, 1);
}

struct connection {
    edo_stream *stream;
    uint64_t random;
    int form;
    size_t left; /* a rude server's patience */
};

static int connection_end(struct connection *connection, ssize_t rc)
{
    edo_close(connection->stream);
    free(connection);
    CHECK(rc <= 0 && rc != -EBADF && rc != -EBUSY && rc != -ETIMEDOUT);
    return (int)rc;
}

/* Serves some; 1: more later. */
static ssize_t serve_some(struct connection *connection, int rounds)
{
    char buffer[3000];

    for (; rounds > 0; rounds--) {
        size_t size = 1 + edo_test_random(&connection->random) % sizeof buffer;
        ssize_t n = edo_test_random(&connection->random) % 4 ? edo_read(connection->stream, buffer, size)
                                                             : edo_try_read(connection->stream, buffer, size);

        if (n == -EAGAIN)
            return 1;
        if (n <= 0)
            return n;
        if (connection->form == SERVE_RUDE) {
            if ((size_t)n >= connection->left)
                return 0;
            connection->left -= (size_t)n;
        }
        n = edo_write_all(connection->stream, buffer, (size_t)n);
        if (n < 0)
            return n;
    }
    return 1;
}

static int serve_dormant(void *argument)
{
    struct connection *connection = (struct connection *)argument;
    int why = edo_resumption();
    ssize_t rc = 1;

    if (why == -ETIMEDOUT)
        atomic_fetch_add(&world.timeouts, 1);
    else if (why < 0)
        rc = why;
    else
        rc = serve_some(connection, 1 + (int)(edo_test_random(&connection->random) % 4));
    if (rc <= 0)
        return connection_end(connection, rc);
    if (edo_test_random(&connection->random) % 4)
        return edo_continue(EDO_WHEN_READABLE(connection->stream), serve_dormant, connection);
    return edo_continue(
        EDO_WHEN_READABLE(connection->stream,
                          .deadline = edo_now() + (int64_t)(edo_test_random(&connection->random) % 300000)),
        serve_dormant, connection);
}

static int serve_first(void *argument)
{
    struct connection *connection = (struct connection *)argument;
    int why = edo_resumption();
    unsigned char form;
    ssize_t n = why < 0 ? why : edo_read(connection->stream, &form, 1);

    if (n <= 0)
        return connection_end(connection, n);
    CHECK(form > 0 && form < SERVE_FORMS);
    connection->form = form;
    connection->left = edo_test_random(&connection->random) % 5000;
    if (form == SERVE_DORMANT)
        return serve_dormant(connection);
    while ((n = serve_some(connection, 100)) > 0)
        if (edo_wait_readable(connection->stream, EDO_FOREVER) == -ECANCELED)
            return connection_end(connection, -ECANCELED);
    return connection_end(connection, n);
}

static int accept_all(void *argument)
{
    edo_listener *listener = (edo_listener *)argument;
    uint64_t random = new_generator();
    int rc = 0;

    EDO_SCOPE (served, &rc, .policy = EDO_SUPERVISE) {
        edo_stream *stream;

        while ((rc = edo_accept(&stream, listener)) == 0) {
            struct connection *connection = (struct connection *)calloc(1, sizeof *connection);

            connection->stream = stream;
            connection->random = new_generator();
            if (edo_test_random(&random) % 2)
                rc = edo_spawn(served, serve_first, connection, .when = EDO_WHEN_READABLE(stream));
            else
                rc = edo_spawn(served, serve_first, connection);
            CHECK_EQUAL(rc, 0);
        }
    }
    CHECK_EQUAL(rc, -ECANCELED);
    edo_listener_close(listener);
    return 0;
}

/* --- Clients ------------------------------------------------------------------------------------------------------ */

struct exchange {
    edo_stream *stream;
    uint64_t random;
    size_t size;
    atomic_size_t sent;
    uint8_t salt;
    bool whole; /* nothing will disturb it */
};

static uint8_t byte_at(const struct exchange *exchange, size_t position)
{
    return (uint8_t)(position * 31 + (position >> 8) + exchange->salt);
}

static int exchange_write(void *argument)
{
    struct exchange *exchange = (struct exchange *)argument;
    uint8_t buffer[5000];
    size_t sent = 0;

    while (sent < exchange->size) {
        size_t size = 1 + edo_test_random(&exchange->random) % sizeof buffer;
        struct iovec pieces[2];
        size_t part = 0;
        ssize_t n;

        if (size > exchange->size - sent)
            size = exchange->size - sent;
        for (size_t i = 0; i < size; i++)
            buffer[i] = byte_at(exchange, sent + i);
        pieces[0] = (struct iovec){buffer, size / 2};
        pieces[1] = (struct iovec){buffer + size / 2, size - size / 2};
        atomic_store(&exchange->sent, sent + size); /* at most */
        switch (edo_test_random(&exchange->random) % 4) {
        case 0:
            n = edo_write(exchange->stream, buffer, size);
            break;
        case 1:
            n = edo_writev(exchange->stream, pieces, 2);
            break;
        case 2:
            n = edo_writev_all(exchange->stream, pieces, 2);
            break;
        default:
            n = edo_write_all_part(&part, exchange->stream, buffer, size);
            CHECK(n < 0 ? part < size : part == size);
        }
        if (n < 0) {
            CHECK(!exchange->whole);
            return 0;
        }
        CHECK(n > 0);
        sent += (size_t)n;
    }
    if (edo_shutdown(exchange->stream, EDO_HALF_WRITE) < 0)
        CHECK(!exchange->whole);
    return 0;
}

static void exchange_read(struct exchange *exchange)
{
    uint8_t buffer[4096];
    size_t received = 0;
    ssize_t n;

    for (;;) {
        size_t size = 1 + edo_test_random(&exchange->random) % sizeof buffer;

        switch (edo_test_random(&exchange->random) % 8) {
        case 0:
            n = edo_wait_readable(exchange->stream, edo_now() + (int64_t)(edo_test_random(&exchange->random) % 100000));
            CHECK(n == 0 || n == -ETIMEDOUT || !exchange->whole);
            n = -EAGAIN;
            break;
        case 1:
            n = edo_try_read(exchange->stream, buffer, size);
            break;
        default:
            n = edo_read(exchange->stream, buffer, size);
        }
        if (n == -EAGAIN)
            continue;
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQUAL(buffer[i], byte_at(exchange, received + (size_t)i));
        received += (size_t)n;
        CHECK(received <= atomic_load(&exchange->sent));
    }
    atomic_fetch_add(&world.bytes, received);
    if (exchange->whole) {
        CHECK_EQUAL(n, 0);
        CHECK_EQUAL(received, exchange->size);
        atomic_fetch_add(&world.undisturbed, 1);
    } else if (n == -EBADF) {
        atomic_fetch_add(&world.closed, 1);
    } else if (n == -ECANCELED) {
        atomic_fetch_add(&world.cancelled, 1);
    } else {
        CHECK(n == 0 || n == -ECONNRESET || n == -EPIPE);
    }
}

static int close_it(void *argument)
{
    struct exchange *exchange = (struct exchange *)argument;

    for (uint64_t i = edo_test_random(&exchange->random) % 30; i > 0; i--)
        edo_yield();
    edo_close(exchange->stream);
    return 0;
}

enum { LEFT_ALONE, TIMED_OUT, CLOSED, CANCELLED, RUDE, DISTURBANCES };

static void exchange_once(uint64_t *random)
{
    struct exchange exchange = {.random = new_generator(), .salt = (uint8_t)edo_test_random(random)};
    struct exchange closing = exchange;
    int disturbance = (int)(edo_test_random(random) % DISTURBANCES);
    char form = disturbance == RUDE ? SERVE_RUDE : edo_test_random(random) % 2 ? SERVE_STACKFUL : SERVE_DORMANT;
    int64_t timeout = disturbance == TIMED_OUT ? 1 + (int64_t)(edo_test_random(random) % 2000000) : 0;
    struct linger reset = {.l_onoff = 1};
    int rc = edo_connect(&exchange.stream, &world.addresses[edo_test_random(random) % 2], NULL);

    CHECK_EQUAL(rc, 0);
    exchange.size = edo_test_random(random) % 40000;
    exchange.whole = disturbance == LEFT_ALONE;
    CHECK_EQUAL(edo_write(exchange.stream, &form, 1), 1);
    closing.stream = exchange.stream;
    /* Closed by another, it is ours to look at until the end all the same. */
    if (disturbance == CLOSED)
        CHECK_EQUAL(edo_source_begin(&exchange.stream->source), 0);
    EDO_SCOPE (scope, &rc, .timeout = timeout) {
        CHECK_EQUAL(edo_spawn(scope, exchange_write, &exchange), 0);
        if (disturbance == CLOSED)
            CHECK_EQUAL(edo_spawn(scope, close_it, &closing), 0);
        if (disturbance == CANCELLED) {
            for (uint64_t i = edo_test_random(random) % 30; i > 0; i--)
                edo_yield();
            edo_scope_cancel(scope);
        }
        exchange_read(&exchange);
    }
    if (disturbance == CLOSED) {
        edo_source_end(&exchange.stream->source);
    } else {
        if (!exchange.whole && edo_test_random(random) % 2)
            setsockopt(edo_stream_fd(exchange.stream), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        edo_close(exchange.stream);
    }
    atomic_fetch_add(&world.connections, 1);
}

static int client(void *argument)
{
    uint64_t random = new_generator();

    (void)argument;
    while (edo_now() < world.end)
        exchange_once(&random);
    return 0;
}

/* --- Closing while others call ------------------------------------------------------------------------------------ */

static int crossing_read(void *argument)
{
    char buffer[16];
    ssize_t n = edo_read((edo_stream *)argument, buffer, sizeof buffer);

    CHECK(n == 3 || n == 0 || n == -EBADF || n == -ECONNRESET);
    return 0;
}

static int crossing_resume(void *argument)
{
    int why = edo_resumption();

    CHECK(why == 0 || why == -EBADF);
    return why == 0 ? crossing_read(argument) : 0;
}

static int crossing_sleep(void *argument)
{
    edo_stream *stream = (edo_stream *)argument;

    return edo_continue(EDO_WHEN_READABLE(stream), crossing_resume, stream);
}

static int crossing_write(void *argument)
{
    ssize_t n = edo_write((edo_stream *)argument, "abc", 3);

    CHECK(n == 3 || n == -EPIPE || n == -EBADF || n == -ECONNRESET);
    return 0;
}

static int crossing_shutdown(void *argument)
{
    int rc = edo_shutdown((edo_stream *)argument, EDO_HALF_BOTH);

    CHECK(rc == 0 || rc == -EBADF || rc == -ENOTCONN);
    return 0;
}

static int crossing_close(void *argument)
{
    edo_close((edo_stream *)argument);
    return 0;
}

/* Every end is read, written and closed at once, by tasks that know nothing of each other. None is opened meanwhile. */
static void crossings(uint64_t *random)
{
    edo_stream *ends[PAIRS][2];
    int rc = 0;

    for (int i = 0; i < PAIRS; i++)
        net_pair(ends[i]);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < PAIRS; i++)
            for (int end = 0; end < 2; end++) {
                static int (*const calls[])(void *) = {crossing_read, crossing_write, crossing_shutdown,
                                                       crossing_close};
                unsigned first = (unsigned)edo_test_random(random);

                for (unsigned call = 0; call < 4; call++) {
                    unsigned which = (first + call) % 4;
                    int (*fn)(void *) = which == 0 && first & 16 ? crossing_sleep : calls[which];

                    if (which != 2 || first & 32)
                        CHECK_EQUAL(edo_spawn(scope, fn, ends[i][end]), 0);
                }
            }
    }
    CHECK_EQUAL(rc, 0);
}

/* --- Everything at once ------------------------------------------------------------------------------------------- */

struct taking {
    struct edo_runtime *runtime;
    atomic_bool stop;
    unsigned long taken;
};

/* Takes workers from threads that are at work, as if they kept them too long. */
static void *take_workers(void *argument)
{
    struct taking *taking = (struct taking *)argument;
    uint64_t random = new_generator();

    while (!atomic_load(&taking->stop)) {
        int which = (int)(edo_test_random(&random) % (uint64_t)taking->runtime->worker_count);

        taking->taken += take_worker(&taking->runtime->workers[which]) == 0;
        usleep((useconds_t)(edo_test_random(&random) % 200));
    }
    return NULL;
}

static int everything(void *argument)
{
    struct taking taking = {.runtime = edo_thread_self()->runtime};
    uint64_t random = new_generator();
    edo_listener *listeners[2];
    pthread_t thread;
    char name[64];
    int rc = 0;

    (void)argument;
    snprintf(name, sizeof name, "@edo-stress-streams-%d", (int)getpid());
    CHECK_EQUAL(edo_tcp_listen(&listeners[0], "127.0.0.1:0", NULL), 0);
    CHECK_EQUAL(edo_unix_listen(&listeners[1], name, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(edo_listener_addr(&world.addresses[i], listeners[i]), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, take_workers, &taking), 0);
    for (int64_t end = edo_now() + edo_test_duration() / 8; edo_now() < end;)
        crossings(&random);
    world.end = edo_now() + edo_test_duration() / 4;
    EDO_SCOPE (servers, &rc) {
        int ignored = 0;

        for (int i = 0; i < 2; i++)
            CHECK_EQUAL(edo_spawn(servers, accept_all, listeners[i]), 0);
        EDO_SCOPE (clients, &ignored) {
            for (int i = 0; i < CLIENTS; i++)
                CHECK_EQUAL(edo_spawn(clients, client, NULL), 0);
        }
        edo_scope_cancel(servers);
    }
    atomic_store(&taking.stop, true);
    pthread_join(thread, NULL);
    printf("# %lu connections, %lu undisturbed, %lu closed, %lu cancelled, %lu idle, %lu bytes; %lu workers taken\n",
           atomic_load(&world.connections), atomic_load(&world.undisturbed), atomic_load(&world.closed),
           atomic_load(&world.cancelled), atomic_load(&world.timeouts), atomic_load(&world.bytes), taking.taken);
    fflush(stdout);
    return 0;
}

static void stress(int workers, bool migrate)
{
    memset(&world, 0, sizeof world);
    net_table = edo_platform_system;
    net_table.recv = used_recv;
    net_table.send = used_send;
    net_table.sendmsg = used_sendmsg;
    net_table.epoll_ctl = used_epoll_ctl;
    net_table.close = used_close;
    alarm(60 + (unsigned)(edo_test_duration() / EDO_SEC(1)) * 4);
    net_run_with(
        everything, NULL,
        EDO_OPTIONS(edo_run_options, .workers = workers, .migrate_always = migrate, .signals = EDO_SIGNALS_IGNORE));
    assert_true(atomic_load(&world.undisturbed) > 0);
}

static void test_streams_on_one_worker(void **state)
{
    (void)state;
    stress(1, false);
}

static void test_streams_on_two_workers(void **state)
{
    (void)state;
    stress(2, false);
}

static void test_streams_on_four_workers(void **state)
{
    (void)state;
    stress(4, false);
}

static void test_streams_that_always_migrate(void **state)
{
    (void)state;
    stress(2, true);
    stress(1, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_begin, net_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_streams_on_one_worker),
        TEST(test_streams_on_two_workers),
        TEST(test_streams_on_four_workers),
        TEST(test_streams_that_always_migrate),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
