/* SPDX-License-Identifier: MIT */
/*
 * A trace in Chrome's JSON format, as an array of events: https://ui.perfetto.dev and chrome://tracing read it also
 * when its end is missing, the latter not where an event is cut off: each stands in one piece of what is handed on. (As
 * an object it could say that times are to the ns: without, chrome://tracing has them to the µs, and loses arrows of
 * turns that are shorter. But of an object that is cut off neither shows anything.) A runtime is a "process", a worker
 * one of its "threads"; so is each thread that has lost its worker, for the turn with which it has. Times are µs since
 * the trace began.
 *
 * Perfetto has tracks in the order of their numbers, shows them behind the names, and takes the one that has its
 * process's number for the main thread. An arrow's number is one for both viewers only as a JSON number below 2^53.
 */
#include "observe/tracer.h"

#include <stdio.h>

enum {
    EDO_TRACK_WORKERS = 1000, /* that of worker 0 */
    EDO_TRACK_OTHERS = EDO_TRACK_WORKERS + EDO_NO_WORKER,
    EDO_TRACK_THREADS = 10000000, /* with the number of the thread */
    EDO_TRACE_EVENT_MOST = 4096   /* bytes of what is written for one event; names are cut to less */
};

void edo_trace_json_begin(struct edo_out *out)
{
    /* All others begin with a comma, so there is one before. It names nothing that is shown. */
    edo_out_put(out, "[\n{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":0,\"args\":{\"sort_index\":0}}");
}

static int edo_trace_pid(const struct edo_traced_runtime *traced)
{
    return 1 + (int)(traced->runtime->id_base >> 48);
}

static int edo_trace_track(const struct edo_traced *event)
{
    return event->kept_by ? EDO_TRACK_THREADS + event->kept_by : EDO_TRACK_WORKERS + event->worker;
}

static int64_t edo_trace_time(uint64_t ticks, const struct edo_trace_clock *clock)
{
    return edo_ticks_time(ticks, &clock->begin, &clock->later) - clock->begin.time;
}

static void edo_trace_put_time(struct edo_out *out, const char *name, int64_t time)
{
    if (time < 0)
        time = 0;
    edo_out_printf(out, ",\"%s\":%lld.%03d", name, (long long)(time / 1000), (int)(time % 1000));
}

/* {"ph":...,"pid":...,"tid":...,"ts":...: to be gone on with. */
static void edo_trace_head(struct edo_out *out, const char *phase, int pid, int tid, int64_t time)
{
    edo_out_printf(out, ",\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%d", phase, pid, tid);
    edo_trace_put_time(out, "ts", time);
}

/* An arrow begins ("s") or ends ("f") there. */
static void edo_trace_arrow(struct edo_out *out, const char *phase, int pid, int tid, int64_t time, uint32_t number)
{
    edo_trace_head(out, phase, pid, tid, time);
    edo_out_printf(out, "%s,\"cat\":\"wake\",\"name\":\"wake\",\"id\":%llu}", *phase == 'f' ? ",\"bp\":\"e\"" : "",
                   (unsigned long long)pid << 32 | number);
}

static void edo_trace_name_track(struct edo_out *out, int pid, int tid, const char *form, int number)
{
    char name[64];

    snprintf(name, sizeof name, form, number);
    edo_out_printf(
        out,
        ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"%s\"}}"
        ",\n{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":%d,\"tid\":%d,\"args\":{\"sort_index\":%d}}",
        pid, tid, name, pid, tid, tid);
}

void edo_trace_json_names(struct edo_out *out, const struct edo_traced_runtime *traced)
{
    int pid = edo_trace_pid(traced);

    edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
    edo_out_printf(out, ",\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,\"args\":{\"name\":\"runtime %d\"}}",
                   pid, pid - 1);
    for (int i = 0; i < traced->workers; i++) {
        edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
        edo_trace_name_track(out, pid, EDO_TRACK_WORKERS + i, "worker %d", i);
    }
    edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
    edo_trace_name_track(out, pid, EDO_TRACK_OTHERS, "other threads", 0);
}

static void edo_trace_run(struct edo_out *out, int pid, const struct edo_traced *event, int64_t begin, int64_t end)
{
    const char *name = edo_out_text(out, event->name);
    const struct edo_out_site *site = edo_out_site(out, event->site);
    int tid = edo_trace_track(event);

    if (event->kept_by)
        edo_trace_name_track(out, pid, tid, "thread %d, no worker", event->kept_by);
    edo_trace_head(out, "X", pid, tid, begin);
    edo_trace_put_time(out, "dur", end - begin);
    edo_out_put(out, ",\"cat\":\"run\",\"name\":");
    edo_out_quote(out, name ? name : site && site->function[0] ? site->function : "task");
    edo_out_printf(out, ",\"args\":{\"task\":\"%llu\"", (unsigned long long)event->task);
    if (site) {
        edo_out_put(out, ",\"function\":");
        edo_out_quote(out, site->function);
        edo_out_put(out, ",\"file\":");
        edo_out_quote(out, site->file);
        edo_out_printf(out, ",\"line\":%d", site->line);
    }
    edo_out_put(out, event->ended ? ",\"ended\":true}}" : "}}");
    if (event->number)
        edo_trace_arrow(out, "f", pid, tid, begin, event->number);
}

