/* SPDX-License-Identifier: MIT */
/*
 * What the tests of traces share: a trace as text, whether that is JSON, and its events as structs. An event is a line,
 * which the format leaves free, but makes them easy to find.
 */
#ifndef EDO_TESTS_OBSERVE_TRACED_H
#define EDO_TESTS_OBSERVE_TRACED_H

#include "observe/dumped.h"

#include <edo/trace.h>

#include <ctype.h>

/* --- JSON: RFC 8259, but for what it says of escapes in detail ---------------------------------------------------- */

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

/* --- Events ------------------------------------------------------------------------------------------------------- */

struct event {
    char phase;
    int pid;
    int tid;
    double time; /* µs; -1: it has none */
    double duration;
    char name[64];
    char category[16];
    char scope;            /* of an instant: 't', 'p', 'g' */
    unsigned long long id; /* of an arrow */
    unsigned long long task;
    bool ended;
    size_t place; /* in the file */
};

struct events {
    struct event *all;
    size_t count;
    bool cut; /* its end is missing: so may be where an arrow begins, which is said by another worker */
};

/* The text behind "key": in this line; NULL. */
static inline const char *event_field(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at ? at + strlen(key) : NULL;
}

static inline void event_text(char *out, size_t size, const char *from)
{
    size_t length = from ? strcspn(from, "\"") : 0;

    snprintf(out, size, "%.*s", (int)length, from ? from : "");
}

static inline struct events events_of(const struct dumped *trace)
{
    struct events events = {NULL, 0, false};
    const char *end = trace->text ? json_value(trace->text, 0) : NULL;
    const char *from, *to;

    if (!end || *json_space(end))
        fail_msg("no JSON:\n%s", trace->text ? trace->text : "(nothing)");
    /* Each line by itself: AddressSanitizer measures to its end what a function is to search. */
    for (from = memchr(trace->text, '\n', trace->size); from && from[1] == '{'; from = to) {
        struct event event = {.time = -1, .place = events.count};
        const char *at;
        char *line;

        to = memchr(from + 1, '\n', (size_t)(trace->text + trace->size - from - 1));
        assert_non_null(to);
        line = strndup(from + 1, (size_t)(to - from - 1));
        assert_non_null(line);

        if ((events.count & (events.count - 1)) == 0) /* grows to the next power of two */
            events.all = realloc(events.all, (events.count ? 2 * events.count : 1) * sizeof event);
        assert_non_null(events.all);
        at = event_field(line, "\"ph\":\"");
        assert_non_null(at);
        event.phase = *at;
        event.pid = (at = event_field(line, "\"pid\":")) ? atoi(at) : -1;
        event.tid = (at = event_field(line, "\"tid\":")) ? atoi(at) : -1;
        if ((at = event_field(line, "\"ts\":")))
            event.time = strtod(at, NULL);
        if ((at = event_field(line, "\"dur\":")))
            event.duration = strtod(at, NULL);
        if ((at = event_field(line, "\"task\":\"")))
            event.task = strtoull(at, NULL, 10);
        event.ended = event_field(line, "\"ended\":true") != NULL;
        event_text(event.category, sizeof event.category, event_field(line, "\"cat\":\""));
        event.scope = (at = event_field(line, "\"s\":\"")) ? *at : 0;
        event_text(event.name, sizeof event.name, event_field(line, "\"name\":\""));
        if ((at = event_field(line, "\"id\":")))
            event.id = strtoull(at, NULL, 10);
        events.all[events.count++] = event;
        free(line);
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
    unsigned long long x = ((const struct event *)a)->id;
    unsigned long long y = ((const struct event *)b)->id;

    return x < y ? -1 : x > y;
}

/* A track, or (tid -1) a process, has a name. */
static inline bool events_named(const struct events *events, int pid, int tid)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->all[i];

        if (event->phase == 'M' && event->pid == pid && event->tid == tid &&
            strcmp(event->name, tid < 0 ? "process_name" : "thread_name") == 0)
            return true;
    }
    return false;
}

