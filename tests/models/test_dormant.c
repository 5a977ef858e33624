/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of a dormant wait with an event, a close, a cancellation and a wake that is somebody else's: the
 * wait ends, for a reason that there is; and a source that is closed meanwhile stays what it is until the task knows
 * (rules K5, S2 a). And of waits for deadlines with the alarm, which a former wait has left in a sibling's wheel.
 *
 * The code is dormant_wait.h, dormant.c and source.c. Whoever is the last to leave a closed source gives it back, and
 * it is another stream's at once: the task must not wait there.
 */
#include "stand_in.h"

#define EDO_ANEW(pointer)      ((void)(pointer)) /* nobody waits there with a stack */
#define EDO_SET_DOWN(variable) ((void)(variable))

#include "runtime/dormant_wait.h"

#include "../../src/runtime/dormant.c"
#include "../../src/runtime/source.c"

static struct edo_worker worker;
static struct edo_worker other;
static struct edo_runtime runtime;

static struct {
    struct edo_source source;
    struct edo_scope_body scope;
    struct edo_thread thread;
    struct edo_task task;
    uint32_t given; /* times the source went back, and was opened again */
    bool raised;
    _Atomic uint32_t ended; /* the wait has */

    struct edo_thread sibling; /* with a worker of its own, in whose wheel the alarm is at first */
    uint32_t inside;           /* a lock: who works on that wheel */
    struct edo_worker *wheel;  /* where the alarm is armed; NULL: nowhere */
    bool touched;              /* somebody is at it */
} world;

static int nothing_closed(int fd)
{
    (void)fd;
    return 0;
}

static const struct edo_platform table = {.close = nothing_closed};
const struct edo_platform *edo_platform = &table;

int edo_poller_add(struct edo_poller *poller, struct edo_source *source, uint32_t once)
{
    (void)poller;
    (void)source;
    (void)once;
    return 0;
}

int edo_poller_add_in(struct edo_poller *poller, struct edo_source *source)
{
    return edo_poller_add(poller, source, 0);
}

/* The readiness of the moment: what was raised is still there. */
int edo_poller_ask(struct edo_poller *poller, struct edo_source *source)
{
    struct edo_task *woken[2];

    (void)poller;
    if (world.raised) {
        edo_source_raise(woken, source, EDO_READY_IN);
        edo_source_wake(woken);
    }
    return 0;
}

void edo_poller_remove(struct edo_poller *poller, struct edo_source *source)
{
    (void)poller;
    (void)source;
}

static void touch(struct edo_alarm *alarm, struct edo_worker *wheel, int64_t deadline)
{
    model_assert(!world.touched);
    world.touched = true;
    model_step();
    world.wheel = wheel;
    alarm->node.deadline = wheel ? deadline : alarm->node.deadline;
    world.touched = false;
}

void edo_alarm_arm(struct edo_thread *thread, struct edo_alarm *alarm, int64_t deadline)
{
    model_assert(!world.wheel);
    model_step();
    alarm->worker = thread->worker;
    touch(alarm, thread->worker, deadline);
}

struct edo_thread *edo_alarm_disarm_inside(bool *was_armed, struct edo_thread *thread, struct edo_alarm *alarm)
{
    struct edo_worker *owner = alarm->worker;

    *was_armed = false;
    if (!owner)
        return thread;
    model_step();
    if (owner != thread->worker)
        model_lock(&world.inside);
    *was_armed = world.wheel != NULL;
    if (world.wheel) {
        model_assert(world.wheel == owner);
        touch(alarm, NULL, 0);
    }
    if (owner != thread->worker)
        __atomic_store_n(&world.inside, 0, __ATOMIC_SEQ_CST);
    model_step();
    return thread;
}

bool edo_alarm_disarm(struct edo_alarm *alarm)
{
    bool was_armed;

    edo_alarm_disarm_inside(&was_armed, &world.thread, alarm);
    return was_armed;
}

int edo_wake_word(const uint32_t *word, int count)
{
    (void)word;
    (void)count;
    model_assert(!"nobody is short of descriptors");
    return 0;
}

static void opened(void)
{
    edo_source_open(&world.source, 1);
    atomic_store_explicit(&world.source.readiness, 0, memory_order_relaxed);
    atomic_store_explicit(&world.source.registered, &worker, memory_order_release);
}

/* Somebody else has got it already. */
void edo_blocks_give(struct edo_blocks *pool, struct edo_block *first, size_t count)
{
    (void)pool;
    (void)first;
    model_assert(count == 1);
    world.given++;
    opened();
}