static void edo_trace_wake(struct edo_out *out, int pid, const struct edo_traced *event, int64_t time)
{
    int tid = edo_trace_track(event);

    edo_trace_head(out, "i", pid, tid, time);
    edo_out_printf(out, ",\"s\":\"t\",\"cat\":\"wake\",\"name\":\"%s\",\"args\":{\"task\":\"%llu\"",
                   event->kind == EDO_TRACED_SPAWN ? "spawn" : "wake", (unsigned long long)event->task);
    if (event->value)
        edo_out_printf(out, ",\"by\":\"%llu\"", (unsigned long long)event->value);
    edo_out_put(out, "}}");
    if (event->number)
        edo_trace_arrow(out, "s", pid, tid, time, event->number);
}

void edo_trace_json_event(struct edo_out *out, const struct edo_traced_runtime *traced, const struct edo_traced *event,
                          const struct edo_trace_clock *clock)
{
    int pid = edo_trace_pid(traced);
    int tid = edo_trace_track(event);
    int64_t begin = edo_trace_time(event->begin, clock);
    int64_t end = event->end ? edo_trace_time(event->end, clock) : begin;

    edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
    switch (event->kind) {
    case EDO_TRACED_RUN:
        edo_trace_run(out, pid, event, begin, end);
        break;
    case EDO_TRACED_SPAWN:
    case EDO_TRACED_WAKE:
        edo_trace_wake(out, pid, event, begin);
        break;
    case EDO_TRACED_SLEEP:
        edo_trace_head(out, "X", pid, tid, begin);
        edo_trace_put_time(out, "dur", end - begin);
        edo_out_put(out, ",\"cat\":\"sleep\",\"name\":\"sleep\",\"cname\":\"grey\"}");
        break;
    case EDO_TRACED_STEAL:
        edo_trace_head(out, "i", pid, tid, begin);
        edo_out_printf(out, ",\"s\":\"t\",\"cat\":\"worker\",\"name\":\"steal\",\"args\":{\"tasks\":%d,\"from\":%d}}",
                       (int)event->value, (int)event->other);
        break;
    case EDO_TRACED_TAKEN:
        edo_trace_head(out, "i", pid, tid, begin);
        edo_out_printf(out, ",\"s\":\"t\",\"cat\":\"worker\",\"name\":\"hand-off\",\"args\":{\"from_thread\":%d}}",
                       (int)event->value);
        break;
    case EDO_TRACED_STALL:
        edo_trace_head(out, "i", pid, EDO_TRACK_WORKERS + (int)event->task, begin);
        edo_out_printf(out,
                       ",\"s\":\"p\",\"cat\":\"worker\",\"name\":\"stall\",\"args\":{\"worker\":%d,\"for_us\":%lld,"
                       "\"kind\":\"%s\"}}",
                       (int)event->task, (long long)event->value / 1000, event->other ? "blocked" : "computing");
        break;
    default:
        break;
    }
}

void edo_trace_json_counters(struct edo_out *out, const struct edo_traced_runtime *traced, uint64_t ticks,
                             const struct edo_trace_clock *clock)
{
    struct edo_runtime *runtime = traced->runtime;
    uint64_t ready = atomic_load_explicit(&runtime->global_count, memory_order_relaxed);
    uint64_t ended = 0;
    uint64_t spawned = 0;
    uint64_t tasks;
    int pid = edo_trace_pid(traced);
    int64_t time = edo_trace_time(ticks, clock);

    for (int i = 0; i < traced->workers; i++)
        ended += atomic_load_explicit(&runtime->workers[i].counts.ended, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    for (int i = 0; i < traced->workers; i++) {
        struct edo_worker *worker = &runtime->workers[i];

        spawned += atomic_load_explicit(&worker->counts.spawned, memory_order_relaxed);
        ready += edo_worker_queued(worker) + (atomic_load_explicit(&worker->lifo, memory_order_relaxed) != NULL);
    }
    /* Two that add up to the tasks there are: viewers pile them up. Read one after the other, they need not fit. */
    tasks = spawned > ended ? spawned - ended : 0;
    ready = ready < tasks ? ready : tasks;
    edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
    edo_out_printf(out, ",\n{\"ph\":\"C\",\"pid\":%d", pid);
    edo_trace_put_time(out, "ts", time);
    edo_out_printf(out, ",\"name\":\"tasks\",\"args\":{\"ready\":%llu,\"others\":%llu}}", (unsigned long long)ready,
                   (unsigned long long)(tasks - ready));
}

void edo_trace_json_dropped(struct edo_out *out, uint64_t dropped, uint64_t ticks, const struct edo_trace_clock *clock)
{
    edo_out_reserve(out, EDO_TRACE_EVENT_MOST);
    edo_trace_head(out, "i", 1, EDO_TRACK_WORKERS, edo_trace_time(ticks, clock));
    edo_out_printf(out, ",\"s\":\"g\",\"cat\":\"trace\",\"name\":\"dropped\",\"args\":{\"events\":%llu}}",
                   (unsigned long long)dropped);
}
