/* SPDX-License-Identifier: MIT */
/* Continuations and dormant tasks (K5): no stack while they wait, and every reason to go on. */
#include "helpers.h"

#include <sys/socket.h>

static void pair_open(edo_stream *ends[2])
{
    int pair[2];

    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_RC(edo_stream_from_fd(&ends[0], pair[0]), 0);
    CHECK_RC(edo_stream_from_fd(&ends[1], pair[1]), 0);
}

/* Stacks that are out of the pool, less what the workers may keep at hand: at least so many are held by tasks. */
static int64_t stacks_held(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    CHECK_RC(edo_metrics_read(&metrics), 0);
    return (int64_t)metrics.stacks_in_use - 33 * metrics.workers;
}

/* --- No stack ----------------------------------------------------------------------------------------------------- */

enum { DORMANT = 1000 };

static int count(void *argument)
{
    atomic_fetch_add((_Atomic int *)argument, 1);
    return 0;
}

static _Atomic int arrived;

static int go_dormant(void *argument)
{
    char frame[1024];

    memset(frame, 1, sizeof frame);
    edo_yield(); /* its frames are in use over a wait */
    CHECK(frame[1023] == 1);
    atomic_fetch_add(&arrived, 1);
    return edo_continue(EDO_WHEN_AT(EDO_FOREVER), count, argument);
}

static int no_stack_main(void *argument)
{
    _Atomic int ended = 0;
    int rc = 0;

    (void)argument;
    atomic_store(&arrived, 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < DORMANT; i++)
            CHECK_RC(edo_spawn(scope, go_dormant, ARGUMENT(&ended)), 0);
        until(&arrived, DORMANT);
        for (int i = 0; i < 200; i++) /* the last of them have left their stacks by then */
            edo_yield();
        CHECK(stacks_held() <= 1); /* this task's own */
        CHECK_RC(atomic_load(&ended), 0);
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&ended), DORMANT);
    return rc;
}

static void test_k5_dormant_tasks_hold_no_stack(void **state)
{
    (void)state;
    assert_int_equal(run_alone(no_stack_main, NULL), 0);
    assert_int_equal(run(no_stack_main, NULL), 0);
}

static int when_main(void *argument)
{
    _Atomic int ended = 0;
    edo_metrics before = EDO_METRICS_INIT;
    edo_metrics after = EDO_METRICS_INIT;
    int rc = 0;

    (void)argument;
    CHECK_RC(edo_metrics_read(&before), 0);
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < DORMANT; i++)
            CHECK_RC(edo_spawn(scope, count, ARGUMENT(&ended), .when = EDO_WHEN_AT(edo_now() + EDO_SEC(1000))), 0);
        for (int i = 0; i < 5; i++)
            CHECK_RC(edo_yield(), 0);
        CHECK_RC(edo_metrics_read(&after), 0);
        CHECK_RC(after.stacks_in_use, before.stacks_in_use);
        CHECK(after.switches <= before.switches + 5); /* none of them has run, not even to see that it is not time */
        CHECK_RC(after.tasks_alive, before.tasks_alive + DORMANT);
        edo_scope_cancel(scope);
    }
    CHECK_RC(atomic_load(&ended), DORMANT);
    return rc;
}

static void test_k5_spawn_when_touches_no_stack(void **state)
{
    (void)state;
    assert_int_equal(run_alone(when_main, NULL), 0);
}

/* --- Reasons to go on --------------------------------------------------------------------------------------------- */

struct step {
    edo_when when;
    int resumption;
    uint64_t id;
    int64_t at;
    bool cancelled;
    edo_stream *close;
};

static int step_second(void *argument)
{
    struct step *step = argument;

    step->resumption = edo_resumption();
    step->at = edo_now();
    step->cancelled = edo_cancelled();
    CHECK(edo_task_id() == step->id);
    CHECK(strcmp(edo_task_name(), "stepper") == 0);
    return 31;
}

static int step_first(void *argument)
{
    struct step *step = argument;

    CHECK_RC(edo_resumption(), 0);
    step->id = edo_task_id();
    return edo_continue(step->when, step_second, step);
}

