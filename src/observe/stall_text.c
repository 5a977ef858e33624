/* SPDX-License-Identifier: MIT */
/* Reports of stalls as text. Any thread; no data. */
#include "observe/text.h"

#include <edo/stall.h>

#include <inttypes.h>
#include <string.h>

static void add_duration(struct edo_text *text, int64_t ns)
{
    if (ns < EDO_SEC(1))
        edo_text_add(text, "%" PRId64 ".%" PRId64 " ms", ns / EDO_MS(1), ns / (EDO_MS(1) / 10) % 10);
    else
        edo_text_add(text, "%" PRId64 ".%02" PRId64 " s", ns / EDO_SEC(1), ns / EDO_MS(10) % 100);
}

static void add_who(struct edo_text *text, const edo_stall *stall)
{
    edo_text_add(text, "edo: stall %" PRIu64 ": ", stall->serial);
    if (stall->task) {
        edo_text_add(text, "task ");
        edo_text_quote(text, stall->name ? stall->name : "task");
        edo_text_add(text, " (#%" PRIu64 ")", stall->task);
    } else {
        edo_text_add(text, "a timer's callback");
    }
    if (stall->site)
        edo_text_add(text, ", spawned at %s:%d,", stall->site->file, stall->site->line);
}

static const char *without_directories(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void add_place(struct edo_text *text, const edo_stall_frame *frame)
{
    if (frame->function)
        edo_text_add(text, "%s+0x%" PRIxPTR, frame->function, frame->offset);
    else
        edo_text_add(text, "0x%" PRIxPTR, frame->address);
    if (frame->module)
        edo_text_add(text, "  (%s+0x%" PRIxPTR ")", without_directories(frame->module), frame->module_offset);
    edo_text_add(text, "\n");
}

static void add_suppressed(struct edo_text *text, const edo_stall *stall)
{
    if (stall->suppressed)
        edo_text_add(text, "  %" PRIu64 " more suppressed\n", stall->suppressed);
}

size_t edo_stall_text(char *buffer, size_t size, const edo_stall *stall)
{
    struct edo_text text = {buffer, size, 0};

    if (size)
        buffer[0] = '\0';
    add_who(&text, stall);
    if (stall->ended) {
        edo_text_add(&text, " went on after ");
        add_duration(&text, stall->duration);
        edo_text_add(&text, "\n");
        add_suppressed(&text, stall);
        return text.size;
    }
    edo_text_add(&text,
                 stall->kind == EDO_STALL_BLOCKED   ? " has blocked its thread %d for "
                 : stall->kind == EDO_STALL_STARVED ? " has hardly got a processor on thread %d for "
                                                    : " has computed on thread %d for ",
                 stall->thread);
    add_duration(&text, stall->duration);
    if (stall->syscall)
        edo_text_add(&text, ", in %s", stall->syscall);
    if (stall->wait_channel)
        edo_text_add(&text, " (%s)", stall->wait_channel);
    edo_text_add(&text, "\n");
    for (size_t i = 0; i < stall->frame_count; i++) {
        edo_text_add(&text, "  %s%zu  ", stall->frames[i].guessed ? "?" : "#", i);
        add_place(&text, &stall->frames[i]);
    }
    if (stall->no_frames)
        edo_text_add(&text, "  no backtrace: %s\n", stall->no_frames);
    if (stall->waited) {
        edo_text_add(&text, "  last waited in ");
        add_place(&text, stall->waited);
    }
    add_suppressed(&text, stall);
    return text.size;
}
