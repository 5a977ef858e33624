/* SPDX-License-Identifier: MIT */
/*
 * The event stream: a response that does not end, and tells what is new (text/event-stream).
 *
 * A stream looks when a snapshot is due, or at a report of a stall; tells what has become of the window since it told last; and
 * waits. It keeps of each row that the client has a hash of its text, no more. While the client does not read, the write waits, and nothing is
 * gathered for it: what it hears next is what is so then. The server closes a connection that takes nothing for 30 s.
 *
 * The first stream that wakes takes the snapshot, the others find it there.
 */
#include "console/console.h"

#include <edo/edo.h>

#include <errno.h>

struct told {
    uint64_t id;
    uint64_t hash;
};

struct stream {
    struct edo_console *console;
    edo_http_exchange *x;
    struct edo_console_view view;
    struct edo_json json; /* what is written next */
    struct edo_json row;
    uint64_t snapshot; /* that was told last; 0: none */
    uint64_t stall;    /* version of the last report that was told */
    struct told *told; /* the window that was told last, by its order */
    size_t told_count;
    size_t told_capacity;
};

static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* What an event's text begins with: JSON behind it knows that nothing stands before it. */
#define EVENT(stream, name) edo_json_put(&(stream)->json, "event: " name "\ndata: ")
#define END(stream)         edo_json_put(&(stream)->json, "\n\n")

/* --- Tasks ------------------------------------------------------------------------------------------------------------------ */

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
        edo_console_row(&stream->row, snapshot, stream->view.runtime, &task, time);
        edo_json_close(&stream->row, '}');
        now[i] = (struct told){task.id, hash_of(stream->row.data, stream->row.size)};
        before = find_told(stream, task.id, i);
        if (before && before->hash == now[i].hash)
            continue;
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
    edo_json_uint(&stream->json, "snapshot", stream->console->looks.number);
    edo_json_uint(&stream->json, "total", stream->view.total);
    edo_json_uint(&stream->json, "matching", stream->view.matching);
    edo_json_uint(&stream->json, "from", stream->view.from);
    put_ids(stream);
    put_rows(stream, now, about.now);
    edo_json_close(&stream->json, '}');
    END(stream);
    edo_release(stream->told);
    stream->told = now;
    stream->told_count = stream->view.shown;
    return stream->row.failed ? -ENOMEM : 0;
}

/* --- The loop --------------------------------------------------------------------------------------------------------------- */

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
    ssize_t rc = stream->json.failed ? -ENOMEM : 0;

    if (rc == 0 && stream->json.size > 0)
        rc = edo_http_write(stream->x, stream->json.data, stream->json.size);
    if (rc >= 0)
        rc = edo_http_flush(stream->x);
    edo_json_reset(&stream->json);
    return rc < 0 ? (int)rc : 0;
}

/* Until a client has gone, or takes nothing; or the console ends. */
static int follow(struct stream *stream)
{
    struct edo_console *console = stream->console;
    int rc = 0;

    while (rc == 0) {
        uint32_t epoch = edo_notify_epoch(&console->stalls.changed);

        rc = edo_console_look(&console->looks);
        if (rc == 0 && stream->snapshot != console->looks.number)
            rc = tell_snapshot(stream);
        if (rc == 0)
            put_stalls(stream);
        if (rc == 0)
            rc = write_out(stream);
        if (rc == 0)
            rc = edo_notify_wait_since(&console->stalls.changed, epoch, edo_console_due(&console->looks));
        if (rc == -ETIMEDOUT)
            rc = 0;
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
    struct stream stream = {.console = console, .x = x, .stall = edo_console_stalls_version(&console->stalls)};
    int rc = edo_console_view_read(&stream.view, x);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = edo_http_begin(x, 200, "text/event-stream", EDO_HTTP_STREAM);
    if (rc < 0 || edo_str_equal(edo_http_method(x), EDO_STR("HEAD")))
        return rc;
    console->looks.streams++;
    rc = follow(&stream);
    finish(&stream);
    return rc;
}
