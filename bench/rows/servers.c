/* SPDX-License-Identifier: MIT */
/*
 * Echo and HTTP against bare epoll loops; idle connections in bytes.
 */
#include "contest.h"
#include "rows/rows.h"

#define ECHO_FORMS                                                                                                     \
    {                                                                                                                  \
        {"edo-bench-echo-task", "task"}, {"edo-bench-echo-dormant", "dormant"},                                        \
    }
#define HTTP_FORMS                                                                                                     \
    {                                                                                                                  \
        {"edo-bench-http", "http"},                                                                                    \
    }

static const struct bench_contest echo_64 = {"echo", "edo-bench-floor-echo", ECHO_FORMS, 1, true, 64, 40000, 11};
static const struct bench_contest echo_1000 = {"echo", "edo-bench-floor-echo", ECHO_FORMS, 1, true, 1000, 40000, 7};
static const struct bench_contest echo_64_2 = {"echo", "edo-bench-floor-echo", ECHO_FORMS, 2, false, 64, 40000, 7};
static const struct bench_contest echo_1000_2 = {"echo", "edo-bench-floor-echo", ECHO_FORMS, 2, false, 1000, 40000, 7};
static const struct bench_contest echo_idle = {"echo", "edo-bench-floor-echo", ECHO_FORMS, 1, true, 1000, 0, 1};
static const struct bench_contest http_64 = {"http", "edo-bench-floor-http", HTTP_FORMS, 1, true, 64, 40000, 11};
static const struct bench_contest http_64_2 = {"http", "edo-bench-floor-http", HTTP_FORMS, 2, false, 64, 40000, 7};
static const struct bench_contest http_idle = {"http", "edo-bench-floor-http", HTTP_FORMS, 1, true, 1000, 0, 1};

/* Of one form of server: what is compared with which floor, by which bars. */
#define SPEED(form, floor, cpu_bar, cpu, syscall_bar, syscalls)                                                        \
    {"cpu." form, form ": CPU a request, µs", floor, cpu_bar, cpu},                                                    \
        {"user." form, form ": user part, µs", floor, BENCH_INFORMATION, 0},                                           \
        {"system." form, form ": system part, µs", floor, BENCH_INFORMATION, 0},                                       \
        {"syscalls." form, form ": syscalls a request", floor, syscall_bar, syscalls},                                 \
    {                                                                                                                  \
        "rate." form, form ": requests a second", floor, BENCH_INFORMATION, 0                                          \
    }
#define INSTRUCTIONS(form, floor, bar, instructions)                                                                   \
    {                                                                                                                  \
        "instructions." form, form ": user instructions a request", floor, bar, instructions                           \
    }

#define BARRED(form, floor)                                                                                            \
    SPEED(form, floor, BENCH_RATIO, 1.15, BENCH_ABOVE, 0.1), INSTRUCTIONS(form, floor, BENCH_AT_MOST, 300)
#define FREE(form, floor)   SPEED(form, floor, BENCH_INFORMATION, 0, BENCH_INFORMATION, 0)
#define FREE_1(form, floor) FREE(form, floor), INSTRUCTIONS(form, floor, BENCH_INFORMATION, 0)

static const struct bench_metric echo_barred[] = {
    BARRED("task", "bare epoll loop"),
    BARRED("dormant", "bare epoll loop"),
    {0},
};
static const struct bench_metric echo_free[] = {
    FREE_1("task", "bare epoll loop"),
    FREE_1("dormant", "bare epoll loop"),
    {0},
};
static const struct bench_metric echo_free_2[] = {
    FREE("task", "two bare epoll loops"),
    FREE("dormant", "two bare epoll loops"),
    {0},
};
static const struct bench_metric http_barred[] = {
    SPEED("http", "the same bytes, bare", BENCH_RATIO, 1.2, BENCH_ABOVE, 0.1),
    INSTRUCTIONS("http", "the same bytes, bare", BENCH_INFORMATION, 0),
    {0},
};
static const struct bench_metric http_free_2[] = {
    FREE("http", "the same bytes, bare 2"),
    {0},
};
static const struct bench_metric echo_weight[] = {
    {"bytes.task", "task: bytes a connection", "bare epoll loop", BENCH_INFORMATION, 0},
    {"bytes.dormant", "dormant: bytes a connection", "bare epoll loop", BENCH_AT_MOST, 400},
    {0},
};
static const struct bench_metric http_weight[] = {
    {"bytes.http", "bytes a connection", "bare epoll loop", BENCH_AT_MOST, 640},
    {0},
};

static int speed(const struct bench_row *row);
static int idle(const struct bench_row *row);

const struct bench_row bench_row_echo_64 = {
    .name = "echo-64", .metrics = echo_barred, .run = speed, .seconds = 40, .itself = true};
const struct bench_row bench_row_echo_1000 = {
    .name = "echo-1000", .metrics = echo_free, .run = speed, .seconds = 30, .itself = true};
const struct bench_row bench_row_echo_64_2 = {
    .name = "echo-64-2-workers", .metrics = echo_free_2, .run = speed, .seconds = 30, .itself = true};
const struct bench_row bench_row_echo_1000_2 = {
    .name = "echo-1000-2-workers", .metrics = echo_free_2, .run = speed, .seconds = 30, .itself = true};
const struct bench_row bench_row_echo_idle = {
    .name = "echo-idle", .metrics = echo_weight, .run = idle, .seconds = 10, .itself = true};
const struct bench_row bench_row_http_64 = {
    .name = "http-64", .metrics = http_barred, .run = speed, .seconds = 30, .itself = true};
const struct bench_row bench_row_http_64_2 = {
    .name = "http-64-2-workers", .metrics = http_free_2, .run = speed, .seconds = 30, .itself = true};
const struct bench_row bench_row_http_idle = {
    .name = "http-idle", .metrics = http_weight, .run = idle, .seconds = 10, .itself = true};

static const struct {
    const struct bench_row *row;
    const struct bench_contest *contest;
} contests[] = {
    {&bench_row_echo_64, &echo_64},         {&bench_row_echo_1000, &echo_1000}, {&bench_row_echo_64_2, &echo_64_2},
    {&bench_row_echo_1000_2, &echo_1000_2}, {&bench_row_echo_idle, &echo_idle}, {&bench_row_http_64, &http_64},
    {&bench_row_http_64_2, &http_64_2},     {&bench_row_http_idle, &http_idle},
};

static const struct bench_contest *contest_of(const struct bench_row *row)
{
    size_t i = 0;

    while (contests[i].row != row)
        i++;
    return contests[i].contest;
}

static int speed(const struct bench_row *row)
{
    return bench_contest_speed(contest_of(row));
}

static int idle(const struct bench_row *row)
{
    return bench_contest_idle(contest_of(row));
}