/* Runs a task that continues so, and gives what it then saw; cancels it after some turns. */
static int resume(struct step *step, bool cancel)
{
    int result = 0;
    int rc = 0;
    edo_task *task = NULL;

    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, step_first, step, .name = "stepper", .handle = &task), 0);
        for (int i = 0; i < 5; i++)
            edo_yield();
        if (step->close)
            edo_close(step->close);
        if (cancel)
            edo_scope_cancel(scope);
        CHECK_RC(edo_scope_join(scope), 0);
    }
    CHECK_RC(edo_join(&result, task), 0);
    CHECK_RC(result, 31);
    return step->resumption;
}

static int reasons_main(void *argument)
{
    edo_stream *ends[2];
    struct step step = {.when = EDO_WHEN_NOW};
    int64_t start;

    (void)argument;
    pair_open(ends);
    CHECK_RC(resume(&step, false), 0);

    start = edo_now();
    step.when = EDO_WHEN_AT(start + EDO_MS(10));
    CHECK_RC(resume(&step, false), 0);
    CHECK(step.at >= start + EDO_MS(10) && step.at < start + EDO_MS(20));
    step.when = EDO_WHEN_AT(-5); /* long ago */
    CHECK_RC(resume(&step, false), 0);
    step.when = EDO_WHEN_AT(0);
    CHECK_RC(resume(&step, false), 0);
    step.when = EDO_WHEN_AT(EDO_FOREVER);
    CHECK_RC(resume(&step, true), -ECANCELED);
    CHECK(step.cancelled);

    start = edo_now();
    step.when = EDO_WHEN_READABLE(ends[0], .deadline = start + EDO_MS(10));
    CHECK_RC(resume(&step, false), -ETIMEDOUT);
    CHECK(step.at >= start + EDO_MS(10) && step.at < start + EDO_MS(20));
    step.when = EDO_WHEN_READABLE(ends[0], .deadline = 1);
    CHECK_RC(resume(&step, false), -ETIMEDOUT);
    step.when = EDO_WHEN_READABLE(ends[0]);
    CHECK_RC(resume(&step, true), -ECANCELED);
    step.when = EDO_WHEN_WRITABLE(ends[0]);
    CHECK_RC(resume(&step, false), 0);
    CHECK_RC(edo_write_all(ends[1], "x", 1), 1);
    step.when = EDO_WHEN_READABLE(ends[0], .deadline = edo_now() + EDO_SEC(1000));
    CHECK_RC(resume(&step, false), 0);

    /* What cannot be waited for runs it as well. */
    step.when = EDO_WHEN_READABLE(NULL);
    CHECK_RC(resume(&step, false), -EINVAL);
    step.when = (edo_when){.what_ = 99};
    CHECK_RC(resume(&step, false), -EINVAL);

    /* Closed while it waits. */
    CHECK_RC(edo_read(ends[0], &(char){0}, 1), 1);
    step.when = EDO_WHEN_READABLE(ends[0]);
    step.close = ends[0];
    CHECK_RC(resume(&step, false), -EBADF);
    edo_close(ends[1]);
    return 0;
}

static void test_k5_continuation_sees_why_it_goes_on(void **state)
{
    (void)state;
    assert_int_equal(run_alone(reasons_main, NULL), 0);
}

static uint64_t events_so_far(void)
{
    edo_metrics metrics = {.size = sizeof metrics};

    CHECK_RC(edo_metrics_read(&metrics), 0);
    return metrics.events;
}

/* Its event has come and it is in the queue, behind the task that closes. */
static int closed_when_ready(void *argument)
{
    struct step step = {.when = EDO_WHEN_NOW};
    edo_stream *ends[2];
    uint64_t events;
    int rc = 0;

    (void)argument;
    pair_open(ends);
    step.when = EDO_WHEN_READABLE(ends[0]);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, step_first, &step, .name = "stepper"), 0);
        for (int i = 0; i < 200; i++)
            edo_yield();
        events = events_so_far();
        CHECK_RC(edo_write_all(ends[1], "x", 1), 1);
        while (events_so_far() == events)
            edo_yield();
        edo_close(ends[0]);
    }
    CHECK_RC(step.resumption, -EBADF);
    edo_close(ends[1]);
    return rc;
}

