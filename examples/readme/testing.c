/* SPDX-License-Identifier: MIT */
/* The examples of docs/guide/testing.md, word for word (docs/check.sh compares), and a main that runs them. */
#include <edo/edo.h>
#include <edo/testing.h>

#include <stdio.h>

/* --- Seeded runs ----------------------------------------------------------------------------------------------------- */

struct account {
    int balance;
};

static int pay_in(void *argument)
{
    struct account *account = argument;
    int balance = account->balance;

    edo_checkpoint(); /* or anything else that may wait: others have their turn */
    account->balance = balance + 1;
    return 0;
}

static int two_pay_in(void *argument)
{
    struct account account = {0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, pay_in, &account);
        if (rc == 0)
            rc = edo_spawn(scope, pay_in, &account);
    }
    return rc < 0 ? rc : account.balance == 2 ? 0 : -EIO;
}

static int find_the_lost_payment(void)
{
    return edo_test_seeds(two_pay_in, NULL, 100, NULL); /* -EIO, and a line that says how to see it again */
}

static int echo(void *argument)
{
    edo_stream *stream EDO_AUTO(edo_close) = argument;
    char bytes[100];
    ssize_t n;

    while ((n = edo_read(stream, bytes, sizeof bytes)) > 0)
        if ((n = edo_write_all(stream, bytes, (size_t)n)) < 0)
            break;
    return (int)n;
}

static int patience(void *argument)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    edo_stream *client EDO_AUTO(edo_close) = NULL;
    edo_stream *server;
    char byte = 'x';
    int rc = edo_tcp_listen(&listener, "10.0.0.1:7", NULL);

    (void)argument;
    if (rc == 0)
        rc = edo_tcp_connect(&client, "10.0.0.1:7", NULL);
    if (rc == 0)
        rc = edo_accept(&server, listener);
    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(scope, echo, server);
        edo_test_partition("10.0.0.1", "127.0.0.1"); /* nothing gets through */
        edo_write_all(client, &byte, 1);
        EDO_TIMEOUT (EDO_SEC(3600), &rc) /* an hour that takes no time */
        {
            rc = edo_read(client, &byte, 1) < 0 ? -ECANCELED : 0;
        }
        if (rc == -ETIMEDOUT) {
            edo_test_heal(NULL, NULL); /* and the answer comes */
            rc = edo_read(client, &byte, 1) == 1 ? 0 : -EIO;
        }
        edo_shutdown(client, EDO_HALF_WRITE);
    }
    return rc;
}

/* Right as long as the task stays on its thread: a wait may end on another one, which has another counter. */
static __thread int requests_here;

static int counts_requests(void *argument)
{
    int before = ++requests_here;

    (void)argument;
    edo_sleep(EDO_MS(1));
    return requests_here == before ? 0 : -EDOM;
}

static int finds_thread_locals(void)
{
    return edo_run(counts_requests, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .migrate_always = true));
}

/* --- Running them ------------------------------------------------------------------------------------------------------- */

int main(void)
{
    int rc = find_the_lost_payment();

    if (rc == -EIO)
        rc = edo_test_seeds(patience, NULL, 50, EDO_OPTIONS(edo_test_options, .short_transfers = true));
    if (rc >= 0) {
        rc = finds_thread_locals();
        rc = rc == -EDOM ? 0 : rc; /* found, if the other thread was awake */
    }
    if (rc < 0)
        fprintf(stderr, "testing: %s\n", edo_strerror(rc));
    return rc < 0;
}
