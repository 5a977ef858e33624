/* SPDX-License-Identifier: MIT */
/* Task dumps: what each task waits for, the tree, cancellation, JSON. */
#include "observe/parked.h"

#include <sys/mman.h>

/* --- Each wait once ----------------------------------------------------------------------------------------------- */

struct waits {
    edo_listener *listener;
    edo_stream *stream; /* one end of a pair that is connected; nothing comes */
    edo_stream *peer;
    edo_stream *duplex;
    edo_stream *other;
    edo_datagram *datagram;
    edo_channel *full;
    edo_channel *empty;
    edo_broadcast *broadcast;
    edo_watch *watch;
    edo_mutex mutex;
    edo_rwlock rwlock;
    edo_semaphore semaphore;
    edo_notify notify;
    edo_barrier barrier;
    edo_once once;
    edo_wait_group group;
    edo_task *handle;
    uint32_t word;
    struct gate gate; /* holds up the job */
    _Atomic int jobs;
    char line[200];
};

static int wait_word(void *argument)
{
    struct waits *waits = argument;

    return edo_wait_word(&waits->word, 0, EDO_FOREVER);
}

static int wait_word_until(void *argument)
{
    struct waits *waits = argument;

    return edo_wait_word(&waits->word, 0, edo_now() + EDO_SEC(1000));
}

static int wait_read(void *argument)
{
    struct waits *waits = argument;
    char byte;

    return (int)edo_read(waits->stream, &byte, 1);
}

static int wait_duplex(void *argument)
{
    struct waits *waits = argument;
    char byte;

    return (int)edo_read(waits->duplex, &byte, 1);
}

static int wait_accept(void *argument)
{
    struct waits *waits = argument;
    edo_stream *stream;

    return edo_accept(&stream, waits->listener);
}

static int wait_datagram(void *argument)
{
    struct waits *waits = argument;
    char byte;

    return (int)edo_datagram_recv(waits->datagram, &byte, 1);
}

static int wait_join(void *argument)
{
    struct waits *waits = argument;
    int rc = edo_join(NULL, waits->handle);

    if (rc < 0)
        edo_detach(waits->handle);
    return rc;
}

static int wait_sleep(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(500));
}

static int wait_send(void *argument)
{
    struct waits *waits = argument;
    int value = 1;

    return edo_send(waits->full, &value);
}

static int wait_recv(void *argument)
{
    struct waits *waits = argument;
    int value;

    return edo_recv(&value, waits->empty);
}

static int wait_hear(void *argument)
{
    struct waits *waits = argument;
    edo_subscription subscription;
    int value;

    edo_subscribe(&subscription, waits->broadcast);
    return (int)edo_hear(&value, &subscription);
}

static int wait_changed(void *argument)
{
    struct waits *waits = argument;
    uint64_t version = 0;
    int value;

    edo_watch_get(&value, &version, waits->watch);
    return edo_watch_changed(&value, &version, waits->watch);
}

static int wait_select(void *argument)
{
    struct waits *waits = argument;
    int value;
    edo_arm arms[] = {EDO_RECV(waits->empty, &value), EDO_AFTER(EDO_SEC(700))};

    return edo_select(arms, EDO_COUNT(arms));
}

static int wait_mutex(void *argument)
{
    struct waits *waits = argument;

    return edo_mutex_lock(&waits->mutex);
}

static int wait_rwlock(void *argument)
{
    struct waits *waits = argument;

    return edo_rwlock_read_lock(&waits->rwlock);
}

static int wait_semaphore(void *argument)
{
    struct waits *waits = argument;

    return edo_semaphore_acquire(&waits->semaphore, 1);
}

static int wait_notify(void *argument)
{
    struct waits *waits = argument;

    return edo_notify_wait(&waits->notify);
}

static int wait_barrier(void *argument)
{
    struct waits *waits = argument;

    return edo_barrier_wait(&waits->barrier);
}

static int initialise_for_ever(void *argument)
{
    return wait_word(argument);
}

static int wait_initialise(void *argument)
{
    struct waits *waits = argument;

    return edo_once_call(&waits->once, initialise_for_ever, waits);
}

static int wait_once(void *argument)
{
    return wait_initialise(argument);
}

static int wait_group(void *argument)
{
    struct waits *waits = argument;

    return edo_wait_group_wait(&waits->group);
}