static void test_k5_continuation_of_a_closed_stream_is_told_so_even_if_it_is_ready(void **state)
{
    (void)state;
    assert_int_equal(run_alone(closed_when_ready, NULL), 0);
}

static int cancelled_before(void *argument)
{
    struct step step = {.when = EDO_WHEN_NOW};
    edo_stream *ends[2];
    int rc = 0;

    (void)argument;
    pair_open(ends);
    CHECK_RC(edo_wait_readable(ends[0], 1), -ETIMEDOUT); /* from now on it is known to have nothing */
    for (int i = 0; i < 3; i++)
        EDO_SCOPE (scope, &rc) {
            edo_scope_cancel(scope);
            step.when = i == 0 ? EDO_WHEN_NOW : i == 1 ? EDO_WHEN_AT(EDO_FOREVER) : EDO_WHEN_READABLE(ends[0]);
            CHECK_RC(edo_spawn(scope, step_first, &step, .name = "stepper"), 0);
            CHECK_RC(edo_scope_join(scope), 0);
            CHECK_RC(step.resumption, -ECANCELED);
        }
    edo_close(ends[0]);
    edo_close(ends[1]);
    return rc;
}

static void test_k5_continuation_in_a_cancelled_scope_runs_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_alone(cancelled_before, NULL), 0);
}

/* --- A long chain ------------------------------------------------------------------------------------------------- */

struct chain {
    int left;
    _Atomic int others;
};

static int chain_step(void *argument)
{
    struct chain *chain = argument;

    if (--chain->left == 0)
        return 0;
    return edo_continue(EDO_WHEN_NOW, chain_step, chain);
}

static int chain_other(void *argument)
{
    struct chain *chain = argument;

    atomic_fetch_add(&chain->others, 1);
    return 0;
}

static int chain_main(void *argument)
{
    struct chain chain = {.left = 100000};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, chain_step, &chain), 0);
        CHECK_RC(edo_spawn(scope, chain_other, &chain), 0);
        while (atomic_load(&chain.others) == 0)
            edo_yield();
        CHECK(chain.left > 1000); /* it gives turns */
        /* In a cancelled scope it gives turns, too: a refused call spends budget. */
        chain.left = 100000;
        atomic_store(&chain.others, 0);
        edo_scope_cancel(scope);
        CHECK_RC(edo_spawn(scope, chain_other, &chain), 0);
        while (atomic_load(&chain.others) == 0)
            edo_yield();
        CHECK(chain.left > 1000);
    }
    CHECK_RC(chain.left, 0);
    return rc;
}

static void test_k5_continuations_give_turns(void **state)
{
    (void)state;
    assert_int_equal(run_alone(chain_main, NULL), 0);
}

/* --- Deadlines that move ------------------------------------------------------------------------------------------ */

/* Waits again and again, with deadlines that are now earlier, now later, for a byte that comes or does not. */
struct moving {
    uint64_t random;
    edo_stream *ends[2];
    int rounds;
    int64_t deadline;
    bool byte;
};

static int moving_next(void *argument)
{
    struct moving *moving = argument;

    if (moving->rounds > 0) {
        if (edo_resumption() == 0) {
            char byte;

            CHECK(moving->byte);
            CHECK_RC(edo_read(moving->ends[0], &byte, 1), 1);
        } else {
            CHECK_RC(edo_resumption(), -ETIMEDOUT);
            CHECK(edo_now() >= moving->deadline);
            CHECK(edo_now() < moving->deadline + EDO_MS(1));
            CHECK(!moving->byte);
        }
    }
    if (moving->rounds++ == 2000)
        return 0;
    moving->byte = edo_test_random(&moving->random) % 4 != 0;
    if (moving->byte)
        CHECK_RC(edo_write_all(moving->ends[1], "x", 1), 1);
    moving->deadline = edo_now() + (int64_t)(edo_test_random(&moving->random) % (uint64_t)EDO_MS(100)) + EDO_MS(1);
    return edo_continue(EDO_WHEN_READABLE(moving->ends[0], .deadline = moving->deadline), moving_next, moving);
}

