/* SPDX-License-Identifier: MIT */
/*
 * The event stream: a response that does not end, and tells what is new (text/event-stream).
 *
 * A stream looks when a snapshot is due, or at a report of a stall; tells what has become of the window since it told
 * last; and waits; also for the client to end. So the stream is taken from the HTTP server: nobody else would look
 * there before the next write, and clients that have gone would count against those that may come. It keeps of each row
 * that the client has a hash, no more. That is of what only changes when something happens: of times it has the moment
 * that is meant, not how far that is. So a task that waits is told once, whatever the clock says, and the client lets
 * its times run on by `uptime_ms`. (When a task was spawned is a guess that others may follow: only whether there is
 * one counts.) While the client does not read, the write waits, and nothing is gathered for it: what it hears next is
 * what is so then. Who does not take what is told within 30 s is let go.
 *
 * The first stream that wakes takes the snapshot, the others find it there.
 */
#include "console/console.h"

#include <edo/edo.h>

#include <errno.h>
#include <stdio.h>

enum {
    EDO_PATIENCE_S = 30,
    EDO_SAID_MOST = 65536 /* bytes; a client has nothing to say here */
};

struct told {
    uint64_t id;
    uint64_t hash;
};

struct stream {
    struct edo_console *console;
    edo_stream *stream;
    bool chunked;
    size_t said; /* by the client, since the request */
    struct edo_console_view view;
    struct edo_json json; /* what is written next */
    struct edo_json row;
    uint64_t snapshot; /* that was told last; 0: none */
    uint64_t stall;    /* version of the last report that was told */
    struct told *told; /* the window that was told last, by its order */
    size_t told_count;
};

static uint64_t hash_of(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Of a row, whose facts are in `row`. */
static uint64_t hash_of_row(const struct edo_json *row, const edo_snapshot_task *task)
{
    const int64_t moments[] = {task->spawned >= 0, task->until, task->deadline};

    return hash_of(hash_of(UINT64_C(0xcbf29ce484222325), row->data, row->size), moments, sizeof moments);
}

/* What an event's text begins with: JSON behind it knows that nothing stands before it. */
#define EVENT(stream, name) edo_json_put(&(stream)->json, "event: " name "\ndata: ")
#define END(stream)         edo_json_put(&(stream)->json, "\n\n")

/* --- Tasks -------------------------------------------------------------------------------------------------------- */

static const struct told *find_told(const struct stream *stream, uint64_t id, size_t near)
{
    size_t count = stream->told_count;

    for (size_t i = 0; i < count; i++) { /* mostly where it was, or close by */
        size_t at = (near + i) % count;

        if (stream->told[at].id == id)
            return &stream->told[at];
    }
    return NULL;
}

static void put_ids(struct stream *stream)
{
    edo_snapshot_task task = {.size = sizeof task};

    edo_json_open(&stream->json, "ids", '[');
    for (size_t i = 0; i < stream->view.shown; i++)
        if (edo_snapshot_get_task(&task, stream->console->looks.snapshot, stream->view.runtime,
                                  stream->view.tasks[i]) == 0)
            edo_json_id(&stream->json, NULL, task.id);
    edo_json_close(&stream->json, ']');
}

static void put_rows(struct stream *stream, struct told *now, int64_t time)
{
    edo_snapshot *snapshot = stream->console->looks.snapshot;
    edo_snapshot_task task = {.size = sizeof task};

    edo_json_open(&stream->json, "rows", '[');
    for (size_t i = 0; i < stream->view.shown; i++) {
        const struct told *before;

        edo_snapshot_get_task(&task, snapshot, stream->view.runtime, stream->view.tasks[i]);
        edo_json_reset(&stream->row);
        edo_json_open(&stream->row, NULL, '{');
        edo_console_row_facts(&stream->row, snapshot, stream->view.runtime, &task);
        now[i] = (struct told){task.id, hash_of_row(&stream->row, &task)};
        before = find_told(stream, task.id, i);
        if (before && before->hash == now[i].hash)
            continue;
        edo_console_row_times(&stream->row, &task, time);
        edo_json_close(&stream->row, '}');
        if (stream->json.size > 0 && stream->json.data[stream->json.size - 1] != '[')
            edo_json_put(&stream->json, ",");
        edo_json_raw(&stream->json, stream->row.data, stream->row.size);
    }
    edo_json_close(&stream->json, ']');
}

static int put_tasks(struct stream *stream)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    struct told *now = (struct told *)edo_allocate((stream->view.shown + 1) * sizeof *now);

    if (!now)
        return -ENOMEM;
    edo_snapshot_get_runtime(&about, stream->console->looks.snapshot, stream->view.runtime);
    EVENT(stream, "tasks");
    edo_json_open(&stream->json, NULL, '{');
    edo_console_window(&stream->json, &stream->console->looks, &stream->view, &about);
    put_ids(stream);
    put_rows(stream, now, about.now);
    edo_json_close(&stream->json, '}');
    END(stream);
    edo_release(stream->told);
    stream->told = now;
    stream->told_count = stream->view.shown;
    return stream->row.failed ? -ENOMEM : 0;
}

/* --- The loop ----------------------------------------------------------------------------------------------------- */

