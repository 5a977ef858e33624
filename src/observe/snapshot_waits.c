/* SPDX-License-Identifier: MIT */
/*
 * What the tasks in a snapshot wait for; and the looks at the program as it is now, for few tasks at a time: the two
 * ends of a socket, the functions in which a task stands.
 *
 * Such a look first asks whether the runtime is still there, and stays under the lock of the list of runtimes. A source
 * is the one that was seen if its mark is the same while it is held open; a task, if its number is, and it waits before
 * and after.
 */
#include "observe/metrics.h"
#include "observe/peek.h"
#include "observe/snapshot.h"
#include "observe/symbols.h"
#include "observe/walk.h"
#include "platform/platform.h"
#include "runtime/hooks.h"
#include "runtime/parking.h"
#include "runtime/sample.h"
#include "sync/waiter.h"

#include <edo/addr.h>

#include <errno.h>

/* --- What for ----------------------------------------------------------------------------------------------------- */

static int what_for(const struct edo_dump_wait *wait)
{
    static const uint8_t lines[] = {
        [EDO_PARKED_WORD] = EDO_FOR_WORD,     [EDO_PARKED_MUTEX] = EDO_FOR_MUTEX,
        [EDO_PARKED_RWLOCK] = EDO_FOR_RWLOCK, [EDO_PARKED_SEMAPHORE] = EDO_FOR_SEMAPHORE,
        [EDO_PARKED_NOTIFY] = EDO_FOR_NOTIFY, [EDO_PARKED_BARRIER] = EDO_FOR_BARRIER,
        [EDO_PARKED_ONCE] = EDO_FOR_ONCE,     [EDO_PARKED_WAIT_GROUP] = EDO_FOR_WAIT_GROUP,
    };
    static const uint8_t others[] = {
        [EDO_WAIT_JOIN] = EDO_FOR_JOIN,   [EDO_WAIT_TIME] = EDO_FOR_TIME,    [EDO_WAIT_JOB] = EDO_FOR_JOB,
        [EDO_WAIT_SCOPE] = EDO_FOR_SCOPE, [EDO_WAIT_UNKNOWN] = EDO_FOR_WAKE, [EDO_WAIT_DESCRIPTOR] = EDO_FOR_DESCRIPTOR,
    };

    switch (wait->what) {
    case EDO_WAIT_SOURCE:
        return wait->direction == EDO_OUT ? EDO_FOR_WRITE : EDO_FOR_READ;
    case EDO_WAIT_LINE:
        return wait->kind < EDO_COUNT(lines) ? lines[wait->kind] : EDO_FOR_WORD;
    case EDO_WAIT_MEETING:
        return wait->kind == EDO_MEETING_BROADCAST ? EDO_FOR_BROADCAST
               : wait->kind == EDO_MEETING_WATCH   ? EDO_FOR_WATCH
               : wait->direction == EDO_OUT        ? EDO_FOR_SEND
                                                   : EDO_FOR_RECEIVE;
    default:
        return others[wait->what];
    }
}

int edo_snapshot_get_wait(edo_snapshot_wait *out, const edo_snapshot *snapshot, size_t runtime, uint32_t index)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    const struct edo_dump_wait *wait;
    edo_snapshot_wait all;

    if (!of || index >= of->dump.waits.count)
        return -EINVAL;
    wait = edo_dump_wait(&of->dump, index);
    all = (edo_snapshot_wait){.what = what_for(wait),
                              .next = wait->next,
                              .address = (uintptr_t)wait->object,
                              .scope = EDO_SNAPSHOT_NONE,
                              .queued = wait->queued,
                              .descriptor = -1};
    if (wait->what == EDO_WAIT_SOURCE) {
        all.address = 0;
        all.descriptor = wait->fd;
        all.kind = wait->beneath;
    } else if (wait->what == EDO_WAIT_SCOPE) {
        all.scope = (uint32_t)wait->other;
    } else if (wait->what == EDO_WAIT_LINE || wait->what == EDO_WAIT_JOIN) {
        all.held_outside = wait->what == EDO_WAIT_LINE && wait->other >> 63;
        all.task = all.held_outside ? 0 : wait->other;
    }
    return edo_snapshot_give(out, &all, sizeof all);
}

