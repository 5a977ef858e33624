/* SPDX-License-Identifier: MIT */
/*
 * A function under the sweeps: cancelled at every point, refused every call, and run in faulty weather. The examples of
 * docs/guide/testing-sweeps.md stand here word for word.
 */
#include <edo/edo.h>
#include <edo/testing.h>

#include <stdio.h>

/* A client that asks and a server that answers, once. */
struct talk {
    edo_listener *listener;
    int answers; /* sent */
    int heard;
};

static int answer(void *argument)
{
    struct talk *talk = argument;
    edo_stream *peer EDO_AUTO(edo_close) = NULL;
    char question[4];
    ssize_t n = edo_accept(&peer, talk->listener);

    if (n == 0)
        n = edo_read(peer, question, sizeof question);
    if (n > 0)
        n = edo_write_all(peer, "42", 2);
    if (n > 0)
        talk->answers++;
    return n < 0 ? (int)n : 0;
}

static int ask(struct talk *talk)
{
    edo_stream *stream EDO_AUTO(edo_close) = NULL;
    edo_addr address;
    char heard[4];
    ssize_t n = edo_listener_addr(&address, talk->listener);

    if (n == 0)
        n = edo_connect(&stream, &address, NULL);
    if (n == 0)
        n = edo_write_all(stream, "?", 1);
    if (n > 0)
        n = edo_read(stream, heard, sizeof heard);
    if (n > 0)
        talk->heard++;
    return n < 0 ? (int)n : 0;
}

static int converse(void *argument)
{
    struct talk *talk = argument;
    int rc = edo_tcp_listen(&talk->listener, "127.0.0.1:0", NULL);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, answer, talk);
        if (rc == 0)
            rc = ask(talk);
    }
    edo_listener_close(talk->listener);
    return rc;
}

static void start_over(void *argument)
{
    struct talk *talk = argument;

    *talk = (struct talk){0};
}

/* 0 if all is well. `point` is where something went wrong; 0 if nothing did. */
static int nothing_made_up(void *argument, size_t point, int result)
{
    struct talk *talk = argument;

    if (talk->heard > talk->answers)
        return -EPROTO;
    return point == 0 && (result != 0 || talk->heard != 1) ? -EPROTO : 0;
}

static int sweep_cancellation(struct talk *talk)
{
    edo_test_report report = EDO_TEST_REPORT_INIT;
    int rc = edo_test_cancel_sweep(
        converse, talk,
        EDO_OPTIONS(edo_test_sweep_options, .reset = start_over, .check = nothing_made_up, .report = &report));

    printf("cancelled at %zu points\n", report.swept);
    return rc;
}

static int sweep_failures(struct talk *talk)
{
    return edo_test_fault_sweep(converse, talk,
                                EDO_OPTIONS(edo_test_sweep_options, .reset = start_over, .check = nothing_made_up));
}

static int bad_weather(struct talk *talk)
{
    int rc = 0;

    for (uint64_t seed = 1; seed <= 20 && rc == 0; seed++) {
        start_over(talk);
        rc = edo_test_run_faulty(
            converse, talk, EDO_OPTIONS(edo_test_options, .seed = seed),
            EDO_OPTIONS(edo_test_faults, .interrupts = 200, .short_transfers = 200, .again = 200)); /* of 1,000 calls */
    }
    return rc;
}

int main(void)
{
    struct talk talk;
    int rc = sweep_cancellation(&talk);

    if (rc == 0)
        rc = sweep_failures(&talk);
    if (rc == 0)
        rc = bad_weather(&talk);
    if (rc < 0)
        fprintf(stderr, "sweeps: %s\n", edo_strerror(rc));
    return rc < 0;
}