static int a_job(void *argument)
{
    struct waits *waits = argument;

    atomic_fetch_add(&waits->jobs, 1);
    return gate_wait(&waits->gate);
}

static int wait_job(void *argument)
{
    return edo_blocking(a_job, argument);
}

static int wait_dormant(void *argument)
{
    (void)argument;
    return edo_resumption();
}

/* Has said how it goes on, but waits for something else before its function returns. */
static int wait_before_continuing(void *argument)
{
    struct waits *waits = argument;
    int rc = edo_continue(EDO_WHEN_AT(edo_now() + EDO_SEC(300)), wait_dormant, waits);

    edo_sleep(EDO_SEC(100));
    return rc;
}

static int wait_in_scope(void *argument)
{
    int rc = 0;

    EDO_SCOPE (inner, &rc, .name = "inner", .deadline = edo_now() + EDO_SEC(90))
        rc = edo_spawn(inner, wait_word, argument, .name = "inmost");
    return rc;
}

static void waits_begin(struct waits *waits)
{
    int value = 0;
    int ends[2];

    CHECK_RC(edo_tcp_listen(&waits->listener, "127.0.0.1:0", NULL), 0);
    CHECK_RC(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_RC(edo_stream_from_fd(&waits->stream, ends[0]), 0);
    CHECK_RC(edo_stream_from_fd(&waits->peer, ends[1]), 0);
    CHECK_RC(edo_duplex(&waits->duplex, &waits->other, 100), 0);
    CHECK_RC(edo_udp_bind(&waits->datagram, "127.0.0.1:0", NULL), 0);
    CHECK_RC(edo_channel_create(&waits->full, sizeof value, 0), 0);
    CHECK_RC(edo_channel_create(&waits->empty, sizeof value, 1), 0);
    CHECK_RC(edo_broadcast_create(&waits->broadcast, sizeof value, 1), 0);
    CHECK_RC(edo_watch_create(&waits->watch, &value), 0);
    edo_mutex_init(&waits->mutex);
    edo_rwlock_init(&waits->rwlock);
    edo_semaphore_init(&waits->semaphore, 0);
    edo_notify_init(&waits->notify);
    edo_barrier_init(&waits->barrier, 2);
    edo_once_init(&waits->once);
    edo_wait_group_init(&waits->group);
    edo_wait_group_add(&waits->group, 1);
    CHECK_RC(edo_mutex_lock(&waits->mutex), 0);
    CHECK_RC(edo_rwlock_write_lock(&waits->rwlock), 0);
}

static void waits_end(struct waits *waits)
{
    edo_mutex_unlock(&waits->mutex);
    edo_rwlock_write_unlock(&waits->rwlock);
    edo_wait_group_done(&waits->group);
    edo_listener_close(waits->listener);
    edo_close(waits->stream);
    edo_close(waits->peer);
    edo_close(waits->duplex);
    edo_close(waits->other);
    edo_datagram_close(waits->datagram);
    edo_channel_destroy(waits->full);
    edo_channel_destroy(waits->empty);
    edo_broadcast_destroy(waits->broadcast);
    edo_watch_destroy(waits->watch);
}

static void check_waits(struct waits *waits)
{
    char want[200];
    struct dumped text;

    dumped_begin(&text, EDO_DUMP_TEXT, false);
    CHECK_LINE(&text, "edo: runtime", "1 worker, 30 tasks: 1 run, 1 ready, 28 wait");
    CHECK_LINE(&text, "task 1 \"root\"", "runs on worker 0");
    CHECK_LINE(&text, "scope \"all\"", "test_dump.c:");
    CHECK_LINE(&text, "\"each_wait\" (", "test_dump.c:"); /* without a name: where it was spawned */
    snprintf(want, sizeof want, "waits on the word at %p, age ", (void *)&waits->word);
    CHECK_LINE(&text, "\"each_wait\"", want);
    snprintf(want, sizeof want, "waits on the word at %p, until in 9", (void *)&waits->word);
    CHECK_LINE(&text, "\"word until\"", want);
    CHECK_LINE(&text, "\"read\"", "waits for descriptor ");
    CHECK_LINE(&text, "\"duplex\"", "waits to read a stream in memory, age ");
    CHECK_LINE(&text, "\"accept\"", "waits for a connection at 127.0.0.1:");
    CHECK_LINE(&text, "\"datagram\"", "waits to receive datagrams at 127.0.0.1:");
    CHECK_LINE(&text, "\"join\"", "waits for the end of task 2 \"word\"");
    CHECK_LINE(&text, "\"sleep\"", "waits for its time, until in 499.");
    snprintf(want, sizeof want, "waits to send into the channel %p, age ", (void *)waits->full);
    CHECK_LINE(&text, "\"send\"", want);
    snprintf(want, sizeof want, "waits to receive from the channel %p, age ", (void *)waits->empty);
    CHECK_LINE(&text, "\"recv\"", want);
    CHECK_LINE(&text, "\"hear\"", "waits to hear the broadcast 0x");
    CHECK_LINE(&text, "\"changed\"", "waits for a change of the watch 0x");
    CHECK_LINE(&text, "\"select\"", "waits to receive from the channel 0x");
    CHECK_LINE(&text, "\"select\"", ", until in 699.");
    snprintf(want, sizeof want, "waits for the mutex at %p, held by task 1 \"root\", age ", (void *)&waits->mutex);
    CHECK_LINE(&text, "\"mutex\"", want);
    CHECK_LINE(&text, "\"rwlock\"", ", held by task 1 \"root\"");
    CHECK_LINE(&text, "\"rwlock\"", "waits for the rwlock at 0x");
    CHECK_LINE(&text, "\"semaphore\"", "waits for the semaphore at 0x");
    CHECK_LINE(&text, "\"notify\"", "waits for the notify at 0x");
    CHECK_LINE(&text, "\"barrier\"", "waits at the barrier at 0x");
    CHECK_LINE(&text, "\"initialise\"", "waits on the word at 0x");
    CHECK_LINE(&text, "\"once\"", "waits for the once at 0x");
    CHECK_LINE(&text, "\"once\"", " \"initialise\", age ");
    CHECK_LINE(&text, "\"group\"", "waits for the wait group at 0x");
    CHECK_LINE(&text, "\"job\"", "waits for its blocking job a_job+0x0, age ");
    CHECK_LINE(&text, "\"dormant\"", "dormant, waits for descriptor ");
    CHECK_LINE(&text, "\"dormant\"", ", until in 59.");
    CHECK_LINE(&text, "\"dormant time\"", "dormant, waits for its time, until in 199.");
    CHECK_LINE(&text, "\"continues\"", ") waits for its time, until in 99.");
    CHECK_LINE(&text, "\"around\"", "waits for the tasks of its scope inner, deadline in 89.");
    CHECK_LINE(&text, "      scope \"inner\" (", ", deadline in 89.");
    CHECK_LINE(&text, "        task ", "\"inmost\"");
    CHECK_LINE(&text, "\"new\"", "is ready, and has not run yet, age ");
    dumped_end(&text);
}

static int each_wait(void *argument)
{
    struct waits *waits = argument;
    int rc = 0;

    waits_begin(waits);
    EDO_SCOPE (all, &rc, .name = "all", .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(all, wait_word, waits, .handle = &waits->handle, .name = "word"), 0);
        CHECK_RC(edo_spawn(all, wait_word, waits), 0);
        CHECK_RC(edo_spawn(all, wait_word_until, waits, .name = "word until"), 0);
        CHECK_RC(edo_spawn(all, wait_read, waits, .name = "read"), 0);
        CHECK_RC(edo_spawn(all, wait_duplex, waits, .name = "duplex"), 0);
        CHECK_RC(edo_spawn(all, wait_accept, waits, .name = "accept"), 0);
        CHECK_RC(edo_spawn(all, wait_datagram, waits, .name = "datagram"), 0);
        CHECK_RC(edo_spawn(all, wait_join, waits, .name = "join"), 0);
        CHECK_RC(edo_spawn(all, wait_sleep, waits, .name = "sleep"), 0);
        CHECK_RC(edo_spawn(all, wait_send, waits, .name = "send"), 0);
        CHECK_RC(edo_spawn(all, wait_recv, waits, .name = "recv"), 0);
        CHECK_RC(edo_spawn(all, wait_hear, waits, .name = "hear"), 0);
        CHECK_RC(edo_spawn(all, wait_changed, waits, .name = "changed"), 0);
        CHECK_RC(edo_spawn(all, wait_select, waits, .name = "select"), 0);
        CHECK_RC(edo_spawn(all, wait_mutex, waits, .name = "mutex"), 0);
        CHECK_RC(edo_spawn(all, wait_rwlock, waits, .name = "rwlock"), 0);
        CHECK_RC(edo_spawn(all, wait_semaphore, waits, .name = "semaphore"), 0);
        CHECK_RC(edo_spawn(all, wait_notify, waits, .name = "notify"), 0);
        CHECK_RC(edo_spawn(all, wait_barrier, waits, .name = "barrier"), 0);
        CHECK_RC(edo_spawn(all, wait_initialise, waits, .name = "initialise"), 0);
        CHECK_RC(edo_spawn(all, wait_once, waits, .name = "once"), 0);
        CHECK_RC(edo_spawn(all, wait_group, waits, .name = "group"), 0);
        CHECK_RC(edo_spawn(all, wait_job, waits, .name = "job"), 0);
        CHECK_RC(edo_spawn(all, wait_dormant, waits, .name = "dormant",
                           .when = EDO_WHEN_READABLE(waits->peer, .deadline = edo_now() + EDO_SEC(60))),
                 0);
        CHECK_RC(
            edo_spawn(all, wait_dormant, waits, .name = "dormant time", .when = EDO_WHEN_AT(edo_now() + EDO_SEC(200))),
            0);
        CHECK_RC(edo_spawn(all, wait_before_continuing, waits, .name = "continues"), 0);
        CHECK_RC(edo_spawn(all, wait_in_scope, waits, .name = "around"), 0);
        until(&waits->jobs, 1);
        until_others_wait();
        CHECK_RC(edo_spawn(all, wait_word, waits, .name = "new"), 0);
        check_waits(waits);
        gate_open(&waits->gate);
        rc = -ECANCELED; /* all in it are cancelled */
    }
    waits_end(waits);
    return 0;
}