const char *edo_wait_for_text(int what)
{
    static const char *const texts[] = {
        [EDO_FOR_READ] = "read",
        [EDO_FOR_WRITE] = "write",
        [EDO_FOR_JOIN] = "join",
        [EDO_FOR_WORD] = "word",
        [EDO_FOR_MUTEX] = "mutex",
        [EDO_FOR_RWLOCK] = "rwlock",
        [EDO_FOR_SEMAPHORE] = "semaphore",
        [EDO_FOR_NOTIFY] = "notify",
        [EDO_FOR_BARRIER] = "barrier",
        [EDO_FOR_ONCE] = "once",
        [EDO_FOR_WAIT_GROUP] = "wait group",
        [EDO_FOR_SEND] = "send",
        [EDO_FOR_RECEIVE] = "receive",
        [EDO_FOR_BROADCAST] = "broadcast",
        [EDO_FOR_WATCH] = "watch",
        [EDO_FOR_TIME] = "time",
        [EDO_FOR_JOB] = "job",
        [EDO_FOR_SCOPE] = "scope",
        [EDO_FOR_DESCRIPTOR] = "descriptor",
        [EDO_FOR_WAKE] = "wake",
    };

    return what > 0 && what < (int)EDO_COUNT(texts) ? texts[what] : "";
}

/* --- The program now ---------------------------------------------------------------------------------------------- */

struct look {
    uint64_t number; /* of the runtime */
    const struct edo_dump_wait *wait;
    const struct edo_dump_task *task;
    const struct edo_platform *platform;
    bool done;
    edo_addr local, remote;
    bool has_remote;
    bool listens;
    bool datagrams;
    struct edo_walker *walker;
    struct edo_walk walk;
};

static bool address_of(edo_addr *out, int fd, int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;

    return ask(fd, (struct sockaddr *)&storage, &size) == 0 &&
           edo_addr_from_sockaddr(out, (struct sockaddr *)&storage, size) == 0;
}

static int option_of(const struct look *look, int fd, int option)
{
    socklen_t size = sizeof(int);
    int value;

    return look->platform->getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static void ask_ends(struct look *look, struct edo_source *source)
{
    if (edo_source_begin(source) < 0)
        return;
    if (__atomic_load_n(&source->mark, __ATOMIC_RELAXED) == look->wait->other && source->fd >= 0 &&
        address_of(&look->local, source->fd, look->platform->getsockname)) {
        look->listens = option_of(look, source->fd, SO_ACCEPTCONN) == 1;
        look->datagrams = option_of(look, source->fd, SO_TYPE) == SOCK_DGRAM;
        look->has_remote = address_of(&look->remote, source->fd, look->platform->getpeername);
        look->done = true;
    }
    edo_source_end(source);
}

static void look_at_ends(void *context, struct edo_runtime *runtime)
{
    struct look *look = (struct look *)context;
    struct edo_thread *self = edo_thread_self();

    if (runtime->id_base >> EDO_ID_RUNTIME_SHIFT != look->number)
        return;
    if (runtime->hooks && runtime->hooks->simulated && (!self || self->runtime != runtime))
        return; /* that kernel is its thread's alone */
    ask_ends(look, (struct edo_source *)(uintptr_t)look->wait->object);
}

static const char *address_text(edo_snapshot *snapshot, const edo_addr *address)
{
    char text[EDO_ADDR_TEXT_SIZE];

    if (edo_addr_print(text, sizeof text, address) < 0 || strcmp(text, "unix:") == 0) /* a socket without a name */
        return NULL;
    return edo_names_copy(&snapshot->names, text);
}

int edo_snapshot_get_ends(edo_snapshot_ends *out, edo_snapshot *snapshot, size_t runtime, uint32_t index)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    struct look look = {.platform = edo_dump_platform()};
    edo_snapshot_ends all;

    if (!of || index >= of->dump.waits.count)
        return -EINVAL;
    look.number = of->about.number;
    look.wait = edo_dump_wait(&of->dump, index);
    if (look.wait->what != EDO_WAIT_SOURCE || look.wait->fd < 0)
        return -ENOENT;
    edo_runtimes_each(look_at_ends, &look);
    if (!look.done)
        return -ENOENT;
    all = (edo_snapshot_ends){.listens = look.listens, .datagrams = look.datagrams};
    all.local = address_text(snapshot, &look.local);
    all.remote = look.has_remote ? address_text(snapshot, &look.remote) : NULL;
    return edo_snapshot_give(out, &all, sizeof all);
}

