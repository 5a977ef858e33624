/* SPDX-License-Identifier: MIT */
/*
 * Taking a snapshot of all runtimes, and what it holds. See edo/snapshot.h for what is promised, dump_collect.c and
 * dump_waits.c for how tasks are found.
 *
 * The runtimes are looked at under the lock of their list, so that none ends meanwhile. Nothing in a snapshot that is
 * handed out points into one.
 */
#include "observe/metrics.h"
#include "observe/snapshot.h"
#include "observe/peek.h"
#include "platform/platform.h"
#include "runtime/fork.h"

#include <errno.h>
#include <sys/mman.h>

/* --- Taking ------------------------------------------------------------------------------------------------------- */

/* What has ended while the picture was taken is not in it. */
static void leave_out_gone(struct edo_dump *dump)
{
    uint32_t *order = (uint32_t *)dump->order.items;
    size_t count = 0;

    for (size_t i = 0; i < dump->order.count; i++)
        if (edo_dump_task(dump, order[i])->state != EDO_DUMP_GONE)
            order[count++] = order[i];
    dump->order.count = count;
}

static uint64_t task_on(struct edo_dump *dump, struct edo_thread *thread)
{
    struct edo_task *task = (struct edo_task *)edo_unseen_word((uintptr_t)&thread->current);
    uint32_t index = task && dump->places.count > 0 ? edo_dump_find_block(dump, task) : EDO_NONE;

    return index == EDO_NONE ? 0 : edo_dump_task(dump, index)->id;
}

/* It writes that itself when it begins, perhaps just now. */
static int number_of(const struct edo_thread *thread)
{
    uintptr_t at = (uintptr_t)&thread->number;
    uintptr_t word = edo_unseen_word(at & ~(sizeof word - 1));
    int number;

    memcpy(&number, (char *)&word + (at & (sizeof word - 1)), sizeof number);
    return number > 0 ? number : -1;
}

/*
 * What the monitor knows is its own: what is read here may be of two moments, and is taken only where it makes sense.
 */
static int64_t stalled_for(struct edo_runtime *runtime, int index, int64_t now)
{
    struct edo_monitor_view *views = runtime->monitor.views;
    int64_t since;

    if (!runtime->monitor.started || !views)
        return -1;
    since = (int64_t)edo_unseen_word((uintptr_t)&views[index].since);
    return since > 0 && now - since >= runtime->options.stall_after ? now - since : -1;
}

static void take_workers(struct edo_snapshot_of *of, struct edo_runtime *runtime)
{
    if (edo_dump_reserve(&of->dump, &of->workers, (size_t)runtime->worker_count, sizeof(edo_snapshot_worker)) < 0)
        return;
    for (int i = 0; i < runtime->worker_count; i++) {
        struct edo_worker *worker = &runtime->workers[i];
        edo_snapshot_worker *out = &((edo_snapshot_worker *)of->workers.items)[of->workers.count++];

        *out = (edo_snapshot_worker){.size = sizeof *out, .thread = -1, .stalled = -1};
        edo_worker_counted(&out->metrics, worker, of->dump.now);
        edo_lock_acquire(&worker->thread_lock);
        if (worker->thread) {
            out->thread = number_of(worker->thread);
            out->task = task_on(&of->dump, worker->thread);
        }
        edo_lock_release(&worker->thread_lock);
        if (out->task && !out->metrics.asleep)
            out->stalled = stalled_for(runtime, i, of->dump.now);
    }
}

static void *map(const edo_snapshot *snapshot, size_t size)
{
    void *memory;

    return snapshot->platform->map(&memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS) < 0 ? NULL
                                                                                                           : memory;
}

/* Where one more is to be seen; NULL: there is no memory. */
static struct edo_snapshot_of *next_of(edo_snapshot *snapshot)
{
    if (snapshot->count == snapshot->capacity) {
        size_t capacity = snapshot->capacity ? 2 * snapshot->capacity : 16;
        struct edo_snapshot_of **of = (struct edo_snapshot_of **)map(snapshot, capacity * sizeof *of);

        if (!of)
            return NULL;
        if (snapshot->of) {
            memcpy(of, snapshot->of, snapshot->count * sizeof *of);
            snapshot->platform->unmap(snapshot->of, snapshot->capacity * sizeof *of);
        }
        snapshot->of = of;
        snapshot->capacity = capacity;
    }
    if (!snapshot->of[snapshot->count])
        snapshot->of[snapshot->count] = (struct edo_snapshot_of *)map(snapshot, sizeof **snapshot->of);
    return snapshot->of[snapshot->count];
}

