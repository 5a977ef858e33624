/* SPDX-License-Identifier: MIT */
/*
 * A program to be traced, for a picture and for viewers that are asked what they have understood (cases_traces.py): a
 * waiter brings orders to cooks, who compute for a while; what each has cooked is served. The dishwasher keeps its
 * thread too long. With an argument it begins again whenever all is done.
 */
#include <edo/edo.h>

#include <time.h>

enum { ORDERS = 12, COOKS = 3 };

static edo_channel *orders, *dishes;

static void compute(int64_t time)
{
    int64_t end = edo_now() + time;
    struct timespec now;

    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec * EDO_SEC(1) + now.tv_nsec < end);
}

static int cook(void *argument)
{
    int order;

    (void)argument;
    while (edo_recv(&order, orders) == 0) {
        compute(EDO_MS(1));
        edo_send(dishes, &order);
    }
    return 0;
}

static int serve(void *argument)
{
    int dish;

    (void)argument;
    for (int i = 0; i < ORDERS && edo_recv(&dish, dishes) == 0; i++)
        compute(EDO_US(300));
    return 0;
}

static int wash_up(void *argument)
{
    struct timespec pause = {0, 20000000};

    (void)argument;
    return nanosleep(&pause, NULL);
}

static int one_evening(void)
{
    int rc = 0;

    if ((rc = edo_channel_create(&orders, sizeof(int), 0)) < 0 ||
        (rc = edo_channel_create(&dishes, sizeof(int), 2)) < 0)
        return rc;
    EDO_SCOPE (staff, &rc) {
        for (int i = 0; i < COOKS; i++)
            edo_spawn(staff, cook, NULL, .name = "cook \"à la carte\"");
        edo_spawn(staff, serve, NULL, .name = "serve");
        edo_spawn(staff, wash_up, NULL, .name = "wash up");
        for (int i = 0; i < ORDERS; i++)
            edo_send(orders, &i);
        edo_channel_close(orders);
        edo_sleep(EDO_MS(2));
    }
    edo_channel_destroy(orders);
    edo_channel_destroy(dishes);
    return rc;
}

static int kitchen(void *for_ever)
{
    int rc;

    do
        rc = one_evening();
    while (rc == 0 && for_ever);
    return rc;
}

int main(int argc, char **argv)
{
    return edo_run(kitchen, argc > 1 ? argv[1] : NULL,
                   EDO_OPTIONS(edo_run_options, .workers = 2, .stall_after = EDO_MS(5))) < 0;
}
