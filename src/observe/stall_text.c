/* SPDX-License-Identifier: MIT */
/* Reports of stalls as text. Any thread; no data. */
#include <edo/stall.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, also where it does not fit */
};

EDO_PRINTF(2, 3) static void add(struct text *text, const char *format, ...)
{
    size_t left = text->length < text->size ? text->size - text->length : 0;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(left ? text->buffer + text->length : NULL, left, format, arguments);
    va_end(arguments);
    text->length += n > 0 ? (size_t)n : 0;
}

static void add_duration(struct text *text, int64_t ns)
{
    if (ns < EDO_SEC(1))
        add(text, "%" PRId64 ".%" PRId64 " ms", ns / EDO_MS(1), ns / (EDO_MS(1) / 10) % 10);
    else
        add(text, "%" PRId64 ".%02" PRId64 " s", ns / EDO_SEC(1), ns / EDO_MS(10) % 100);
}

static void add_who(struct text *text, const edo_stall *stall)
{
    add(text, "edo: stall %" PRIu64 ": ", stall->serial);
    if (stall->task)
        add(text, "task \"%s\" (#%" PRIu64 ")", stall->name ? stall->name : "task", stall->task);
    else
        add(text, "a timer's callback");
    if (stall->site)
        add(text, ", spawned at %s:%d,", stall->site->file, stall->site->line);
}

static const char *without_directories(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void add_place(struct text *text, const edo_stall_frame *frame)
{
    if (frame->function)
        add(text, "%s+0x%" PRIxPTR, frame->function, frame->offset);
    else
        add(text, "0x%" PRIxPTR, frame->address);
    if (frame->module)
        add(text, "  (%s+0x%" PRIxPTR ")", without_directories(frame->module), frame->module_offset);
    add(text, "\n");
}

size_t edo_stall_text(char *buffer, size_t size, const edo_stall *stall)
{
    struct text text = {buffer, size, 0};

    if (size)
        buffer[0] = '\0';
    add_who(&text, stall);
    if (stall->ended) {
        add(&text, " went on after ");
        add_duration(&text, stall->duration);
        add(&text, "\n");
        return text.length;
    }
    add(&text, stall->kind == EDO_STALL_BLOCKED ? " has blocked its thread %d for " : " has computed on thread %d for ",
        stall->thread);
    add_duration(&text, stall->duration);
    if (stall->syscall)
        add(&text, ", in %s", stall->syscall);
    if (stall->wait_channel)
        add(&text, " (%s)", stall->wait_channel);
    add(&text, "\n");
    for (size_t i = 0; i < stall->frame_count; i++) {
        add(&text, "  %s%zu  ", stall->frames[i].guessed ? "?" : "#", i);
        add_place(&text, &stall->frames[i]);
    }
    if (stall->no_frames)
        add(&text, "  no backtrace: %s\n", stall->no_frames);
    if (stall->waited) {
        add(&text, "  last waited in ");
        add_place(&text, stall->waited);
    }
    if (stall->suppressed)
        add(&text, "  %" PRIu64 " more suppressed\n", stall->suppressed);
    return text.length;
}
