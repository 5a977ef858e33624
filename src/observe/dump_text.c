/* SPDX-License-Identifier: MIT */
/*
 * A dump as text: the tree, a line a task and a line a scope; then rings, and tasks whose scope was not seen.
 *
 * The walk is a loop, since trees may be deeper than a stack: the way back up is read from the tree. Lines are indented
 * by their depth, but no further than EDO_INDENT_MOST.
 */
#include "observe/dump_out.h"
#include "observe/walk.h"
#include "observe/warnings.h"
#include "runtime/parking.h"
#include "sync/waiter.h"

#include <inttypes.h>

enum { EDO_INDENT_MOST = 32 };

/* --- What a task waits for ---------------------------------------------------------------------------------------- */

static void edo_out_task_name(struct edo_out *out, const struct edo_dump *dump, uint64_t id)
{
    uint32_t index = edo_dump_find(dump, id);

    if (id >> 63) {
        edo_out_put(out, "a thread that runs no task");
        return;
    }
    edo_out_printf(out, "task %" PRIu64, id & dump->id_mask);
    if (index != EDO_NONE) {
        edo_out_put(out, " ");
        edo_out_quote(out, edo_out_name(out, edo_dump_task(dump, index)));
    }
}

static void edo_out_source(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_wait *wait)
{
    const char *here = edo_dump_text_at(dump, wait->local);
    const char *there = edo_dump_text_at(dump, wait->remote);
    bool writes = wait->direction == EDO_OUT;

    if (here && wait->datagrams)
        edo_out_printf(out, "to %s datagrams at %s", writes ? "send" : "receive", here);
    else if (here && there)
        edo_out_printf(out, "to %s between %s and %s", writes ? "write" : "read", here, there);
    else if (wait->beneath)
        edo_out_printf(out, "to %s %s", writes ? "write" : "read", wait->beneath);
    else if (here)
        edo_out_printf(out, "for a connection at %s", here);
    else
        edo_out_printf(out, "for descriptor %d", wait->fd);
}

static void edo_out_line(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_wait *wait)
{
    static const char *const kinds[] = {
        [EDO_PARKED_WORD] = "on the word at",      [EDO_PARKED_MUTEX] = "for the mutex at",
        [EDO_PARKED_RWLOCK] = "for the rwlock at", [EDO_PARKED_SEMAPHORE] = "for the semaphore at",
        [EDO_PARKED_NOTIFY] = "for the notify at", [EDO_PARKED_BARRIER] = "at the barrier at",
        [EDO_PARKED_ONCE] = "for the once at",     [EDO_PARKED_WAIT_GROUP] = "for the wait group at",
    };

    edo_out_printf(out, "%s %p", wait->kind < EDO_COUNT(kinds) ? kinds[wait->kind] : "at", wait->object);
    if (wait->other) {
        edo_out_put(out, ", held by ");
        edo_out_task_name(out, dump, wait->other);
    }
}

static void edo_out_wait(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_wait *wait)
{
    const char *name;

    switch (wait->what) {
    case EDO_WAIT_SOURCE:
        edo_out_source(out, dump, wait);
        break;
    case EDO_WAIT_JOIN:
        edo_out_put(out, "for the end of ");
        edo_out_task_name(out, dump, wait->other);
        break;
    case EDO_WAIT_LINE:
        edo_out_line(out, dump, wait);
        break;
    case EDO_WAIT_MEETING:
        edo_out_printf(out, "%s %p",
                       wait->kind == EDO_MEETING_BROADCAST ? "to hear the broadcast"
                       : wait->kind == EDO_MEETING_WATCH   ? "for a change of the watch"
                       : wait->direction == EDO_OUT        ? "to send into the channel"
                                                           : "to receive from the channel",
                       wait->object);
        break;
    case EDO_WAIT_TIME:
        edo_out_put(out, "for its time");
        break;
    case EDO_WAIT_JOB:
        edo_out_printf(out, "for its blocking job %s%s", edo_out_symbol(out, (uintptr_t)wait->object, 0),
                       wait->queued ? ", which is queued" : "");
        break;
    case EDO_WAIT_SCOPE:
        name = edo_out_text(out, edo_dump_scope(dump, (uint32_t)wait->other)->name);
        edo_out_put(out, name ? "for the tasks of its scope " : "for the tasks of its scope");
        if (name)
            edo_out_bare(out, name);
        break;
    case EDO_WAIT_DESCRIPTOR:
        edo_out_put(out, "for a free descriptor, to accept with");
        break;
    default:
        edo_out_put(out, "for a wake");
        if (wait->object)
            edo_out_printf(out, " in %s", edo_out_symbol(out, (uintptr_t)wait->object, 1));
        break;
    }
}