/* As edo_task_run does it. */
static void task_waits(void)
{
    struct edo_thread *thread;

    edo_self_pointer = &world.thread;
    for (thread = edo_dormant_enter_readable(&world.task, false); thread; thread = edo_enter(&world.thread)) {
        if (edo_park_word_park(&world.task.wake))
            while (!atomic_exchange(&stand_in.queued[0], 0))
                model_pause();
        edo_leave(thread);
        edo_park_word_run(&world.task.wake);
        if (edo_dormant_return_readable(&world.task, false))
            break;
    }
    atomic_store(&world.ended, 1);
    if (world.task.resumption == -ECANCELED)
        model_assert(atomic_load(&world.scope.flags));
    else if (world.task.resumption == 0)
        model_assert(world.raised);
    else
        model_assert(world.task.resumption == -EBADF);
}

/* Whoever closes earlier than the wait begins must know that it does not. */
static void closer(void)
{
    edo_self_pointer = NULL;
    while (atomic_load(&world.source.users) < 2 && !atomic_load(&world.ended))
        model_pause();
    edo_source_close(&world.source);
}

static void poller(void)
{
    struct edo_task *woken[2];

    edo_self_pointer = NULL;
    world.raised = true;
    edo_source_raise(woken, &world.source, EDO_READY_IN);
    edo_source_wake(woken);
}

static void canceller(void)
{
    edo_self_pointer = NULL;
    stand_in_cancel(&world.scope, &world.task);
}

/* Late, or early: it may always come. */
static void stray(void)
{
    edo_self_pointer = NULL;
    edo_unpark(&world.task);
}

/* --- The alarm ---------------------------------------------------------------------------------------------------- */

/* The alarm fires, where it is: INSIDE that worker. Time is what the deadlines say. */
static void fire(struct edo_thread *thread)
{
    touch(&world.task.alarm, NULL, 0);
    edo_dormant_fire(thread, &world.task.alarm);
}

static void sibling(void)
{
    edo_self_pointer = &world.sibling;
    for (int i = 0; i < 2; i++) {
        model_lock(&world.inside);
        if (world.wheel == &other)
            fire(&world.sibling);
        __atomic_store_n(&world.inside, 0, __ATOMIC_SEQ_CST);
        model_step();
    }
    atomic_store(&world.ended, 1);
}

/* While the task is parked: its own worker fires, and for the sibling, too, once that has done enough. */
static void time_passes(int64_t deadline)
{
    if (world.wheel == &worker) {
        model_assert(world.task.alarm.node.deadline <= deadline);
        fire(&world.thread);
    } else if (world.wheel == &other && atomic_load(&world.ended)) {
        model_assert(world.task.alarm.node.deadline <= deadline);
        model_lock(&world.inside);
        fire(&world.sibling);
        __atomic_store_n(&world.inside, 0, __ATOMIC_SEQ_CST);
    } else {
        model_pause();
    }
}

/* Who waits for the last of these deadlines is to be woken, if it takes the sibling, or its own worker, to do it. */
static void task_waits_thrice(void)
{
    static const int64_t deadlines[] = {20, 15, 12};
    struct edo_task *task = &world.task;

    edo_self_pointer = &world.thread;
    for (int i = 0; i < 3; i++) {
        bool waits = i == 2 || model_choose(2) == 0;

        task->wish = deadlines[i];
        if (!edo_dormant_has_alarm(task, task->wish))
            edo_dormant_set_deadline(&world.thread, task, task->wish);
        while (waits) {
            if (edo_park_word_park(&task->wake))
                while (!atomic_exchange(&stand_in.queued[0], 0))
                    time_passes(deadlines[i]);
            edo_park_word_run(&task->wake);
            if (edo_dormant_check(task))
                break;
        }
        if (!waits)
            atomic_store_explicit(&task->when_deadline, 0, memory_order_release);
        else
            model_assert(task->resumption == 0);
    }
    edo_dormant_disarm(task);
    model_assert(!world.touched && !world.wheel);
}

static void check_idle(void)
{
    model_assert(!world.wheel);
    model_assert(atomic_load(&world.task.alarm_owner) == EDO_ALARM_IDLE);
}

/* --- The models --------------------------------------------------------------------------------------------------- */

static void setup(void)
{
    memset(&world, 0, sizeof world);
    memset(&stand_in, 0, sizeof stand_in);
    world.thread.runtime = &runtime;
    world.thread.worker = &worker;
    world.scope.runtime = &runtime;
    world.task.budget = EDO_BUDGET;
    world.task.flags = EDO_TASK_MIGRATES | EDO_TASK_LISTED;
    world.task.home = world.task.scope = &world.scope;
    world.task.source = &world.source;
    world.task.when_what = EDO_WHEN_READABLE_;
    world.source.runtime = &runtime;
    opened();
}

