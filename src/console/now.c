/* SPDX-License-Identifier: MIT */
/* The program, its workers and its times as JSON: what is there now, and what was counted since its start. */
#include "console/console.h"

#include <edo/edo.h>

#include <stdio.h>
#include <unistd.h>

static const char *program_name(char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    const char *slash;

    if (length < 0)
        return "?";
    out[length] = '\0';
    slash = strrchr(out, '/');
    return slash ? slash + 1 : out;
}

void edo_console_program(struct edo_json *json, edo_snapshot *snapshot, const struct edo_console_looks *looks)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    int64_t started = EDO_FOREVER;
    char path[4096];

    edo_json_open(json, NULL, '{');
    edo_json_text(json, "program", program_name(path, sizeof path));
    edo_json_int(json, "pid", getpid());
    edo_json_printf(json, "version", "%d.%d.%d", edo_version() / 10000, edo_version() / 100 % 100, edo_version() % 100);
    for (size_t i = 0; edo_snapshot_get_runtime(&about, snapshot, i) == 0; i++)
        started = about.started < started ? about.started : started;
    if (started != EDO_FOREVER)
        edo_json_int(json, "started_ms", looks->wall - (looks->taken - started) / EDO_MS(1));
    edo_json_open(json, "runtimes", '[');
    for (size_t i = 0; edo_snapshot_get_runtime(&about, snapshot, i) == 0; i++) {
        edo_json_open(json, NULL, '{');
        edo_json_uint(json, "number", about.number);
        edo_json_int(json, "workers", about.workers);
        edo_json_bool(json, "metrics", about.metrics);
        edo_json_close(json, '}');
    }
    edo_json_close(json, ']');
    edo_json_close(json, '}');
}

void edo_console_histogram(struct edo_json *json, const char *key, const edo_histogram *histogram)
{
    edo_json_open(json, key, '{');
    edo_json_uint(json, "count", histogram->count);
    edo_json_int(json, "sum_us", histogram->sum / EDO_US(1));
    edo_json_open(json, "buckets", '[');
    for (int i = 0; i < EDO_HISTOGRAM_BUCKETS; i++) {
        if (!histogram->buckets[i])
            continue;
        edo_json_open(json, NULL, '{');
        if (edo_histogram_limit(i) != EDO_FOREVER) /* the last one has none */
            edo_json_int(json, "to_ns", edo_histogram_limit(i));
        edo_json_uint(json, "count", histogram->buckets[i]);
        edo_json_close(json, '}');
    }
    edo_json_close(json, ']');
    edo_json_close(json, '}');
}

static void states(struct edo_json *json, const struct edo_console_counts *counts)
{
    edo_json_open(json, "states", '{');
    for (int state = EDO_TASK_RUNNING; state <= EDO_TASK_WAITING; state++)
        edo_json_uint(json, edo_console_state_text(state), counts->states[state]);
    edo_json_close(json, '}');
    edo_json_uint(json, "dormant", counts->dormant);
    edo_json_uint(json, "cancelled", counts->cancelled);
    edo_json_uint(json, "warned", counts->warned);
}

static void counters(struct edo_json *json, const edo_metrics *metrics)
{
    uint64_t ended = metrics->tasks_spawned - metrics->tasks_alive;

    edo_json_uint(json, "spawned", metrics->tasks_spawned);
    edo_json_uint(json, "ended", ended);
    edo_json_uint(json, "polls", metrics->switches);
    edo_json_uint(json, "steals", metrics->steals);
    edo_json_uint(json, "handoffs", metrics->handoffs);
    edo_json_uint(json, "stalls", metrics->stalls_computing + metrics->stalls_blocked);
    edo_json_uint(json, "forced_yields", metrics->forced_yields);
    edo_json_uint(json, "timers", metrics->timers);
    edo_json_uint(json, "descriptors", metrics->descriptors);
    edo_json_uint(json, "blocking_threads", metrics->blocking_threads);
    edo_json_uint(
        json, "blocking_busy",
        metrics->blocking_threads > metrics->blocking_idle ? metrics->blocking_threads - metrics->blocking_idle : 0);
    edo_json_uint(json, "blocking_queued", metrics->blocking_queued);
    edo_json_uint(json, "stacks_resident", metrics->stacks_resident);
    edo_json_uint(json, "stacks_cached", metrics->stacks_resident + metrics->stacks_cold);
}

/* Which share of the time since the snapshot before, or since the start, it was busy. */
static void busy(struct edo_json *json, const struct edo_console_looks *looks, const edo_snapshot_runtime *about,
                 int index, const edo_snapshot_worker *worker)
{
    const struct edo_console_busy *before = edo_console_before(looks, about->number, index);
    int64_t time = about->now - (before ? before->at : about->started);
    int64_t used = worker->metrics.busy - (before ? before->busy : 0);
    int64_t share = time > 0 && used > 0 ? (int64_t)((double)used / (double)time * 10000) : 0;
    char text[16];
    int size;

    share = share > 10000 ? 10000 : share;
    size = snprintf(text, sizeof text, ",\"busy\":%d.%04d", (int)(share / 10000), (int)(share % 10000));
    edo_json_raw(json, text, (size_t)size);
}

static void workers(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime,
                    const edo_snapshot_runtime *about)
{
    edo_snapshot *snapshot = looks->snapshot;
    edo_snapshot_worker worker = {.size = sizeof worker};

    edo_json_open(json, "workers", '[');
    for (int i = 0; edo_snapshot_get_worker(&worker, snapshot, runtime, i) == 0; i++) {
        edo_json_open(json, NULL, '{');
        edo_json_int(json, "index", i);
        edo_json_known(json, "thread", worker.thread);
        if (about->metrics) {
            busy(json, looks, about, i, &worker);
            edo_json_int(json, "busy_us", worker.metrics.busy / EDO_US(1));
        }
        edo_json_uint(json, "polls", worker.metrics.switches);
        edo_json_uint(json, "steals", worker.metrics.steals);
        edo_json_uint(json, "lifo_schedules", worker.metrics.lifo_schedules);
        edo_json_uint(json, "queue", worker.metrics.queued);
        edo_json_bool(json, "parked", worker.metrics.asleep != 0);
        if (worker.task)
            edo_json_id(json, "task", worker.task);
        if (worker.stalled >= 0)
            edo_json_int(json, "stalled_ms", worker.stalled / EDO_MS(1));
        edo_json_close(json, '}');
    }
    edo_json_close(json, ']');
}

void edo_console_now(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_histogram times = {.size = sizeof times};
    struct edo_console_counts counts;

    edo_snapshot_get_runtime(&about, looks->snapshot, runtime);
    edo_snapshot_metrics(&metrics, looks->snapshot, runtime);
    edo_console_count(&counts, looks->snapshot, runtime);
    edo_json_open(json, NULL, '{');
    edo_json_int(json, "time_ms", looks->wall);
    edo_json_uint(json, "tasks", about.tasks);
    states(json, &counts);
    counters(json, &metrics);
    workers(json, looks, runtime, &about);
    if (edo_snapshot_times(&times, looks->snapshot, runtime, EDO_TIMES_POLL) == 0)
        edo_console_histogram(json, "poll", &times);
    if (edo_snapshot_times(&times, looks->snapshot, runtime, EDO_TIMES_DELAY) == 0)
        edo_console_histogram(json, "delay", &times);
    edo_json_uint(json, "snapshot", looks->number);
    edo_json_int(json, "interval_ms", edo_console_interval(looks) / EDO_MS(1));
    edo_json_int(json, "console_cpu_us", edo_console_cpu() / EDO_US(1));
    edo_json_close(json, '}');
}