static void test_each_wait_is_told_with_its_object(void **state)
{
    struct waits *waits = calloc(1, sizeof *waits);

    (void)state;
    assert_int_equal(run_alone(each_wait, waits), 0);
    free(waits);
}

/* --- The tree, and cancellation ----------------------------------------------------------------------------------- */

static int stay_though_cancelled(void *argument)
{
    struct gate *gate = argument;
    int rc = 0;

    while (!__atomic_load_n(&gate->open, __ATOMIC_SEQ_CST))
        EDO_SHIELD (EDO_SEC(100)) {
            rc = edo_wait_word(&gate->open, 0, EDO_FOREVER);
        }
    return rc == -EAGAIN ? 0 : rc;
}

static int show_cancelled(void *argument)
{
    struct gate gate = {0};
    struct dumped text;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (doomed, &rc, .name = "doomed", .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(doomed, stay_though_cancelled, &gate, .name = "shielded"), 0);
        edo_yield();
        edo_scope_cancel(doomed);
        CHECK_RC(edo_spawn(doomed, wait_word, &gate, .name = "late"), 0);
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "scope \"doomed\"", ", cancelled: cancelled by the program (");
        CHECK_LINE(&text, "scope \"doomed\"", ", supervises");
        CHECK_LINE(&text, "\"late\"", ", cancelled: cancelled by the program (");
        CHECK_LINE(&text, "\"root\"", ", cancelled: ");
        CHECK(strstr(text.text, "      shield (") != NULL);
        CHECK(!strstr(strstr(text.text, "\"shielded\""), "word at") ||
              !memmem(strstr(text.text, "\"shielded\""), strcspn(strstr(text.text, "\"shielded\""), "\n"), "cancelled",
                      9));
        dumped_end(&text);
        gate_open(&gate);
    }
    return 0;
}

