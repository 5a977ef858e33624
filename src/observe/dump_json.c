/* SPDX-License-Identifier: MIT */
/*
 * A dump as JSON: flat lists of scopes, tasks and rings, so that no reader meets a nesting as deep as the program's.
 * Scopes have numbers, of this dump only; docs/guide/dumps.md has the form. Numbers of tasks are strings' worth of 64
 * bits, which some readers round: those of a process's first runtime with few tasks a worker stay below 2^53.
 */
#include "observe/dump_out.h"
#include "observe/warnings.h"
#include "runtime/parking.h"
#include "sync/waiter.h"

#include <inttypes.h>

static void edo_json_text(struct edo_out *out, const char *key, const char *text)
{
    if (!text)
        return;
    edo_out_printf(out, ",\"%s\":", key);
    edo_out_quote(out, text);
}

static void edo_json_site(struct edo_out *out, const char *key, const edo_site *site)
{
    const struct edo_out_site *known = edo_out_site(out, site);

    if (!known || !known->file[0])
        return;
    edo_out_printf(out, ",\"%s\":{\"file\":", key);
    edo_out_quote(out, known->file);
    edo_out_printf(out, ",\"line\":%d,\"function\":", known->line);
    edo_out_quote(out, known->function);
    edo_out_put(out, "}");
}

/* A time that is to come, in ns from now. */
static void edo_json_time(struct edo_out *out, const struct edo_dump *dump, const char *key, int64_t time)
{
    if (time != EDO_FOREVER)
        edo_out_printf(out, ",\"%s\":%" PRId64, key, time > dump->now ? time - dump->now : 0);
}

static void edo_json_cancelled(struct edo_out *out, uint32_t flags, const edo_site *site)
{
    if (!(flags & EDO_SCOPE_CANCELLED))
        return;
    edo_json_text(out, "cancelled", edo_reason_text((int)(flags & 0xff)));
    edo_json_site(out, "cancelled_at", site);
}

/* --- Waits -------------------------------------------------------------------------------------------------------- */

static const char *edo_json_kind(const struct edo_dump_wait *wait)
{
    static const char *const lines[] = {
        [EDO_PARKED_WORD] = "word",           [EDO_PARKED_MUTEX] = "mutex",           [EDO_PARKED_RWLOCK] = "rwlock",
        [EDO_PARKED_SEMAPHORE] = "semaphore", [EDO_PARKED_NOTIFY] = "notify",         [EDO_PARKED_BARRIER] = "barrier",
        [EDO_PARKED_ONCE] = "once",           [EDO_PARKED_WAIT_GROUP] = "wait group",
    };
    static const char *const whats[] = {
        [EDO_WAIT_JOIN] = "join",
        [EDO_WAIT_TIME] = "time",
        [EDO_WAIT_JOB] = "job",
        [EDO_WAIT_SCOPE] = "scope",
        [EDO_WAIT_DESCRIPTOR] = "descriptor",
        [EDO_WAIT_UNKNOWN] = "wake",
    };

    switch (wait->what) {
    case EDO_WAIT_SOURCE:
        return wait->local && !wait->remote && !wait->datagrams ? "accept"
               : wait->direction == EDO_OUT                     ? "write"
                                                                : "read";
    case EDO_WAIT_LINE:
        return wait->kind < EDO_COUNT(lines) ? lines[wait->kind] : "word";
    case EDO_WAIT_MEETING:
        return wait->kind == EDO_MEETING_BROADCAST ? "broadcast"
               : wait->kind == EDO_MEETING_WATCH   ? "watch"
               : wait->direction == EDO_OUT        ? "send"
                                                   : "receive";
    default:
        return whats[wait->what];
    }
}

static void edo_json_wait(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_wait *wait)
{
    edo_out_printf(out, "{\"for\":\"%s\"", edo_json_kind(wait));
    switch (wait->what) {
    case EDO_WAIT_SOURCE:
        edo_out_printf(out, ",\"descriptor\":%d", wait->fd);
        edo_json_text(out, "kind", wait->beneath);
        edo_json_text(out, "local", edo_dump_text_at(dump, wait->local));
        edo_json_text(out, "remote", edo_dump_text_at(dump, wait->remote));
        break;
    case EDO_WAIT_JOIN:
        edo_out_printf(out, ",\"task\":%" PRIu64, wait->other);
        break;
    case EDO_WAIT_LINE:
        edo_out_printf(out, ",\"address\":\"%p\"", wait->object);
        if (wait->other && !(wait->other >> 63))
            edo_out_printf(out, ",\"holder\":%" PRIu64, wait->other);
        break;
    case EDO_WAIT_MEETING:
        edo_out_printf(out, ",\"address\":\"%p\"", wait->object);
        break;
    case EDO_WAIT_JOB:
        edo_json_text(out, "function", edo_out_symbol(out, (uintptr_t)wait->object, 0));
        edo_out_printf(out, ",\"queued\":%s", wait->queued ? "true" : "false");
        break;
    case EDO_WAIT_SCOPE:
        edo_out_printf(out, ",\"scope\":%" PRIu64, wait->other);
        break;
    case EDO_WAIT_UNKNOWN:
        edo_json_text(out, "in", wait->object ? edo_out_symbol(out, (uintptr_t)wait->object, 1) : NULL);
        break;
    default:
        break;
    }
    edo_out_put(out, "}");
}

static void edo_json_warnings(struct edo_out *out, const struct edo_dump_task *task)
{
    const char *before = ",\"warnings\":[";

    for (int i = 0; i < EDO_WARNINGS; i++) {
        if (!(task->warnings & 1 << i))
            continue;
        edo_out_put(out, before);
        edo_out_quote(out, edo_warning_text(1 << i));
        before = ",";
    }
    if (task->warnings)
        edo_out_put(out, "]");
}

