/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder: reading it, and what is public of it. See recorder.h, runtime/record.h for why a copy is whole,
 * and edo/trace.h.
 */
#include "observe/recorder.h"
#include "observe/dump_out.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/options.h"

#include <edo/trace.h>

#include <errno.h>
#include <sys/mman.h>

/* --- Copies ------------------------------------------------------------------------------------------------------- */

void edo_record_read_notes(struct edo_record *out, struct edo_notes *notes)
{
    uint64_t first;

    out->end_note = atomic_load_explicit(&notes->count, memory_order_acquire);
    first = edo_record_first(out->end_note, EDO_NOTES_KEPT);
    for (uint64_t i = first; i < out->end_note; i++) {
        struct edo_note *note = &notes->kept[i % EDO_NOTES_KEPT];

        out->notes[i % EDO_NOTES_KEPT].what = atomic_load_explicit(&note->what, memory_order_relaxed);
        out->notes[i % EDO_NOTES_KEPT].ticks = atomic_load_explicit(&note->ticks, memory_order_relaxed);
        out->notes[i % EDO_NOTES_KEPT].value = atomic_load_explicit(&note->value, memory_order_relaxed);
    }
    atomic_thread_fence(memory_order_acquire);
    out->first_note = edo_record_first(atomic_load_explicit(&notes->count, memory_order_relaxed), EDO_NOTES_KEPT);
    if (out->first_note > out->end_note)
        out->first_note = out->end_note;
}

