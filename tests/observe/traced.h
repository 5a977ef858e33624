/* SPDX-License-Identifier: MIT */
/*
 * What the tests of traces share: a trace as text, whether that is JSON, and its events as structs. An event is a line, which
 * the format leaves free, but makes them easy to find.
 */
#ifndef EDO_TESTS_OBSERVE_TRACED_H
#define EDO_TESTS_OBSERVE_TRACED_H

#include "observe/dumped.h"

#include <edo/trace.h>

#include <ctype.h>

/* --- JSON: RFC 8259, but for what it says of escapes in detail ---------------------------------------------------------------- */

static inline const char *json_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

static inline const char *json_text(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\' && (!*++at || !strchr("\"\\/bfnrtu", *at)))
            return NULL;
    }
    return at + 1;
}

static inline const char *json_number(const char *at)
{
    const char *from = at += *at == '-';

    while (isdigit((unsigned char)*at))
        at++;
    if (at == from || (*from == '0' && at > from + 1))
        return NULL;
    if (*at == '.' && !isdigit((unsigned char)*++at))
        return NULL;
    while (isdigit((unsigned char)*at))
        at++;
    return at;
}

/* Behind the value; NULL: there is none. */
static inline const char *json_value(const char *at, int depth)
{
    char close;

    at = json_space(at);
    if (*at == '"')
        return json_text(at);
    if (strncmp(at, "true", 4) == 0)
        return at + 4;
    if (strncmp(at, "false", 5) == 0)
        return at + 5;
    if (*at != '{' && *at != '[')
        return json_number(at);
    if (depth > 20)
        return NULL;
    close = *at == '{' ? '}' : ']';
    at = json_space(at + 1);
    if (*at == close)
        return at + 1;
    for (;;) {
        if (close == '}') {
            if (!(at = json_text(json_space(at))) || *(at = json_space(at)) != ':')
                return NULL;
            at++;
        }
        if (!(at = json_value(at, depth + 1)))
            return NULL;
        at = json_space(at);
        if (*at == close)
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
}

/* --- Events ----------------------------------------------------------------------------------------------------------------- */

struct event {
    char phase;
    int pid;
    int tid;
    double time; /* µs; -1: it has none */
    double duration;
    char name[64];
    char id[32];
    unsigned long long task;
    bool ended;
    size_t place; /* in the file */
};

struct events {
    struct event *all;
    size_t count;
};

/* The text behind "key": in this line; NULL. */
static inline const char *event_field(const char *line, const char *key)
{
    const char *end = strchr(line, '\n');
    const char *at = end ? memmem(line, (size_t)(end - line), key, strlen(key)) : NULL;

    return at ? at + strlen(key) : NULL;
}

static inline void event_text(char *out, size_t size, const char *from)
{
    size_t length = from ? strcspn(from, "\"") : 0;

    snprintf(out, size, "%.*s", (int)length, from ? from : "");
}

static inline struct events events_of(const struct dumped *trace)
{
    struct events events = {NULL, 0};
    const char *end = trace->text ? json_value(trace->text, 0) : NULL;
    const char *line;

    if (!end || *json_space(end))
        fail_msg("no JSON:\n%s", trace->text ? trace->text : "(nothing)");
    for (line = strchr(trace->text, '\n'); line && line[1] == '{'; line = strchr(line + 1, '\n')) {
        struct event event = {.time = -1, .place = events.count};
        const char *at;

        if ((events.count & (events.count - 1)) == 0) /* grows to the next power of two */
            events.all = realloc(events.all, (events.count ? 2 * events.count : 1) * sizeof event);
        assert_non_null(events.all);
        at = event_field(line + 1, "\"ph\":\"");
        assert_non_null(at);
        event.phase = *at;
        event.pid = (at = event_field(line + 1, "\"pid\":")) ? atoi(at) : -1;
        event.tid = (at = event_field(line + 1, "\"tid\":")) ? atoi(at) : -1;
        if ((at = event_field(line + 1, "\"ts\":")))
            event.time = strtod(at, NULL);
        if ((at = event_field(line + 1, "\"dur\":")))
            event.duration = strtod(at, NULL);
        if ((at = event_field(line + 1, "\"task\":\"")))
            event.task = strtoull(at, NULL, 10);
        event.ended = event_field(line + 1, "\"ended\":true") != NULL;
        event_text(event.name, sizeof event.name, event_field(line + 1, "\"name\":\""));
        event_text(event.id, sizeof event.id, event_field(line + 1, "\"id\":\""));
        events.all[events.count++] = event;
    }
    return events;
}

static inline size_t events_count(const struct events *events, char phase, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < events->count; i++)
        count += events->all[i].phase == phase && (!name || strcmp(events->all[i].name, name) == 0);
    return count;
}

static inline int events_order(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;

    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    return x->time < y->time ? -1 : x->time > y->time;
}

static inline int events_by_id(const void *a, const void *b)
{
    return strcmp(((const struct event *)a)->id, ((const struct event *)b)->id);
}

/*
 * The rules that any trace keeps: slices of a track never overlap (to the ns that times are cut to), and are written in the order of
 * their times; every arrow's end has a begin that is no later.
 */
static inline void events_check(const struct events *events)
{
    struct event *slices = calloc(events->count + 1, sizeof *slices);
    struct event *begins = calloc(events->count + 1, sizeof *begins);
    size_t count = 0;
    size_t begun = 0;

    assert_non_null(slices);
    assert_non_null(begins);
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->all[i];

        if (event->phase != 'M')
            assert_true(event->time >= 0 && event->duration >= 0);
        if (event->phase == 'X')
            slices[count++] = *event;
        if (event->phase == 's')
            begins[begun++] = *event;
    }
    qsort(begins, begun, sizeof *begins, events_by_id);
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->all[i];
        const struct event *begin =
            event->phase == 'f' ? bsearch(event, begins, begun, sizeof *begins, events_by_id) : event;

        if (!begin || begin->time > event->time + 0.002)
            fail_msg("the arrow %s has no begin", event->id);
    }
    qsort(slices, count, sizeof *slices, events_order);
    for (size_t i = 1; i < count; i++)
        if (slices[i].pid == slices[i - 1].pid && slices[i].tid == slices[i - 1].tid) {
            if (slices[i].time + 0.002 < slices[i - 1].time + slices[i - 1].duration)
                fail_msg("%s at %.3f for %.3f and %s at %.3f overlap on %d", slices[i - 1].name, slices[i - 1].time,
                         slices[i - 1].duration, slices[i].name, slices[i].time, slices[i].tid);
            if (slices[i].time > slices[i - 1].time + 0.002)
                assert_true(slices[i].place > slices[i - 1].place);
        }
    free(begins);
    free(slices);
}

#endif
