/* SPDX-License-Identifier: MIT */
/* The flight recorder: what it keeps, how it is told, what is left of it when the program dies. */
#include "observe/dumped.h"
#include "observe/recorder.h"

#include <edo/trace.h>

#include <fcntl.h>
#include <pthread.h>

static struct edo_record record;

/* --- What is kept ------------------------------------------------------------------------------------------------- */

struct pair {
    uint64_t ids[2];
    int count;
    int yields;
};

static int yielder(void *argument)
{
    struct pair *pair = argument;

    pair->ids[pair->count++] = edo_task_id();
    for (int i = 0; i < pair->yields; i++)
        edo_yield();
    return 0;
}

static int run_pair(void *argument)
{
    struct pair *pair = argument;
    struct edo_worker *worker = edo_thread_self()->worker;
    uint64_t turns = 0;
    int rc = 0;

    EDO_SCOPE (two, &rc) {
        for (int i = 0; i < 2; i++)
            CHECK_RC(edo_spawn(two, yielder, pair), 0);
    }
    edo_record_read(&record, worker);
    CHECK(record.end_run == atomic_load(&worker->counts.switches));
    CHECK(record.end_run - record.first_run <= EDO_RUNS_KEPT);
    CHECK(record.runs[(record.end_run - 1) % EDO_RUNS_KEPT] == edo_task_id()); /* this one */
    for (uint64_t i = record.end_run - 2; i > record.first_run && i + 100 > record.end_run; i--) {
        CHECK(record.runs[i % EDO_RUNS_KEPT] == pair->ids[i & 1] ||
              record.runs[i % EDO_RUNS_KEPT] == pair->ids[~i & 1]);
        CHECK(record.runs[i % EDO_RUNS_KEPT] != record.runs[(i - 1) % EDO_RUNS_KEPT] || i < 4);
        turns++;
    }
    CHECK(turns > 60);
    return rc;
}

static void test_turns_are_kept_in_their_order(void **state)
{
    struct pair few = {.yields = 40};
    struct pair many = {.yields = 10000};

    (void)state;
    assert_int_equal(run_alone(run_pair, &few), 0);
    assert_int_equal(record.first_run, 0);
    assert_int_equal(run_alone(run_pair, &many), 0);
    assert_int_equal(record.end_run - record.first_run, EDO_RUNS_KEPT - 1);
}

/* --- Spawns ------------------------------------------------------------------------------------------------------- */

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* Three in one turn, one in the next, and more than are kept. */
static int spawns(void *argument)
{
    struct dumped dumped = {NULL, 0, 0};
    uint64_t self = edo_task_id();
    struct edo_worker *worker = edo_thread_self()->worker;
    char line[128];
    uint64_t first = 0;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        edo_yield();
        first = worker->next_id + 1;
        for (int i = 0; i < 3; i++)
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        edo_yield();
        CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
        edo_yield();
        CHECK_RC(edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = dumped_add, .argument = &dumped)), 0);
        for (int i = 0; i < *(int *)argument; i++) {
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
            edo_yield();
        }
    }
    snprintf(line, sizeof line, "%llu (spawns %llu to %llu)", (unsigned long long)self, (unsigned long long)first,
             (unsigned long long)first + 2);
    CHECK_LINE(&dumped, line, line);
    snprintf(line, sizeof line, "%llu (spawns %llu)", (unsigned long long)self, (unsigned long long)first + 3);
    CHECK_LINE(&dumped, line, line);
    dumped_end(&dumped);
    edo_record_read(&record, worker);
    CHECK_RC(record.number + record.end_spawn, worker->next_id);
    for (uint64_t i = record.first_spawn; i < record.end_spawn; i++) {
        uint64_t run = edo_record_spawned_at(&record, i) - 1;

        if (run != UINT64_MAX && run >= record.first_run) /* the root task's own, or of long ago */
            CHECK_RC(record.runs[run % EDO_RUNS_KEPT], self);
        if (i > record.first_spawn)
            CHECK(edo_record_spawned_at(&record, i) >= edo_record_spawned_at(&record, i - 1));
    }
    return rc;
}

static void test_spawns_are_kept_with_the_turn_they_were_in(void **state)
{
    int few = 10;
    int many = 1000;

    (void)state;
    assert_int_equal(run_alone(spawns, &few), 0);
    assert_int_equal(record.first_spawn, 0);
    assert_int_equal(run_alone(spawns, &many), 0);
    assert_int_equal(record.end_spawn - record.first_spawn, EDO_SPAWNS_KEPT - 1);
}