/* It has waited until 10, in vain, on the sibling. */
static void setup_alarm(void)
{
    setup();
    world.task.source = NULL;
    world.task.when_what = EDO_WHEN_AT_;
    world.task.alarm.fire = edo_dormant_fire;
    world.task.alarm.worker = &other;
    world.task.alarm.node.deadline = 10;
    atomic_store_explicit(&world.task.armed_at, 10, memory_order_relaxed);
    atomic_store_explicit(&world.task.alarm_owner, EDO_ALARM_ARMED, memory_order_relaxed);
    world.sibling.runtime = &runtime;
    world.sibling.worker = &other;
    world.wheel = &other;
}

/* Who waited there for the first stream is not in the second. */
static void check(void)
{
    model_assert(!atomic_load(&world.source.waiter[EDO_IN]));
    model_assert(atomic_load(&world.source.users) == 1);
}

static void check_closed(void)
{
    check();
    model_assert(world.given == 1);
}

/* Alone: another wake would make up for one that was lost. */
static struct model closed = {"dormant: task, close", setup, {task_waits, closer}, check_closed, NULL, false};
static struct model raised = {"dormant: task, event", setup, {task_waits, poller}, check, NULL, false};
static struct model cancelled = {"dormant: task, cancel", setup, {task_waits, canceller}, check, NULL, false};
static struct model closed_astray = {
    "dormant: task, close, a stray wake", setup, {task_waits, closer, stray}, check_closed, NULL, false};
static struct model closed_and_cancelled = {
    "dormant: task, close, cancel", setup, {task_waits, closer, canceller}, check_closed, NULL, false};
static struct model raised_astray = {
    "dormant: task, event, cancel, a stray wake", setup, {task_waits, poller, canceller, stray}, check, NULL, false};

static struct model alarmed = {
    "dormant: task, its alarm", setup_alarm, {task_waits_thrice, sibling}, check_idle, NULL, false};

static const struct model *with_regions(struct model *model)
{
    model->self = (void **)(void *)&edo_self_pointer;
    model_region("world", &world, sizeof world);
    model_region("queued", &stand_in, sizeof stand_in);
    model_region("worker", &worker, sizeof worker);
    model_region("runtime", &runtime, sizeof runtime);
    model_statistics(&worker, sizeof worker);
    model_statistics(&runtime, sizeof runtime);
    model_private(&world.thread.guard, sizeof world.thread.guard);
    model_private(&world.thread.region, sizeof world.thread.region);
    return model;
}

static void test_k5_a_dormant_wait_hears_of_a_close(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&closed)));
}

static void test_s2_a_source_that_is_closed_stays_while_a_dormant_wait_is_armed_anew(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&closed_astray)));
    assert_true(model_holds(with_regions(&closed_and_cancelled)));
}

static void test_k5_a_dormant_wait_hears_of_an_event_and_of_a_cancellation(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&raised)));
    assert_true(model_holds(with_regions(&cancelled)));
    assert_true(model_holds(with_regions(&raised_astray)));
}

static void test_k5_the_alarm_is_in_one_wheel_and_the_deadline_is_kept(void **state)
{
    (void)state;
    assert_true(model_holds(with_regions(&alarmed)));
}

static void test_mutants_of_the_dormant_wait_are_rejected(void **state)
{
    static const struct model_mutant split_begin = {"edo_source_use", MODEL_SPLIT};
    static const struct model_mutant split_close = {"edo_source_close", MODEL_SPLIT};
    static const struct model_mutant split_park = {"edo_park_word_park", MODEL_SPLIT};
    static const struct model_mutant buffered_deadline = {"edo_dormant_has_alarm", MODEL_BUFFERED};
    static const struct model_mutant buffered_idle = {"edo_dormant_fire", MODEL_BUFFERED};

    (void)state;
    assert_true(model_rejects(with_regions(&closed), &split_begin));
    assert_true(model_rejects(with_regions(&closed), &split_close));
    assert_true(model_rejects(with_regions(&raised), &split_park));
    assert_true(model_rejects(with_regions(&cancelled), &split_park));
    assert_true(model_rejects(with_regions(&alarmed), &buffered_deadline));
    assert_true(model_rejects(with_regions(&alarmed), &buffered_idle));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k5_a_dormant_wait_hears_of_a_close),
        cmocka_unit_test(test_s2_a_source_that_is_closed_stays_while_a_dormant_wait_is_armed_anew),
        cmocka_unit_test(test_k5_a_dormant_wait_hears_of_an_event_and_of_a_cancellation),
        cmocka_unit_test(test_k5_the_alarm_is_in_one_wheel_and_the_deadline_is_kept),
        cmocka_unit_test(test_mutants_of_the_dormant_wait_are_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
