/* SPDX-License-Identifier: MIT */
/*
 * Many runtimes at once, from a seed: on three plain threads they come and go, and have others inside, in tasks and in
 * jobs of edo_blocking, up to four deep. Their tasks hand each other parcels and take a lock, across all runtimes; have
 * task-locals, which children inherit; go on by continuations; and are cancelled with their scopes at any moment.
 *
 * What must hold is counted (S8, C2, C4): no parcel lost or doubled, the lock held once; each task-local destroyed
 * once, by the time the scope of its task has ended; each callback at a start with its other one; no thread left when
 * edo_run is back.
 */
#include "helpers.h"

#include <pthread.h>

enum { THREADS = 3, DEPTH = 3 };

static struct world {
    int64_t end;
    edo_channel *parcels;
    edo_mutex mutex;
    int holders; /* of the mutex */
    _Atomic int64_t sent, received;
    _Atomic int64_t made, destroyed;
    _Atomic int64_t tasks, threads, runtimes, cancelled;
    _Atomic int64_t tasks_told;
} world;

/* Where one is: which runtime, how deep, and the choices from here on. */
struct place {
    uint64_t random;
    int depth;
};

/* --- The task-local: each task its own number, one more than its parent's ----------------------------------------- */

struct age {
    int age;
};

static struct age *age_new(int age)
{
    struct age *value = malloc(sizeof *value);

    value->age = age;
    atomic_fetch_add(&world.made, 1);
    return value;
}

static void age_destroy(void *argument)
{
    struct age *value = argument;

    if (value->age % 2)
        edo_yield();
    value->age = -1;
    atomic_fetch_add(&world.destroyed, 1);
    free(value);
}

static int age_inherit(void **child, void *parent)
{
    *child = age_new(((struct age *)parent)->age + 1);
    return 0;
}

static const edo_local age = EDO_LOCAL_INIT(.destroy = age_destroy, .inherit = age_inherit);

/* --- Callbacks ---------------------------------------------------------------------------------------------------- */

static void thread_starts(void *argument)
{
    (void)argument;
    atomic_fetch_add(&world.threads, 1);
}

static void thread_stops(void *argument)
{
    (void)argument;
    atomic_fetch_sub(&world.threads, 1);
}

static void task_starts(const edo_task_info *info, void *argument)
{
    (void)argument;
    CHECK(info->id == edo_task_id());
    atomic_fetch_add(&world.tasks, 1);
    atomic_fetch_add(&world.tasks_told, 1);
}

static void task_stops(const edo_task_info *info, void *argument)
{
    (void)argument;
    CHECK(info->id == edo_task_id());
    atomic_fetch_sub(&world.tasks, 1);
}

/* --- What tasks do ------------------------------------------------------------------------------------------------ */

static int live(void *argument);

static int live_inside(void *argument)
{
    struct place *place = argument;
    struct place inner = {edo_test_random(&place->random), place->depth + 1};
    bool told = inner.random & 1;

    atomic_fetch_add(&world.runtimes, 1);
    return edo_run(live, &inner,
                   EDO_OPTIONS(edo_run_options, .workers = 1 + (int)(inner.random >> 8) % 2,
                               .signals = EDO_SIGNALS_IGNORE, .migrate_always = (inner.random & 2) != 0,
                               .on_thread_start = told ? thread_starts : NULL,
                               .on_thread_stop = told ? thread_stops : NULL, .on_task_start = told ? task_starts : NULL,
                               .on_task_stop = told ? task_stops : NULL));
}

static void send_or_receive(struct place *place)
{
    bool sends = edo_test_random(&place->random) % 2;
    int64_t parcel = 1;
    int done = -1;
    int rc = 0;

    EDO_TIMEOUT (EDO_US(200), &rc)
        rc = done = sends ? edo_send(world.parcels, &parcel) : edo_recv(&parcel, world.parcels);
    if (done == 0)
        atomic_fetch_add(sends ? &world.sent : &world.received, 1);
}