/* --- Notes -------------------------------------------------------------------------------------------------------- */

static int look_at_notes(void *argument)
{
    struct edo_worker *worker = edo_thread_self()->worker;
    uint64_t last = 0;
    bool slept = false;
    bool woke = false;

    (void)argument;
    CHECK_RC(edo_sleep(EDO_MS(1)), 0);
    for (int i = 0; i < 1000; i++)
        edo_yield();
    edo_record_read(&record, worker);
    for (uint64_t i = record.first_note; i < record.end_note; i++) {
        CHECK(record.notes[i % EDO_NOTES_KEPT].ticks >= last);
        last = record.notes[i % EDO_NOTES_KEPT].ticks;
        CHECK(edo_record_switches(&record, i) <= record.end_run);
        slept |= edo_record_kind(&record, i) == EDO_NOTE_SLEEP;
        woke |= slept && edo_record_kind(&record, i) == EDO_NOTE_WOKE;
    }
    CHECK(woke);
    CHECK(record.end_note - record.first_note >= 1000 / EDO_TURNS_BETWEEN_LOOKS);
    return 0;
}

static void test_sleeps_and_looks_are_kept_with_rising_times(void **state)
{
    (void)state;
    assert_int_equal(run_alone(look_at_notes, NULL), 0);
}

/* The entry after the last counted one may be half written: it is in the place of the oldest. */
static void test_the_oldest_entry_is_not_trusted(void **state)
{
    (void)state;
    assert_int_equal(edo_record_first(0, 256), 0);
    assert_int_equal(edo_record_first(255, 256), 0);
    assert_int_equal(edo_record_first(256, 256), 1);
    assert_int_equal(edo_record_first(1000, 256), 745);
}

/* Two moments tell the rate, also beyond them; and the times of a clock that stands still are the later one. */
static void test_ticks_become_times(void **state)
{
    struct edo_moment from = {.ticks = 1000, .time = 5000};
    struct edo_moment to = {.ticks = 3000, .time = 6000};

    (void)state;
    assert_int_equal(edo_ticks_time(1000, &from, &to), 5000);
    assert_int_equal(edo_ticks_time(2000, &from, &to), 5500);
    assert_int_equal(edo_ticks_time(4000, &from, &to), 6500);
    assert_int_equal(edo_ticks_time(123, &from, &from), 5000);
}

/* --- As text ------------------------------------------------------------------------------------------------------ */

static int dump_itself(void *argument)
{
    struct dumped *dumped = argument;

    edo_yield();
    CHECK_RC(edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = dumped_add, .argument = dumped)), 0);
    return 0;
}

static void test_it_is_told_as_text(void **state)
{
    struct dumped dumped = {NULL, 0, 0};

    (void)state;
    assert_int_equal(run_alone(dump_itself, &dumped), 0);
    CHECK_LINE(&dumped, "edo: runtime", "what its workers did last");
    CHECK_LINE(&dumped, "worker 0: ", "of a task so far");
    CHECK_LINE(&dumped, "  ran ", "ran ");
    assert_int_equal(atomic_load(&test_failures), 0);
    dumped_end(&dumped);
}

static int refuse(void *argument, const char *text, size_t size)
{
    (void)argument, (void)text, (void)size;
    return -EPIPE;
}