/* What the snapshot has. 0, -ENOMEM; -ENOENT: its runtime has ended. */
static int put_snapshot(struct stream *stream)
{
    int rc = edo_console_view_fill(&stream->view, stream->console->looks.snapshot);

    if (rc < 0)
        return rc;
    EVENT(stream, "now");
    edo_console_now(&stream->json, &stream->console->looks, stream->view.runtime);
    END(stream);
    return put_tasks(stream);
}

/* The same; also when its runtime has ended, or has not begun: then there is nothing but a sign of life. */
static int tell_snapshot(struct stream *stream)
{
    struct edo_console_looks *looks = &stream->console->looks;
    int64_t before = edo_console_cpu();
    int rc = put_snapshot(stream);

    looks->cost += edo_console_cpu() - before;
    stream->snapshot = looks->number;
    if (rc == -ENOENT)
        edo_json_put(&stream->json, ":\n\n");
    return rc == -ENOENT ? 0 : rc;
}

static void put_stalls(struct stream *stream)
{
    bool more = true;

    while (more) {
        size_t size = stream->json.size;

        EVENT(stream, "stall");
        more = edo_console_stalls_next(&stream->json, &stream->stall, &stream->console->stalls);
        if (more)
            END(stream);
        else if (!stream->json.failed)
            stream->json.size = size;
    }
}

static int write_out(struct stream *stream)
{
    char head[24], end[] = "\r\n";
    struct iovec pieces[] = {{head, 0}, {stream->json.data, stream->json.size}, {end, 0}};
    int rc = stream->json.failed ? -ENOMEM : 0;

    if (rc == 0 && stream->json.size > 0) {
        if (stream->chunked) {
            pieces[0].iov_len = (size_t)snprintf(head, sizeof head, "%zx\r\n", stream->json.size);
            pieces[2].iov_len = 2;
        }
        EDO_TIMEOUT (EDO_SEC(EDO_PATIENCE_S), &rc) {
            ssize_t written = edo_writev_all(stream->stream, pieces, EDO_COUNT(pieces));

            rc = written < 0 ? (int)written : 0;
        }
    }
    edo_json_reset(&stream->json);
    return rc;
}

/* The client's side can be read: 0, it has said something, which nobody wants to know; -EPIPE: it has gone. */
static int hear_out(struct stream *stream)
{
    char scratch[512];
    ssize_t size = edo_try_read(stream->stream, scratch, sizeof scratch);

    if (size == -EAGAIN)
        return 0;
    if (size <= 0 || (stream->said += (size_t)size) > EDO_SAID_MOST)
        return -EPIPE;
    return 0;
}

/* Until there is something to tell: a snapshot is due, or a stall was reported. Or an error. */
static int wait_for_more(struct stream *stream, uint64_t version)
{
    enum { DUE, STALL, CLIENT };
    struct edo_console *console = stream->console;
    int rc = 0;

    while (rc == 0) {
        uint64_t stall;
        edo_arm arms[] = {
            [DUE] = EDO_AT(edo_console_due(&console->looks)),
            [STALL] = EDO_CHANGED(&stall, &version, console->stalls.changed),
            [CLIENT] = EDO_CAN_READ(stream->stream),
        };
        int arm = edo_select(arms, EDO_COUNT(arms));

        if (arm == DUE || arm == STALL)
            return 0;
        rc = arm == CLIENT ? arms[CLIENT].rc : arm;
        if (rc == 0)
            rc = hear_out(stream);
    }
    return rc;
}

/* Until a client has gone, or takes nothing; or the console ends. */
static int follow(struct stream *stream)
{
    struct edo_console *console = stream->console;
    int rc = 0;

    while (rc == 0) {
        uint64_t version, stall;

        edo_watch_get(&stall, &version, console->stalls.changed);
        rc = edo_console_look(&console->looks);
        if (rc == 0 && stream->snapshot != console->looks.number)
            rc = tell_snapshot(stream);
        if (rc == 0)
            put_stalls(stream);
        if (rc == 0)
            rc = write_out(stream);
        if (rc == 0)
            rc = wait_for_more(stream, version);
    }
    return rc;
}

static void finish(struct stream *stream)
{
    struct edo_console_looks *looks = &stream->console->looks;

    edo_console_view_finish(&stream->view);
    edo_json_finish(&stream->json);
    edo_json_finish(&stream->row);
    edo_release(stream->told);
    looks->streams--;
    edo_console_looks_rest(looks);
}

int edo_console_events(edo_http_exchange *x, struct edo_console *console)
{
    struct stream stream = {
        .console = console,
        .chunked = edo_http_minor(x) > 0,
        .stall = edo_console_stalls_version(&console->stalls),
    };
    edo_str received;
    int rc = edo_console_view_read(&stream.view, x);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = edo_http_begin(x, 200, "text/event-stream", EDO_HTTP_STREAM);
    if (rc < 0 || edo_str_equal(edo_http_method(x), EDO_STR("HEAD")))
        return rc;
    rc = edo_http_take_stream(&stream.stream, &received, x);
    if (rc < 0)
        return rc;
    console->looks.streams++;
    rc = follow(&stream);
    finish(&stream);
    return rc;
}
