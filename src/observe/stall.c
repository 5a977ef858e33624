/* SPDX-License-Identifier: MIT */
/*
 * The reporter of stalls: a thread that the monitor tells of them, which looks at the stalled thread, and reports. See
 * edo/stall.h for what is promised, runtime/stalls.h for what the monitor wants.
 *
 * It is a thread of its own, so that neither the monitor nor anybody's task waits for a look into /proc, for symbols in
 * files or for a callback; it is started with the runtime, since a task may stall with a lock that starting a thread
 * wants; and it sleeps on `posted` until there is something.
 *
 * Data: the notes and `posted` are under `lock` (posted is read without it, too, by the sleeper); the rest is the
 * reporter's. A stall has one note from when it is told until its second report was given, or it is known to get none:
 * so its end always has a place, however long the reporter is held up. At most QUEUE wait for their first report; at
 * most OPEN are open, i.e. have had it: of more the oldest is forgotten.
 *
 * Order: the monitor notes the begin of a stall before anybody learns the number under which its end is told. Begins
 * and ends are reported as they came (`turn`).
 */
#include "observe/capture.h"
#include "observe/peek.h"
#include "observe/stall_limit.h"
#include "observe/symbols.h"
#include "observe/system_calls.h"
#include "observe/walk.h"
#include "platform/lock.h"
#include "platform/platform.h"
#include "runtime/runtime.h"
#include "runtime/stalls.h"

#include <edo/stall.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE = 16, OPEN = 64, NOTES = QUEUE + 1 + OPEN, STACK = 128 * 1024, TEXT = 8 * 1024 };

enum note_state { FREE = 0, QUEUED, HANDLED, REPORTED };

struct note {
    uint64_t serial;
    int state;     /* enum note_state */
    uint64_t turn; /* of what is to be told next of it: its begin, or its end */
    int64_t ended; /* 0: it has not */
    int kind;      /* enum edo_stall_kind, found by the first report */
    struct edo_stall_seen seen;
};

struct edo_stalls {
    pthread_t thread;
    void (*callback)(const edo_stall *stall, void *argument);
    void *argument;
    bool prints;
    bool console;
    int signal;
    int64_t stall_after;

    struct edo_lock lock;
    uint32_t posted; /* futex: raised with each note */
    bool stopping;
    uint64_t serial;
    uint64_t turns;
    uint64_t dropped; /* there was no room */
    struct note notes[NOTES];

    uint64_t suppressed; /* since the last report */
    struct edo_stall_limit limit;
    struct edo_capture capture;
    struct edo_walk walk;
    struct edo_walker walker;
    struct edo_symbol symbols[EDO_WALK_MOST];
    edo_stall_frame frames[EDO_WALK_MOST];
    struct edo_symbol waited_symbol;
    edo_stall_frame waited;
    char call[24];
    char text[TEXT];
};

/* --- Those who tell ----------------------------------------------------------------------------------------------- */

/* Those below are under the lock. */
static void post(struct edo_stalls *stalls, struct note *note)
{
    note->turn = ++stalls->turns;
    __atomic_store_n(&stalls->posted, stalls->posted + 1, __ATOMIC_RELEASE);
}

static struct note *find(struct edo_stalls *stalls, uint64_t serial)
{
    for (size_t i = 0; i < NOTES; i++)
        if (stalls->notes[i].state != FREE && stalls->notes[i].serial == serial)
            return &stalls->notes[i];
    return NULL;
}

/* For one that has begun. NULL: too many wait. */
static struct note *take_place(struct edo_stalls *stalls)
{
    struct note *place = NULL, *oldest = NULL;
    int queued = 0;

    for (size_t i = 0; i < NOTES; i++) {
        struct note *note = &stalls->notes[i];

        queued += note->state == QUEUED;
        if (note->state == FREE)
            place = note;
        else if (note->state == REPORTED && (!oldest || note->serial < oldest->serial))
            oldest = note;
    }
    return queued == QUEUE ? NULL : place ? place : oldest;
}

/* What is to be told next; NULL: nothing. */
static struct note *first_posted(struct edo_stalls *stalls)
{
    struct note *first = NULL;

    for (size_t i = 0; i < NOTES; i++) {
        struct note *note = &stalls->notes[i];
        bool waits = note->state == QUEUED || (note->state == REPORTED && note->ended);

        if (waits && (!first || note->turn < first->turn))
            first = note;
    }
    return first;
}

static uint64_t began(struct edo_stalls *stalls, const struct edo_stall_seen *seen)
{
    struct note *note;
    uint64_t serial = 0;

    edo_lock_acquire(&stalls->lock);
    note = take_place(stalls);
    if (note) {
        serial = ++stalls->serial;
        *note = (struct note){.serial = serial, .state = QUEUED, .seen = *seen};
        post(stalls, note);
    }
    stalls->dropped += !note;
    edo_lock_release(&stalls->lock);
    if (serial)
        edo_platform->futex_wake(&stalls->posted, 1);
    return serial;
}

