/* SPDX-License-Identifier: MIT */
/*
 * A child process that is talked to in lines: its standard input and output are pipes, its standard error is
 * ours. It dies with the one that started it. Owned by one thread.
 */
#ifndef EDO_BENCH_PROCESS_H
#define EDO_BENCH_PROCESS_H

#include "count.h"

#include <stddef.h>
#include <sys/types.h>

#define BENCH_MOST_LINE 16384

struct bench_process {
    pid_t pid;  /* the child; 0 if there is none */
    pid_t kill; /* whom to ask to end: the child, or the program that it traces */
    int in, out;
    double user_ns, system_ns; /* CPU time of its whole life, once it has ended; the split is sampled by the kernel */
    size_t used;
    char pending[BENCH_MOST_LINE];
    struct bench_counter *counter;
};

/*
 * Starts argv[0], a path. If `counter` is given, it counts from the first instruction of the program on, in
 * all threads. 0 or a negative errno; -ENOENT if the program is not there.
 */
int bench_process_start(struct bench_process *process, const char *const argv[], struct bench_counter *counter);

/* The next line without its end. 1; 0 at end of file; -ETIMEDOUT. */
int bench_process_line(struct bench_process *process, char *line, size_t size, double timeout_seconds);

/* Sends a line. */
int bench_process_say(struct bench_process *process, const char *line);

/* Closes its standard input, waits for its end as long as said, then kills it. Its wait status. */
int bench_process_end(struct bench_process *process, double patience_seconds);

/* The same, but asks it by SIGTERM first. */
int bench_process_stop(struct bench_process *process, double patience_seconds);

/* Where the program `name` lies: beside the running one. */
const char *bench_program(char *path, size_t size, const char *name);

#endif
