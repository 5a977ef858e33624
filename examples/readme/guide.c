/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide, word for word (docs/check.sh compares), and a main that runs those that end by themselves.
 */
#include <edo/edo.h>
#include <edo/http.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- tasks.md -------------------------------------------------------------------------------------------------------- */

static int hello(void *name)
{
    printf("hello from %s\n", (const char *)name);
    return 0;
}

static int greet(void *argument)
{
    static char one[] = "one", two[] = "two";
    int rc = 0;

    (void)argument;
    EDO_SCOPE (greeters, &rc) {
        rc = edo_spawn(greeters, hello, one);
        if (rc == 0)
            rc = edo_spawn(greeters, hello, two, .name = "the second");
    }
    return rc;
}

static int fails(void *argument)
{
    (void)argument;
    return -EIO;
}

static int sleeps(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(3600)); /* -ECANCELED, as soon as its sibling has failed */
}

static int both(void)
{
    int rc = 0;

    EDO_SCOPE (pair, &rc) {
        rc = edo_spawn(pair, sleeps, NULL);
        if (rc == 0)
            rc = edo_spawn(pair, fails, NULL);
    }
    return rc; /* -EIO, at once */
}

static int first_of(void)
{
    int rc = 0;

    EDO_SCOPE (race, &rc, .policy = EDO_SUPERVISE) {
        rc = edo_spawn(race, sleeps, NULL);
        if (rc == 0)
            rc = edo_sleep(EDO_MS(1));
        edo_scope_cancel(race); /* what else is in it may end */
    }
    return rc;
}

/* --- cancellation.md -------------------------------------------------------------------------------------------------- */

static int slow(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(3600));
}

static int impatient(void)
{
    return edo_with_timeout(EDO_MS(1), slow, NULL); /* -ETIMEDOUT */
}

static void explain(void)
{
    const edo_site *site = edo_cancel_site();

    if (edo_cancelled())
        printf("%s: %s, asked for at %s:%d\n", edo_task_name(), edo_reason_text(edo_cancel_reason()),
               site ? site->file : "?", site ? site->line : 0);
}

static int explains(void *argument)
{
    int rc = edo_sleep(EDO_SEC(3600));

    (void)argument;
    explain();
    return rc;
}

/* --- waiting.md -------------------------------------------------------------------------------------------------------- */

static int beat(int times)
{
    edo_interval interval;
    int64_t missed = edo_interval_init(&interval, EDO_MS(1), EDO_MISSED_SKIP);

    while (missed >= 0 && times-- > 0)
        missed = edo_interval_tick(&interval); /* how many ticks were left out before this one */
    return missed < 0 ? (int)missed : 0;
}

/* A lock that tasks and plain threads can both wait for: 0 free, 1 held, 2 held and perhaps waited for. */
static int lock(uint32_t *word)
{
    uint32_t free = 0;

    if (__atomic_compare_exchange_n(word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
        int rc = edo_wait_word(word, 2, EDO_FOREVER);

        if (rc == -ECANCELED)
            return rc; /* the lock is not held */
    }
    return 0;
}

static void unlock(uint32_t *word)
{
    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        edo_wake_word(word, 1);
}

/* How many bytes of a file, which is probably in memory, could be read from its beginning; or a negative errno. */
static int peek_at_file(int fd, void *buffer, size_t size)
{
    int rc = edo_blocking_begin();

    if (rc < 0)
        return rc;
    rc = (int)pread(fd, buffer, size, 0);
    if (rc < 0)
        rc = -errno; /* before the end: behind it errno may be another thread's */
    edo_blocking_end();
    return rc;
}

/* --- channels.md ---------------------------------------------------------------------------------------------------- */

struct job {
    int number;
};

static int do_jobs(void *argument)
{
    edo_channel *jobs = argument;
    struct job job;
    int rc;

    while ((rc = edo_recv(&job, jobs)) == 0)
        printf("job %d\n", job.number);
    return rc == -EPIPE ? 0 : rc; /* closed and drained: all is done */
}

/* Three workers, and a sender that waits for them when it is four jobs ahead. */
static int work_pool(void)
{
    edo_channel *jobs EDO_AUTO(edo_channel_destroy) = NULL;
    int rc = edo_channel_create(&jobs, sizeof(struct job), 4);

    if (rc < 0)
        return rc;
    EDO_SCOPE (workers, &rc) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = edo_spawn(workers, do_jobs, jobs);
        for (int i = 0; i < 20 && rc == 0; i++)
            rc = edo_send(jobs, &((struct job){i}));
        edo_channel_close(jobs);
    }
    return rc;
}