/* What the Trace Event Format asks of an event by itself, for the kinds that there are. */
static inline void event_check(const struct events *events, const struct event *event)
{
    static const char *const told[] = {"process_name", "process_sort_index", "thread_name", "thread_sort_index"};
    bool known = event->phase != 'M';

    for (size_t i = 0; i < EDO_COUNT(told); i++)
        known |= strcmp(event->name, told[i]) == 0;
    if (!known || !event->phase || !strchr("MXisfC", event->phase) || !event->name[0] || event->pid < 0)
        fail_msg("a '%c' \"%s\" that the format does not know", event->phase, event->name);
    if (event->phase == 'M')
        return;
    assert_true(event->time >= 0 && event->duration >= 0);
    if (event->scope != 'g' && !events_named(events, event->pid, -1))
        fail_msg("process %d has no name", event->pid);
    if (event->phase == 'C')
        return;
    assert_true(event->category[0] && event->tid > 0 && event->tid != event->pid); /* such is a main thread */
    if (event->scope != 'g' && !events_named(events, event->pid, event->tid))
        fail_msg("track %d of process %d has no name", event->tid, event->pid);
    if (event->phase == 'i')
        assert_true(event->scope == 't' || event->scope == 'p' || event->scope == 'g');
}

/* Arrows: a number for each, which leads from an instant to a slice, not back in time. */
static inline void events_check_arrows(const struct events *events)
{
    struct event *begins = calloc(events->count + 1, sizeof *begins);
    struct event *ends = calloc(events->count + 1, sizeof *ends);
    size_t begun = 0;
    size_t ended = 0;

    assert_non_null(begins);
    assert_non_null(ends);
    for (size_t i = 1; i < events->count; i++) {
        const struct event *event = &events->all[i];
        const struct event *before = event - 1; /* the one at which it begins or ends */

        if (event->phase != 's' && event->phase != 'f')
            continue;
        if (before->phase != (event->phase == 's' ? 'i' : 'X') || before->pid != event->pid ||
            before->tid != event->tid || before->time != event->time)
            fail_msg("arrow %llu hangs in the air", event->id);
        if (event->phase == 's')
            begins[begun++] = *event;
        else
            ends[ended++] = *event;
    }
    qsort(begins, begun, sizeof *begins, events_by_id);
    qsort(ends, ended, sizeof *ends, events_by_id);
    for (size_t i = 0; i < begun; i++)
        if (begins[i].id == 0 || begins[i].id >= 1ULL << 53 || (i > 0 && begins[i].id == begins[i - 1].id))
            fail_msg("the number of arrow %llu", begins[i].id);
    for (size_t i = 0; i < ended; i++) {
        const struct event *begin = bsearch(&ends[i], begins, begun, sizeof *begins, events_by_id);

        if (!begin && events->cut)
            continue;
        if (!begin || begin->time > ends[i].time + 0.002 || strcmp(begin->name, ends[i].name) != 0 ||
            strcmp(begin->category, ends[i].category) != 0 || (i > 0 && ends[i].id == ends[i - 1].id))
            fail_msg("the arrow %llu has no begin", ends[i].id);
    }
    free(begins);
    free(ends);
}

/*
 * The rules that any trace keeps: those of the format (see event_check); slices of a track never overlap (to the ns
 * that times are cut to), and are written in the order of their times; every arrow's end has a begin that is no later.
 */
static inline void events_check(const struct events *events)
{
    struct event *slices = calloc(events->count + 1, sizeof *slices);
    size_t count = 0;

    assert_non_null(slices);
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->all[i];

        event_check(events, event);
        if (event->phase == 'X')
            slices[count++] = *event;
    }
    events_check_arrows(events);
    qsort(slices, count, sizeof *slices, events_order);
    for (size_t i = 1; i < count; i++)
        if (slices[i].pid == slices[i - 1].pid && slices[i].tid == slices[i - 1].tid) {
            if (slices[i].time + 0.002 < slices[i - 1].time + slices[i - 1].duration)
                fail_msg("%s at %.3f for %.3f and %s at %.3f overlap on %d", slices[i - 1].name, slices[i - 1].time,
                         slices[i - 1].duration, slices[i].name, slices[i].time, slices[i].tid);
            if (slices[i].time > slices[i - 1].time + 0.002)
                assert_true(slices[i].place > slices[i - 1].place);
        }
    free(slices);
}

#endif
