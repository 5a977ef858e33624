/* SPDX-License-Identifier: MIT */
/*
 * What gdb is shown by check.sh: a program in which tasks wait in every way, until the root task calls stop_here(),
 * where gdb has a breakpoint; or, with ABORT in the environment, the program aborts. A user's program: public headers
 * only. Usage: program waits | two | crowd <tasks>
 */
#include <edo/edo.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        int must_ = (int)(call);                                                                                       \
        if (must_ < 0) {                                                                                               \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, edo_strerror(must_));                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* gdb stops here; `what` is for `print`. */
__attribute__((noinline)) void stop_here(int what);
__attribute__((noinline)) void stop_here(int what)
{
    __asm__ volatile("" : : "r"(what) : "memory");
    if (getenv("ABORT"))
        abort();
}

static edo_listener *listener;
static edo_stream *near_end, *far_end, *duplex, *other_duplex;
static edo_channel *full, *empty;
static edo_broadcast *broadcast;
static edo_watch *watch;
static edo_mutex mutex = EDO_MUTEX_INIT, first = EDO_MUTEX_INIT, second = EDO_MUTEX_INIT, of_thread = EDO_MUTEX_INIT;
static edo_rwlock rwlock = EDO_RWLOCK_INIT;
static edo_semaphore semaphore;
static edo_notify notify;
static edo_barrier barrier;
static edo_once once;
static edo_wait_group group;
static edo_task *joined;
static uint32_t word;

/* For `print`. */
static struct {
    edo_str text, hostile_text, no_text;
    edo_addr ip4, ip6, path, name, no_address;
    edo_mutex mutex;
    edo_channel *channel;
} values;
static uint32_t job_word, job_runs;

static int wait_word(void *argument)
{
    (void)argument;
    return edo_wait_word(&word, 0, EDO_FOREVER);
}

static int wait_word_until(void *argument)
{
    (void)argument;
    return edo_wait_word(&word, 0, edo_now() + EDO_SEC(1000));
}

static int wait_read(void *argument)
{
    char byte;

    return (int)edo_read((edo_stream *)argument, &byte, 1);
}

static int wait_accept(void *argument)
{
    edo_stream *stream;

    (void)argument;
    return edo_accept(&stream, listener);
}

static int wait_join(void *argument)
{
    int rc = edo_join(NULL, joined);

    (void)argument;
    return rc;
}

static int wait_sleep(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(500));
}

static int wait_send(void *argument)
{
    int value = 1;

    (void)argument;
    return edo_send(full, &value);
}

static int wait_recv(void *argument)
{
    int value;

    (void)argument;
    return edo_recv(&value, empty);
}

static int wait_hear(void *argument)
{
    edo_subscription subscription;
    int value;

    (void)argument;
    edo_subscribe(&subscription, broadcast);
    return (int)edo_hear(&value, &subscription);
}

static int wait_changed(void *argument)
{
    uint64_t version = 0;
    int value;

    (void)argument;
    edo_watch_get(&value, &version, watch);
    return edo_watch_changed(&value, &version, watch);
}

static int wait_select(void *argument)
{
    int value;
    edo_arm arms[] = {EDO_RECV(empty, &value), EDO_AFTER(EDO_SEC(700))};

    (void)argument;
    return edo_select(arms, EDO_COUNT(arms));
}

static int wait_mutex(void *argument)
{
    return edo_mutex_lock((edo_mutex *)argument);
}

static int wait_rwlock(void *argument)
{
    (void)argument;
    return edo_rwlock_read_lock(&rwlock);
}

static int wait_semaphore(void *argument)
{
    (void)argument;
    return edo_semaphore_acquire(&semaphore, 1);
}

static int wait_notify(void *argument)
{
    (void)argument;
    return edo_notify_wait(&notify);
}

static int wait_barrier(void *argument)
{
    (void)argument;
    return edo_barrier_wait(&barrier);
}

