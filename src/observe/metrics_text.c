/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text for Prometheus (format 0.0.4): tables of names over the fields of the structs in edo/metrics.h, so
 * that a field and its line in the text are one line here. A family is one "# HELP", one "# TYPE" and its samples, one
 * for each worker where it is counted by worker; nothing is written twice, as a sum and by worker, since whoever
 * scrapes it adds up.
 *
 * Each runtime is read once, into a copy (edo_reading), and all families are of those copies. So sums fit each other,
 * as edo_runtime_counted sees to, and a scrape takes each runtime's locks once, not once for each family.
 *
 * Times are in seconds, as that format's users expect. Histograms are of all workers, and by powers of two: 31 lines.
 */
#include "observe/metrics.h"
#include "observe/text.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/sample.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* What a runtime has counted, with what it is called. */
struct edo_reading {
    struct edo_reading *next;
    uint64_t number;
    bool measured;
    edo_metrics metrics;
    edo_histogram times[EDO_KEPT_TIMES]; /* if measured */
    edo_worker_metrics workers[];
};

struct edo_exposition {
    struct edo_text text;
    int64_t now;
    struct edo_reading *readings;
    struct edo_reading **end; /* where the next one goes */
    bool all;                 /* of the process: each sample has a label that says which runtime it is of */
    int rc;
};

enum edo_field_kind { EDO_FIELD_INT, EDO_FIELD_COUNT, EDO_FIELD_SECONDS };

struct edo_field {
    const char *name; /* ends in _total: a counter */
    const char *help;
    size_t offset;
    enum edo_field_kind kind;
};

#define EDO_RUNTIME_COUNT(member, name, help)                                                                          \
    {                                                                                                                  \
        name, help, offsetof(edo_metrics, member), EDO_FIELD_COUNT                                                     \
    }
#define EDO_WORKER_COUNT(member, name, help)                                                                           \
    {                                                                                                                  \
        name, help, offsetof(edo_worker_metrics, member), EDO_FIELD_COUNT                                              \
    }

static const struct edo_field edo_runtime_fields[] = {
    {"edo_workers", "Scheduling slots.", offsetof(edo_metrics, workers), EDO_FIELD_INT},
    {"edo_threads", "Operating system threads.", offsetof(edo_metrics, threads), EDO_FIELD_INT},
    {"edo_uptime_seconds", "Time since the runtime has started.", offsetof(edo_metrics, uptime), EDO_FIELD_SECONDS},
    EDO_RUNTIME_COUNT(tasks_alive, "edo_tasks_alive", "Tasks that were spawned and have not ended."),
    EDO_RUNTIME_COUNT(global_queued, "edo_global_queued", "Ready tasks in the queue that all workers share."),
    EDO_RUNTIME_COUNT(remote_schedules, "edo_remote_schedules_total", "Tasks made ready by threads without a worker."),
    EDO_RUNTIME_COUNT(wakes, "edo_wakes_total", "Times a sleeping worker was woken by another thread."),
    EDO_RUNTIME_COUNT(streams, "edo_streams", "Open streams and listeners."),
    EDO_RUNTIME_COUNT(handoffs, "edo_handoffs_total", "Workers taken from a thread that kept them."),
    EDO_RUNTIME_COUNT(stalls_computing, "edo_stalls_computing_total", "Stalls by tasks that computed."),
    EDO_RUNTIME_COUNT(stalls_blocked, "edo_stalls_blocked_total", "Stalls by tasks that were blocked in the kernel."),
    EDO_RUNTIME_COUNT(stalls_kept, "edo_stalls_kept_total", "Looks at a stall for which there was no thread."),
    EDO_RUNTIME_COUNT(regions, "edo_regions_total", "Blocking regions that were begun."),
    EDO_RUNTIME_COUNT(blocking_threads, "edo_blocking_threads", "Threads of edo_blocking."),
    EDO_RUNTIME_COUNT(blocking_idle, "edo_blocking_idle", "Threads of edo_blocking without a job."),
    EDO_RUNTIME_COUNT(blocking_queued, "edo_blocking_queued", "Jobs of edo_blocking without a thread."),
    EDO_RUNTIME_COUNT(resolving_threads, "edo_resolving_threads", "Threads of edo_resolve."),
    EDO_RUNTIME_COUNT(resolving_idle, "edo_resolving_idle", "Threads of edo_resolve without a job."),
    EDO_RUNTIME_COUNT(resolving_queued, "edo_resolving_queued", "Host names that wait for a thread."),
    EDO_RUNTIME_COUNT(stacks_in_use, "edo_stacks_in_use", "Stacks of tasks and in the workers' hands."),
    EDO_RUNTIME_COUNT(stacks_resident, "edo_stacks_resident", "Free stacks with memory."),
    EDO_RUNTIME_COUNT(stacks_cold, "edo_stacks_cold", "Free stacks without memory."),
    EDO_RUNTIME_COUNT(stacks_mapped, "edo_stacks_mapped_bytes", "Address space of stacks."),
    EDO_RUNTIME_COUNT(file_rings, "edo_file_rings", "Workers that have an io_uring for files."),
};