static int moving_main(void *argument)
{
    struct moving tasks[8];
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (size_t i = 0; i < EDO_COUNT(tasks); i++) {
            tasks[i] = (struct moving){.random = *(uint64_t *)argument + i};
            pair_open(tasks[i].ends);
            CHECK_RC(edo_spawn(scope, moving_next, &tasks[i]), 0);
        }
    }
    for (size_t i = 0; i < EDO_COUNT(tasks); i++) {
        edo_close(tasks[i].ends[0]);
        edo_close(tasks[i].ends[1]);
    }
    return rc;
}

static void test_k5_deadline_moves_earlier_and_later(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(run_alone(moving_main, &seed), 0);
}

/* The same on the real clock, with all workers: what is waited for comes from elsewhere. Deadlines decide nothing. */
struct traffic {
    edo_stream *ends[2];
    uint64_t random;
    int left;
};

static int traffic_next(void *argument)
{
    struct traffic *traffic = argument;
    char byte;

    if (edo_resumption() == 0)
        traffic->left -= edo_read(traffic->ends[0], &byte, 1) == 1;
    else
        CHECK_RC(edo_resumption(), -ETIMEDOUT);
    if (traffic->left == 0)
        return 0;
    return edo_continue(
        EDO_WHEN_READABLE(traffic->ends[0],
                          .deadline = edo_now() + (int64_t)(edo_test_random(&traffic->random) % 100000)),
        traffic_next, traffic);
}

static int traffic_write(void *argument)
{
    struct traffic *traffic = argument;
    uint64_t random = traffic->random + 1;

    for (int i = 0; i < 300; i++) {
        CHECK_RC(edo_write_all(traffic->ends[1], "x", 1), 1);
        if (edo_test_random(&random) % 2)
            edo_sleep((int64_t)(edo_test_random(&random) % 100000));
        else
            edo_yield();
    }
    return 0;
}

static int traffic_main(void *argument)
{
    struct traffic all[16];
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        for (size_t i = 0; i < EDO_COUNT(all); i++) {
            all[i] = (struct traffic){.random = *(uint64_t *)argument + 2 * i, .left = 300};
            pair_open(all[i].ends);
            CHECK_RC(edo_spawn(scope, traffic_next, &all[i], .when = EDO_WHEN_READABLE(all[i].ends[0])), 0);
            CHECK_RC(edo_spawn(scope, traffic_write, &all[i]), 0);
        }
    }
    for (size_t i = 0; i < EDO_COUNT(all); i++) {
        CHECK_RC(all[i].left, 0);
        edo_close(all[i].ends[0]);
        edo_close(all[i].ends[1]);
    }
    return rc;
}

static void test_k5_dormant_tasks_on_all_workers(void **state)
{
    uint64_t seed = edo_test_seed();

    (void)state;
    assert_int_equal(run(traffic_main, &seed), 0);
}

/* --- Dormant from the beginning ----------------------------------------------------------------------------------- */

static int born_dormant(void *argument)
{
    *(int *)argument = edo_resumption();
    return 0;
}

