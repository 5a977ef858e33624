/* SPDX-License-Identifier: MIT */
/*
 * Counting what a process does without asking it. Syscalls: by the kernel's tracepoint at full speed where the user
 * may, else under `strace -f -c`. User instructions: under valgrind, since a virtual machine often has no counters for
 * them; by cachegrind, as callgrind, which counts the same, follows calls too and gives up when a signal comes on a
 * stack that was switched to. The tools slow the program down and count its start-up, which the caller subtracts.
 */
#ifndef EDO_BENCH_COUNT_H
#define EDO_BENCH_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A tracepoint's count in a process, threads that start later included. Owned by one thread. */
struct bench_counter {
    const char *event; /* "raw_syscalls/sys_enter", "syscalls/sys_enter_write" */
    int fd;
};
int bench_counter_open(struct bench_counter *counter, pid_t pid);
double bench_counter_read(struct bench_counter *counter);
void bench_counter_close(struct bench_counter *counter);
bool bench_counter_works(const char *event);

/* The tools that count from outside. `strace_of` restricts strace to some calls ("write"), NULL counts all.
 */
enum bench_tool { BENCH_STRACE, BENCH_CACHEGRIND };

/*
 * Writes the words that go before a command to have its syscalls or instructions counted into `file`. `words`
 * has room for 12. The number of words, or -ENOENT if the tool is not installed.
 */
int bench_tool_words(const char **words, enum bench_tool tool, const char *file, const char *strace_of);

/* What the tool wrote into `file`: calls or instructions in total. 0 or a negative errno. */
int bench_tool_total(double *out, enum bench_tool tool, const char *file);

#endif