static void edo_record_read_spawns(struct edo_record *out, struct edo_worker *worker)
{
    uint64_t mask = (UINT64_C(1) << EDO_ID_WORKER_SHIFT) - 1;
    uint64_t last = __atomic_load_n(&worker->next_id, __ATOMIC_ACQUIRE);

    out->number = last & ~mask;
    out->end_spawn = last & mask;
    for (uint64_t i = edo_record_first(out->end_spawn, EDO_SPAWNS_KEPT); i < out->end_spawn; i++)
        out->spawns[i % EDO_SPAWNS_KEPT] =
            atomic_load_explicit(&worker->spawns[i % EDO_SPAWNS_KEPT], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    out->first_spawn = edo_record_first(__atomic_load_n(&worker->next_id, __ATOMIC_RELAXED) & mask, EDO_SPAWNS_KEPT);
    if (out->first_spawn > out->end_spawn)
        out->first_spawn = out->end_spawn;
}

/* Notes and spawns first: what they say of runs is then there, too. */
void edo_record_read(struct edo_record *out, struct edo_worker *worker)
{
    uint64_t first;

    edo_record_read_notes(out, &worker->notes);
    edo_record_read_spawns(out, worker);
    out->end_run = atomic_load_explicit(&worker->counts.switches, memory_order_acquire);
    first = edo_record_first(out->end_run, EDO_RUNS_KEPT);
    for (uint64_t i = first; i < out->end_run; i++)
        out->runs[i % EDO_RUNS_KEPT] = atomic_load_explicit(&worker->runs[i % EDO_RUNS_KEPT], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    out->first_run =
        edo_record_first(atomic_load_explicit(&worker->counts.switches, memory_order_relaxed), EDO_RUNS_KEPT);
    if (out->first_run > out->end_run)
        out->first_run = out->end_run;
}

/* --- All of it as text -------------------------------------------------------------------------------------------- */

enum { EDO_RECORDER_ROOM = 64 << 20 }; /* more than a process has to tell, of which only what is used is there */

/*
 * Lies in memory mapped for one call. Gathered, then written: what writes is not to be called under the lock of all
 * runtimes.
 */
struct edo_recorder_dumping {
    struct edo_teller teller;
    int events;
    struct edo_record record;
    size_t used;
    char text[EDO_RECORDER_ROOM];
};

static int edo_recorder_gather(struct edo_teller *teller, const char *text, size_t size)
{
    struct edo_recorder_dumping *dumping = EDO_CONTAINER_OF(teller, struct edo_recorder_dumping, teller);

    if (size > sizeof dumping->text - dumping->used)
        return -ENOMEM;
    memcpy(dumping->text + dumping->used, text, size);
    dumping->used += size;
    return 0;
}

static void edo_recorder_look(void *context, struct edo_runtime *runtime)
{
    struct edo_recorder_dumping *dumping = (struct edo_recorder_dumping *)context;

    edo_tell_record(&dumping->teller, &dumping->record, runtime, dumping->events);
}

static int edo_recorder_write(const struct edo_platform *platform, int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = platform->write(fd, text, size);

        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        text += n;
        size -= (size_t)n;
    }
    return 0;
}

int edo_recorder_dump(int fd, const edo_recorder_options *given)
{
    const struct edo_platform *platform = edo_dump_platform();
    struct edo_task *task = edo_task_self();
    struct edo_recorder_dumping *dumping;
    edo_recorder_options options;
    void *memory;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (edo_in_forked_child())
        return -EPERM;
    if (options.events < 0)
        return -EINVAL;
    if (platform->map(&memory, sizeof *dumping, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) <
        0)
        return -ENOMEM;
    dumping = (struct edo_recorder_dumping *)memory;
    dumping->events = options.events;
    dumping->teller.put = edo_recorder_gather;
    if (task)
        edo_recorder_look(dumping, task->home->runtime);
    else
        edo_runtimes_each(edo_recorder_look, dumping);
    rc = dumping->teller.rc;
    if (rc == 0 && options.write && dumping->used > 0)
        rc = options.write(options.argument, dumping->text, dumping->used);
    else if (rc == 0)
        rc = edo_recorder_write(platform, fd, dumping->text, dumping->used);
    rc = rc < 0 ? rc : 0;
    platform->unmap(memory, sizeof *dumping);
    return rc;
}

/* --- One task ----------------------------------------------------------------------------------------------------- */

enum { EDO_HISTORY_MOST = 4096 };

struct edo_history {
    uint64_t task;
    struct edo_moment now;
    edo_recorded spawn; /* if its event is one */
    int count;
    edo_recorded found[EDO_HISTORY_MOST];
    struct edo_record record;
};

/*
 * When run `number` began: between the notes around it, in equal parts. `at`: the first note behind it, moves on with
 * the runs.
 */
static int64_t edo_history_time(const struct edo_history *history, const struct edo_moment *began, uint64_t number,
                                uint64_t *at)
{
    const struct edo_record *record = &history->record;
    struct edo_moment from = *began;
    struct edo_moment to = history->now;
    uint64_t before = 0;
    uint64_t after = record->end_run;

    while (*at < record->end_note && edo_record_switches(record, *at) <= number)
        ++*at;
    if (*at > record->first_note) {
        from.ticks = record->notes[(*at - 1) % EDO_NOTES_KEPT].ticks;
        before = edo_record_switches(record, *at - 1);
    } else {
        before = record->first_run;
    }
    if (*at < record->end_note) {
        to.ticks = record->notes[*at % EDO_NOTES_KEPT].ticks;
        after = edo_record_switches(record, *at);
    }
    if (number == before || after <= before) /* it is the first one behind that event */
        return edo_ticks_time(from.ticks, began, &history->now);
    return edo_ticks_time(
        from.ticks + (uint64_t)((double)(to.ticks - from.ticks) * (double)(number - before) / (double)(after - before)),
        began, &history->now);
}

static void edo_history_add(struct edo_history *history, int event, int worker, int64_t time)
{
    edo_recorded *found;
    int at = history->count;

    if (history->count == EDO_HISTORY_MOST)
        return;
    history->count++;
    for (; at > 0 && history->found[at - 1].ago < history->now.time - time; at--)
        history->found[at] = history->found[at - 1];
    found = &history->found[at];
    *found = (edo_recorded){.size = sizeof *found, .event = event, .worker = worker, .ago = history->now.time - time};
    if (found->ago < 0)
        found->ago = 0;
}

/* Whether the task is among those that the worker has spawned, when and by whom. */
static void edo_history_spawn(struct edo_history *history, struct edo_runtime *runtime, struct edo_worker *worker)
{
    const struct edo_record *record = &history->record;
    uint64_t spawn = history->task - record->number - 1;
    uint64_t at = record->first_note;
    uint64_t turn;

    if (spawn < record->first_spawn || spawn >= record->end_spawn)
        return;
    turn = edo_record_spawned_at(record, spawn) - 1; /* of the spawner; the root task has none */
    if (turn < record->first_run || turn >= record->end_run)
        return;
    history->spawn = (edo_recorded){.size = sizeof history->spawn,
                                    .event = EDO_RECORDED_SPAWN,
                                    .worker = worker->index,
                                    .ago = history->now.time - edo_history_time(history, &runtime->began, turn, &at),
                                    .by = record->runs[turn % EDO_RUNS_KEPT]};
}

/* It comes first, whatever was made out of the times, which are inexact. */
static void edo_history_begin(struct edo_history *history)
{
    if (history->spawn.event == 0 || history->count == EDO_HISTORY_MOST)
        return;
    memmove(&history->found[1], &history->found[0], (size_t)history->count * sizeof history->found[0]);
    history->found[0] = history->spawn;
    if (history->count++ > 0 && history->found[0].ago < history->found[1].ago)
        history->found[0].ago = history->found[1].ago;
    if (history->found[0].ago < 0)
        history->found[0].ago = 0;
}

static void edo_history_worker(struct edo_history *history, struct edo_runtime *runtime, struct edo_worker *worker)
{
    struct edo_record *record = &history->record;
    uint64_t at;

    edo_record_read(record, worker);
    edo_history_spawn(history, runtime, worker);
    at = record->first_note;
    for (uint64_t i = record->first_run; i < record->end_run; i++) {
        if (record->runs[i % EDO_RUNS_KEPT] != history->task)
            continue;
        edo_history_add(history, EDO_RECORDED_RUN, worker->index, edo_history_time(history, &runtime->began, i, &at));
    }
    for (uint64_t i = record->first_note; i < record->end_note; i++) {
        uint64_t switches = edo_record_switches(record, i);

        if (edo_record_kind(record, i) == EDO_NOTE_TAKEN && switches > record->first_run &&
            switches <= record->end_run && record->runs[(switches - 1) % EDO_RUNS_KEPT] == history->task)
            edo_history_add(history, EDO_RECORDED_HANDOFF, worker->index,
                            edo_ticks_time(record->notes[i % EDO_NOTES_KEPT].ticks, &runtime->began, &history->now));
    }
    edo_record_read_notes(record, &runtime->monitor.notes); /* in the place of the worker's */
    for (uint64_t i = record->first_note; i < record->end_note; i++) {
        uint64_t switches = edo_record_switches(record, i);

        if ((int)(record->notes[i % EDO_NOTES_KEPT].value & 0xffff) == worker->index && switches > record->first_run &&
            switches <= record->end_run && record->runs[(switches - 1) % EDO_RUNS_KEPT] == history->task)
            edo_history_add(history, EDO_RECORDED_STALL, worker->index,
                            edo_ticks_time(record->notes[i % EDO_NOTES_KEPT].ticks, &runtime->began, &history->now));
    }
}

static void edo_history_look(void *context, struct edo_runtime *runtime)
{
    struct edo_history *history = (struct edo_history *)context;

    if (runtime->id_base >> 48 != history->task >> 48)
        return;
    history->now = (struct edo_moment){edo_ticks(), edo_platform_system.now()};
    for (int i = 0; i < runtime->worker_count; i++)
        edo_history_worker(history, runtime, &runtime->workers[i]);
    edo_history_begin(history);
}

int edo_recorder_task(uint64_t id, void (*tell)(void *argument, const edo_recorded *recorded), void *argument)
{
    const struct edo_platform *platform = edo_dump_platform();
    struct edo_task *self = edo_task_self();
    struct edo_history *history;
    void *memory;
    int count;

    if (edo_in_forked_child())
        return -EPERM;
    if (platform->map(&memory, sizeof *history, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) <
        0)
        return -ENOMEM;
    history = (struct edo_history *)memory;
    history->task = id;
    if (self && self->home->runtime->id_base >> 48 == id >> 48)
        edo_history_look(history, self->home->runtime);
    else
        edo_runtimes_each(edo_history_look, history);
    for (int i = 0; i < history->count; i++)
        tell(argument, &history->found[i]);
    count = history->count;
    platform->unmap(memory, sizeof *history);
    return count;
}

const char *edo_recorded_name(int event)
{
    return event == EDO_RECORDED_RUN       ? "run"
           : event == EDO_RECORDED_STALL   ? "stall"
           : event == EDO_RECORDED_HANDOFF ? "hand-off"
           : event == EDO_RECORDED_SPAWN   ? "spawn"
                                           : "";
}
