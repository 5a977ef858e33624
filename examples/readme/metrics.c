/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide/metrics.md, word for word (docs/check.sh compares), and a main that runs them.
 */
#include <edo/edo.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* How much of its workers' time a runtime used between two readings, in percent. */
static int used_percent(const edo_metrics *before, const edo_metrics *after)
{
    int64_t time = (after->uptime - before->uptime) * after->workers;

    return time > 0 ? (int)((after->busy - before->busy) * 100 / time) : 0;
}

/* What so many of a hundred turns did not exceed. */
static int64_t percentile(const edo_histogram *histogram, unsigned percent)
{
    uint64_t left = histogram->count * percent / 100;
    int bucket = 0;

    while (bucket < EDO_HISTOGRAM_BUCKETS - 1 && histogram->buckets[bucket] <= left)
        left -= histogram->buckets[bucket++];
    return edo_histogram_limit(bucket);
}

/* Says every ten seconds how the program is. Ends with its scope. */
static int tells(void *argument)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    edo_histogram delay = {.size = sizeof delay};
    int rc = edo_metrics_read(&before);

    (void)argument;
    while (rc == 0 && (rc = edo_sleep(EDO_SEC(10))) == 0) {
        if ((rc = edo_metrics_read(&after)) < 0 || (rc = edo_metrics_times(&delay, EDO_TIMES_DELAY, -1)) < 0)
            break;
        printf("%d %% used, %llu tasks, 99 %% of turns came within %lld µs\n", used_percent(&before, &after),
               (unsigned long long)after.tasks_alive, (long long)percentile(&delay, 99) / 1000);
        before = after;
    }
    return rc;
}

/* Which of two tasks has used more of the processor. */
static bool runs_more(uint64_t task, uint64_t than)
{
    edo_task_metrics one = EDO_TASK_METRICS_INIT, other = EDO_TASK_METRICS_INIT;

    return edo_metrics_task(&one, task) == 0 && (edo_metrics_task(&other, than) < 0 || one.busy > other.busy);
}

static int print_all(FILE *out)
{
    static char text[65536];
    ssize_t size = edo_metrics_print(text, sizeof text);

    if (size < 0)
        return (int)size;
    return fputs(text, out) < 0 ? -EIO : 0;
}

static int works(void *argument)
{
    int rc = 0;

    (void)argument;
    for (int i = 0; i < 2000 && rc == 0; i++)
        rc = edo_yield();
    return rc;
}

static int run(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    edo_histogram poll = {.size = sizeof poll};
    int rc = 0;

    (void)argument;
    if (!runs_more(edo_task_id(), UINT64_MAX)) /* there is no such task */
        return -EIO;
    EDO_SCOPE (scope, &rc) {
        edo_task *handles[2];

        rc = edo_spawn(scope, tells, NULL);
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_spawn(scope, works, NULL, .handle = &handles[i]);
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = edo_join(NULL, handles[i]);
        edo_scope_cancel(scope);
    }
    if (rc == 0 || rc == -ECANCELED)
        rc = edo_metrics_read(&metrics);
    if (rc == 0)
        rc = edo_metrics_times(&poll, EDO_TIMES_POLL, -1);
    if (rc == 0 && (metrics.switches < 4000 || poll.count == 0 || percentile(&poll, 50) > EDO_SEC(1)))
        rc = -EIO;
    return rc == 0 ? print_all(stdout) : rc;
}

static int run_measured(edo_task_fn fn, void *argument)
{
    return edo_run(fn, argument, EDO_OPTIONS(edo_run_options, .metrics = true));
}

int main(void)
{
    int rc;

    /* Of two workers each might have one task, whose yields are no switches then: nobody else is there. */
    setenv("EDO_WORKERS", "1", 1);
    rc = run_measured(run, NULL);
    if (rc < 0)
        fprintf(stderr, "metrics: %s\n", edo_strerror(rc));
    return rc < 0;
}