static const struct edo_field edo_worker_fields[] = {
    EDO_WORKER_COUNT(tasks_spawned, "edo_worker_tasks_spawned_total", "Tasks that were spawned."),
    EDO_WORKER_COUNT(tasks_ended, "edo_worker_tasks_ended_total", "Tasks that have ended."),
    EDO_WORKER_COUNT(switches, "edo_worker_switches_total", "Times a task was resumed."),
    EDO_WORKER_COUNT(queued, "edo_worker_queued", "Ready tasks in the worker's own queue."),
    EDO_WORKER_COUNT(lifo_schedules, "edo_worker_lifo_schedules_total",
                     "Tasks that another one woke, to run next on their worker."),
    EDO_WORKER_COUNT(overflows, "edo_worker_overflows_total", "Times the queue was full."),
    EDO_WORKER_COUNT(forced_yields, "edo_worker_forced_yields_total",
                     "Turns that tasks gave up because their budget was spent."),
    EDO_WORKER_COUNT(steals, "edo_worker_steals_total", "Tasks taken from siblings."),
    EDO_WORKER_COUNT(steal_operations, "edo_worker_steal_operations_total", "Times tasks were taken from a sibling."),
    EDO_WORKER_COUNT(sleeps, "edo_worker_sleeps_total", "Times the worker went to sleep."),
    EDO_WORKER_COUNT(asleep, "edo_worker_asleep", "Whether the worker sleeps (1) or not (0)."),
    EDO_WORKER_COUNT(polls, "edo_worker_polls_total", "Calls of epoll_wait."),
    EDO_WORKER_COUNT(events, "edo_worker_events_total", "Events that epoll_wait has brought."),
    EDO_WORKER_COUNT(descriptors, "edo_worker_descriptors", "Descriptors that are registered with epoll."),
    EDO_WORKER_COUNT(descriptors_registered, "edo_worker_descriptors_registered_total",
                     "Descriptors that ever were registered."),
    EDO_WORKER_COUNT(timers, "edo_worker_timers", "Armed timers."),
    EDO_WORKER_COUNT(timers_fired, "edo_worker_timers_fired_total", "Timers that have fired."),
    EDO_WORKER_COUNT(thread, "edo_worker_thread", "Number of the operating system thread that has the worker."),
};

/* Those that are there with .metrics only. */
static const struct edo_field edo_measured_fields[] = {
    EDO_WORKER_COUNT(idle_wakes, "edo_worker_idle_wakes_total",
                     "Sleeps that ended, and no task was run before the next one."),
    {"edo_worker_busy_seconds_total", "Time without sleep and search for work.", offsetof(edo_worker_metrics, busy),
     EDO_FIELD_SECONDS},
};