void edo_out_waits(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task)
{
    for (uint32_t at = task->wait; at != EDO_NONE; at = edo_dump_wait(dump, at)->next) {
        if (at != task->wait)
            edo_out_put(out, ", or ");
        edo_out_wait(out, dump, edo_dump_wait(dump, at));
    }
}

/* --- Lines -------------------------------------------------------------------------------------------------------- */

static void edo_out_indent(struct edo_out *out, unsigned depth)
{
    edo_out_printf(out, "%*s", 2 * (int)(depth < EDO_INDENT_MOST ? depth : EDO_INDENT_MOST), "");
}

static void edo_out_site_of(struct edo_out *out, const edo_site *site)
{
    const struct edo_out_site *known = edo_out_site(out, site);

    if (known && known->file[0])
        edo_out_printf(out, " (%s:%d)", known->file, known->line);
}

static void edo_out_facts(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task)
{
    int64_t age = edo_dump_age(dump, task);

    if (age >= 0)
        edo_out_printf(out, ", age %" PRId64 ".%03d s", age / 1000000000, (int)(age / 1000000 % 1000));
    if (task->polls > 0)
        edo_out_printf(out, ", ran for %" PRId64 ".%06d s in some %" PRIu64 " turns", task->busy / 1000000000,
                       (int)(task->busy / 1000 % 1000000), task->polls);
    for (int i = 0; i < EDO_WARNINGS; i++)
        if (task->warnings & 1 << i)
            edo_out_printf(out, ", warning: %s", edo_warning_text(1 << i));
}

/* A time that is to come: ", 1.250 s from now". */
static void edo_out_time(struct edo_out *out, const struct edo_dump *dump, const char *what, int64_t time)
{
    int64_t left = time > dump->now ? time - dump->now : 0;

    if (time != EDO_FOREVER)
        edo_out_printf(out, ", %s %" PRId64 ".%03d s", what, left / 1000000000, (int)(left / 1000000 % 1000));
}

static void edo_out_cancelled(struct edo_out *out, uint32_t flags, const edo_site *site)
{
    if (!(flags & EDO_SCOPE_CANCELLED))
        return;
    edo_out_printf(out, ", cancelled: %s", edo_reason_text((int)(flags & 0xff)));
    edo_out_site_of(out, site);
}

static void edo_out_state(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task)
{
    switch (task->state) {
    case EDO_DUMP_RUNS:
    case EDO_DUMP_REGION:
        edo_out_put(out, task->state == EDO_DUMP_RUNS ? " runs" : " is in a blocking region");
        if (task->worker >= 0)
            edo_out_printf(out, " on worker %d", task->worker);
        else
            edo_out_put(out, ", its worker was handed on");
        break;
    case EDO_DUMP_READY:
        edo_out_put(out, " is ready");
        break;
    case EDO_DUMP_NEW:
        edo_out_put(out, " is ready, and has not run yet");
        break;
    default:
        edo_out_put(out, " waits ");
        edo_out_waits(out, dump, task);
        break;
    }
}

static void edo_out_backtrace(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task,
                              unsigned depth)
{
    for (unsigned i = 0; i < task->frame_count; i++) {
        edo_out_indent(out, depth + 2);
        edo_out_printf(out, "%s\n", edo_out_symbol(out, ((uintptr_t *)dump->frames.items)[task->frames + i], 1));
    }
    if (task->frame_count > 0 && !task->frames_whole) {
        edo_out_indent(out, depth + 2);
        edo_out_put(out, task->frame_count == EDO_WALK_MOST ? "... (and more)\n"
                                                            : "... (it is not known from where that was called)\n");
    }
}

static void edo_out_task(struct edo_out *out, const struct edo_dump *dump, struct edo_dump_task *task, unsigned depth)
{
    const struct edo_dump_scope *scope = edo_dump_innermost(dump, task);

    task->printed = true;
    if (task->state == EDO_DUMP_GONE)
        return;
    edo_out_indent(out, depth);
    edo_out_printf(out, "task %" PRIu64 " ", task->id & dump->id_mask);
    edo_out_quote(out, edo_out_name(out, task));
    edo_out_site_of(out, task->site);
    if (task->flags & EDO_TASK_DORMANT)
        edo_out_put(out, " dormant,");
    if (task->flags & EDO_TASK_PINNED)
        edo_out_put(out, " pinned,");
    edo_out_state(out, dump, task);
    edo_out_time(out, dump, "until in", task->until);
    if (scope) {
        edo_out_time(out, dump, "deadline in", scope->deadline);
        edo_out_cancelled(out, scope->flags, scope->cancel_site);
    }
    edo_out_facts(out, dump, task);
    edo_out_put(out, "\n");
    edo_out_backtrace(out, dump, task, depth);
}

