/* SPDX-License-Identifier: MIT */
/* One task with all that is known of it, and all scopes, as JSON. */
#include "console/console.h"

#include <edo/edo.h>
#include <edo/trace.h>

#include <inttypes.h>
#include <stdio.h>

enum { FRAMES = 64 };

/* --- A stack ------------------------------------------------------------------------------------------------------ */

void edo_console_frames(struct edo_json *json, const char *key, const edo_stall_frame *frames, size_t count)
{
    edo_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++) {
        const char *module = frames[i].module;
        const char *slash = module ? strrchr(module, '/') : NULL;

        edo_json_open(json, NULL, '{');
        edo_json_text(json, "function", frames[i].function);
        if (frames[i].function)
            edo_json_uint(json, "offset", frames[i].offset);
        edo_json_text(json, "module", slash ? slash + 1 : module);
        if (module)
            edo_json_uint(json, "module_offset", frames[i].module_offset);
        else
            edo_json_printf(json, "address", "0x%" PRIxPTR, frames[i].address);
        edo_json_true(json, "guessed", frames[i].guessed);
        edo_json_close(json, '}');
    }
    edo_json_close(json, ']');
}

void edo_console_scope_key(struct edo_json *json, const char *key, edo_snapshot *snapshot, size_t runtime,
                           uint32_t number)
{
    edo_snapshot_scope scope = {.size = sizeof scope};

    if (edo_snapshot_get_scope(&scope, snapshot, runtime, number) == 0 && scope.owner)
        edo_json_printf(json, key, "%" PRIu64 ".%" PRIu32, scope.owner, scope.level);
}

/* --- Waits -------------------------------------------------------------------------------------------------------- */

/* As edo_dump has it in JSON (docs/guide/dumps.md), but for numbers of tasks, which are strings. */
static void one_wait(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, uint32_t index,
                     const edo_snapshot_wait *wait)
{
    edo_snapshot_ends ends = {.size = sizeof ends};

    if (edo_snapshot_get_ends(&ends, snapshot, runtime, index) < 0)
        ends.local = ends.remote = NULL;
    edo_json_open(json, NULL, '{');
    edo_json_text(json, "for", ends.local && ends.listens ? "accept" : edo_wait_for_text(wait->what));
    edo_json_known(json, "descriptor", wait->descriptor);
    edo_json_text(json, "kind", wait->kind);
    edo_json_text(json, "local", ends.local);
    edo_json_text(json, "remote", ends.remote);
    if (wait->what == EDO_FOR_JOIN)
        edo_json_id(json, "task", wait->task);
    else if (wait->task)
        edo_json_id(json, "holder", wait->task);
    if (wait->scope != EDO_SNAPSHOT_NONE)
        edo_json_uint(json, "scope", wait->scope);
    edo_console_scope_key(json, "scope_key", snapshot, runtime, wait->scope);
    if (wait->what == EDO_FOR_JOB) {
        edo_json_text(json, "function", edo_snapshot_symbol(snapshot, wait->address, false));
        edo_json_bool(json, "queued", wait->queued);
    } else if (wait->what == EDO_FOR_WAKE && wait->address) {
        edo_json_text(json, "in", edo_snapshot_symbol(snapshot, wait->address, true));
    } else if (wait->address) {
        edo_json_printf(json, "address", "0x%" PRIxPTR, wait->address);
    }
    edo_json_close(json, '}');
}

static void waits(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task)
{
    edo_snapshot_wait wait = {.size = sizeof wait};

    edo_json_open(json, "waits", '[');
    for (uint32_t at = task->wait; edo_snapshot_get_wait(&wait, snapshot, runtime, at) == 0; at = wait.next)
        one_wait(json, snapshot, runtime, at, &wait);
    edo_json_close(json, ']');
}

/* --- Scopes ------------------------------------------------------------------------------------------------------- */

/* The members, without braces. */
void edo_console_scope_facts(struct edo_json *json, uint32_t number, const edo_snapshot_scope *scope, int64_t now)
{
    char site[192];

    edo_json_uint(json, "number", number);
    edo_json_printf(json, "key", "%" PRIu64 ".%" PRIu32, scope->owner, scope->level);
    if (scope->parent != EDO_SNAPSHOT_NONE)
        edo_json_uint(json, "parent", scope->parent);
    edo_json_id(json, "owner", scope->owner);
    edo_json_text(json, "name", scope->name);
    if (scope->site) {
        edo_console_site_text(site, sizeof site, scope->site);
        edo_json_text(json, "site", site);
    }
    edo_json_int(json, "live", scope->live > 0 ? scope->live : 0);
    if (scope->deadline != EDO_FOREVER)
        edo_json_int(json, "deadline_ms", scope->deadline > now ? (scope->deadline - now) / EDO_MS(1) : 0);
    edo_json_text(json, "cancelled", edo_console_reason_text(scope->cancelled));
    if (scope->cancelled_at) {
        edo_console_site_text(site, sizeof site, scope->cancelled_at);
        edo_json_text(json, "cancelled_at", site);
    }
    edo_json_true(json, "shield", scope->shield);
    edo_json_true(json, "supervises", scope->supervises);
}

