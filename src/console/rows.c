/* SPDX-License-Identifier: MIT */
/* Tasks as JSON, and as words: what a row of the table has. The contract is docs/guide/console.md. */
#include "console/console.h"

#include <edo/edo.h>

#include <inttypes.h>
#include <stdio.h>

void edo_console_site_text(char *out, size_t size, const edo_site *site)
{
    const char *slash = strrchr(site->file, '/');

    snprintf(out, size, "%s:%d", slash ? slash + 1 : site->file, site->line);
}

const char *edo_console_state_text(int state)
{
    static const char *const texts[] = {"", "running", "region", "ready", "new", "waiting"};

    return state > 0 && state < (int)EDO_COUNT(texts) ? texts[state] : "";
}

const char *edo_console_reason_text(int reason)
{
    return reason == EDO_REASON_NONE ? NULL : edo_reason_text(reason);
}

/* --- Waits -------------------------------------------------------------------------------------------------------- */

static const char *ends_text(char *out, size_t size, edo_snapshot *snapshot, size_t runtime, uint32_t index,
                             const edo_snapshot_wait *wait, bool ask)
{
    edo_snapshot_ends ends = {.size = sizeof ends};
    const char *verb = wait->what == EDO_FOR_WRITE ? "write" : "read";

    if (wait->kind)
        snprintf(out, size, "%s %s", verb, wait->kind);
    else if (!ask || edo_snapshot_get_ends(&ends, snapshot, runtime, index) < 0 || (!ends.local && !ends.remote))
        snprintf(out, size, "%s descriptor %d", verb, wait->descriptor);
    else if (ends.listens)
        snprintf(out, size, "accept %s", ends.local ? ends.local : "");
    else if (ends.datagrams)
        snprintf(out, size, "%s datagrams %s", wait->what == EDO_FOR_WRITE ? "send" : "receive", ends.local);
    else
        snprintf(out, size, "%s %s%s%s", verb, ends.local ? ends.local : "a socket",
                 !ends.remote                  ? ""
                 : wait->what == EDO_FOR_WRITE ? " to "
                                               : " from ",
                 ends.remote ? ends.remote : "");
    return out;
}

static void held_text(char *out, size_t size, const edo_snapshot_wait *wait)
{
    const char *verb = wait->what == EDO_FOR_ONCE ? "run" : "held";

    if (wait->task)
        snprintf(out, size, "%s 0x%" PRIxPTR ", %s by %" PRIu64, edo_wait_for_text(wait->what), wait->address, verb,
                 wait->task);
    else
        snprintf(out, size, "%s 0x%" PRIxPTR "%s", edo_wait_for_text(wait->what), wait->address,
                 wait->held_outside ? ", held by a thread that runs no task" : "");
}

static void one_wait(char *out, size_t size, edo_snapshot *snapshot, size_t runtime, uint32_t index,
                     const edo_snapshot_wait *wait, bool ask)
{
    edo_snapshot_scope scope = {.size = sizeof scope};

    switch (wait->what) {
    case EDO_FOR_READ:
    case EDO_FOR_WRITE:
        ends_text(out, size, snapshot, runtime, index, wait, ask);
        break;
    case EDO_FOR_JOIN:
        snprintf(out, size, "join %" PRIu64, wait->task);
        break;
    case EDO_FOR_MUTEX:
    case EDO_FOR_RWLOCK:
    case EDO_FOR_ONCE:
        held_text(out, size, wait);
        break;
    case EDO_FOR_TIME:
    case EDO_FOR_DESCRIPTOR:
        snprintf(out, size, "%s", edo_wait_for_text(wait->what));
        break;
    case EDO_FOR_JOB:
        snprintf(out, size, "job %s%s", edo_snapshot_symbol(snapshot, wait->address, false),
                 wait->queued ? ", queued" : "");
        break;
    case EDO_FOR_SCOPE:
        if (edo_snapshot_get_scope(&scope, snapshot, runtime, wait->scope) == 0 && scope.name)
            snprintf(out, size, "scope %u %s", wait->scope, scope.name);
        else
            snprintf(out, size, "scope %u", wait->scope);
        break;
    case EDO_FOR_WAKE:
        snprintf(out, size, wait->address ? "wake in %s" : "wake", edo_snapshot_symbol(snapshot, wait->address, true));
        break;
    default:
        snprintf(out, size, "%s 0x%" PRIxPTR, edo_wait_for_text(wait->what), wait->address);
        break;
    }
}