static void take_the_lock(void)
{
    int rc = 0;

    EDO_LOCKED (&world.mutex, &rc) {
        CHECK_RC(++world.holders, 1);
        edo_yield();
        world.holders--;
    }
}

static int last_words(void *argument)
{
    (void)argument;
    CHECK(((struct age *)edo_local_get(&age))->age >= 0);
    return 0;
}

static int citizen(void *argument)
{
    struct place *place = argument;
    struct age *mine = edo_local_get(&age);
    int deeds = 1 + (int)(edo_test_random(&place->random) % 6);

    CHECK(mine && mine->age > 0);
    for (int i = 0; i < deeds; i++) {
        switch (edo_test_random(&place->random) % 8) {
        case 0:
        case 1:
            send_or_receive(place);
            break;
        case 2:
            take_the_lock();
            break;
        case 3:
            edo_yield();
            break;
        case 4:
            CHECK_RC(edo_local_set(&age, mine = age_new(mine->age + 1)), 0);
            break;
        case 5:
            if (place->depth < DEPTH)
                live_inside(place);
            break;
        case 6:
            if (place->depth < DEPTH)
                edo_blocking(live_inside, place);
            break;
        default: {
            struct place child = {edo_test_random(&place->random), place->depth};

            if (mine->age < 3)
                CHECK_RC(edo_spawn(edo_scope_current(), citizen, &child, .copy = sizeof child,
                                   .pinned = child.random % 4 == 0,
                                   .when = child.random % 3 ? (edo_when){0} : EDO_WHEN_NOW),
                         0);
        }
        }
        CHECK(edo_local_get(&age) == mine);
    }
    return edo_test_random(&place->random) % 2 ? 0 : edo_continue(EDO_WHEN_NOW, last_words, NULL);
}

static int live(void *argument)
{
    struct place *place = argument;
    int rc = 0;

    CHECK(edo_local_get(&age) == NULL);
    CHECK_RC(edo_local_set(&age, age_new(0)), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        int people = 1 + (int)(edo_test_random(&place->random) % 3);

        for (int i = 0; i < people; i++) {
            struct place child = {edo_test_random(&place->random), place->depth};

            CHECK_RC(edo_spawn(scope, citizen, &child, .copy = sizeof child), 0);
        }
        if (edo_test_random(&place->random) % 3 == 0) {
            edo_sleep((int64_t)(edo_test_random(&place->random) % 300000));
            edo_scope_cancel(scope);
            atomic_fetch_add(&world.cancelled, 1);
        }
    }
    return 0;
}

static void *thread_main(void *argument)
{
    struct place place = {edo_test_seed() + (uint64_t)(intptr_t)argument, -1};

    while (edo_now() < world.end)
        CHECK_RC(live_inside(&place), 0);
    return NULL;
}

static void test_s8_c2_c4_runtimes_beside_and_inside_each_other(void **state)
{
    pthread_t threads[THREADS];
    int64_t parcel;

    (void)state;
    atomic_store(&test_failures, 0);
    edo_mutex_init(&world.mutex);
    assert_int_equal(edo_channel_create(&world.parcels, sizeof parcel, 4), 0);
    world.end = edo_now() + edo_test_duration();
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (edo_channel_try_recv(&parcel, world.parcels, sizeof parcel) == 0)
        world.received++;
    print_message("# %lld runtimes, %lld scopes cancelled, %lld parcels, %lld task-locals, %lld tasks told of\n",
                  (long long)world.runtimes, (long long)world.cancelled, (long long)world.sent, (long long)world.made,
                  (long long)world.tasks_told);
    assert_int_equal(atomic_load(&test_failures), 0);
    assert_int_equal(world.sent, world.received);
    assert_int_equal(world.made, world.destroyed);
    assert_int_equal(world.tasks, 0);
    assert_int_equal(world.threads, 0);
    edo_channel_destroy(world.parcels);
    edo_mutex_finish(&world.mutex);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s8_c2_c4_runtimes_beside_and_inside_each_other),
    };

    edo_test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