static void take_one(void *context, struct edo_runtime *runtime)
{
    edo_snapshot *snapshot = (edo_snapshot *)context;
    struct edo_snapshot_of *of = next_of(snapshot);

    if (!of) {
        snapshot->rc = -ENOMEM;
        return;
    }
    snapshot->count++;
    edo_dump_reset(&of->dump);
    of->workers.count = 0;
    of->dump.id_mask = UINT64_MAX;
    if (edo_dump_take(&of->dump, runtime) == 0) {
        leave_out_gone(&of->dump);
    } else {
        of->dump.order.count = 0;
        of->dump.scopes.count = 0;
    }
    take_workers(of, runtime);
    edo_runtime_counted(&of->metrics, NULL, runtime, of->dump.now);
    of->about = (edo_snapshot_runtime){.size = sizeof of->about,
                                       .number = of->dump.number,
                                       .workers = runtime->worker_count,
                                       .metrics = runtime->options.metrics,
                                       .now = of->dump.now,
                                       .started = runtime->started,
                                       .tasks = of->dump.order.count,
                                       .scopes = of->dump.scopes.count,
                                       .stall_after = runtime->options.stall_after};
    for (int i = 0; i < 2 && runtime->options.metrics; i++)
        edo_times_counted(&of->times[i], runtime, i, -1);
    if (of->dump.rc < 0)
        snapshot->rc = of->dump.rc;
}

int edo_snapshot_take(edo_snapshot **out)
{
    edo_snapshot *snapshot = *out;

    if (edo_in_forked_child())
        return -EPERM;
    if (!snapshot) {
        const struct edo_platform *platform = edo_dump_platform();

        snapshot = (edo_snapshot *)platform->allocate(sizeof *snapshot);
        if (!snapshot)
            return -ENOMEM;
        snapshot->platform = snapshot->names.platform = snapshot->symbols.platform = platform;
        *out = snapshot;
    }
    edo_names_reset(&snapshot->names);
    snapshot->count = 0;
    snapshot->rc = 0;
    edo_runtimes_each(take_one, snapshot);
    return snapshot->rc;
}

void edo_snapshot_free(edo_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->capacity && snapshot->of[i]; i++) {
        struct edo_snapshot_of *of = snapshot->of[i];

        if (of->workers.items)
            snapshot->platform->unmap(of->workers.items, of->workers.capacity * sizeof(edo_snapshot_worker));
        if (of->dump.platform)
            edo_dump_finish(&of->dump);
        snapshot->platform->unmap(of, sizeof *of);
    }
    if (snapshot->of)
        snapshot->platform->unmap(snapshot->of, snapshot->capacity * sizeof *snapshot->of);
    edo_names_finish(&snapshot->names);
    edo_names_finish(&snapshot->symbols);
    snapshot->platform->release(snapshot);
}

/* --- Runtimes and workers ----------------------------------------------------------------------------------------- */

size_t edo_snapshot_runtimes(const edo_snapshot *snapshot)
{
    return snapshot->count;
}

int edo_snapshot_get_runtime(edo_snapshot_runtime *out, const edo_snapshot *snapshot, size_t runtime)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);

    return of ? edo_snapshot_give(out, &of->about, sizeof *out) : -EINVAL;
}

int edo_snapshot_metrics(edo_metrics *out, const edo_snapshot *snapshot, size_t runtime)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);

    return of ? edo_snapshot_give(out, &of->metrics, sizeof *out) : -EINVAL;
}

int edo_snapshot_times(edo_histogram *out, const edo_snapshot *snapshot, size_t runtime, int times)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);

    if (!of || times < 0 || times > 1)
        return -EINVAL;
    return of->about.metrics ? edo_snapshot_give(out, &of->times[times], sizeof *out) : -ENODATA;
}

int edo_snapshot_get_worker(edo_snapshot_worker *out, const edo_snapshot *snapshot, size_t runtime, int worker)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);

    if (!of || worker < 0 || (size_t)worker >= of->workers.count)
        return -EINVAL;
    return edo_snapshot_give(out, &((edo_snapshot_worker *)of->workers.items)[worker], sizeof *out);
}

/* --- Tasks -------------------------------------------------------------------------------------------------------- */

static int cancelled_by(uint32_t flags)
{
    return flags & EDO_SCOPE_CANCELLED ? (int)(flags & 0xff) : EDO_REASON_NONE;
}

static const char *name_of(edo_snapshot *snapshot, const struct edo_dump_task *task, const edo_site *site)
{
    const char *name = edo_names_text(&snapshot->names, task->name);

    return name ? name : site && site->function[0] ? site->function : "task";
}