static int dump_badly(void *argument)
{
    int fds[2];
    char text[4096] = "";

    (void)argument;
    CHECK_RC(edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = refuse)), -EPIPE);
    CHECK_RC(edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .events = -1)), -EINVAL);
    CHECK_RC(edo_recorder_dump(-1, NULL), -EBADF);
    CHECK_RC(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_RC(edo_recorder_dump(fds[1], EDO_OPTIONS(edo_recorder_options, .events = 1)), 0);
    CHECK(read(fds[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "worker 0") != NULL);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void test_errors_are_told(void **state)
{
    struct dumped dumped = {NULL, 0, 0};

    (void)state;
    assert_int_equal(run_alone(dump_badly, NULL), 0);
    /* No runtime is no error. */
    assert_int_equal(edo_recorder_dump(-1, EDO_OPTIONS(edo_recorder_options, .write = dumped_add, .argument = &dumped)),
                     0);
    assert_int_equal(dumped.size, 0);
}

/* --- One task ----------------------------------------------------------------------------------------------------- */

struct history {
    uint64_t task;
    uint64_t by; /* who has spawned it */
    int events[5];
    int64_t last; /* ago */
    int64_t first;
    int told;
};

static void tell(void *argument, const edo_recorded *recorded)
{
    struct history *history = argument;

    CHECK(recorded->size == sizeof *recorded && recorded->event >= EDO_RECORDED_RUN &&
          recorded->event <= EDO_RECORDED_SPAWN);
    CHECK((recorded->event == EDO_RECORDED_SPAWN) == (recorded->by != 0));
    if (recorded->event == EDO_RECORDED_SPAWN) {
        CHECK_RC(history->told, 0);
        history->by = recorded->by;
    }
    CHECK(recorded->worker >= 0 && recorded->ago >= 0);
    CHECK(*edo_recorded_name(recorded->event));
    if (history->told++ == 0)
        history->first = recorded->ago;
    else
        CHECK(recorded->ago <= history->last);
    history->last = recorded->ago;
    history->events[recorded->event]++;
}

static int yield_ten_times(void *argument)
{
    struct history *history = argument;

    history->task = edo_task_id();
    for (int i = 0; i < 10; i++)
        edo_yield();
    return 0;
}

static void *ask_from_a_thread(void *argument)
{
    struct history *history = argument;

    CHECK_RC(edo_recorder_task(history->task, tell, history), 12);
    return NULL;
}

static int ask_for_the_past(void *argument)
{
    struct history history = {.task = 0};
    struct history other = {.task = 0};
    int64_t begin = edo_now();
    pthread_t thread;
    edo_task *handle;

    (void)argument;
    CHECK_RC(edo_spawn(EDO_DETACHED, yield_ten_times, &history, .handle = &handle), 0);
    for (int i = 0; i < 20; i++)
        edo_yield();
    CHECK_RC(edo_join(NULL, handle), 0);
    CHECK_RC(edo_recorder_task(history.task, tell, &history), 12); /* also when it has ended */
    CHECK(history.events[EDO_RECORDED_RUN] == 11);
    CHECK(history.events[EDO_RECORDED_SPAWN] == 1);
    CHECK(history.by == edo_task_id());
    CHECK(history.first <= edo_now() - begin + EDO_MS(1000));
    CHECK_RC(edo_recorder_task(history.task + 1000, tell, &history), 0);
    other.task = history.task;
    CHECK_RC(pthread_create(&thread, NULL, ask_from_a_thread, &other), 0);
    pthread_join(thread, NULL);
    return 0;
}

static void test_a_task_has_a_history(void **state)
{
    (void)state;
    assert_int_equal(run_alone(ask_for_the_past, NULL), 0);
    assert_string_equal(edo_recorded_name(EDO_RECORDED_HANDOFF), "hand-off");
    assert_string_equal(edo_recorded_name(EDO_RECORDED_SPAWN), "spawn");
    assert_string_equal(edo_recorded_name(0), "");
}

/* --- Stalls ------------------------------------------------------------------------------------------------------- */

static int raise_it(void *argument)
{
    atomic_store((_Atomic int *)argument, 1);
    return 0;
}

static int keep_the_worker(void *argument)
{
    struct history history = {.task = edo_task_id()};
    _Atomic int gone_on = 0;

    (void)argument;
    CHECK_RC(edo_spawn(EDO_DETACHED, raise_it, ARGUMENT(&gone_on)), 0);
    while (!atomic_load(&gone_on)) /* until it has lost it */
        ;
    do { /* the monitor first takes the worker, then notes the stall */
        history = (struct history){.task = edo_task_id()};
        edo_yield();
        CHECK(edo_recorder_task(history.task, tell, &history) >= 3);
    } while (history.events[EDO_RECORDED_STALL] == 0);
    CHECK(history.events[EDO_RECORDED_HANDOFF] >= 1);
    return 0;
}

static void test_a_stall_and_its_hand_off_are_in_it(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(keep_the_worker, NULL,
                 EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE, .stall_after = EDO_MS(1))),
        0);
}

/* --- Deaths ------------------------------------------------------------------------------------------------------- */

static char death_text[65536];

static int dies(void *argument)
{
    edo_yield();
    if (*(int *)argument == SIGSEGV)
        raise(SIGSEGV);
    if (*(int *)argument == SIGABRT)
        abort();
    raise(*(int *)argument);
    return 0;
}

static int die_in_a_task(void *argument)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        rc = edo_spawn(scope, dies, argument, .name = "\x1b[2J culprit");
    return rc;
}

