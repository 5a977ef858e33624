/* SPDX-License-Identifier: MIT */
/* What the tests of dumps share: a dump as one text, and what is to be in a line of it. */
#ifndef EDO_TESTS_OBSERVE_DUMPED_H
#define EDO_TESTS_OBSERVE_DUMPED_H

#include "runtime/helpers.h"

#include <edo/dump.h>

/* Whether this build walks the stacks of tasks; not where ucontext switches them. */
#if defined(EDO_CONTEXT_UCONTEXT)
enum { BACKTRACES = 0 };
#else
enum { BACKTRACES = 1 };
#endif

struct dumped {
    char *text;
    size_t size;
    size_t room;
};

static inline int dumped_add(void *argument, const char *text, size_t size)
{
    struct dumped *dumped = argument;

    while (dumped->size + size + 1 > dumped->room) {
        dumped->room = dumped->room ? 2 * dumped->room : 65536;
        dumped->text = realloc(dumped->text, dumped->room);
        if (!dumped->text)
            abort();
    }
    memcpy(dumped->text + dumped->size, text, size);
    dumped->size += size;
    dumped->text[dumped->size] = 0;
    return 0;
}

static inline void dumped_begin(struct dumped *dumped, int format, bool backtraces)
{
    *dumped = (struct dumped){NULL, 0, 0};
    CHECK_RC(edo_dump(-1, EDO_OPTIONS(edo_dump_options, .format = format, .backtraces = backtraces, .write = dumped_add,
                                      .argument = dumped)),
             0);
}

static inline void dumped_end(struct dumped *dumped)
{
    free(dumped->text);
}

/* The first line with `what` has `also`, too. */
static inline bool dumped_has(const struct dumped *dumped, const char *what, const char *also)
{
    const char *line = dumped->text ? strstr(dumped->text, what) : NULL;
    const char *end = line ? strchr(line, '\n') : NULL;
    const char *at;

    while (line && line > dumped->text && line[-1] != '\n')
        line--;
    at = line ? strstr(line, also) : NULL;
    if (at && at < end)
        return true;
    fprintf(stderr, "no line with %s and %s in\n%s\n", what, also, dumped->text ? dumped->text : "(nothing)");
    return false;
}

#define CHECK_LINE(dumped, what, also) CHECK(dumped_has((dumped), (what), (also)))

#endif
