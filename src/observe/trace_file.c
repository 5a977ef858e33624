/* SPDX-License-Identifier: MIT */
/*
 * The file that EDO_TRACE_FILE names. Whenever the writer has written, it is JSON to its end: each piece goes over the
 * end of the array, with a new one behind it, in one write. So the trace of a program that is killed can be read by
 * whatever reads JSON, if the kill does not come just within that write (then it is cut off, which viewers put up
 * with). When the disk is full, what was written of the piece is cut off again, and the end, which had room before, put
 * back.
 *
 * What cannot be written at a place, a pipe, is written on and on, and gets its end at the end.
 *
 * All is the one trace's that is on, under edo_tracer.lock (trace.c).
 */
#include "observe/tracer.h"
#include "platform/platform.h"

#include <edo/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static const char edo_trace_end[] = EDO_TRACE_JSON_END;

enum { EDO_TRACE_END = sizeof edo_trace_end - 1 };

static struct {
    int fd;
    bool pipe;
    off_t at; /* where the end of the array stands, if something has been written */
    char name[4096];
    char text[sizeof((struct edo_out *)0)->text + EDO_TRACE_END];
} edo_trace_file;

/* The first run that finds it in the environment has the file as named, later ones "NAME.2" and so on. */
int edo_trace_file_open(const char *name, int number)
{
    int rc;

    snprintf(edo_trace_file.name, sizeof edo_trace_file.name, number > 1 ? "%s.%d" : "%s", name, number);
    rc = edo_platform_system.open(edo_trace_file.name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (rc < 0) {
        fprintf(stderr, "edo: no trace: EDO_TRACE_FILE=%s: %s; the program runs on\n", edo_trace_file.name,
                edo_strerror(rc));
        return rc;
    }
    edo_trace_file.fd = rc;
    edo_trace_file.pipe = false;
    edo_trace_file.at = 0;
    return 0;
}

/* All of it, at its place or just on: 0, or why not. */
static int edo_trace_file_put(const char *text, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = edo_trace_file.pipe ? edo_platform_system.write(edo_trace_file.fd, text + done, size - done)
                                        : edo_platform_system.pwrite(edo_trace_file.fd, text + done, size - done,
                                                                     edo_trace_file.at + (off_t)done);

        if (n > 0)
            done += (size_t)n;
        else if (n != -EINTR)
            return n < 0 ? (int)n : -EIO;
    }
    return 0;
}

int edo_trace_file_write(void *none, const char *text, size_t size)
{
    int rc;

    (void)none;
    if (!edo_trace_file.pipe) {
        memcpy(edo_trace_file.text, text, size);
        memcpy(edo_trace_file.text + size, edo_trace_end, EDO_TRACE_END);
        rc = edo_trace_file_put(edo_trace_file.text, size + EDO_TRACE_END);
        if (rc == 0)
            edo_trace_file.at += (off_t)size;
        else if (rc != -ESPIPE && edo_trace_file.at > 0 &&
                 edo_platform_system.ftruncate(edo_trace_file.fd, edo_trace_file.at) == 0)
            edo_trace_file_put(edo_trace_end, EDO_TRACE_END);
        if (rc != -ESPIPE)
            return rc;
        edo_trace_file.pipe = true;
    }
    return edo_trace_file_put(text, size);
}

void edo_trace_file_close(int rc)
{
    if (rc == 0 && edo_trace_file.pipe)
        rc = edo_trace_file_put(edo_trace_end, EDO_TRACE_END);
    if (rc < 0)
        fprintf(stderr, "edo: the trace in EDO_TRACE_FILE=%s is not whole: %s\n", edo_trace_file.name,
                edo_strerror(rc));
    edo_platform_system.close(edo_trace_file.fd);
}