/* Forks, and has a task of the child die of the signal; returns the child's status. What it said is in death_text. */
static int child_dies_of(int number, const char *environment, void (*before)(void))
{
    int fds[2];
    int status = 0;
    size_t size = 0;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        for (int i = SIGILL; i <= SIGSEGV; i++) /* cmocka and sanitizers have handlers of their own */
            signal(i, SIG_DFL);
        if (before)
            before();
        if (environment)
            setenv("EDO_CRASH_REPORT", environment, 1);
        else if (edo_recorder_on_crash(fds[1]) != 0)
            _exit(99);
        edo_run(die_in_a_task, &number, EDO_OPTIONS(edo_run_options, .workers = 2));
        _exit(98);
    }
    close(fds[1]);
    while (size < sizeof death_text - 1 && (n = read(fds[0], death_text + size, sizeof death_text - 1 - size)) > 0)
        size += (size_t)n;
    death_text[size] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check_report(const char *signal_name)
{
    char first[64];

    snprintf(first, sizeof first, "edo: %s in task ", signal_name);
    if (strncmp(death_text, first, strlen(first)) != 0 || !strstr(death_text, "\"\\x1b[2J culprit\", spawned at ") ||
        !strstr(death_text, "test_recorder.c:") || !strstr(death_text, "worker 1: ") || !strstr(death_text, "ran "))
        fail_msg("no report of %s:\n%s", signal_name, death_text);
    if (strstr(death_text + 1, first))
        fail_msg("two reports:\n%s", death_text);
}

static void test_a_death_is_reported_and_stays_one(void **state)
{
    static const struct {
        int number;
        const char *name;
    } deaths[] = {
        {SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGBUS, "SIGBUS"}};

    (void)state;
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        int status = child_dies_of(deaths[i].number, NULL, NULL);

        check_report(deaths[i].name);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), deaths[i].number);
    }
}

static void exit_with_7(int number)
{
    (void)number;
    _exit(7);
}

static void catch_abort(void)
{
    signal(SIGABRT, exit_with_7);
}

static void test_the_handler_before_is_called(void **state)
{
    int status;

    (void)state;
    status = child_dies_of(SIGABRT, NULL, catch_abort);
    check_report("SIGABRT");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_the_environment_asks_for_it(void **state)
{
    char name[] = "/tmp/edo-crash-XXXXXX";
    int fd = mkstemp(name);
    ssize_t size;

    (void)state;
    assert_true(fd >= 0);
    child_dies_of(SIGABRT, name, NULL);
    assert_string_equal(death_text, ""); /* not into the pipe */
    size = read(fd, death_text, sizeof death_text - 1);
    assert_true(size > 0);
    death_text[size] = 0;
    check_report("SIGABRT");
    close(fd);
    unlink(name);
}

/* --- After fork --------------------------------------------------------------------------------------------------- */

static int ask_in_a_child(void *argument)
{
    int status = 0;
    pid_t child = fork();

    (void)argument;
    if (child == 0)
        _exit(edo_recorder_dump(-1, NULL) == -EPERM && edo_recorder_task(1, tell, NULL) == -EPERM &&
                      edo_recorder_on_crash(2) == -EPERM && edo_trace_start(2, NULL) == -EPERM &&
                      edo_trace_stop() == -EPERM
                  ? 0
                  : 1);
    CHECK_RC(waitpid(child, &status, 0), child);
    CHECK_RC(status, 0);
    return 0;
}

static void test_f4_after_fork_it_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run_alone(ask_in_a_child, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_death_is_reported_and_stays_one),
        cmocka_unit_test(test_the_handler_before_is_called),
        cmocka_unit_test(test_the_environment_asks_for_it),
        cmocka_unit_test(test_turns_are_kept_in_their_order),
        cmocka_unit_test(test_spawns_are_kept_with_the_turn_they_were_in),
        cmocka_unit_test(test_sleeps_and_looks_are_kept_with_rising_times),
        cmocka_unit_test(test_the_oldest_entry_is_not_trusted),
        cmocka_unit_test(test_ticks_become_times),
        cmocka_unit_test(test_it_is_told_as_text),
        cmocka_unit_test(test_errors_are_told),
        cmocka_unit_test(test_a_task_has_a_history),
        cmocka_unit_test(test_a_stall_and_its_hand_off_are_in_it),
        cmocka_unit_test(test_f4_after_fork_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