static void ended(struct edo_stalls *stalls, uint64_t serial, int64_t now)
{
    struct note *note;

    edo_lock_acquire(&stalls->lock);
    note = find(stalls, serial);
    if (note) {
        note->ended = now;
        if (note->state != QUEUED) /* else its begin comes first, and then this */
            post(stalls, note);
    }
    edo_lock_release(&stalls->lock);
    if (note)
        edo_platform->futex_wake(&stalls->posted, 1);
}

/* --- A report ----------------------------------------------------------------------------------------------------- */

static void deliver(struct edo_stalls *stalls, const edo_stall *stall)
{
    size_t size;

    if (stalls->prints) {
        size = edo_stall_text(stalls->text, sizeof stalls->text, stall);
        size = size < sizeof stalls->text ? size : sizeof stalls->text - 1;
        edo_platform->write(STDERR_FILENO, stalls->text, size);
    }
    if (stalls->callback)
        stalls->callback(stall, stalls->argument);
    if (stalls->console)
        edo_console_tell_stall(stall);
}

static edo_stall describe(const struct note *note)
{
    const struct edo_stall_seen *seen = &note->seen;

    return (edo_stall){.size = sizeof(edo_stall),
                       .serial = note->serial,
                       .kind = note->kind,
                       .task = seen->task,
                       .name = seen->name,
                       .site = seen->site,
                       .thread = seen->number};
}

static edo_stall_frame name_frame(struct edo_symbol *symbol, uintptr_t address, bool exact)
{
    edo_symbol_find(symbol, address, !exact);
    return (edo_stall_frame){.address = address,
                             .function = symbol->function[0] ? symbol->function : NULL,
                             .offset = symbol->offset,
                             .module = edo_symbol_module(symbol),
                             .module_offset = symbol->module_offset};
}

static void name_frames(struct edo_stalls *stalls)
{
    for (size_t i = 0; i < stalls->walk.count; i++) {
        stalls->frames[i] = name_frame(&stalls->symbols[i], stalls->walk.address[i], stalls->walk.exact[i]);
        stalls->frames[i].guessed = stalls->walk.guessed[i];
    }
}

/* --- Its stack ---------------------------------------------------------------------------------------------------- */

/*
 * The copied piece; and what lies above it, or, of a signal's handler that has a stack of its own, elsewhere, as it is
 * now.
 */
struct captured_stack {
    struct edo_stack_view view;
    const struct edo_stack_piece *piece;
    bool *looked; /* NULL: nothing but the piece */
};

static bool read_captured(const struct edo_memory *memory, void *out, uintptr_t from, size_t size)
{
    const struct captured_stack *stack = (const struct captured_stack *)(const void *)memory;
    const struct edo_stack_piece *piece = stack->piece;

    if (from >= piece->base && from - piece->base <= piece->size && piece->size - (from - piece->base) >= size) {
        memcpy(out, piece->bytes + (from - piece->base), size);
        return true;
    }
    if (!stack->looked)
        return false;
    *stack->looked = true;
    return edo_peek(out, (const void *)from, size);
}

/*
 * What was not copied is that of the stall, if that still lasts when all has been read: what is further out does not
 * change meanwhile. Else it is done again without.
 */
static void walk_captured(struct edo_stalls *stalls, const struct edo_stall_seen *seen)
{
    const struct edo_capture *capture = &stalls->capture;
    const struct edo_stack_piece *piece = &capture->piece;
    bool looked = false;
    struct captured_stack stack = {
        .view = {{read_captured}, piece->base, piece->base + piece->size}, .piece = piece, .looked = &looked};

    stalls->walk.count = 0;
    if (capture->failure || !edo_register_known(&capture->registers, EDO_REGISTER_PC))
        return;
    if (seen->stack_high && piece->base >= seen->stack_low && piece->base < seen->stack_high)
        stack.view.high = seen->stack_high;
    edo_walker_begin(&stalls->walker);
    edo_walk_stack(&stalls->walk, &stalls->walker, &capture->registers, &stack.view, true);
    if (!looked || edo_stall_lasts(seen))
        return;
    stack.looked = NULL;
    stack.view.high = piece->base + piece->size;
    edo_walk_stack(&stalls->walk, &stalls->walker, &capture->registers, &stack.view, true);
}

static int kind_of(const struct edo_stall_seen *seen, const struct edo_capture *capture)
{
    if (!seen->blocked)
        return EDO_STALL_COMPUTING;
    return capture->running && capture->call == EDO_CAPTURE_NO_CALL ? EDO_STALL_STARVED : EDO_STALL_BLOCKED;
}

static void report(struct edo_stalls *stalls, struct note *note)
{
    struct edo_capture *capture = &stalls->capture;
    edo_stall stall;
    const char *name;

    edo_capture_thread(capture, &note->seen, stalls->signal);
    note->kind = kind_of(&note->seen, capture);
    stall = describe(note);
    stall.duration = note->seen.noticed - note->seen.since;
    walk_captured(stalls, &note->seen);
    name_frames(stalls);
    if (capture->call >= 0) {
        name = edo_system_call_name(capture->call);
        snprintf(stalls->call, sizeof stalls->call, "system call %ld", capture->call);
        stall.syscall = name ? name : stalls->call;
    }
    if (note->seen.waited) {
        stalls->waited = name_frame(&stalls->waited_symbol, edo_machine_code(note->seen.waited), false);
        stall.waited = &stalls->waited;
    }
    stall.wait_channel = capture->wait_channel[0] ? capture->wait_channel : NULL;
    stall.frames = stalls->frames;
    stall.frame_count = stalls->walk.count;
    stall.no_frames = stalls->walk.count ? NULL : capture->failure ? capture->failure : "its stack could not be read";
    stall.suppressed = stalls->suppressed;
    stalls->suppressed = 0;
    deliver(stalls, &stall);
}