static void test_what_is_cancelled_says_why_and_where(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_cancelled, NULL), 0);
}

/* --- JSON, texts -------------------------------------------------------------------------------------------------- */

/* Whether python3 takes it; true where there is none. */
static bool json_is_good(const struct dumped *text)
{
    FILE *python = popen("command -v python3 >/dev/null || exec cat >/dev/null; exec python3 -c '"
                         "import json, sys; d = json.load(sys.stdin)\n"
                         "for r in d[\"runtimes\"]:\n"
                         "  s = {x[\"id\"] for x in r[\"scopes\"]}; t = {x[\"id\"] for x in r[\"tasks\"]}\n"
                         "  assert all(x[\"owner\"] in t for x in r[\"scopes\"])\n"
                         "  assert all(x.get(\"scope\") in s | {None} for x in r[\"tasks\"])\n"
                         "'",
                         "w");

    fwrite(text->text, 1, text->size, python);
    return pclose(python) == 0;
}

static int wait_in_scope_called(void *argument)
{
    int rc = 0;

    EDO_SCOPE (inner, &rc, .name = argument)
        rc = edo_spawn(inner, wait_sleep, NULL);
    return 0;
}

static int show_json(void *argument)
{
    static const char strange[] = "\"\\\n\x01\x7f\xff\xc3\xa9\xe2\x82 \xed\xa0\x80";
    struct waits *waits = argument;
    struct dumped text;
    int rc = 0;

    waits_begin(waits);
    EDO_SCOPE (all, &rc, .name = strange, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(all, wait_word, waits, .handle = &waits->handle, .name = strange), 0);
        CHECK_RC(edo_spawn(all, wait_accept, waits), 0);
        CHECK_RC(edo_spawn(all, wait_join, waits), 0);
        CHECK_RC(edo_spawn(all, wait_select, waits), 0);
        CHECK_RC(edo_spawn(all, wait_mutex, waits, .pinned = true), 0);
        CHECK_RC(edo_spawn(all, wait_sleep, waits), 0);
        CHECK_RC(edo_spawn(all, wait_in_scope, waits), 0);
        until_others_wait();
        dumped_begin(&text, EDO_DUMP_JSON, true);
        if (!CHECK(json_is_good(&text)))
            fprintf(stderr, "%s\n", text.text);
        CHECK(strstr(text.text, "\"waits\":[{\"for\":\"join\",\"task\":") != NULL);
        CHECK(strstr(text.text, "\"for\":\"mutex\",\"address\":\"0x") != NULL);
        CHECK(strstr(text.text, "\"holder\":") != NULL);

        CHECK(strstr(text.text, "\\\"\\\\\\u000a\\u0001\\u007f\\u00ff\xc3\xa9") != NULL);
        dumped_end(&text);
        rc = -ECANCELED;
    }
    waits_end(waits);
    return 0;
}