void edo_console_wait_text(char *out, size_t size, edo_snapshot *snapshot, size_t runtime,
                           const edo_snapshot_task *task, bool ends)
{
    edo_snapshot_wait wait = {.size = sizeof wait};
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t at = task->wait; used + 8 < size && edo_snapshot_get_wait(&wait, snapshot, runtime, at) == 0;
         at = wait.next) {
        if (used > 0) {
            memcpy(out + used, " or ", 5);
            used += 4;
        }
        one_wait(out + used, size - used, snapshot, runtime, at, &wait, ends);
        used += strlen(out + used);
    }
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

static void time_left(struct edo_json *json, const char *key, int64_t time, int64_t now)
{
    if (time != EDO_FOREVER)
        edo_json_int(json, key, time > now ? (time - now) / EDO_MS(1) : 0);
}

static void warnings(struct edo_json *json, uint32_t bits)
{
    if (!bits)
        return;
    edo_json_open(json, "warnings", '[');
    for (unsigned i = 0; i < 32; i++)
        if (bits & 1u << i)
            edo_json_text(json, NULL, edo_warning_text((int)(1u << i)));
    edo_json_close(json, ']');
}

void edo_console_row_facts(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task)
{
    char text[1024];

    edo_json_id(json, "id", task->id);
    edo_json_text(json, "name", task->name);
    if (task->site) {
        edo_console_site_text(text, sizeof text, task->site);
        edo_json_text(json, "site", text);
        edo_json_text(json, "function", task->site->function);
    }
    edo_json_text(json, "state", edo_console_state_text(task->state));
    if (task->wait != EDO_SNAPSHOT_NONE) {
        edo_console_wait_text(text, sizeof text, snapshot, runtime, task, true);
        edo_json_text(json, "wait", text);
    }
    edo_json_true(json, "dormant", task->dormant);
    edo_json_known(json, "worker", task->worker);
    if (task->scope != EDO_SNAPSHOT_NONE)
        edo_json_uint(json, "scope", task->scope);
    edo_json_text(json, "cancelled", edo_console_reason_text(task->cancelled));
    edo_json_known(json, "polls", task->polls);
    if (task->busy >= 0)
        edo_json_int(json, "busy_us", task->busy / EDO_US(1));
    warnings(json, task->warnings);
}

void edo_console_row_times(struct edo_json *json, const edo_snapshot_task *task, int64_t now)
{
    if (task->spawned >= 0)
        edo_json_int(json, "age_ms", task->spawned < now ? (now - task->spawned) / EDO_MS(1) : 0);
    time_left(json, "until_ms", task->until, now);
    time_left(json, "deadline_ms", task->deadline, now);
}

void edo_console_row(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task,
                     int64_t now)
{
    edo_console_row_facts(json, snapshot, runtime, task);
    edo_console_row_times(json, task, now);
}

void edo_console_window(struct edo_json *json, const struct edo_console_looks *looks,
                        const struct edo_console_view *view, const edo_snapshot_runtime *about)
{
    edo_json_uint(json, "snapshot", looks->number);
    edo_json_int(json, "uptime_ms", (about->now - about->started) / EDO_MS(1));
    edo_json_uint(json, "total", view->total);
    edo_json_uint(json, "matching", view->matching);
    edo_json_uint(json, "from", view->from);
}

void edo_console_tasks(struct edo_json *json, const struct edo_console_looks *looks,
                       const struct edo_console_view *view)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    edo_snapshot_task task = {.size = sizeof task};

    edo_snapshot_get_runtime(&about, looks->snapshot, view->runtime);
    edo_json_open(json, NULL, '{');
    edo_console_window(json, looks, view, &about);
    edo_json_open(json, "tasks", '[');
    for (size_t i = 0; i < view->shown; i++) {
        if (edo_snapshot_get_task(&task, looks->snapshot, view->runtime, view->tasks[i]) < 0)
            continue;
        edo_json_open(json, NULL, '{');
        edo_console_row(json, looks->snapshot, view->runtime, &task, about.now);
        edo_json_close(json, '}');
    }
    edo_json_close(json, ']');
    edo_json_close(json, '}');
}
