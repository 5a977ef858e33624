/* SPDX-License-Identifier: MIT */
/*
 * Traces: how one begins and ends, and the thread that writes it. See edo/trace.h, tracer.h, runtime/tracing.h.
 *
 * All is under edo_tracer.lock, a mutex, as it is held while a trace is written; over the lock of the list of runtimes,
 * never inside it. A runtime is taken up when the trace begins, or when the runtime does; both ways meet where it is in
 * the list already. What it is given stays until its end, when no thread of its is left to say anything. So the writer,
 * who holds the lock, may look at it.
 *
 * The clock's rate is measured once, by the time of the first writing: times of one trace are by one rate.
 */
#include "observe/recorder.h"
#include "observe/tracer.h"
#include "platform/masked.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/options.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    EDO_TRACE_PERIOD = 10000000, /* ns between writings */
    EDO_TRACE_MEMORY = 4 << 20,
    EDO_TRACE_MEMORY_MOST = 1 << 30
};

static struct {
    pthread_mutex_t lock;
    bool on;
    bool stopping;     /* it is off, its writer not gone yet */
    bool environments; /* it was begun for $EDO_TRACE_FILE: trace_file.c has the file */
    int files;         /* begun so far for that */
    uint64_t room;     /* of a ring, in events */
    uint64_t dropped;
    struct edo_out *out;
    struct edo_trace_clock clock;
    struct edo_traced_runtime *all;
    pthread_t writer;
    uint32_t stop; /* futex */
} edo_tracer = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- Runtimes ----------------------------------------------------------------------------------------------------- */

static struct edo_traced_runtime *edo_traced_create(struct edo_runtime *runtime)
{
    size_t rings = (size_t)runtime->worker_count + 1;
    size_t head = (sizeof(struct edo_traced_runtime) + rings * sizeof(struct edo_trace_ring) + 63) / 64 * 64;
    size_t size = head + rings * edo_tracer.room * sizeof(struct edo_traced);
    struct edo_traced_runtime *traced;
    void *memory;

    if (edo_platform_system.map(&memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) < 0)
        return NULL;
    traced = (struct edo_traced_runtime *)memory;
    traced->runtime = runtime;
    traced->size = size;
    traced->workers = runtime->worker_count;
    edo_lock_init(&traced->lock);
    for (size_t i = 0; i < rings; i++) {
        traced->rings[i].room = edo_tracer.room;
        traced->rings[i].kept = (struct edo_traced *)(void *)((char *)memory + head) + i * edo_tracer.room;
    }
    traced->next = edo_tracer.all;
    edo_tracer.all = traced;
    runtime->traced = traced;
    return traced;
}

/* It says from now on what it does. Also under the lock of the list of all. */
static void edo_trace_take_up(void *rc, struct edo_runtime *runtime)
{
    struct edo_traced_runtime *traced = runtime->traced;

    if (runtime->hooks || atomic_load_explicit(&runtime->tracing, memory_order_relaxed))
        return;
    if (!traced && !(traced = edo_traced_create(runtime))) {
        *(int *)rc = -ENOMEM;
        return;
    }
    for (int i = 0; i <= traced->workers; i++) { /* what came late to an earlier trace */
        struct edo_trace_ring *ring = &traced->rings[i];

        atomic_store_explicit(&ring->tail, atomic_load_explicit(&ring->head, memory_order_acquire),
                              memory_order_release);
        ring->counted = atomic_load_explicit(&ring->dropped, memory_order_relaxed);
    }
    traced->named = false;
    traced->first_wake = atomic_load_explicit(&traced->wakes, memory_order_relaxed);
    atomic_store_explicit(&runtime->tracing, &edo_tracing_on, memory_order_release);
    atomic_fetch_or_explicit(&runtime->task_flags, EDO_TASK_TIMED, memory_order_relaxed);
}