static int show_commands(void *argument)
{
    static char commands[] = "\x1b[2J\"\n\xc2\x9b"
                             "1m\xff\xc3\xa9";
    struct dumped text;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc, .name = commands, .policy = EDO_SUPERVISE) {
        CHECK_RC(edo_spawn(all, wait_in_scope_called, commands, .name = commands), 0);
        for (int i = 0; i < 20; i++)
            edo_yield();
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, " scope \"\\x1b[2J\\\"\\x0a\\xc2\\x9b1m\\xff\xc3\xa9\" (", "");
        CHECK_LINE(&text, "waits for the tasks of its scope \\x1b[2J\\\"\\x0a\\xc2\\x9b1m\\xff\xc3\xa9, age",
                   " \"\\x1b[2J\\\"\\x0a\\xc2\\x9b1m\\xff\xc3\xa9\" (");
        CHECK(!strchr(text.text, '\x1b') && !strstr(text.text, "\xc2\x9b"));
        dumped_end(&text);
        rc = -ECANCELED;
    }
    return 0;
}

/* C1 controls are commands as well, also as UTF-8. */
static void test_text_has_no_commands_for_terminals_whatever_tasks_are_called(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_commands, NULL), 0);
}

static void test_json_is_json_whatever_tasks_are_called(void **state)
{
    struct waits *waits = calloc(1, sizeof *waits);

    (void)state;
    assert_int_equal(run_alone(show_json, waits), 0);
    free(waits);
}

static int show_gone_name(void *argument)
{
    char *page = argument;
    struct dumped text;
    int rc = 0;

    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, wait_sleep, NULL, .name = page), 0);
        CHECK_RC(edo_spawn(all, wait_sleep, NULL, .name = page + 4096 - 3), 0);
        mprotect(page + 4096, 4096, PROT_NONE); /* not unmapped: something else might be put there */
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK(strstr(text.text, " \"name\" (") && strstr(text.text, " \"end\" ("));
        dumped_end(&text);
        mprotect(page, 4096, PROT_NONE);
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, " \"\" (", "is ready");
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_memory_that_is_gone_is_not_read(void **state)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(page != MAP_FAILED);
    memcpy(page, "name", 5);
    memcpy(page + 4096 - 3, "end", 3); /* its terminator is behind the page */
    assert_int_equal(run_alone(show_gone_name, page), 0);
    munmap(page, 8192);
}

