/* SPDX-License-Identifier: MIT */
/*
 * What every measurement needs: a clock, the median, a core to stay on, and the memory and thread switches of
 * a process as the kernel counts them. Knows nothing of Edo. Plain values, no state.
 */
#ifndef EDO_BENCH_MEASURE_H
#define EDO_BENCH_MEASURE_H

#include <stddef.h>
#include <sys/types.h>

/* Nanoseconds on the monotonic clock. */
double bench_now(void);

/*
 * Nanoseconds of CPU time that this process has used. Where one thread has work all the time, that is the time it takes
 * on a machine that does nothing else; and does not grow when others want the core too.
 */
double bench_busy(void);

/* The median; sorts the values. NAN if there are none. */
double bench_median(double *values, size_t count);

/* Keeps this process, and what it starts, on one core. 0 or a negative errno. */
int bench_pin(int cpu);

/* The number of the first (0), second (1), ... core that this process may use; -1 if there are not so many.
 */
int bench_core(int index);

/* Lets this process open as many descriptors as it may, and answers how many these are. */
long bench_raise_descriptor_limit(void);

/*
 * Keeps transparent huge pages away from this process and from what it starts: they round small growth up to
 * 2 MiB and hide the rest.
 */
void bench_small_pages(void);

/* Private memory of a process: the exact sum of its page walk, not the kernel's approximate counter. */
struct bench_memory {
    double anonymous;   /* bytes of anonymous pages, resident */
    double page_tables; /* bytes of page tables */
    double mappings;    /* lines of /proc/PID/maps */
};
int bench_memory_of(struct bench_memory *out, pid_t pid);

/* CPU time in ns that all threads of a process have used so far; exact. */
int bench_cpu_of(double *out, pid_t pid);

/* How often any thread of a process has given up or lost its core, summed over the threads that live. */
int bench_switches_of(double *out, pid_t pid);

#endif