static void edo_trace_leave(struct edo_runtime *runtime)
{
    atomic_store_explicit(&runtime->tracing, NULL, memory_order_release);
    if (!runtime->options.metrics)
        atomic_fetch_and_explicit(&runtime->task_flags, (uint8_t)~EDO_TASK_TIMED, memory_order_relaxed);
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static struct edo_moment edo_moment_now(void)
{
    uint64_t ticks = edo_ticks();

    return (struct edo_moment){ticks, edo_platform_system.now()};
}

/* What the runtime has said, and its counters. Under the lock. */
static void edo_trace_drain(struct edo_traced_runtime *traced)
{
    uint64_t ticks = edo_ticks();

    if (edo_tracer.clock.later.ticks == 0)
        edo_tracer.clock.later = edo_moment_now();
    if (!traced->named)
        edo_trace_json_names(edo_tracer.out, traced);
    traced->named = true;
    for (int i = 0; i <= traced->workers; i++) {
        struct edo_trace_ring *ring = &traced->rings[i];
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        uint64_t dropped;

        for (; tail != head; tail++) {
            struct edo_traced event = ring->kept[tail & (ring->room - 1)];

            atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
            if (event.number <= traced->first_wake)
                event.number = 0;
            if ((int64_t)(event.begin - edo_tracer.clock.begin.ticks) >= 0)
                edo_trace_json_event(edo_tracer.out, traced, &event, &edo_tracer.clock);
        }
        dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);
        edo_tracer.dropped += dropped - ring->counted;
        ring->counted = dropped;
    }
    edo_trace_json_counters(edo_tracer.out, traced, ticks, &edo_tracer.clock);
}

/* Of each runtime that is traced, and handed on: who is killed has a trace up to now. Under the lock. */
static void edo_trace_write(void)
{
    for (struct edo_traced_runtime *traced = edo_tracer.all; traced; traced = traced->next)
        if (atomic_load_explicit(&traced->runtime->tracing, memory_order_relaxed))
            edo_trace_drain(traced);
    edo_out_flush(edo_tracer.out);
}

static void *edo_trace_main(void *none)
{
    (void)none;
    for (;;) {
        int64_t end = edo_platform_system.now() + EDO_TRACE_PERIOD;

        while (!__atomic_load_n(&edo_tracer.stop, __ATOMIC_ACQUIRE) &&
               edo_platform_system.futex_wait(&edo_tracer.stop, 0, end) != -ETIMEDOUT)
            ;
        if (__atomic_load_n(&edo_tracer.stop, __ATOMIC_ACQUIRE))
            return NULL;
        pthread_mutex_lock(&edo_tracer.lock);
        if (edo_tracer.on)
            edo_trace_write();
        pthread_mutex_unlock(&edo_tracer.lock);
    }
}

/* --- Beginning and ending ----------------------------------------------------------------------------------------- */

static int edo_trace_start_writer(void)
{
    enum { EDO_WRITER_STACK = 256 * 1024 };

    edo_tracer.stop = 0;
    return edo_masked_thread_start(&edo_platform_system, &edo_tracer.writer, EDO_WRITER_STACK, edo_trace_main, NULL);
}

/* Under the lock. */
static int edo_trace_begin(int fd, const edo_trace_options *options)
{
    edo_dump_options out = {
        .size = sizeof out, .format = EDO_DUMP_JSON, .write = options->write, .argument = options->argument};
    uint64_t room = (options->memory ? options->memory : EDO_TRACE_MEMORY) / sizeof(struct edo_traced);
    int rc;

    if (edo_tracer.on || edo_tracer.stopping)
        return -EBUSY;
    for (edo_tracer.room = 64; 2 * edo_tracer.room <= room;)
        edo_tracer.room *= 2;
    rc = edo_out_begin(&edo_tracer.out, fd, &out);
    if (rc < 0)
        return rc;
    rc = edo_trace_start_writer();
    if (rc < 0) {
        edo_out_end(edo_tracer.out);
        return rc;
    }
    edo_tracer.out->platform = &edo_platform_system; /* it is the writer's */
    edo_tracer.on = true;
    edo_tracer.environments = false;
    edo_tracer.dropped = 0;
    edo_tracer.clock.begin = edo_moment_now();
    edo_tracer.clock.later.ticks = 0;
    edo_trace_json_begin(edo_tracer.out);
    return 0;
}