/* --- What was sampled of a task ----------------------------------------------------------------------------------- */

struct times_look {
    uint64_t number;
    const struct edo_dump_task *task;
    edo_histogram times;
    int which;
    bool done;
};

static void look_at_times(void *context, struct edo_runtime *runtime)
{
    struct times_look *look = (struct times_look *)context;

    if (runtime->id_base >> EDO_ID_RUNTIME_SHIFT == look->number)
        look->done = edo_task_times_counted(&look->times, look->task->block, look->task->id, look->which);
}

int edo_snapshot_task_times(edo_histogram *out, const edo_snapshot *snapshot, size_t runtime, size_t index, int times)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    struct times_look look = {.which = times};

    if (!of || index >= of->dump.order.count || times < 0 || times >= EDO_KEPT_TIMES)
        return -EINVAL;
    if (!of->about.metrics)
        return -ENODATA;
    look.number = of->about.number;
    look.task = edo_dump_nth(&of->dump, index);
    edo_runtimes_each(look_at_times, &look);
    return look.done ? edo_snapshot_give(out, &look.times, sizeof look.times) : -ESRCH;
}

/* --- A stack ------------------------------------------------------------------------------------------------------ */

static bool parked(const struct edo_dump_task *task)
{
    return atomic_load_explicit(&task->block->wake, memory_order_acquire) == EDO_WAKE_PARKED &&
           __atomic_load_n(&task->block->id, __ATOMIC_ACQUIRE) == task->id;
}

static void look_at_stack(void *context, struct edo_runtime *runtime)
{
    struct look *look = (struct look *)context;
    const struct edo_task *block = look->task->block;
    uintptr_t stack, low, high;

    if (runtime->id_base >> EDO_ID_RUNTIME_SHIFT != look->number || !parked(look->task))
        return;
    stack = edo_unseen_word((uintptr_t)&block->stack);
    if (!stack)
        return;
    low = edo_unseen_word(stack + offsetof(struct edo_stack, low));
    high = low + edo_unseen_word(stack + offsetof(struct edo_stack, size));
    edo_walk_parked(&look->walk, look->walker, &block->context, low, high);
    atomic_thread_fence(memory_order_acquire);
    look->done = parked(look->task);
}

ssize_t edo_snapshot_backtrace(edo_stall_frame *out, size_t capacity, edo_snapshot *snapshot, size_t runtime,
                               size_t index)
{
    const struct edo_snapshot_of *of = edo_snapshot_of(snapshot, runtime);
    struct look look = {.walk = {.count = 0}};

    if (!of || index >= of->dump.order.count)
        return -EINVAL;
    look.number = of->about.number;
    look.task = edo_dump_nth(&of->dump, index);
    look.walker = (struct edo_walker *)snapshot->platform->allocate(sizeof *look.walker);
    if (!look.walker)
        return -ENOMEM;
    edo_walker_begin(look.walker);
    edo_runtimes_each(look_at_stack, &look);
    snapshot->platform->release(look.walker);
    if (!look.done)
        return 0;
    for (size_t i = 0; i < look.walk.count && i < capacity; i++) {
        struct edo_symbol symbol;
        const char *module;

        edo_symbol_find(&symbol, look.walk.address[i], !look.walk.exact[i]);
        module = edo_symbol_module(&symbol);
        out[i] =
            (edo_stall_frame){.address = look.walk.address[i],
                              .function = symbol.function[0] ? edo_names_copy(&snapshot->names, symbol.function) : NULL,
                              .offset = symbol.offset,
                              .module = module ? edo_names_copy(&snapshot->names, module) : NULL,
                              .module_offset = symbol.module_offset,
                              .guessed = look.walk.guessed[i]};
    }
    return (ssize_t)(look.walk.count < capacity ? look.walk.count : capacity);
}

const char *edo_snapshot_symbol(edo_snapshot *snapshot, uintptr_t address, bool call)
{
    const char *text = edo_names_symbol(&snapshot->symbols, address, call);

    return text ? text : "";
}