static void edo_out_scope(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_scope *scope,
                          unsigned depth)
{
    const char *name = edo_out_text(out, scope->name);

    edo_out_indent(out, depth);
    edo_out_put(out, scope->flags & EDO_SCOPE_SHIELD ? "shield" : "scope");
    if (name) {
        edo_out_put(out, " ");
        edo_out_quote(out, name);
    }
    edo_out_site_of(out, scope->site);
    if (scope->flags & EDO_SCOPE_SUPERVISE)
        edo_out_put(out, ", supervises");
    edo_out_time(out, dump, "deadline in", scope->deadline);
    edo_out_cancelled(out, scope->flags, scope->cancel_site);
    edo_out_put(out, "\n");
}

/* --- The tree ----------------------------------------------------------------------------------------------------- */

static void edo_out_tree(struct edo_out *out, struct edo_dump *dump, uint32_t root, unsigned depth)
{
    uint32_t index = root;
    uint32_t scope = 0; /* the task's next one to be shown, counted from outside */
    bool fresh = true;

    for (;;) {
        struct edo_dump_task *task = edo_dump_task(dump, index);

        if (fresh)
            edo_out_task(out, dump, task, depth);
        fresh = false;
        if (scope < task->scope_count && task->state != EDO_DUMP_GONE) {
            struct edo_dump_scope *body = edo_dump_scope(dump, task->scopes + scope++);

            edo_out_scope(out, dump, body, depth + 1);
            if (body->first != EDO_NONE) {
                index = body->first;
                depth += 2;
                scope = 0;
                fresh = true;
            }
        } else if (index == root) {
            return;
        } else if (task->next != EDO_NONE) {
            index = task->next;
            scope = 0;
            fresh = true;
        } else { /* that scope is done: on to its owner's next one */
            scope = task->parent - edo_dump_task(dump, edo_dump_scope(dump, task->parent)->owner)->scopes + 1;
            index = edo_dump_scope(dump, task->parent)->owner;
            depth -= 2;
        }
    }
}

struct edo_out_told {
    struct edo_out *out;
    struct edo_dump *dump;
    const char *prefix;
};

static void edo_out_cycle(void *context, const uint32_t *tasks, size_t count)
{
    struct edo_out_told *told = (struct edo_out_told *)context;

    edo_out_printf(told->out, "%sdeadlock: %zu tasks wait for each other\n", told->prefix, count);
    for (size_t i = 0; i < count; i++) {
        struct edo_dump_task *task = edo_dump_task(told->dump, tasks[i]);

        edo_out_printf(told->out, "%s  ", told->prefix);
        edo_out_task_name(told->out, told->dump, task->id);
        edo_out_put(told->out, " waits ");
        edo_out_waits(told->out, told->dump, task);
        if (edo_dump_wait(told->dump, task->wait)->what == EDO_WAIT_SCOPE) {
            edo_out_put(told->out, ", among them ");
            edo_out_task_name(told->out, told->dump, edo_dump_task(told->dump, tasks[(i + 1) % count])->id);
        }
        edo_out_put(told->out, "\n");
    }
}

void edo_out_cycles(struct edo_out *out, struct edo_dump *dump, const char *prefix)
{
    struct edo_out_told told = {out, dump, prefix};

    edo_dump_cycles(dump, edo_out_cycle, &told);
}

void edo_out_dump_text(struct edo_out *out, struct edo_dump *dump)
{
    size_t counts[EDO_DUMP_WAITS + 1] = {0};
    size_t count = dump->tasks.count;
    bool told = false;

    for (size_t i = 0; i < count; i++)
        counts[edo_dump_nth(dump, i)->state]++;
    edo_out_printf(out, "edo: runtime %" PRIu64 ", %d worker%s, %zu task%s: %zu run, %zu ready, %zu wait\n",
                   dump->number, dump->workers, dump->workers == 1 ? "" : "s", count - counts[EDO_DUMP_GONE],
                   count - counts[EDO_DUMP_GONE] == 1 ? "" : "s", counts[EDO_DUMP_RUNS] + counts[EDO_DUMP_REGION],
                   counts[EDO_DUMP_READY] + counts[EDO_DUMP_NEW], counts[EDO_DUMP_WAITS]);
    edo_out_cycles(out, dump, "");
    for (size_t i = 0; i < count; i++)
        if (edo_dump_nth(dump, i)->parent == EDO_NONE && edo_dump_nth(dump, i)->home == &dump->runtime->base)
            edo_out_tree(out, dump, ((uint32_t *)dump->order.items)[i], 0);
    for (size_t i = 0; i < count && out->rc == 0; i++) {
        if (edo_dump_nth(dump, i)->printed || edo_dump_nth(dump, i)->state == EDO_DUMP_GONE)
            continue;
        if (!told)
            edo_out_put(out, "whose scopes were changing meanwhile:\n");
        told = true;
        edo_out_task(out, dump, edo_dump_nth(dump, i), 1);
    }
}
