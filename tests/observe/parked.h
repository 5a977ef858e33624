/* SPDX-License-Identifier: MIT */
/* Tests that look at tasks which wait: until they do. */
#ifndef EDO_TESTS_OBSERVE_PARKED_H
#define EDO_TESTS_OBSERVE_PARKED_H

#include "observe/dumped.h"

/* Gives turns until no other task may run. In a runtime with one worker. */
static inline void until_others_wait(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    do {
        edo_yield();
        CHECK_RC(edo_metrics_read(&metrics), 0);
    } while (metrics.local_queued + metrics.global_queued > 0);
}

/* Whether the first task of that name in a dump waits. */
static inline bool waits_now(const char *name)
{
    struct dumped text;
    const char *line;
    const char *at;
    bool waits;

    dumped_begin(&text, EDO_DUMP_TEXT, false);
    line = strstr(text.text, name);
    at = line ? strstr(line, " waits ") : NULL;
    waits = at && at < strchr(line, '\n');
    dumped_end(&text);
    return waits;
}

static inline void until_waits(const char *name)
{
    do
        edo_sleep(EDO_MS(1));
    while (!waits_now(name));
}

#endif