int edo_snapshot_get_task(edo_snapshot_task *out, edo_snapshot *snapshot, size_t runtime, size_t index)
{
    static const uint8_t states[] = {[EDO_DUMP_RUNS] = EDO_TASK_RUNNING,
                                     [EDO_DUMP_REGION] = EDO_TASK_REGION,
                                     [EDO_DUMP_READY] = EDO_TASK_READY,
                                     [EDO_DUMP_NEW] = EDO_TASK_NEW,
                                     [EDO_DUMP_WAITS] = EDO_TASK_WAITING};
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    const struct edo_dump_scope *scope;
    const struct edo_dump_task *task;
    edo_snapshot_task all;

    if (!of || index >= of->dump.order.count)
        return -EINVAL;
    task = edo_dump_nth(&of->dump, index);
    scope = edo_dump_innermost(&of->dump, task);
    all = (edo_snapshot_task){.id = task->id,
                              .site = edo_names_site(&snapshot->names, task->site),
                              .state = states[task->state],
                              .worker = task->worker,
                              .dormant = (task->flags & EDO_TASK_DORMANT) != 0,
                              .pinned = (task->flags & EDO_TASK_PINNED) != 0,
                              .scope = task->parent,
                              .scopes = task->scopes,
                              .scope_count = task->scope_count,
                              .wait = task->wait,
                              .until = task->until,
                              .deadline = scope ? scope->deadline : EDO_FOREVER,
                              .spawned = task->spawned == EDO_FOREVER ? -1 : task->spawned,
                              .polls = of->about.metrics ? (int64_t)task->polls : -1,
                              .busy = of->about.metrics ? task->busy : -1,
                              .warnings = task->warnings};
    all.name = name_of(snapshot, task, all.site);
    if (scope) {
        all.cancelled = cancelled_by(scope->flags);
        all.cancelled_at = all.cancelled ? edo_names_site(&snapshot->names, scope->cancel_site) : NULL;
    }
    return edo_snapshot_give(out, &all, sizeof all);
}

ssize_t edo_snapshot_find(const edo_snapshot *snapshot, size_t runtime, uint64_t id)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    size_t low = 0;
    size_t high = of ? of->dump.order.count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (edo_dump_nth(&of->dump, middle)->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return of && low < of->dump.order.count && edo_dump_nth(&of->dump, low)->id == id ? (ssize_t)low : -1;
}

int edo_snapshot_get_scope(edo_snapshot_scope *out, edo_snapshot *snapshot, size_t runtime, size_t index)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    const struct edo_dump_task *owner;
    const struct edo_dump_scope *scope;
    edo_snapshot_scope all;

    if (!of || index >= of->dump.scopes.count)
        return -EINVAL;
    scope = edo_dump_scope(&of->dump, (uint32_t)index);
    owner = edo_dump_task(&of->dump, scope->owner);
    all = (edo_snapshot_scope){.name = edo_names_text(&snapshot->names, scope->name),
                               .site = edo_names_site(&snapshot->names, scope->site),
                               .owner = owner->state == EDO_DUMP_GONE ? 0 : owner->id,
                               .parent = index > owner->scopes ? (uint32_t)index - 1 : owner->parent,
                               .live = scope->live,
                               .deadline = scope->deadline,
                               .cancelled = cancelled_by(scope->flags),
                               .shield = (scope->flags & EDO_SCOPE_SHIELD) != 0,
                               .supervises = (scope->flags & EDO_SCOPE_SUPERVISE) != 0,
                               .level = (uint32_t)index - owner->scopes};
    if (all.cancelled)
        all.cancelled_at = edo_names_site(&snapshot->names, scope->cancel_site);
    return edo_snapshot_give(out, &all, sizeof all);
}

/* --- Deadlocks ---------------------------------------------------------------------------------------------------- */

struct rings {
    edo_snapshot *snapshot;
    struct edo_dump *dump;
    void (*found)(void *context, const uint64_t *tasks, size_t count);
    void *context;
    int rc;
};

static void tell_ring(void *context, const uint32_t *tasks, size_t count)
{
    struct rings *rings = (struct rings *)context;
    uint64_t *ids = (uint64_t *)rings->snapshot->platform->allocate(count * sizeof *ids);

    if (!ids) {
        rings->rc = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = edo_dump_task(rings->dump, tasks[i])->id;
    rings->found(rings->context, ids, count);
    rings->snapshot->platform->release(ids);
}

int edo_snapshot_deadlocks(edo_snapshot *snapshot, size_t runtime,
                           void (*found)(void *context, const uint64_t *tasks, size_t count), void *context)
{
    struct edo_snapshot_of *of = runtime < snapshot->count ? snapshot->of[runtime] : NULL;
    struct rings rings = {snapshot, of ? &of->dump : NULL, found, context, 0};
    int rc;

    if (!of)
        return -EINVAL;
    if (of->dump.order.count == 0)
        return 0;
    rc = edo_dump_cycles(&of->dump, tell_ring, &rings);
    return rc < 0 ? rc : rings.rc;
}