struct question {
    int number;
    edo_channel *reply;
};

static int answer_question(void *argument)
{
    struct question *question = argument;

    return edo_send(question->reply, &((int){question->number * 2}));
}

static int ask_for_double(edo_scope *scope, int number)
{
    edo_channel *reply EDO_AUTO(edo_channel_destroy) = NULL;
    struct question question = {number, NULL};
    int doubled = 0;
    int rc = edo_channel_create(&reply, sizeof(int), 1);

    if (rc < 0)
        return rc;
    question.reply = reply;
    rc = edo_spawn(scope, answer_question, &question, .copy = sizeof question);
    if (rc == 0)
        rc = edo_recv(&doubled, reply);
    return rc < 0 ? rc : doubled;
}

static int follow(void *argument)
{
    edo_subscription *news = argument;
    int64_t missed;
    int value;

    while ((missed = edo_hear(&value, news)) >= 0)
        if (missed > 0)
            printf("missed %lld\n", (long long)missed);
    return missed == -EPIPE ? 0 : (int)missed;
}

static int announce(int values)
{
    edo_broadcast *broadcast EDO_AUTO(edo_broadcast_destroy) = NULL;
    int rc = edo_broadcast_create(&broadcast, sizeof(int), 16);

    if (rc < 0)
        return rc;
    EDO_SCOPE (followers, &rc) {
        edo_subscription news;

        edo_subscribe(&news, broadcast);
        rc = edo_spawn(followers, follow, &news, .copy = sizeof news);
        for (int i = 0; i < values && rc == 0; i++)
            rc = edo_broadcast_send(broadcast, &i);
        edo_broadcast_close(broadcast);
    }
    return rc;
}

static int next_job(struct job *job, edo_channel *urgent, edo_channel *usual)
{
    enum { URGENT, USUAL, IDLE };
    edo_arm arms[] = {
        [URGENT] = EDO_RECV(urgent, job),
        [USUAL] = EDO_RECV(usual, job),
        [IDLE] = EDO_AFTER(EDO_MS(1)),
    };
    int arm = edo_select(arms, EDO_COUNT(arms));

    if (arm < 0)
        return arm; /* -ECANCELED: none of them has happened */
    return arm == IDLE ? -EAGAIN : arms[arm].rc;
}

/* --- sync.md ---------------------------------------------------------------------------------------------------------- */

static struct {
    edo_mutex mutex;
    int balance;
} account = {.mutex = EDO_MUTEX_INIT};

static int deposit(int amount)
{
    int rc = 0;

    EDO_LOCKED (&account.mutex, &rc) {
        account.balance += amount;
        rc = account.balance;
    }
    return rc; /* -ECANCELED: not locked, nothing deposited */
}

static edo_semaphore fetches = EDO_SEMAPHORE_INIT(3);

static int fetch(void *argument)
{
    int rc = edo_semaphore_acquire(&fetches, 1);

    if (rc < 0)
        return rc;
    rc = edo_sleep(EDO_US(10)); /* the work */
    edo_semaphore_release(&fetches, 1);
    (void)argument;
    return rc;
}

static edo_notify work_came = EDO_NOTIFY_INIT;
static _Atomic int work;

static int worker(void *argument)
{
    int rc = 0;

    (void)argument;
    while (rc == 0)
        if (atomic_exchange(&work, 0) > 0)
            return 0; /* done it */
        else
            rc = edo_notify_wait(&work_came);
    return rc;
}

static void give_work(void)
{
    atomic_fetch_add(&work, 1);
    edo_notify_one(&work_came);
}

