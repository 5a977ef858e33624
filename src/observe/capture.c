/* SPDX-License-Identifier: MIT */
/* Looking at another thread from outside. See capture.h. No data. */
#include "observe/capture.h"
#include "observe/peek.h"
#include "platform/platform.h"
#include "runtime/stalls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 256,
    ATTEMPTS = 4,         /* it may block and run by turns */
    PATIENCE = 100000000, /* ns for the handler: the thread has to get the processor */
};

/* The file of a thread in /proc, terminated and without its end of line; its size, or a negative errno. */
static ssize_t read_proc(char *out, size_t size, int number, const char *file)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", number, file);
    fd = edo_platform->open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    n = edo_platform->read(fd, out, size - 1);
    edo_platform->close(fd);
    if (n < 0)
        return n;
    if (n > 0 && out[n - 1] == '\n')
        n--;
    out[n] = '\0';
    return n;
}

/*
 * What "syscall" says of a blocked thread: the number of the call and six arguments, or -1 in none (a page fault, say);
 * then stack pointer and program counter. False: it is not that.
 */
static bool parse_call(long *call, uintptr_t *sp, uintptr_t *pc, const char *line)
{
    char *end;
    const char *last = strrchr(line, ' ');
    const char *before = last;

    *call = strtol(line, &end, 10);
    if (end == line || !last)
        return false;
    while (before > line && before[-1] != ' ')
        before--;
    *sp = (uintptr_t)strtoull(before, NULL, 16);
    *pc = (uintptr_t)strtoull(last, NULL, 16);
    return *pc != 0 && *sp != 0;
}

/* What lies there, as far as it is there. */
static void read_stack(struct edo_stack_piece *out, uintptr_t sp, uintptr_t high)
{
    size_t size = high > sp && high - sp < EDO_CAPTURE_STACK ? high - sp : EDO_CAPTURE_STACK;

    out->base = sp;
    out->size = edo_peek_most(out->bytes, (const void *)sp, size) / sizeof(uintptr_t) * sizeof(uintptr_t);
}

/* What it waits for in the kernel; nothing where that does not tell, or it does not wait. */
static void read_wait_channel(struct edo_capture *out, int number)
{
    if (read_proc(out->wait_channel, sizeof out->wait_channel, number, "wchan") < 0 ||
        strcmp(out->wait_channel, "0") == 0)
        out->wait_channel[0] = '\0';
}

/* It is blocked, as `line` says. True: so it was all the time. */
static bool look_at_blocked(struct edo_capture *out, const struct edo_stall_seen *seen, const char *line)
{
    char again[LINE];
    uintptr_t sp;
    uintptr_t pc;

    if (!parse_call(&out->call, &sp, &pc, line)) {
        out->call = EDO_CAPTURE_UNKNOWN;
        out->failure = "the kernel does not tell where it stands";
        return true;
    }
    read_wait_channel(out, seen->number);
    edo_register_set(&out->registers, EDO_REGISTER_PC, pc);
    edo_register_set(&out->registers, EDO_REGISTER_SP, sp);
    read_stack(&out->piece, sp & ~(uintptr_t)7, seen->stack_high);
    return read_proc(again, sizeof again, seen->number, "syscall") > 0 && strcmp(line, again) == 0;
}

/* It runs. True: that is settled. */
static bool look_at_running(struct edo_capture *out, const struct edo_stall_seen *seen, int signal)
{
    int rc;

    out->running = true;
    out->call = EDO_CAPTURE_NO_CALL;
    if (signal < 0) {
        out->failure = "no signal may be sent to it (.stall_signal)";
        return true;
    }
    rc = edo_capture_ask(out, seen->number, seen->stack_low, seen->stack_high, signal, edo_platform->now() + PATIENCE);
    if (rc == -ETIMEDOUT)
        out->failure = "it did not answer the signal in time";
    else if (rc < 0)
        out->failure = "its registers could not be had";
    return rc != -ETIMEDOUT;
}

void edo_capture_thread(struct edo_capture *out, const struct edo_stall_seen *seen, int signal)
{
    char line[LINE];
    bool settled = false;

    for (int i = 0; i < ATTEMPTS && !settled; i++) {
        out->failure = NULL;
        out->running = false;
        out->registers.known = 0;
        out->call = EDO_CAPTURE_UNKNOWN;
        out->wait_channel[0] = '\0';
        out->piece.size = 0;
        if (!edo_stall_lasts(seen))
            break;
        if (read_proc(line, sizeof line, seen->number, "syscall") <= 0) {
            out->failure = "/proc does not tell what it does";
            read_wait_channel(out, seen->number); /* that may be told all the same */
            settled = true;
        } else if (strcmp(line, "running") == 0) {
            settled = look_at_running(out, seen, signal);
        } else {
            settled = look_at_blocked(out, seen, line);
        }
    }
    if (!edo_stall_lasts(seen)) {
        out->failure = "it had gone on before it could be looked at";
        out->call = EDO_CAPTURE_UNKNOWN;
        out->wait_channel[0] = '\0';
    } else if (!settled && !out->failure) {
        out->failure = "it blocks and runs by turns";
    }
}
