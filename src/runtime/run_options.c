/* SPDX-License-Identifier: MIT */
/* The options of edo_run: the caller's, then the environment's, then the built-in ones. */
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "platform/platform.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A number from the environment: 0 if it is not set, else 1; -EINVAL, with a line that says so, if it is no such
 * number.
 */
static int edo_environment(uint64_t *out, const char *name, uint64_t least, uint64_t most)
{
    const char *text = getenv(name);
    char *end;
    unsigned long long value;

    if (!text || !*text)
        return 0;
    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno || *end || *text == '-' || value < least || value > most) {
        fprintf(stderr, "edo: %s=%s: give a number from %llu to %llu\n", name, text, (unsigned long long)least,
                (unsigned long long)most);
        return -EINVAL;
    }
    *out = value;
    return 1;
}

/* The same for $EDO_FILES, which is a word. */
static int edo_environment_files(int *out)
{
    const char *text = getenv("EDO_FILES");

    if (!text || !*text)
        return 0;
    if (strcmp(text, "region") != 0 && strcmp(text, "io_uring") != 0) {
        fprintf(stderr, "edo: EDO_FILES=%s: give region or io_uring\n", text);
        return -EINVAL;
    }
    *out = *text == 'r' ? EDO_FILES_REGION : EDO_FILES_IO_URING;
    return 1;
}

/* What only the environment of a runtime that is observed says. */
static int edo_environment_debugging(edo_run_options *out)
{
    uint64_t value;
    int rc = edo_environment(&value, "EDO_MIGRATE", 0, 1);

    if (rc > 0)
        out->migrate_always |= value != 0;
    if (rc >= 0 && (rc = edo_environment(&value, "EDO_STACK_CENSUS", 0, 1)) > 0)
        out->stack_census |= value != 0;
    if (rc >= 0 && (rc = edo_environment(&value, "EDO_METRICS", 0, 1)) > 0)
        out->metrics |= value != 0;
    if (rc >= 0 && (rc = edo_environment(&value, "EDO_STALLS", 0, 1)) > 0)
        out->print_stalls |= value != 0;
    if (rc >= 0 && !out->seed && (rc = edo_environment(&value, "EDO_SEED", 1, UINT64_MAX)) > 0)
        out->seed = value;
    if (!out->console)
        out->console = getenv("EDO_CONSOLE");
    return rc;
}

enum { EDO_STALL_LEAST = 100000 }; /* ns: what a look and a hand-off take, with room */

static int edo_usable_cores(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > EDO_WORKERS_MOST ? EDO_WORKERS_MOST : count;
}

int edo_run_options_read(edo_run_options *out, const edo_run_options *given)
{
    uint64_t value;
    int rc = EDO_READ_OPTIONS(out, given);

    if (rc < 0)
        return rc;
    if (out->workers < 0 || out->workers > EDO_WORKERS_MOST || out->blocking_threads < 0 || out->blocking_linger < 0 ||
        out->resolving_threads < 0 || out->threads < 0 || out->thread_linger < 0 ||
        (out->stall_after && out->stall_after < EDO_STALL_LEAST) ||
        (out->signals != EDO_SIGNALS_DEFAULT && out->signals != EDO_SIGNALS_IGNORE) || out->files < 0 ||
        out->files > EDO_FILES_IO_URING || out->stall_signal > SIGRTMAX || out->stall_signal == SIGKILL ||
        out->stall_signal == SIGSTOP || out->stall_signal == SIGSEGV || out->stall_signal == SIGBUS)
        return -EINVAL;
    if (out->stack_size && edo_stack_class_for(out->stack_size) < 0)
        return -EINVAL;
    if (!out->workers) {
        out->workers = edo_usable_cores();
        rc = out->unobserved ? 0 : edo_environment(&value, "EDO_WORKERS", 1, EDO_WORKERS_MOST);
        if (rc > 0)
            out->workers = (int)value;
    }
    if (rc >= 0 && !out->unobserved)
        rc = edo_environment_debugging(out);
    if (rc >= 0 && !out->stall_after && !out->unobserved &&
        (rc = edo_environment(&value, "EDO_STALL_US", EDO_STALL_LEAST / 1000, 3600000000)) > 0)
        out->stall_after = (int64_t)value * 1000;
    if (rc >= 0 && !out->files && !out->unobserved)
        rc = edo_environment_files(&out->files);
    if (rc < 0)
        return rc;
    if (out->unobserved || (out->console && !*out->console))
        out->console = NULL;
    if (!out->files)
        out->files = EDO_FILES_REGION;
    if (!out->stall_after)
        out->stall_after = EDO_MS(10);
    if (!out->stall_signal)
        out->stall_signal = SIGURG;
    if (!out->threads)
        out->threads = 512 + out->workers;
    if (out->threads < out->workers + 2)
        return -EINVAL;
    if (!out->thread_linger)
        out->thread_linger = EDO_SEC(10);
    if (!out->seed)
        out->seed = edo_platform->random() | 1;
    if (!out->resident_stacks)
        out->resident_stacks = 1024;
    if (!out->blocking_threads)
        out->blocking_threads = 512;
    if (!out->resolving_threads)
        out->resolving_threads = 8;
    if (!out->blocking_linger)
        out->blocking_linger = EDO_SEC(10);
    return 0;
}