static int until_told(void *stop)
{
    int rc = 0;

    EDO_SCOPE (mine, &rc) {
        rc = edo_token_link(stop, mine); /* until all in the scope has ended */
        if (rc == 0)
            rc = edo_sleep(EDO_SEC(3600));
    }
    return rc == -ECANCELED && edo_token_cancelled(stop) ? 0 : rc;
}

static int tells(void)
{
    edo_token stop = EDO_TOKEN_INIT;
    int rc = 0;

    EDO_SCOPE (both, &rc) {
        rc = edo_spawn(both, until_told, &stop);
        if (rc == 0)
            rc = edo_yield();
        edo_token_cancel(&stop);
    }
    edo_token_finish(&stop);
    return rc;
}

/* --- http.md ------------------------------------------------------------------------------------------------------------ */

static int answer(edo_http_exchange *x, void *context)
{
    _Atomic int *visits = context;
    char text[64];
    int size;

    if (!edo_http_match(x, "GET", "/"))
        return edo_http_fail(x, 404, NULL);
    size = snprintf(text, sizeof text, "You are visitor number %d.\n", atomic_fetch_add(visits, 1) + 1);
    return edo_http_respond(x, 200, "text/plain", text, (size_t)size);
}

static int serve(void *address)
{
    edo_listener *listener EDO_AUTO(edo_listener_close) = NULL;
    static _Atomic int visits;
    int rc = edo_tcp_listen(&listener, address, NULL);

    if (rc < 0)
        return rc;
    return edo_http_serve(listener, answer, &visits, EDO_OPTIONS(edo_http_server_options, .idle_timeout = EDO_SEC(30)));
}

/* --- Running them ------------------------------------------------------------------------------------------------------- */

static int expect(const char *what, int rc, int expected)
{
    if (rc != expected)
        fprintf(stderr, "guide: %s: %s instead of %s\n", what, edo_strerror(rc), edo_strerror(expected));
    return rc == expected ? 0 : -EPROTO;
}

static int peeks(void)
{
    char buffer[4];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : expect("peek_at_file", peek_at_file(fd, buffer, sizeof buffer), sizeof buffer);

    if (fd >= 0)
        close(fd);
    return rc;
}

static int fetches_all(void)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 10 && rc == 0; i++)
            rc = edo_spawn(scope, fetch, NULL);
    return rc;
}

static int works(void)
{
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, worker, NULL);
        give_work();
    }
    return rc;
}

static int run(void *argument)
{
    static char any_port[] = "127.0.0.1:0";
    uint32_t word = 0;
    int rc = 0;

    (void)argument;
    rc = greet(NULL);
    if (rc == 0)
        rc = expect("both", both(), -EIO);
    if (rc == 0)
        rc = expect("first_of", first_of(), 0);
    if (rc == 0)
        rc = expect("impatient", impatient(), -ETIMEDOUT);
    if (rc == 0)
        rc = expect("explains", edo_with_timeout(EDO_MS(1), explains, NULL), -ETIMEDOUT);
    if (rc == 0)
        rc = expect("beat", beat(3), 0);
    if (rc == 0 && (rc = expect("lock", lock(&word), 0)) == 0)
        unlock(&word);
    if (rc == 0)
        rc = peeks();
    if (rc == 0)
        rc = expect("work_pool", work_pool(), 0);
    if (rc == 0)
        rc = expect("ask_for_double", ask_for_double(edo_scope_current(), 21), 42);
    if (rc == 0)
        rc = expect("announce", announce(100), 0);
    if (rc == 0)
        rc = expect("next_job", next_job(NULL, NULL, NULL), -EAGAIN);
    if (rc == 0)
        rc = expect("deposit", deposit(5) + deposit(5), 15);
    if (rc == 0)
        rc = expect("fetch", fetches_all(), 0);
    if (rc == 0)
        rc = expect("worker", works(), 0);
    if (rc == 0)
        rc = expect("token", tells(), 0);
    if (rc == 0)
        rc = expect("serve", edo_with_timeout(EDO_MS(1), serve, any_port), -ETIMEDOUT);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = argc > 1 ? edo_run(serve, argv[1], NULL) : edo_run(run, NULL, NULL);

    if (rc < 0)
        fprintf(stderr, "guide: %s\n", edo_strerror(rc));
    return rc < 0;
}