static int wait_once(void *argument)
{
    (void)argument;
    return edo_once_call(&once, wait_word, NULL);
}

static int wait_group(void *argument)
{
    (void)argument;
    return edo_wait_group_wait(&group);
}

static int a_job(void *argument)
{
    (void)argument;
    __atomic_store_n(&job_runs, 1, __ATOMIC_SEQ_CST);
    return edo_wait_word(&job_word, 0, EDO_FOREVER);
}

static int yield(void *argument)
{
    int rc = 0;

    (void)argument;
    while (rc == 0)
        rc = edo_yield();
    return rc;
}

static int wait_job(void *argument)
{
    return edo_blocking(a_job, argument);
}

static int go_on(void *argument)
{
    (void)argument;
    return edo_resumption();
}

/* Goes dormant itself, without a deadline. */
static int become_dormant(void *argument)
{
    return edo_continue(EDO_WHEN_READABLE(argument), go_on, NULL);
}

/* Has said how it will go on, but waits for something else before it returns. */
static int wait_before_continuing(void *argument)
{
    int rc = edo_continue(EDO_WHEN_AT(edo_now() + EDO_SEC(300)), go_on, argument);

    edo_wait_word(&word, 0, EDO_FOREVER);
    return rc;
}

static int wait_in_scope(void *argument)
{
    int rc = 0;

    EDO_SCOPE (inner, &rc, .name = "inner", .deadline = edo_now() + EDO_SEC(90))
        rc = edo_spawn(inner, wait_word, argument, .name = "inmost");
    return rc;
}

/* Its job lies on the heap, where nothing is found by. */
static int wait_abandonable(void *argument)
{
    int rc = edo_blocking(a_job, argument, .abandonable = true);

    return rc < 0 ? rc : 0;
}

/* Far up its stack, with something to be printed in each frame. */
__attribute__((noinline)) static int descend(int depth, int *sum)
{
    int here = depth * 3;
    int rc;

    *sum += here;
    rc = depth == 0 ? edo_semaphore_acquire(&semaphore, 1) : descend(depth - 1, sum);
    *sum -= here;
    return rc;
}

static int wait_deep(void *argument)
{
    int sum = 0;

    return descend(*(int *)argument, &sum) + sum;
}

/* Two of these make a ring. */
static int lock_both(void *argument)
{
    edo_mutex **locks = (edo_mutex **)argument;

    MUST(edo_mutex_lock(locks[0]));
    edo_yield();
    return edo_mutex_lock(locks[1]);
}

static int stay_though_cancelled(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SHIELD (EDO_SEC(100)) {
        rc = edo_wait_word(&word, 0, EDO_FOREVER);
    }
    return rc;
}

static int wait_cancelled(void *argument)
{
    int rc = 0;

    (void)argument;
    EDO_SCOPE (doomed, &rc, .name = "doomed", .policy = EDO_SUPERVISE) {
        MUST(edo_spawn(doomed, stay_though_cancelled, NULL, .name = "shielded"));
        edo_yield();
        edo_scope_cancel(doomed);
    }
    return rc;
}