static void report_end(struct edo_stalls *stalls, const struct note *note)
{
    edo_stall stall = describe(note);

    stall.ended = true;
    stall.duration = note->ended - note->seen.since;
    stall.suppressed = stalls->suppressed;
    stalls->suppressed = 0;
    deliver(stalls, &stall);
}

/* One that was noticed in haste: waits until it is a stall by the options. False: it has ended before. */
static bool becomes_stall(struct edo_stalls *stalls, struct edo_stall_seen *seen)
{
    uint32_t never = 0;
    int64_t due = seen->since + stalls->stall_after;

    while ((seen->noticed = edo_platform->now()) < due && edo_stall_lasts(seen))
        edo_platform->futex_wait(&never, 0, due);
    return edo_stall_lasts(seen);
}

/* Its begin. True: it is reported. */
static bool handle(struct edo_stalls *stalls, struct note *note)
{
    struct edo_stall_seen *seen = &note->seen;

    if (!seen->over && !becomes_stall(stalls, seen))
        return false;
    if (!edo_stall_limit_allow(&stalls->limit, seen->site ? (const void *)seen->site : seen->name,
                               edo_platform->now())) {
        stalls->suppressed++;
        return false;
    }
    report(stalls, note);
    return true;
}

/* --- The thread --------------------------------------------------------------------------------------------------- */

/* What is to be told next, a begin or an end: a copy; false: nothing comes any more. */
static bool next(struct edo_stalls *stalls, struct note *out)
{
    for (;;) {
        uint32_t posted = __atomic_load_n(&stalls->posted, __ATOMIC_ACQUIRE);
        struct note *note;
        bool stopping;

        edo_lock_acquire(&stalls->lock);
        note = first_posted(stalls);
        stopping = stalls->stopping;
        if (note) {
            *out = *note;
            note->state = note->state == QUEUED ? HANDLED : FREE;
        }
        stalls->suppressed += stalls->dropped;
        stalls->dropped = 0;
        edo_lock_release(&stalls->lock);
        if (note)
            return true;
        if (stopping)
            return false;
        edo_platform->futex_wait(&stalls->posted, posted, EDO_FOREVER);
    }
}

/* The one whose begin was handled: it waits for its end, or is done with. */
static void settle(struct edo_stalls *stalls, const struct note *handled, bool reported)
{
    struct note *note;

    edo_lock_acquire(&stalls->lock);
    note = find(stalls, handled->serial);
    note->kind = handled->kind;
    note->state = reported ? REPORTED : FREE;
    edo_lock_release(&stalls->lock);
}

static void *reporter_main(void *argument)
{
    struct edo_stalls *stalls = (struct edo_stalls *)argument;
    struct note note;

    while (next(stalls, &note)) {
        if (note.state == REPORTED) {
            report_end(stalls, &note);
        } else {
            bool reported = handle(stalls, &note);

            settle(stalls, &note, reported);
        }
    }
    return NULL;
}

static int start(struct edo_stalls **out, const edo_run_options *options)
{
    struct edo_stalls *stalls;
    int rc = 0;

    *out = NULL;
    if (!options->on_stall && !options->print_stalls && !options->console)
        return 0;
    if (options->stall_signal > 0)
        rc = edo_capture_install(options->stall_signal);
    if (rc < 0)
        return rc;
    stalls = (struct edo_stalls *)edo_platform->allocate(sizeof *stalls);
    if (!stalls)
        return -ENOMEM;
    edo_lock_init(&stalls->lock);
    stalls->callback = options->on_stall;
    stalls->argument = options->stall_argument;
    stalls->prints = options->print_stalls;
    stalls->console = options->console != NULL;
    stalls->signal = options->stall_signal;
    stalls->stall_after = options->stall_after;
    rc = edo_platform->thread_start(&stalls->thread, STACK, reporter_main, stalls);
    if (rc < 0)
        edo_platform->release(stalls);
    else
        *out = stalls;
    return rc;
}

static void stop(struct edo_stalls *stalls)
{
    if (!stalls)
        return;
    edo_lock_acquire(&stalls->lock);
    stalls->stopping = true;
    __atomic_store_n(&stalls->posted, stalls->posted + 1, __ATOMIC_RELEASE);
    edo_lock_release(&stalls->lock);
    edo_platform->futex_wake(&stalls->posted, 1);
    pthread_join(stalls->thread, NULL);
    edo_platform->release(stalls);
}

const struct edo_stalls_of edo_stalls_of = {start, stop, began, ended};