/* --- Who has ended ------------------------------------------------------------------------------------------------ */

static int do_nothing(void *argument)
{
    (void)argument;
    return 0;
}

static int show_who_has_ended(void *argument)
{
    edo_task *handle;
    struct dumped text;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc) {
        for (int i = 0; i < 100; i++)
            CHECK_RC(edo_spawn(all, do_nothing, NULL, .name = "short"), 0);
        CHECK_RC(edo_spawn(all, do_nothing, NULL, .handle = &handle, .name = "short"), 0);
    }
    dumped_begin(&text, EDO_DUMP_TEXT, false);
    CHECK_LINE(&text, "edo: runtime", " 1 task: 1 run, 0 ready, 0 wait\n");
    CHECK(!strstr(text.text, "\"short\""));
    dumped_end(&text);
    edo_detach(handle);
    return 0;
}

static void test_who_has_ended_is_not_told(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_who_has_ended, NULL), 0);
}

/* --- Errors, and from where --------------------------------------------------------------------------------------- */

static int fail_to_write(void *argument, const char *text, size_t size)
{
    int *calls = argument;

    (void)text, (void)size;
    ++*calls;
    return -EIO;
}

static void *dump_from_thread(void *argument)
{
    dumped_begin(argument, EDO_DUMP_TEXT, false);
    return NULL;
}

static int be_dumped(void *argument)
{
    pthread_t thread;

    pthread_create(&thread, NULL, dump_from_thread, argument);
    pthread_join(thread, NULL);
    return 0;
}

static void test_a_thread_dumps_all_runtimes(void **state)
{
    struct dumped text;

    (void)state;
    assert_int_equal(run(be_dumped, &text), 0);
    assert_true(dumped_has(&text, "edo: runtime", " 1 task: 1 run,"));
    assert_true(dumped_has(&text, "task ", "\"root\""));
    dumped_end(&text);
    dumped_begin(&text, EDO_DUMP_TEXT, false);
    assert_string_equal(text.text, "edo: no runtime\n");
    dumped_end(&text);
    dumped_begin(&text, EDO_DUMP_JSON, false);
    assert_string_equal(text.text, "{\"runtimes\":[]}\n");
    dumped_end(&text);
}

/* One inside the other; the innermost is dumped from. */
static struct dumped many;
static int deeper;

static int nests(void *argument)
{
    if (deeper-- == 0)
        return be_dumped(&many);
    return edo_run(nests, argument, EDO_OPTIONS(edo_run_options, .workers = 1));
}

static void test_of_many_runtimes_none_is_left_out(void **state)
{
    enum { MANY = 40 };
    int count = 0;

    (void)state;
    deeper = MANY - 1;
    assert_int_equal(run(nests, NULL), 0);
    for (const char *at = many.text; (at = strstr(at, "edo: runtime ")); at++)
        count++;
    assert_int_equal(count, MANY);
    dumped_end(&many);
}

static void test_errors_end_a_dump(void **state)
{
    int calls = 0;

    (void)state;
    assert_int_equal(edo_dump(-1, NULL), -EBADF);
    assert_int_equal(edo_dump(1, EDO_OPTIONS(edo_dump_options, .format = 7)), -EINVAL);
    assert_int_equal(edo_dump(1, EDO_OPTIONS(edo_dump_options, .write = fail_to_write, .argument = &calls)), -EIO);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_wait_is_told_with_its_object),
        cmocka_unit_test(test_what_is_cancelled_says_why_and_where),
        cmocka_unit_test(test_json_is_json_whatever_tasks_are_called),
        cmocka_unit_test(test_text_has_no_commands_for_terminals_whatever_tasks_are_called),
        cmocka_unit_test(test_memory_that_is_gone_is_not_read),
        cmocka_unit_test(test_who_has_ended_is_not_told),
        cmocka_unit_test(test_a_thread_dumps_all_runtimes),
        cmocka_unit_test(test_of_many_runtimes_none_is_left_out),
        cmocka_unit_test(test_errors_end_a_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