static void *thread_main(void *argument)
{
    MUST(edo_mutex_lock(&of_thread));
    __atomic_store_n((uint32_t *)argument, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
}

static void have_values(void)
{
    int value = 1;

    values.text = EDO_STR("GET /");
    values.hostile_text = EDO_STR("\"\033[2J\xff\"");
    MUST(edo_addr_parse(&values.ip4, "127.0.0.1:80"));
    MUST(edo_addr_parse(&values.ip6, "[fe80::1%2]:443"));
    MUST(edo_addr_parse(&values.path, "unix:\\x40run/\\x5cit.sock"));
    MUST(edo_addr_parse(&values.name, "@it"));
    MUST(edo_channel_create(&values.channel, sizeof value, EDO_UNBOUNDED));
    MUST(edo_send(values.channel, &value));
    edo_channel_close(values.channel);
    __asm__ volatile("" : : "r"(&values) : "memory");
}

static int waits(void *argument)
{
    static edo_mutex *there[] = {&first, &second}, *back[] = {&second, &first};
    static int depth = 50;
    static uint32_t locked;
    int value = 0, ends[2], rc = 0;
    pthread_t thread;

    (void)argument;
    have_values();
    MUST(edo_tcp_listen(&listener, "127.0.0.1:0", NULL));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    MUST(edo_stream_from_fd(&near_end, ends[0]));
    MUST(edo_stream_from_fd(&far_end, ends[1]));
    MUST(edo_duplex(&duplex, &other_duplex, 100));
    MUST(edo_channel_create(&full, sizeof value, 0));
    MUST(edo_channel_create(&empty, sizeof value, 1));
    MUST(edo_broadcast_create(&broadcast, sizeof value, 1));
    MUST(edo_watch_create(&watch, &value));
    edo_semaphore_init(&semaphore, 0);
    edo_notify_init(&notify);
    edo_barrier_init(&barrier, 2);
    edo_wait_group_init(&group);
    edo_wait_group_add(&group, 1);
    MUST(edo_mutex_lock(&mutex));
    MUST(edo_rwlock_write_lock(&rwlock));
    MUST(-pthread_create(&thread, NULL, thread_main, &locked));
    while (!__atomic_load_n(&locked, __ATOMIC_SEQ_CST))
        edo_yield();
    EDO_SCOPE (all, &rc, .name = "all", .policy = EDO_SUPERVISE) {
        MUST(edo_spawn(all, wait_word, NULL, .handle = &joined, .name = "word"));
        MUST(edo_spawn(all, wait_word, NULL));
        MUST(edo_spawn(all, wait_word_until, NULL, .name = "word until"));
        MUST(edo_spawn(all, wait_read, near_end, .name = "read"));
        MUST(edo_spawn(all, wait_read, duplex, .name = "duplex"));
        MUST(edo_spawn(all, wait_accept, NULL, .name = "accept"));
        MUST(edo_spawn(all, wait_join, NULL, .name = "join"));
        MUST(edo_spawn(all, wait_sleep, NULL, .name = "sleep"));
        MUST(edo_spawn(all, wait_send, NULL, .name = "send"));
        MUST(edo_spawn(all, wait_recv, NULL, .name = "recv"));
        MUST(edo_spawn(all, wait_hear, NULL, .name = "hear"));
        MUST(edo_spawn(all, wait_changed, NULL, .name = "changed"));
        MUST(edo_spawn(all, wait_select, NULL, .name = "select"));
        MUST(edo_spawn(all, wait_mutex, &mutex, .name = "mutex"));
        MUST(edo_spawn(all, wait_mutex, &of_thread, .name = "mutex of a thread"));
        MUST(edo_spawn(all, wait_rwlock, NULL, .name = "rwlock"));
        MUST(edo_spawn(all, wait_semaphore, NULL, .name = "semaphore"));
        MUST(edo_spawn(all, wait_notify, NULL, .name = "notify"));
        MUST(edo_spawn(all, wait_barrier, NULL, .name = "barrier"));
        MUST(edo_spawn(all, wait_once, NULL, .name = "initialise"));
        MUST(edo_spawn(all, wait_once, NULL, .name = "once"));
        MUST(edo_spawn(all, wait_group, NULL, .name = "group"));
        MUST(edo_spawn(all, wait_job, NULL, .name = "job"));
        MUST(edo_spawn(all, wait_abandonable, NULL, .name = "abandonable"));
        MUST(edo_spawn(all, go_on, NULL, .name = "dormant",
                       .when = EDO_WHEN_READABLE(far_end, .deadline = edo_now() + EDO_SEC(60))));
        MUST(edo_spawn(all, go_on, NULL, .name = "dormant time", .when = EDO_WHEN_AT(edo_now() + EDO_SEC(200))));
        MUST(edo_spawn(all, become_dormant, other_duplex, .name = "continued"));
        MUST(edo_spawn(all, wait_before_continuing, NULL, .name = "continues"));
        MUST(edo_spawn(all, wait_in_scope, NULL, .name = "around"));
        MUST(edo_spawn(all, wait_deep, &depth, .name = "deep"));
        MUST(edo_spawn(all, lock_both, there, .name = "there"));
        MUST(edo_spawn(all, lock_both, back, .name = "back"));
        MUST(edo_spawn(all, wait_cancelled, NULL, .name = "cancelled"));
        MUST(edo_spawn(all, yield, NULL, .name = "yielder"));
        while (!__atomic_load_n(&job_runs, __ATOMIC_SEQ_CST))
            edo_yield();
        for (int i = 0; i < 100; i++)
            edo_yield();
        MUST(edo_spawn(all, wait_word, NULL, .name = "new"));
        stop_here(42);
        rc = -1;
    }
    return 0;
}

/* --- Two runtimes ------------------------------------------------------------------------------------------------- */

static uint32_t other_runs;

static int other_root(void *argument)
{
    int rc;

    (void)argument;
    __atomic_store_n(&other_runs, 1, __ATOMIC_SEQ_CST);
    rc = edo_mutex_lock(&mutex);
    stop_here(rc);
    return rc;
}

static void *other_thread(void *argument)
{
    edo_run(other_root, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .stall_after = EDO_FOREVER));
    return NULL;
}

