/* SPDX-License-Identifier: MIT */
/*
 * A program for the console's page to look at: a shop in which everything happens that the page shows. Visitors talk to
 * clients over sockets, orders queue for a mutex whose holder waits, transfers wait for each other in a ring, a sale is
 * out of time and does not end, thumbnails compute too long and reports block their thread. All of it goes on until
 * SIGINT.
 *
 *     shop [SESSIONS [calm|hostile]]
 *
 * SESSIONS dormant tasks stand beside it (900). calm: only those, and a little load. hostile: they have names made to
 * hurt.
 */
#include <edo/edo.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VISITORS = 60, ORDERS = 9, MAILERS = 4, RENDERS = 6 };

static edo_mutex prices = EDO_MUTEX_INIT;
static edo_mutex left = EDO_MUTEX_INIT;
static edo_mutex right = EDO_MUTEX_INIT;
static edo_channel *letters;
static char address[EDO_ADDR_TEXT_SIZE];

/* Random enough for a picture, and the same each time. */
static unsigned choose(unsigned most)
{
    static _Atomic uint32_t state = 12345;
    uint32_t x = atomic_fetch_add(&state, UINT32_C(2654435761));

    x ^= x >> 15;
    x *= 2246822519u;
    return (x ^ x >> 13) % most;
}

static unsigned compute(int64_t duration)
{
    struct timespec now;
    int64_t end = edo_now() + duration;
    unsigned sum = 0;

    do {
        for (unsigned i = 0; i < 1000; i++)
            sum = sum * 31 + i;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec * EDO_SEC(1) + now.tv_nsec < end);
    return sum;
}

static int block(void *duration)
{
    struct timespec pause = {0, *(int64_t *)duration};

    return nanosleep(&pause, NULL);
}

/* --- Clients and visitors: most of a server's tasks wait for bytes, and are dormant meanwhile --------------------- */

static int client(void *argument)
{
    edo_stream *peer EDO_AUTO(edo_close) = argument;
    char buffer[256];
    ssize_t n = edo_resumption();

    if (n < 0)
        return (int)n;
    n = edo_read(peer, buffer, sizeof buffer);
    if (n > 0) {
        compute(EDO_US(20 + choose(200)));
        n = edo_write_all(peer, buffer, (size_t)n);
    }
    if (n <= 0)
        return (int)n;
    return edo_continue(EDO_WHEN_READABLE(peer, .deadline = edo_now() + EDO_SEC(300)), client, EDO_TAKE(peer));
}

static int visitor(void *argument)
{
    edo_stream *server EDO_AUTO(edo_close) = NULL;
    char buffer[64] = "a book, please";
    int rc = edo_tcp_connect(&server, address, NULL);

    (void)argument;
    while (rc == 0) {
        ssize_t n = edo_write_all(server, buffer, sizeof buffer);

        if (n > 0)
            n = edo_read(server, buffer, sizeof buffer);
        rc = n <= 0 ? (int)n : edo_sleep(EDO_MS(20 + choose(400)));
        if (n == 0)
            break;
    }
    return rc;
}

static int serve(void *argument)
{
    edo_listener *listener = argument;
    edo_stream *peer;
    int rc = 0;

    EDO_SCOPE (clients, &rc, .name = "clients", .policy = EDO_SUPERVISE) {
        while ((rc = edo_accept(&peer, listener)) == 0)
            if ((rc = edo_spawn(clients, client, peer, .name = "client", .when = EDO_WHEN_READABLE(peer))) < 0) {
                edo_close(peer);
                break;
            }
    }
    return rc;
}

/* --- Locks: one that is held for long, and two that will never be free -------------------------------------------- */

static int reprice(void *argument)
{
    int rc = edo_mutex_lock(&prices);

    (void)argument;
    if (rc == 0) {
        rc = edo_sleep(EDO_SEC(3600));
        edo_mutex_unlock(&prices);
    }
    return rc;
}

static int order(void *argument)
{
    int rc = edo_mutex_lock(&prices);

    (void)argument;
    if (rc == 0)
        edo_mutex_unlock(&prices);
    return rc;
}

static int transfer(void *argument)
{
    edo_mutex **accounts = argument; /* from, to */
    int rc = edo_mutex_lock(accounts[0]);

    if (rc < 0)
        return rc;
    rc = edo_sleep(EDO_MS(50));
    if (rc == 0 && (rc = edo_mutex_lock(accounts[1])) == 0)
        edo_mutex_unlock(accounts[1]);
    edo_mutex_unlock(accounts[0]);
    return rc;
}

/* --- A sale that has taken too long: its time is up, but one of its tasks does not hear of that ------------------- */

static int charge(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SHIELD (EDO_FOREVER) /* what is begun is to be finished: but the bank does not answer */
        rc = edo_sleep(EDO_SEC(3600));
    return rc;
}

static int wraps(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(3600));
}

static int sale(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (sale, &rc, .name = "sale", .deadline = edo_now() + EDO_MS(300)) {
        rc = edo_spawn(sale, charge, NULL, .name = "charge card");
        if (rc == 0)
            rc = edo_spawn(sale, wraps, NULL, .name = "wrap");
    }
    return rc;
}

/* One that has its time: its scope ends in an hour. */
static int stocktaking(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (shelves, &rc, .name = "shelves", .deadline = edo_now() + EDO_SEC(3600)) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(shelves, wraps, NULL, .name = "count shelf");
    }
    return rc;
}

