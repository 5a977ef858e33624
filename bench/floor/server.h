/* SPDX-License-Identifier: MIT */
/*
 * What the bare epoll servers share: the command line that all servers of the benchmark take, and the loop.
 * One thread accepts and deals the connections out to all threads in turn; each thread has an epoll of its
 * own. What differs is what is done with the bytes that came.
 */
#ifndef EDO_BENCH_FLOOR_SERVER_H
#define EDO_BENCH_FLOOR_SERVER_H

#include <stddef.h>

#define BENCH_FLOOR_BUFFER 4096

/*
 * Handles `size` bytes that were read from `fd`, at `buffer` (of the size above, owned by the calling thread;
 * the handler may write to it). Answers 0, or -1 to have the connection closed.
 */
typedef int bench_floor_handler(int fd, char *buffer, size_t size);

/* `--port N --workers N [--pin CPU] [--answer FILE]`; prints "port N pid N"; serves until SIGTERM. The exit
 * status. */
int bench_floor_main(int argc, char **argv, bench_floor_handler *handler);

/* The contents of --answer FILE, if it was given. */
extern char *bench_floor_answer;
extern size_t bench_floor_answer_size;

#endif
