/* SPDX-License-Identifier: MIT */
/*
 * What tasks wait for, found out from the other side, so that no wait has to write it down: whoever can be waited for
 * knows its waiters.
 *
 *   streams, listeners   their blocks have a slot a direction (runtime/poller.h)
 *   joins                the handle's block has its joiner
 *   words, mutexes, ...  the parking table has a line for each (runtime/parking.h)
 *   channels, ...        are listed, and have lists of places (sync/waiter.h)
 *   times, jobs          lie on the waiting task's own stack, which is looked through for them, within its bounds: a
 *                        sleeper is known by its task and its alarm's function, a job by its task and itself
 *   ends of scopes       what else is there to do for a task that is parked, and has opened a scope with tasks in it?
 *
 * Each is matched with a task by the address of its block. That is looked at last: whose number has changed has ended,
 * and who is not parked any more does not wait. So what is told of a task was so at a moment when it was there, and it
 * waits now. A select is in several places.
 */
#include "observe/dump.h"
#include "observe/peek.h"
#include "observe/walk.h"
#include "platform/platform.h"
#include "runtime/parking.h"
#include "runtime/sleeper.h"
#include "sync/broadcast.h"
#include "sync/channel.h"
#include "sync/owner.h"

#include <edo/addr.h>
#include <edo/sync.h>

/*
 * How much of a stack is looked through: a wait's own frames, and a select's arms in its caller's; with ucontext a KiB
 * of registers.
 */
enum { EDO_SCAN_WORDS = 384 };

/* --- Noting ------------------------------------------------------------------------------------------------------- */

/*
 * A new wait of the task, behind its others; NULL: it is none of those collected, or there is no room. Does not
 * allocate.
 */
static struct edo_dump_wait *edo_dump_note_at(struct edo_dump *dump, uint32_t index, enum edo_dump_what what)
{
    struct edo_dump_wait *wait;
    uint32_t *link;

    if (index == EDO_NONE || dump->waits.count == dump->waits.capacity)
        return NULL;
    link = &edo_dump_task(dump, index)->wait;
    while (*link != EDO_NONE)
        link = &edo_dump_wait(dump, *link)->next;
    *link = (uint32_t)dump->waits.count++;
    wait = edo_dump_wait(dump, *link);
    *wait = (struct edo_dump_wait){.next = EDO_NONE, .what = (uint8_t)what};
    return wait;
}

static struct edo_dump_wait *edo_dump_note(struct edo_dump *dump, const struct edo_task *block, enum edo_dump_what what)
{
    return block ? edo_dump_note_at(dump, edo_dump_find_block(dump, block), what) : NULL;
}

/* --- Sources ------------------------------------------------------------------------------------------------------ */

static uint32_t edo_dump_address(struct edo_dump *dump, int fd,
                                 int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    edo_addr address;
    uint32_t at = (uint32_t)dump->texts.count;
    int written;

    if (ask(fd, (struct sockaddr *)&storage, &length) < 0 ||
        edo_addr_from_sockaddr(&address, (struct sockaddr *)&storage, length) < 0 ||
        edo_dump_reserve(dump, &dump->texts, EDO_ADDR_TEXT_SIZE, 1) < 0)
        return 0;
    written = edo_addr_print((char *)dump->texts.items + at, EDO_ADDR_TEXT_SIZE, &address);
    if (written < 0 || strcmp((char *)dump->texts.items + at, "unix:") == 0) /* a socket without a name */
        return 0;
    dump->texts.count += (size_t)written + 1;
    return at;
}