static int born_main(void *argument)
{
    edo_stream *ends[2];
    int64_t start = edo_now();
    int resumption = 99;
    int rc = 0;

    (void)argument;
    pair_open(ends);
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, born_dormant, &resumption, .when = EDO_WHEN_AT(start + EDO_MS(10))), 0);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(resumption, 0);
        CHECK(edo_now() >= start + EDO_MS(10));
        CHECK_RC(edo_spawn(scope, born_dormant, &resumption,
                           .when = EDO_WHEN_READABLE(ends[0], .deadline = edo_now() + EDO_MS(10))),
                 0);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(resumption, -ETIMEDOUT);
        CHECK_RC(edo_spawn(scope, born_dormant, &resumption, .when = EDO_WHEN_READABLE(ends[0])), 0);
        edo_yield();
        CHECK_RC(resumption, -ETIMEDOUT); /* not yet */
        CHECK_RC(edo_write_all(ends[1], "x", 1), 1);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(resumption, 0);
        CHECK_RC(edo_spawn(scope, born_dormant, &resumption, .when = EDO_WHEN_AT(EDO_FOREVER)), 0);
        edo_scope_cancel(scope);
        CHECK_RC(edo_scope_join(scope), 0);
        CHECK_RC(resumption, -ECANCELED);
    }
    edo_close(ends[0]);
    edo_close(ends[1]);
    return rc;
}

static void test_k5_spawn_when_starts_at_its_condition(void **state)
{
    (void)state;
    assert_int_equal(run_alone(born_main, NULL), 0);
}

/* --- Debug aborts ------------------------------------------------------------------------------------------------- */

static int death_next(void *argument)
{
    (void)argument;
    return 0;
}

static int death_in_scope_child(void *argument)
{
    edo_scope_begin(argument, NULL, NULL);
    return edo_continue(EDO_WHEN_NOW, death_next, NULL);
}

static int death_in_scope(void *argument)
{
    static edo_scope scope;

    (void)argument;
    return edo_spawn(edo_scope_current(), death_in_scope_child, &scope);
}

static int death_not_returned_child(void *argument)
{
    (void)argument;
    edo_continue(EDO_WHEN_NOW, death_next, NULL);
    return 0;
}

static int death_not_returned(void *argument)
{
    (void)argument;
    return edo_spawn(edo_scope_current(), death_not_returned_child, NULL);
}

static int death_root(void *argument)
{
    (void)argument;
    return edo_continue(EDO_WHEN_NOW, death_next, NULL);
}

static void test_k5_debug_abort_on_continuation_in_an_open_scope(void **state)
{
    (void)state;
    assert_misuse(death_in_scope, NULL, "with a scope still open");
}

static void test_k5_debug_abort_when_the_value_is_not_returned(void **state)
{
    (void)state;
    assert_misuse(death_not_returned, NULL, "must be returned by the task function itself");
}

static void test_k5_debug_abort_when_the_root_task_continues(void **state)
{
    (void)state;
    assert_misuse(death_root, NULL, "root task's function cannot continue");
}

/* --- The function beneath the usual continuation ------------------------------------------------------------------ */

struct readable {
    edo_stream *stream;
    int resumption;
    ssize_t got;
};

static int readable_next(void *argument)
{
    struct readable *readable = argument;
    char byte;

    readable->resumption = edo_resumption();
    if (readable->resumption == 0)
        readable->got = edo_read(readable->stream, &byte, 1);
    return 0;
}

static int readable_first(void *argument)
{
    struct readable *readable = argument;

    CHECK_RC(edo_continue_readable(readable->stream, NULL, argument), -EPERM);
    return edo_continue_readable(readable->stream, readable_next, argument);
}

static int readable_main(void *argument)
{
    struct readable served = {.resumption = 1}, nothing = {.resumption = 1}, cut = {.resumption = 1};
    edo_stream *ends[2];
    edo_stream *others[2];
    int rc = 0;

    (void)argument;
    pair_open(ends);
    pair_open(others);
    served.stream = ends[0];
    cut.stream = others[0];
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, readable_first, &served), 0);
        CHECK_RC(edo_spawn(scope, readable_first, &nothing), 0);
        edo_yield();
        CHECK_RC((int)edo_write_all(ends[1], "x", 1), 1);
    }
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, readable_first, &cut), 0);
        edo_yield();
        edo_scope_cancel(scope);
    }
    CHECK_RC(served.resumption, 0);
    CHECK_RC((int)served.got, 1);
    CHECK_RC(nothing.resumption, -EINVAL);
    CHECK_RC(cut.resumption, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        edo_close(ends[i]);
        edo_close(others[i]);
    }
    return rc;
}