static void one_scope(struct edo_json *json, uint32_t number, const edo_snapshot_scope *scope, int64_t now)
{
    edo_json_open(json, NULL, '{');
    edo_console_scope_facts(json, number, scope, now);
    edo_json_close(json, '}');
}

/* From the innermost out: those that it has opened, then those around them. */
static void scopes_of(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task,
                      int64_t now)
{
    enum { DEEPEST = 1000 };
    edo_snapshot_scope scope = {.size = sizeof scope};
    uint32_t at = task->scope_count > 0 ? task->scopes + task->scope_count - 1 : task->scope;

    edo_json_open(json, "scopes", '[');
    for (int depth = 0; depth < DEEPEST && edo_snapshot_get_scope(&scope, snapshot, runtime, at) == 0; depth++) {
        if (scope.owner)
            one_scope(json, at, &scope, now);
        at = scope.parent;
    }
    edo_json_close(json, ']');
}

void edo_console_scopes(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    edo_snapshot_scope scope = {.size = sizeof scope};

    edo_snapshot_get_runtime(&about, looks->snapshot, runtime);
    edo_json_open(json, NULL, '{');
    edo_json_uint(json, "snapshot", looks->number);
    edo_json_open(json, "scopes", '[');
    for (uint32_t i = 0; edo_snapshot_get_scope(&scope, looks->snapshot, runtime, i) == 0; i++)
        if (scope.owner)
            one_scope(json, i, &scope, about.now);
    edo_json_close(json, ']');
    edo_json_close(json, '}');
}

/* --- A task ------------------------------------------------------------------------------------------------------- */

static void times(struct edo_json *json, const char *key, const edo_snapshot *snapshot, size_t runtime, size_t index,
                  int which)
{
    edo_histogram histogram = {.size = sizeof histogram};

    if (edo_snapshot_task_times(&histogram, snapshot, runtime, index, which) == 0)
        edo_console_histogram(json, key, &histogram);
}

static void one_event(void *argument, const edo_recorded *event)
{
    struct edo_json *json = (struct edo_json *)argument;

    edo_json_open(json, NULL, '{');
    edo_json_int(json, "ago_us", event->ago / EDO_US(1));
    edo_json_text(json, "event", edo_recorded_name(event->event));
    edo_json_int(json, "worker", event->worker);
    edo_json_close(json, '}');
}

/* What the flight recorder still has of it. */
static void history(struct edo_json *json, uint64_t task)
{
    edo_json_open(json, "history", '[');
    edo_recorder_task(task, one_event, json);
    edo_json_close(json, ']');
}

void edo_console_task(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime, size_t index)
{
    edo_snapshot *snapshot = looks->snapshot;
    edo_snapshot_runtime about = {.size = sizeof about};
    edo_snapshot_task task = {.size = sizeof task};
    edo_stall_frame frames[FRAMES];
    ssize_t count;

    edo_snapshot_get_runtime(&about, snapshot, runtime);
    edo_snapshot_get_task(&task, snapshot, runtime, index);
    edo_json_open(json, NULL, '{');
    edo_json_uint(json, "snapshot", looks->number);
    edo_console_row(json, snapshot, runtime, &task, about.now);
    edo_json_true(json, "pinned", task.pinned);
    if (task.site) {
        edo_json_text(json, "site_file", task.site->file);
        edo_json_int(json, "site_line", task.site->line);
    }
    if (task.wait != EDO_SNAPSHOT_NONE)
        waits(json, snapshot, runtime, &task);
    scopes_of(json, snapshot, runtime, &task, about.now);
    count = edo_snapshot_backtrace(frames, FRAMES, snapshot, runtime, index);
    if (count > 0)
        edo_console_frames(json, "frames", frames, (size_t)count);
    times(json, "poll", snapshot, runtime, index, EDO_TIMES_POLL);
    times(json, "delay", snapshot, runtime, index, EDO_TIMES_DELAY);
    history(json, task.id);
    edo_json_close(json, '}');
}
