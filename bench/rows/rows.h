/* SPDX-License-Identifier: MIT */
/*
 * All rows by name; rows.c puts them in order.
 */
#ifndef EDO_BENCH_ROWS_H
#define EDO_BENCH_ROWS_H

#include "row.h"

extern const struct bench_row bench_row_switch, bench_row_yield, bench_row_ping_pong, bench_row_spawn,
    bench_row_spawn_million_1, bench_row_spawn_million_2, bench_row_timer, bench_row_sleepers, bench_row_dormant,
    bench_row_wakeups, bench_row_writes, bench_row_echo_64, bench_row_echo_1000, bench_row_echo_64_2,
    bench_row_echo_1000_2, bench_row_echo_idle, bench_row_http_64, bench_row_http_64_2, bench_row_http_idle,
    bench_row_channel_ping, bench_row_channel_many, bench_row_select, bench_row_stalls_spin_1, bench_row_stalls_spin_2,
    bench_row_stalls_spin_4, bench_row_stalls_spin_8, bench_row_stalls_block_1, bench_row_stalls_block_2,
    bench_row_stalls_block_4, bench_row_stalls_block_8, bench_row_stalls_delay, bench_row_stalls_region,
    bench_row_stalls_cost, bench_row_stalls_idle, bench_row_sync, bench_row_files, bench_row_buffered,
    bench_row_files_uring, bench_row_udp, bench_row_observe, bench_row_observe_console, bench_row_observe_dump,
    bench_row_observe_trace;

#endif