static int two(void *argument)
{
    int rc = 0;
    pthread_t thread;

    (void)argument;
    MUST(edo_mutex_lock(&mutex));
    MUST(-pthread_create(&thread, NULL, other_thread, NULL));
    EDO_SCOPE (all, &rc) {
        MUST(edo_spawn(all, wait_mutex, &mutex, .name = "mutex"));
        while (!__atomic_load_n(&other_runs, __ATOMIC_SEQ_CST))
            edo_yield();
        MUST(edo_sleep(EDO_MS(50)));
        stop_here(2);
        rc = -1;
    }
    return 0;
}

/* --- Many --------------------------------------------------------------------------------------------------------- */

static int crowd(void *argument)
{
    int count = *(int *)argument, rc = 0;

    EDO_SCOPE (all, &rc, .name = "all", .policy = EDO_SUPERVISE) {
        for (int i = 0; i < count; i++) {
            MUST(i % 4 == 0   ? edo_spawn(all, wait_mutex, &mutex, .stack_size = 16384)
                 : i % 4 == 1 ? edo_spawn(all, wait_sleep, NULL, .name = "sleeper", .stack_size = 16384)
                 : i % 4 == 2 ? edo_spawn(all, wait_recv, NULL, .name = "receiver", .stack_size = 16384)
                              : edo_spawn(all, wait_word, NULL, .name = "waiter", .stack_size = 16384));
            if (i % 64 == 0)
                edo_yield();
        }
        MUST(edo_sleep(EDO_MS(200)));
        stop_here(count);
        rc = -1;
    }
    return 0;
}

static int many(void *argument)
{
    int value;

    MUST(edo_channel_create(&empty, sizeof value, 1));
    MUST(edo_mutex_lock(&mutex));
    return crowd(argument);
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "waits";
    int tasks = count > 2 ? atoi(arguments[2]) : 1000;
    /* Nobody takes the worker while gdb has the program stopped. */
    edo_run_options *options = EDO_OPTIONS(edo_run_options, .workers = 1, .stall_after = EDO_FOREVER);

    if (strcmp(mode, "two") == 0)
        return edo_run(two, NULL, options) < 0;
    if (strcmp(mode, "crowd") == 0)
        return edo_run(many, &tasks, EDO_OPTIONS(edo_run_options, .workers = 2)) < 0;
    return edo_run(waits, NULL, options) < 0;
}