/* --- What runs: short turns, too long ones, and such that block --------------------------------------------------- */

static int render(void *argument)
{
    int rc = 0;

    (void)argument;
    while (rc == 0) {
        compute(EDO_US(5 + choose(8) * choose(20)));
        rc = choose(4) ? edo_yield() : edo_sleep(EDO_US(200 + choose(4000)));
    }
    return rc;
}

static int thumbnail(void *argument)
{
    int rc;

    (void)argument;
    while ((rc = edo_sleep(EDO_MS(2000 + choose(3000)))) == 0)
        compute(EDO_MS(60 + choose(500)));
    return rc;
}

static int report(void *argument)
{
    int rc;

    (void)argument;
    while ((rc = edo_sleep(EDO_MS(3000 + choose(3000)))) == 0) {
        int64_t duration = EDO_MS(100 + choose(800));

        block(&duration);
    }
    return rc;
}

static int resize(void *argument)
{
    int rc = 0;

    (void)argument;
    while (rc >= 0 && !edo_cancelled()) {
        int64_t duration = EDO_MS(300 + choose(300));

        rc = edo_blocking(block, &duration);
    }
    return rc;
}

static int mailer(void *argument)
{
    int letter;

    (void)argument;
    return edo_channel_recv(&letter, letters, sizeof letter);
}

static int session(void *argument)
{
    (void)argument;
    return 0;
}

/* --- The shop ----------------------------------------------------------------------------------------------------- */

static const char *const hostile[] = {
    "<script>window.hurt=1</script>",
    "<img src=x onerror=window.hurt=1>",
    "\xe2\x80\xaegnp.exe\xe2\x80\xac",
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7",
    "tab\there\nline\x1b[31m",
    "broken \xff\xfe utf-8 \xc3",
    "\"'><svg/onload=window.hurt=1>\\u0022",
    "",
};

static int spawn_sessions(edo_scope *shop, int sessions, bool hurt)
{
    static char huge[10241];
    int rc = 0;

    memset(huge, 'W', sizeof huge - 1);
    for (int i = 0; i < sessions && rc == 0; i++) {
        const char *name = hurt ? i % 9 == 8 ? huge : hostile[i % 9] : "session";

        rc = edo_spawn(shop, session, NULL, .name = name,
                       .when = EDO_WHEN_AT(edo_now() + EDO_SEC(600) + EDO_MS(choose(600000))));
    }
    return rc;
}

static int open_shop(edo_scope *shop, edo_listener *listener)
{
    static edo_mutex *there[] = {&left, &right};
    static edo_mutex *back[] = {&right, &left};
    int rc = edo_spawn(shop, serve, listener, .name = "serve");

    for (int i = 0; i < VISITORS && rc == 0; i++)
        rc = edo_spawn(shop, visitor, NULL, .name = "visitor");
    if (rc == 0)
        rc = edo_spawn(shop, reprice, NULL, .name = "reprice");
    for (int i = 0; i < ORDERS && rc == 0; i++)
        rc = edo_spawn(shop, order, NULL, .name = "order");
    if (rc == 0)
        rc = edo_spawn(shop, transfer, there, .name = "transfer there");
    if (rc == 0)
        rc = edo_spawn(shop, transfer, back, .name = "transfer back");
    for (int i = 0; i < MAILERS && rc == 0; i++)
        rc = edo_spawn(shop, mailer, NULL, .name = "mailer");
    if (rc == 0)
        rc = edo_spawn(shop, sale, NULL, .name = "sell");
    if (rc == 0)
        rc = edo_spawn(shop, stocktaking, NULL, .name = "stocktaking");
    if (rc == 0)
        rc = edo_spawn(shop, thumbnail, NULL, .name = "thumbnail");
    if (rc == 0)
        rc = edo_spawn(shop, report, NULL, .name = "report");
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = edo_spawn(shop, resize, NULL, .name = "resize");
    return rc;
}

struct wish {
    int sessions;
    bool calm;
    bool hostile;
};

static int run(void *argument)
{
    const struct wish *wish = argument;
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_addr local;
    int rc;

    if ((rc = edo_tcp_listen(&listener, "127.0.0.1:0", NULL)) < 0 || (rc = edo_listener_addr(&local, listener)) < 0 ||
        (rc = edo_addr_print(address, sizeof address, &local)) < 0 ||
        (rc = edo_channel_create(&letters, sizeof(int), 4)) < 0)
        return rc;
    EDO_SCOPE (shop, &rc, .name = "shop", .policy = EDO_SUPERVISE) {
        if (!wish->calm)
            rc = open_shop(shop, listener);
        for (int i = 0; i < (wish->calm ? 1 : RENDERS) && rc == 0; i++)
            rc = edo_spawn(shop, render, NULL, .name = "render");
        if (rc == 0)
            rc = spawn_sessions(shop, wish->sessions, wish->hostile);
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(3600));
    }
    edo_channel_destroy(letters);
    return rc;
}

int main(int argc, char **argv)
{
    struct wish wish = {.sessions = argc > 1 ? atoi(argv[1]) : 900,
                        .calm = argc > 2 && !strcmp(argv[2], "calm"),
                        .hostile = argc > 2 && !strcmp(argv[2], "hostile")};
    int rc = edo_run(run, &wish, NULL);

    if (rc < 0 && rc != -ECANCELED)
        fprintf(stderr, "shop: %s\n", edo_strerror(rc));
    return rc < 0;
}