/* --- Lists -------------------------------------------------------------------------------------------------------- */

static void edo_json_task(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task)
{
    static const char *const states[] = {
        [EDO_DUMP_GONE] = "",       [EDO_DUMP_RUNS] = "running", [EDO_DUMP_REGION] = "region",
        [EDO_DUMP_READY] = "ready", [EDO_DUMP_NEW] = "new",      [EDO_DUMP_WAITS] = "waiting"};
    const struct edo_dump_scope *scope = edo_dump_innermost(dump, task);

    edo_out_printf(out, "{\"id\":%" PRIu64, task->id);
    edo_json_text(out, "name", edo_out_name(out, task));
    edo_json_site(out, "site", task->site);
    if (task->parent != EDO_NONE)
        edo_out_printf(out, ",\"scope\":%u", task->parent);
    edo_out_printf(out, ",\"state\":\"%s\"", states[task->state]);
    if (edo_dump_age(dump, task) >= 0)
        edo_out_printf(out, ",\"age_ns\":%" PRId64, edo_dump_age(dump, task));
    if (task->polls > 0)
        edo_out_printf(out, ",\"polls\":%" PRIu64 ",\"busy_ns\":%" PRId64, task->polls, task->busy);
    if (task->worker >= 0)
        edo_out_printf(out, ",\"worker\":%d", task->worker);
    if (task->flags & EDO_TASK_DORMANT)
        edo_out_put(out, ",\"dormant\":true");
    if (task->flags & EDO_TASK_PINNED)
        edo_out_put(out, ",\"pinned\":true");
    edo_json_time(out, dump, "until_ns", task->until);
    if (scope) {
        edo_json_time(out, dump, "deadline_ns", scope->deadline);
        edo_json_cancelled(out, scope->flags, scope->cancel_site);
    }
    edo_json_warnings(out, task);
    if (task->wait != EDO_NONE) {
        edo_out_put(out, ",\"waits\":[");
        for (uint32_t at = task->wait; at != EDO_NONE; at = edo_dump_wait(dump, at)->next) {
            if (at != task->wait)
                edo_out_put(out, ",");
            edo_json_wait(out, dump, edo_dump_wait(dump, at));
        }
        edo_out_put(out, "]");
    }
    if (task->frame_count > 0) {
        edo_out_put(out, ",\"backtrace\":[");
        for (unsigned i = 0; i < task->frame_count; i++) {
            if (i > 0)
                edo_out_put(out, ",");
            edo_out_quote(out, edo_out_symbol(out, ((uintptr_t *)dump->frames.items)[task->frames + i], 1));
        }
        edo_out_printf(out, "],\"backtrace_whole\":%s", task->frames_whole ? "true" : "false");
    }
    edo_out_put(out, "}");
}

static void edo_json_scope(struct edo_out *out, const struct edo_dump *dump, uint32_t index)
{
    const struct edo_dump_scope *scope = edo_dump_scope(dump, index);

    edo_out_printf(out, "{\"id\":%u,\"owner\":%" PRIu64, index, edo_dump_task(dump, scope->owner)->id);
    edo_json_text(out, "name", edo_out_text(out, scope->name));
    edo_json_site(out, "site", scope->site);
    if (scope->flags & EDO_SCOPE_SUPERVISE)
        edo_out_put(out, ",\"supervises\":true");
    if (scope->flags & EDO_SCOPE_SHIELD)
        edo_out_put(out, ",\"shield\":true");
    edo_json_time(out, dump, "deadline_ns", scope->deadline);
    edo_json_cancelled(out, scope->flags, scope->cancel_site);
    edo_out_put(out, "}");
}

struct edo_json_list {
    struct edo_out *out;
    struct edo_dump *dump;
    bool begun;
};

static void edo_json_cycle(void *context, const uint32_t *tasks, size_t count)
{
    struct edo_json_list *list = (struct edo_json_list *)context;

    edo_out_put(list->out, list->begun ? ",\n[" : "\n[");
    list->begun = true;
    for (size_t i = 0; i < count; i++)
        edo_out_printf(list->out, "%s%" PRIu64, i > 0 ? "," : "", edo_dump_task(list->dump, tasks[i])->id);
    edo_out_put(list->out, "]");
}

void edo_out_dump_json(struct edo_out *out, struct edo_dump *dump)
{
    struct edo_json_list rings = {out, dump, false};
    bool begun = false;

    edo_out_printf(out, "{\"runtime\":%" PRIu64 ",\"workers\":%d,\"now_ns\":%" PRId64 ",\n\"scopes\":[", dump->number,
                   dump->workers, dump->now);
    for (uint32_t i = 0; i < dump->scopes.count && out->rc == 0; i++) {
        if (edo_dump_task(dump, edo_dump_scope(dump, i)->owner)->state == EDO_DUMP_GONE)
            continue;
        edo_out_put(out, begun ? ",\n" : "\n");
        begun = true;
        edo_json_scope(out, dump, i);
    }
    edo_out_put(out, "],\n\"tasks\":[");
    begun = false;
    for (size_t i = 0; i < dump->tasks.count && out->rc == 0; i++) {
        if (edo_dump_nth(dump, i)->state == EDO_DUMP_GONE)
            continue;
        edo_out_put(out, begun ? ",\n" : "\n");
        begun = true;
        edo_json_task(out, dump, edo_dump_nth(dump, i));
    }
    edo_out_put(out, "],\n\"deadlocks\":[");
    edo_dump_cycles(dump, edo_json_cycle, &rings);
    edo_out_put(out, "]}");
}