/* Under the lock, which is left and taken again. */
static int edo_trace_finish(void)
{
    pthread_t writer = edo_tracer.writer;
    int rc;

    for (struct edo_traced_runtime *traced = edo_tracer.all; traced; traced = traced->next)
        if (atomic_load_explicit(&traced->runtime->tracing, memory_order_relaxed)) {
            edo_trace_leave(traced->runtime);
            edo_trace_drain(traced);
        }
    if (edo_tracer.dropped > 0)
        edo_trace_json_dropped(edo_tracer.out, edo_tracer.dropped, edo_ticks(), &edo_tracer.clock);
    if (!edo_tracer.environments)
        edo_out_put(edo_tracer.out, EDO_TRACE_JSON_END);
    rc = edo_out_end(edo_tracer.out);
    edo_tracer.out = NULL;
    if (edo_tracer.environments)
        edo_trace_file_close(rc);
    __atomic_store_n(&edo_tracer.stop, 1, __ATOMIC_RELEASE);
    edo_platform_system.futex_wake(&edo_tracer.stop, 1);
    edo_tracer.on = false;
    edo_tracer.stopping = true; /* so that nobody begins another one before the writer is gone */
    pthread_mutex_unlock(&edo_tracer.lock);
    pthread_join(writer, NULL);
    pthread_mutex_lock(&edo_tracer.lock);
    edo_tracer.stopping = false;
    return rc;
}

int edo_trace_start(int fd, const edo_trace_options *given)
{
    edo_trace_options options;
    int rc = EDO_READ_OPTIONS(&options, given);
    int missed = 0;

    if (rc < 0)
        return rc;
    if (edo_in_forked_child())
        return -EPERM;
    if (options.memory > EDO_TRACE_MEMORY_MOST)
        return -EINVAL;
    pthread_mutex_lock(&edo_tracer.lock);
    rc = edo_trace_begin(fd, &options);
    if (rc == 0)
        edo_runtimes_each(edo_trace_take_up, &missed);
    if (missed < 0) {
        edo_trace_finish();
        rc = missed;
    }
    pthread_mutex_unlock(&edo_tracer.lock);
    return rc;
}

int edo_trace_stop(void)
{
    int rc = -EALREADY;

    if (edo_in_forked_child())
        return -EPERM;
    pthread_mutex_lock(&edo_tracer.lock);
    if (edo_tracer.on)
        rc = edo_trace_finish();
    pthread_mutex_unlock(&edo_tracer.lock);
    return rc;
}

/* --- What runtimes tell ------------------------------------------------------------------------------------------- */

/* Under the lock. */
static void edo_trace_begin_file(const char *name)
{
    edo_trace_options options = {.size = sizeof options, .write = edo_trace_file_write};
    int rc = edo_trace_file_open(name, ++edo_tracer.files);

    if (rc < 0)
        return;
    rc = edo_trace_begin(-1, &options);
    edo_tracer.environments = rc == 0;
    if (rc < 0)
        edo_trace_file_close(rc);
}

static void edo_trace_runtime_begins(struct edo_runtime *runtime)
{
    const char *name = getenv("EDO_TRACE_FILE");
    int missed = 0;

    edo_crash_environment();
    if (runtime->hooks || runtime->options.unobserved)
        return;
    pthread_mutex_lock(&edo_tracer.lock);
    if (!edo_tracer.on && !edo_tracer.stopping && name && *name)
        edo_trace_begin_file(name);
    if (edo_tracer.on)
        edo_trace_take_up(&missed, runtime);
    pthread_mutex_unlock(&edo_tracer.lock);
}

/* Whether the trace was the environment's, and no runtime is left. Under the lock. */
static bool edo_trace_over(void)
{
    if (!edo_tracer.on || !edo_tracer.environments)
        return false;
    for (struct edo_traced_runtime *traced = edo_tracer.all; traced; traced = traced->next)
        if (atomic_load_explicit(&traced->runtime->tracing, memory_order_relaxed))
            return false;
    return true;
}

static void edo_trace_runtime_ends(struct edo_runtime *runtime)
{
    struct edo_traced_runtime *traced = runtime->traced;
    struct edo_traced_runtime **at = &edo_tracer.all;

    if (!traced)
        return;
    pthread_mutex_lock(&edo_tracer.lock);
    if (atomic_load_explicit(&runtime->tracing, memory_order_relaxed)) {
        edo_trace_leave(runtime);
        edo_trace_drain(traced);
    }
    while (*at != traced)
        at = &(*at)->next;
    *at = traced->next;
    runtime->traced = NULL;
    edo_platform_system.unmap(traced, traced->size);
    if (edo_trace_over())
        edo_trace_finish();
    pthread_mutex_unlock(&edo_tracer.lock);
}

const struct edo_traces_of edo_traces_of = {edo_trace_runtime_begins, edo_trace_runtime_ends};