static bool edo_is_datagram_socket(const struct edo_dump *dump, int fd)
{
    socklen_t size = sizeof(int);
    int type;

    return dump->platform->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

/* The source is held open. */
static void edo_dump_describe_source(struct edo_dump *dump, struct edo_dump_wait *wait, struct edo_source *source)
{
    wait->object = source;
    wait->fd = source->fd;
    wait->other = __atomic_load_n(&source->mark, __ATOMIC_RELAXED);
    if (source->beneath)
        wait->beneath = source->beneath->kind->name;
    if (!dump->addresses || source->fd < 0)
        return;
    wait->local = edo_dump_address(dump, source->fd, dump->platform->getsockname);
    if (!wait->local)
        return;
    wait->datagrams = edo_is_datagram_socket(dump, source->fd);
    wait->remote = edo_dump_address(dump, source->fd, dump->platform->getpeername);
}

static void edo_dump_look_at_source(void *context, void *block)
{
    struct edo_dump *dump = (struct edo_dump *)context;
    struct edo_source *source = (struct edo_source *)block;

    for (int i = 0; i < 2; i++) {
        struct edo_dump_wait *wait;
        struct edo_task *task = atomic_load(&source->waiter[i]);

        if (!task || edo_source_begin(source) < 0)
            continue;
        wait = atomic_load(&source->waiter[i]) == task ? edo_dump_note(dump, task, EDO_WAIT_SOURCE) : NULL;
        if (wait) {
            wait->direction = (uint8_t)i;
            edo_dump_describe_source(dump, wait, source);
        }
        edo_source_end(source);
    }
}

/* --- Joins -------------------------------------------------------------------------------------------------------- */

static void edo_dump_look_at_handle(void *context, void *block)
{
    struct edo_dump *dump = (struct edo_dump *)context;
    struct edo_handle *handle = (struct edo_handle *)block;
    uintptr_t joiner = atomic_load(&handle->joiner);
    struct edo_dump_wait *wait;
    struct edo_task *task;

    if (joiner <= EDO_HANDLE_DETACHED || joiner & (1 | EDO_HANDLE_DONE))
        return;
    task = (struct edo_task *)edo_unseen_word((uintptr_t)&handle->task);
    wait = edo_dump_note(dump, (struct edo_task *)joiner, EDO_WAIT_JOIN);
    if (wait)
        wait->other = task ? __atomic_load_n(&task->id, __ATOMIC_RELAXED) : 0;
}

/* --- Lines -------------------------------------------------------------------------------------------------------- */

_Static_assert(offsetof(edo_mutex, owner_) == offsetof(edo_rwlock, owner_), "owners stand in the same place");
_Static_assert(offsetof(edo_mutex, owner_) == offsetof(edo_once, owner_), "owners stand in the same place");

static void edo_dump_look_at_parked(void *context, const struct edo_parked *waiter)
{
    struct edo_dump *dump = (struct edo_dump *)context;
    bool acceptor = waiter->address == &dump->runtime->fd_released;
    struct edo_dump_wait *wait = edo_dump_note(dump, waiter->task, acceptor ? EDO_WAIT_DESCRIPTOR : EDO_WAIT_LINE);

    if (!wait)
        return;
    wait->object = waiter->address;
    wait->kind = (uint8_t)waiter->kind;
    if (waiter->kind == EDO_PARKED_MUTEX || waiter->kind == EDO_PARKED_RWLOCK || waiter->kind == EDO_PARKED_ONCE)
        wait->other = edo_owner_read(&((const edo_mutex *)waiter->address)->owner_);
}

/* --- Channels and the like ---------------------------------------------------------------------------------------- */

static void edo_dump_look_at_places(struct edo_dump *dump, struct edo_meeting *meeting, struct edo_link *list)
{
    for (struct edo_link *link = edo_list_first(list); link; link = edo_list_next(list, link)) {
        struct edo_place *place = EDO_CONTAINER_OF(link, struct edo_place, link);
        struct edo_dump_wait *wait = edo_dump_note(dump, place->waiter->task, EDO_WAIT_MEETING);

        if (!wait)
            continue;
        wait->object = meeting;
        wait->kind = (uint8_t)meeting->kind;
        wait->direction = meeting->kind == EDO_MEETING_CHANNEL && place->send ? EDO_OUT : EDO_IN;
    }
}

static void edo_dump_look_at_meeting(void *context, struct edo_meeting *meeting)
{
    struct edo_dump *dump = (struct edo_dump *)context;

    if (meeting->kind == EDO_MEETING_CHANNEL) {
        struct edo_channel *channel = EDO_CONTAINER_OF(meeting, struct edo_channel, meeting);

        edo_dump_look_at_places(dump, meeting, &channel->senders);
        edo_dump_look_at_places(dump, meeting, &channel->receivers);
    } else {
        edo_dump_look_at_places(dump, meeting, &EDO_CONTAINER_OF(meeting, struct edo_broadcast, meeting)->listeners);
    }
}

/* --- Who runs ----------------------------------------------------------------------------------------------------- */

static void edo_dump_look_at_threads(struct edo_dump *dump)
{
    struct edo_runtime *runtime = dump->runtime;

    edo_lock_acquire(&runtime->threads_lock);
    for (struct edo_thread *thread = runtime->threads; thread; thread = thread->next) {
        struct edo_task *current = (struct edo_task *)edo_unseen_word((uintptr_t)&thread->current);
        struct edo_worker *worker = (struct edo_worker *)edo_unseen_word((uintptr_t)&thread->worker);
        uint32_t index = current ? edo_dump_find_block(dump, current) : EDO_NONE;

        if (index == EDO_NONE)
            continue;
        edo_dump_task(dump, index)->state = edo_thread_in_region(thread) ? EDO_DUMP_REGION : EDO_DUMP_RUNS;
        edo_dump_task(dump, index)->worker = worker ? (int16_t)(worker - runtime->workers) : -1;
    }
    edo_lock_release(&runtime->threads_lock);
}

/* --- What stands on the task's own stack -------------------------------------------------------------------------- */

struct edo_dump_stack {
    uintptr_t sp;
    uintptr_t low;
    uintptr_t high;
};

/*
 * False: it has none, or is not suspended on it. A stack's own struct stays as long as the runtime, and its memory too.
 */
static bool edo_dump_stack_of(struct edo_dump_stack *out, const struct edo_task *block)
{
    uintptr_t stack = edo_unseen_word((uintptr_t)&block->stack);

    if (!stack)
        return false;
    out->low = edo_unseen_word(stack + offsetof(struct edo_stack, low));
    out->high = out->low + edo_unseen_word(stack + offsetof(struct edo_stack, size));
    out->sp = edo_unseen_word((uintptr_t)&block->context.sp);
    return out->sp >= out->low && out->sp < out->high && out->sp % sizeof(uintptr_t) == 0;
}

/* Whether a struct of `size` bytes is there at `at`. */
static bool edo_dump_on_stack(const struct edo_dump_stack *stack, uintptr_t at, size_t size)
{
    return at >= stack->sp && at < stack->high && stack->high - at >= size;
}

static void edo_dump_found_sleeper(struct edo_dump *dump, uint32_t index, uintptr_t at)
{
    uintptr_t alarm = at + offsetof(struct edo_sleeper, alarm);
    struct edo_dump_task *task = edo_dump_task(dump, index);

    if (edo_unseen_word(alarm + offsetof(struct edo_alarm, fire)) != (uintptr_t)edo_sleeper_fire ||
        edo_unseen_word(alarm + offsetof(struct edo_alarm, node.next)) == 0)
        return;
    task->until = (int64_t)edo_unseen_word(alarm + offsetof(struct edo_alarm, node.deadline));
    if (task->wait == EDO_NONE)
        edo_dump_note_at(dump, index, EDO_WAIT_TIME);
}

static void edo_dump_found_job(struct edo_dump *dump, uint32_t index, uintptr_t at)
{
    struct edo_dump_wait *wait;
    union {
        struct edo_job as;
        uintptr_t words[sizeof(struct edo_job) / sizeof(uintptr_t)];
    } copy;
    uint32_t state;

    edo_unseen_copy(copy.words, (const void *)at, sizeof copy);
    state = atomic_load_explicit(&copy.as.state, memory_order_relaxed);
    /* An earlier call may have left a job that is done, or pieces of it. */
    if (copy.as.self != (const struct edo_job *)at || !copy.as.fn ||
        (copy.as.pool != dump->runtime->blocking && copy.as.pool != dump->runtime->resolving) ||
        (state != EDO_JOB_QUEUED && state != EDO_JOB_RUNNING))
        return;
    wait = edo_dump_task(dump, index)->wait == EDO_NONE ? edo_dump_note_at(dump, index, EDO_WAIT_JOB) : NULL;
    if (!wait)
        return;
    wait->object = (const void *)(uintptr_t)copy.as.fn;
    wait->queued = state == EDO_JOB_QUEUED;
}

static void edo_dump_scan(struct edo_dump *dump, uint32_t index, const struct edo_dump_stack *stack)
{
    const struct edo_dump_task *task = edo_dump_task(dump, index);
    size_t count = (stack->high - stack->sp) / sizeof(uintptr_t);

    if (count > EDO_SCAN_WORDS)
        count = EDO_SCAN_WORDS;
    /* A task that sleeps has no job, and one sleeper. */
    for (size_t i = 0; i < count && task->until == EDO_FOREVER; i++) {
        uintptr_t at;

        i += edo_unseen_find(stack->sp + i * sizeof(uintptr_t), count - i, (uintptr_t)task->block);
        at = stack->sp + i * sizeof(uintptr_t);
        if (i >= count)
            return;
        if (edo_dump_on_stack(stack, at, sizeof(struct edo_sleeper)))
            edo_dump_found_sleeper(dump, index, at);
        if (edo_dump_on_stack(stack, at - offsetof(struct edo_job, task), sizeof(struct edo_job)))
            edo_dump_found_job(dump, index, at - offsetof(struct edo_job, task));
    }
}

/* The functions in which it stands. */
static void edo_dump_walk(struct edo_dump *dump, uint32_t index, const struct edo_dump_stack *stack)
{
    struct edo_dump_task *task = edo_dump_task(dump, index);
    struct edo_walk walk;

    edo_walk_parked(&walk, (struct edo_walker *)dump->walker.items, &task->block->context, stack->low, stack->high);
    if (walk.count == 0 || edo_dump_reserve(dump, &dump->frames, walk.count, sizeof(uintptr_t)) < 0)
        return;
    task->frames = (uint32_t)dump->frames.count;
    task->frame_count = (uint8_t)walk.count;
    task->frames_whole = walk.whole;
    memcpy((uintptr_t *)dump->frames.items + dump->frames.count, walk.address, walk.count * sizeof(uintptr_t));
    dump->frames.count += walk.count;
}

/* --- Each task's last look ---------------------------------------------------------------------------------------- */

/* The scope whose tasks it may be waiting for: the innermost that has some. */
static uint32_t edo_dump_waits_in(const struct edo_dump *dump, const struct edo_dump_task *task)
{
    for (uint32_t i = task->scope_count; i-- > 0;)
        if (edo_dump_scope(dump, task->scopes + i)->live > 0)
            return task->scopes + i;
    return EDO_NONE;
}

static void edo_dump_guess(struct edo_dump *dump, uint32_t index, uintptr_t at)
{
    struct edo_dump_task *task = edo_dump_task(dump, index);
    uint32_t scope = edo_dump_waits_in(dump, task);
    struct edo_dump_wait *wait;

    if (task->flags & EDO_TASK_DORMANT && task->until != EDO_FOREVER) {
        edo_dump_note_at(dump, index, EDO_WAIT_TIME);
        return;
    }
    wait = edo_dump_note_at(dump, index, scope == EDO_NONE ? EDO_WAIT_UNKNOWN : EDO_WAIT_SCOPE);
    if (wait && scope == EDO_NONE)
        wait->object = (const void *)at;
    else if (wait)
        wait->other = scope;
}

static bool edo_dump_still_parked(const struct edo_dump_task *task)
{
    return atomic_load_explicit(&task->block->wake, memory_order_acquire) == EDO_WAKE_PARKED &&
           __atomic_load_n(&task->block->id, __ATOMIC_ACQUIRE) == task->id;
}

/* At the moment at which it is said what it waits for. */
static void edo_dump_note_dormant(struct edo_dump_task *task)
{
    union {
        struct edo_task as;
        uintptr_t words[sizeof(struct edo_task) / sizeof(uintptr_t)];
    } copy;

    edo_unseen_copy(copy.words, task->block, sizeof copy);
    if (edo_task_is_dormant(&copy.as))
        task->flags |= EDO_TASK_DORMANT;
}

static void edo_dump_look_again(struct edo_dump *dump, uint32_t index)
{
    struct edo_dump_task *task = edo_dump_task(dump, index);
    bool parked = task->state == EDO_DUMP_GONE && edo_dump_still_parked(task);
    struct edo_dump_stack stack;
    uintptr_t at = 0;

    edo_dump_note_dormant(task);
    if (parked) {
        if (task->flags & EDO_TASK_DORMANT) {
            int64_t deadline = atomic_load(&task->block->when_deadline);

            if (deadline > 0)
                task->until = deadline;
        } else if (edo_dump_stack_of(&stack, task->block)) {
            edo_dump_scan(dump, index, &stack);
            if (dump->backtraces)
                edo_dump_walk(dump, index, &stack);
            if (task->wait == EDO_NONE)
                at = edo_walk_parked_at(&task->block->context, stack.low, stack.high);
        }
        if (task->wait == EDO_NONE)
            edo_dump_guess(dump, index, at);
        atomic_thread_fence(memory_order_acquire);
        if (edo_dump_still_parked(task))
            task->state = EDO_DUMP_WAITS;
    }
    if (__atomic_load_n(&task->block->id, __ATOMIC_ACQUIRE) != task->id)
        task->state = EDO_DUMP_GONE;
    else if (task->state == EDO_DUMP_GONE)
        task->state = task->started ? EDO_DUMP_READY : EDO_DUMP_NEW;
    if (task->state != EDO_DUMP_WAITS) {
        task->wait = EDO_NONE;
        task->until = EDO_FOREVER;
        task->frame_count = 0;
    }
}

void edo_dump_take_waits(struct edo_dump *dump)
{
    /* Each task once, and more for selects: those are not noted under locks where there is no room for them. */
    if (edo_dump_reserve(dump, &dump->waits, 3 * dump->tasks.count + 1024, sizeof(struct edo_dump_wait)) < 0 ||
        edo_dump_reserve(dump, &dump->texts, 1, 1) < 0 ||
        (dump->backtraces && edo_dump_reserve(dump, &dump->walker, 1, sizeof(struct edo_walker)) < 0))
        return;
    if (dump->backtraces)
        edo_walker_begin((struct edo_walker *)dump->walker.items);
    dump->texts.count = 1; /* the text at 0 is none */
    edo_blocks_each(&dump->runtime->sources, edo_dump_look_at_source, dump);
    edo_blocks_each(&dump->runtime->handles, edo_dump_look_at_handle, dump);
    edo_lines_each(edo_dump_look_at_parked, dump);
    edo_meetings_each(edo_dump_look_at_meeting, dump);
    edo_dump_look_at_threads(dump);
    for (size_t i = 0; i < dump->tasks.count && dump->rc == 0; i++)
        edo_dump_look_again(dump, (uint32_t)i);
}