static void test_k5_continue_readable_is_the_usual_continuation(void **state)
{
    (void)state;
    assert_int_equal(edo_continue_readable(NULL, readable_next, NULL), -EPERM);
    assert_int_equal(run_alone(readable_main, NULL), 0);
    assert_int_equal(run(readable_main, NULL), 0);
}

/* --- Something to wait for on the way out ------------------------------------------------------------------------- */

struct leaver {
    edo_stream *stream;
    _Atomic int *left; /* counts those whose frames have gone */
    int frames;
    int runs;
};

static void leave_later(struct leaver **leaver)
{
    char frame[512];

    memset(frame, 7, sizeof frame);
    for (int i = 0; i < 3; i++) { /* edo_continue has been called, and others run: dormant ones, too */
        edo_yield();
        for (size_t k = 0; k < sizeof frame; k++)
            CHECK(frame[k] == 7);
    }
    (*leaver)->frames++;
    atomic_fetch_add((*leaver)->left, 1);
}

static int leaver_next(void *argument)
{
    struct leaver *leaver __attribute__((cleanup(leave_later))) = argument;
    char byte;

    CHECK_RC(edo_resumption(), 0);
    CHECK_RC((int)edo_read(leaver->stream, &byte, 1), 1);
    CHECK_RC(leaver->frames, leaver->runs); /* the frames of the last time have gone */
    if (++leaver->runs == 50)
        return 0;
    return edo_continue_readable(leaver->stream, leaver_next, leaver);
}

static int leavers_main(void *argument)
{
    enum { LEAVERS = 5 };

    struct leaver leavers[LEAVERS] = {0};
    edo_stream *ends[LEAVERS][2];
    _Atomic int left = 0;
    int rc = 0;

    (void)argument;
    for (int i = 0; i < LEAVERS; i++) {
        pair_open(ends[i]);
        leavers[i].stream = ends[i][0];
        leavers[i].left = &left;
    }
    EDO_SCOPE (scope, &rc) {
        for (int i = 0; i < LEAVERS; i++)
            CHECK_RC(edo_spawn(scope, leaver_next, &leavers[i], .when = EDO_WHEN_READABLE(leavers[i].stream)), 0);
        for (int round = 1; round <= 50; round++) {
            for (int i = 0; i < LEAVERS; i++)
                CHECK_RC((int)edo_write_all(ends[i][1], "x", 1), 1);
            until(&left, LEAVERS * round);
        }
    }
    for (int i = 0; i < LEAVERS; i++) {
        CHECK_RC(leavers[i].runs, 50);
        edo_close(ends[i][0]);
        edo_close(ends[i][1]);
    }
    return rc;
}

static void test_k5_a_task_that_waits_after_edo_continue_keeps_its_stack(void **state)
{
    (void)state;
    assert_int_equal(run_alone(leavers_main, NULL), 0);
    assert_int_equal(run(leavers_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k5_dormant_tasks_hold_no_stack),
        cmocka_unit_test(test_k5_spawn_when_touches_no_stack),
        virtual_test(test_k5_continuation_sees_why_it_goes_on),
        cmocka_unit_test(test_k5_continuation_in_a_cancelled_scope_runs_at_once),
        cmocka_unit_test(test_k5_continuation_of_a_closed_stream_is_told_so_even_if_it_is_ready),
        cmocka_unit_test(test_k5_continuations_give_turns),
        cmocka_unit_test(test_k5_continue_readable_is_the_usual_continuation),
        cmocka_unit_test(test_k5_a_task_that_waits_after_edo_continue_keeps_its_stack),
        virtual_test(test_k5_deadline_moves_earlier_and_later),
        cmocka_unit_test(test_k5_dormant_tasks_on_all_workers),
        virtual_test(test_k5_spawn_when_starts_at_its_condition),
        cmocka_unit_test(test_k5_debug_abort_on_continuation_in_an_open_scope),
        cmocka_unit_test(test_k5_debug_abort_when_the_value_is_not_returned),
        cmocka_unit_test(test_k5_debug_abort_when_the_root_task_continues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