static void edo_text_head(struct edo_exposition *out, const char *name, const char *help, const char *type)
{
    edo_text_add(&out->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void edo_text_field_head(struct edo_exposition *out, const struct edo_field *field)
{
    size_t size = strlen(field->name);
    bool counter = size > 6 && strcmp(field->name + size - 6, "_total") == 0;

    edo_text_head(out, field->name, field->help, counter ? "counter" : "gauge");
}

/* Not by way of a double: that has no more than 53 bits, and printf a decimal comma in some places. */
static void edo_text_seconds(struct edo_exposition *out, int64_t ns)
{
    edo_text_add(&out->text, "%" PRId64 ".%09d", ns / EDO_SEC(1), (int)(ns % EDO_SEC(1)));
}

static void edo_text_value(struct edo_exposition *out, const struct edo_field *field, const void *of)
{
    const char *at = (const char *)of + field->offset;

    if (field->kind == EDO_FIELD_INT)
        edo_text_add(&out->text, "%d", *(const int *)(const void *)at);
    else if (field->kind == EDO_FIELD_COUNT)
        edo_text_add(&out->text, "%" PRIu64, *(const uint64_t *)(const void *)at);
    else
        edo_text_seconds(out, *(const int64_t *)(const void *)at);
    edo_text_add(&out->text, "\n");
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static void edo_exposition_read(void *context, struct edo_runtime *runtime)
{
    struct edo_exposition *out = (struct edo_exposition *)context;
    struct edo_reading *reading = (struct edo_reading *)edo_platform->allocate(
        sizeof *reading + (size_t)runtime->worker_count * sizeof reading->workers[0]);

    if (!reading) {
        out->rc = -ENOMEM;
        return;
    }
    reading->next = NULL;
    reading->number = runtime->id_base >> EDO_ID_RUNTIME_SHIFT;
    reading->measured = runtime->options.metrics;
    edo_runtime_counted(&reading->metrics, reading->workers, runtime, out->now);
    for (int times = 0; times < EDO_KEPT_TIMES && reading->measured; times++)
        edo_times_counted(&reading->times[times], runtime, times, -1);
    *out->end = reading;
    out->end = &reading->next;
}

static void edo_exposition_finish(struct edo_exposition *out)
{
    while (out->readings) {
        struct edo_reading *reading = out->readings;

        out->readings = reading->next;
        edo_platform->release(reading);
    }
}

/* --- Families ----------------------------------------------------------------------------------------------------- */

/* Between braces, before other labels, which begin with `comma` then. */
static const char *edo_text_label(char label[48], const struct edo_exposition *out, const struct edo_reading *reading,
                                  const char *comma)
{
    label[0] = '\0';
    if (out->all)
        snprintf(label, 48, "runtime=\"%" PRIu64 "\"%s", reading->number, comma);
    return label;
}

static void edo_text_of_runtime(struct edo_exposition *out, const struct edo_field *field,
                                const struct edo_reading *reading)
{
    char label[48];

    if (out->all)
        edo_text_add(&out->text, "%s{%s} ", field->name, edo_text_label(label, out, reading, ""));
    else
        edo_text_add(&out->text, "%s ", field->name);
    edo_text_value(out, field, &reading->metrics);
}

static void edo_text_of_workers(struct edo_exposition *out, const struct edo_field *field,
                                const struct edo_reading *reading)
{
    char label[48];

    for (int worker = 0; worker < reading->metrics.workers; worker++) {
        edo_text_add(&out->text, "%s{%sworker=\"%d\"} ", field->name, edo_text_label(label, out, reading, ","), worker);
        edo_text_value(out, field, &reading->workers[worker]);
    }
}

static void edo_text_fields(struct edo_exposition *out, const struct edo_field *fields, size_t count,
                            void (*write)(struct edo_exposition *out, const struct edo_field *field,
                                          const struct edo_reading *reading))
{
    for (size_t i = 0; i < count; i++) {
        edo_text_field_head(out, &fields[i]);
        for (const struct edo_reading *reading = out->readings; reading; reading = reading->next)
            write(out, &fields[i], reading);
    }
}

/* Buckets are cumulative, and the last one, of all, is as long as time. */
static void edo_text_histogram(struct edo_exposition *out, const char *name, const struct edo_reading *reading,
                               const edo_histogram *histogram)
{
    uint64_t sum = 0;
    char label[48], braced[64] = "";

    if (out->all)
        snprintf(braced, sizeof braced, "{%s}", edo_text_label(label, out, reading, ""));
    edo_text_label(label, out, reading, ",");
    for (int bucket = 0; bucket < EDO_HISTOGRAM_BUCKETS - 1; bucket++) {
        sum += histogram->buckets[bucket];
        if (bucket % 4 != 0)
            continue;
        edo_text_add(&out->text, "%s_bucket{%sle=\"", name, label);
        edo_text_seconds(out, edo_times_limit(bucket));
        edo_text_add(&out->text, "\"} %" PRIu64 "\n", sum);
    }
    edo_text_add(&out->text, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n%s_sum%s ", name, label, histogram->count, name,
                 braced);
    edo_text_seconds(out, histogram->sum);
    edo_text_add(&out->text, "\n%s_count%s %" PRIu64 "\n", name, braced, histogram->count);
}

static void edo_text_times(struct edo_exposition *out, int times, const char *name, const char *help)
{
    edo_text_head(out, name, help, "histogram");
    for (const struct edo_reading *reading = out->readings; reading; reading = reading->next)
        if (reading->measured)
            edo_text_histogram(out, name, reading, &reading->times[times]);
}

/* Of what was read. How long the text is, or what went wrong while it was read. */
static ssize_t edo_text_all(struct edo_exposition *out)
{
    bool measured = false;

    for (const struct edo_reading *reading = out->readings; reading; reading = reading->next)
        measured |= reading->measured;
    if (out->rc == 0) {
        edo_text_fields(out, edo_runtime_fields, EDO_COUNT(edo_runtime_fields), edo_text_of_runtime);
        edo_text_fields(out, edo_worker_fields, EDO_COUNT(edo_worker_fields), edo_text_of_workers);
    }
    if (out->rc == 0 && measured) {
        edo_text_fields(out, edo_measured_fields, EDO_COUNT(edo_measured_fields), edo_text_of_workers);
        edo_text_times(out, EDO_TIMES_POLL, "edo_poll_seconds", "How long tasks kept their worker (sampled).");
        edo_text_times(out, EDO_TIMES_DELAY, "edo_delay_seconds",
                       "How long ready tasks waited for their turn (sampled).");
    }
    edo_exposition_finish(out);
    return out->rc < 0 ? out->rc : (ssize_t)out->text.size;
}

ssize_t edo_metrics_print(char *out, size_t capacity)
{
    struct edo_task *task = edo_task_self();
    struct edo_exposition of = {.text = {out, capacity, 0}, .now = edo_platform->now(), .end = &of.readings};

    if (!task)
        return -EPERM;
    edo_exposition_read(&of, task->home->runtime);
    return edo_text_all(&of);
}

ssize_t edo_metrics_print_all(char *out, size_t capacity)
{
    struct edo_exposition of = {
        .text = {out, capacity, 0}, .now = edo_platform->now(), .end = &of.readings, .all = true};

    if (edo_in_forked_child())
        return -EPERM;
    edo_runtimes_each(edo_exposition_read, &of);
    return edo_text_all(&of);
}
