/* SPDX-License-Identifier: MIT */
/*
 * Streams in memory: two ends in one process, a kind of stream without descriptor.
 *
 * Data: two flows, one each way, and each flow is a ring of bytes under its own lock. An end is a source like any
 * other; what a poller does for descriptors, raising the readiness and taking out who waits (poller.h), the call that
 * makes news does here, at edges: the first byte in an empty flow, the first room in a full one, an end. That is
 * enough, since a direction's readiness is cleared only after a look under the lock has found nothing, and what
 * changes that is such an edge.
 *
 * Order: under the flow's lock the bytes move and the peer's readiness is raised, so a source is raised only while it
 * is open (its pointer in the flow is cleared under the lock before it is given back). Tasks are woken after the lock
 * was let go: nothing under it enters the runtime. No two locks are held together.
 *
 * Owner: each end, until its source's last user has gone; the second one that goes frees both. What was written
 * before a close can be read after it; what was not read is dropped. Nothing is allocated after the beginning, so no
 * call fails for want of memory.
 *
 * Cancellation (C2, C3): a call moves bytes under the lock or has moved none; waiting is the source's.
 */
#include "io/stream.h"
#include "platform/lock.h"
#include "platform/platform.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <string.h>

enum { EDO_DUPLEX_CAPACITY = 64 * 1024 };

/* One way. All under the lock but `bytes` and `capacity`, which stay what they are. */
struct edo_flow {
    struct edo_lock lock;
    bool ended;                /* nothing more will be written */
    bool unread;               /* nothing more will be read */
    struct edo_source *writer; /* NULL: that end is closed */
    struct edo_source *reader;
    unsigned char *bytes; /* a ring */
    size_t capacity;
    size_t first; /* of `used` bytes */
    size_t used;
};

struct edo_duplex;

struct edo_end {
    struct edo_beneath beneath; /* first */
    struct edo_duplex *duplex;
    struct edo_flow *in;
    struct edo_flow *out;
};

struct edo_duplex {
    struct edo_end ends[2];
    struct edo_flow flows[2];
    _Atomic int open; /* ends */
};

static inline const struct edo_end *edo_end_of(const struct edo_source *source)
{
    return (const struct edo_end *)source->beneath;
}

/* --- A flow, under its lock --------------------------------------------------------------------------------------- */

static bool edo_flow_readable(const struct edo_flow *flow)
{
    return flow->used > 0 || flow->ended || flow->unread;
}

static bool edo_flow_writable(const struct edo_flow *flow)
{
    return flow->used < flow->capacity || flow->ended || flow->unread;
}

/* Takes bytes out, as many as there are. Its end of the ring and its beginning are two pieces. */
static size_t edo_flow_take(struct edo_flow *flow, unsigned char *buffer, size_t size)
{
    size_t piece = flow->capacity - flow->first;

    if (size > flow->used)
        size = flow->used;
    if (piece > size)
        piece = size;
    memcpy(buffer, flow->bytes + flow->first, piece);
    memcpy(buffer + piece, flow->bytes, size - piece);
    flow->used -= size;
    flow->first = size - piece > 0 ? size - piece : flow->first + piece;
    if (flow->used == 0 || flow->first == flow->capacity)
        flow->first = 0;
    return size;
}

/* Puts bytes in, as many as there is room for. */
static size_t edo_flow_put(struct edo_flow *flow, const unsigned char *buffer, size_t size)
{
    size_t at = flow->first + flow->used;
    size_t piece;

    if (at >= flow->capacity)
        at -= flow->capacity;
    if (size > flow->capacity - flow->used)
        size = flow->capacity - flow->used;
    piece = flow->capacity - at < size ? flow->capacity - at : size;
    memcpy(flow->bytes + at, buffer, piece);
    memcpy(flow->bytes, buffer + piece, size - piece);
    flow->used += size;
    return size;
}

static void edo_flow_tell(struct edo_task *woken[2], struct edo_source *end, uint32_t bits)
{
    if (end)
        edo_source_raise(woken, end, bits);
}

/* --- The kind ----------------------------------------------------------------------------------------------------- */

static ssize_t edo_duplex_recv(struct edo_source *source, void *buffer, size_t size)
{
    struct edo_flow *flow = edo_end_of(source)->in;
    struct edo_task *woken[2] = {NULL, NULL};
    ssize_t result;

    edo_lock_acquire(&flow->lock);
    if (flow->used > 0) {
        bool full = flow->used == flow->capacity;

        result = (ssize_t)edo_flow_take(flow, (unsigned char *)buffer, size);
        if (full)
            edo_flow_tell(woken, flow->writer, EDO_READY_OUT);
    } else {
        result = edo_flow_readable(flow) ? 0 : -EAGAIN;
    }
    edo_lock_release(&flow->lock);
    edo_source_wake(woken);
    return result;
}

static ssize_t edo_duplex_sendv(struct edo_source *source, const struct iovec *pieces, int count)
{
    struct edo_flow *flow = edo_end_of(source)->out;
    struct edo_task *woken[2] = {NULL, NULL};
    ssize_t result = 0;

    edo_lock_acquire(&flow->lock);
    if (flow->ended || flow->unread) {
        result = -EPIPE;
    } else if (!edo_flow_writable(flow)) {
        result = -EAGAIN;
    } else {
        bool empty = flow->used == 0;

        for (int i = 0; i < count && edo_flow_writable(flow); i++)
            if (pieces[i].iov_len > 0)
                result += (ssize_t)edo_flow_put(flow, (const unsigned char *)pieces[i].iov_base, pieces[i].iov_len);
        if (empty)
            edo_flow_tell(woken, flow->reader, EDO_READY_IN);
    }
    edo_lock_release(&flow->lock);
    edo_source_wake(woken);
    return result;
}

static ssize_t edo_duplex_send(struct edo_source *source, const void *buffer, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)buffer, size};

    return edo_duplex_sendv(source, &piece, 1);
}

/* Ends a flow for its writer or its reader, and tells both ends. `gone`: that end is closed. */
static void edo_flow_end(struct edo_flow *flow, bool by_writer, bool gone)
{
    struct edo_task *readers[2] = {NULL, NULL};
    struct edo_task *writers[2] = {NULL, NULL};

    edo_lock_acquire(&flow->lock);
    if (by_writer)
        flow->ended = true;
    else
        flow->unread = true;
    if (gone && by_writer)
        flow->writer = NULL;
    else if (gone)
        flow->reader = NULL;
    edo_flow_tell(readers, flow->reader, EDO_READY_IN);
    edo_flow_tell(writers, flow->writer, EDO_READY_OUT);
    edo_lock_release(&flow->lock);
    edo_source_wake(readers);
    edo_source_wake(writers);
}

static int edo_duplex_shutdown(struct edo_source *source, int half)
{
    const struct edo_end *end = edo_end_of(source);

    if (half != EDO_HALF_WRITE)
        edo_flow_end(end->in, false, false);
    if (half != EDO_HALF_READ)
        edo_flow_end(end->out, true, false);
    return 0;
}

static bool edo_duplex_look(struct edo_source *source)
{
    struct edo_flow *flow = edo_end_of(source)->in;
    bool readable;

    edo_lock_acquire(&flow->lock);
    readable = edo_flow_readable(flow);
    edo_lock_release(&flow->lock);
    return readable;
}

static void edo_duplex_ask(struct edo_source *source)
{
    const struct edo_end *end = edo_end_of(source);
    struct edo_task *readers[2] = {NULL, NULL};
    struct edo_task *writers[2] = {NULL, NULL};

    edo_lock_acquire(&end->in->lock);
    if (edo_flow_readable(end->in))
        edo_source_raise(readers, source, EDO_READY_IN);
    edo_lock_release(&end->in->lock);
    edo_lock_acquire(&end->out->lock);
    if (edo_flow_writable(end->out))
        edo_source_raise(writers, source, EDO_READY_OUT);
    edo_lock_release(&end->out->lock);
    edo_source_wake(readers);
    edo_source_wake(writers);
}

static void edo_duplex_close(struct edo_source *source)
{
    const struct edo_end *end = edo_end_of(source);

    edo_flow_end(end->in, false, true);
    edo_flow_end(end->out, true, true);
    if (atomic_fetch_sub_explicit(&end->duplex->open, 1, memory_order_acq_rel) == 1)
        edo_platform->release(end->duplex);
}

static const struct edo_source_kind edo_duplex_kind = {
    .name = "a stream in memory",
    .recv = edo_duplex_recv,
    .send = edo_duplex_send,
    .sendv = edo_duplex_sendv,
    .shutdown = edo_duplex_shutdown,
    .look = edo_duplex_look,
    .ask = edo_duplex_ask,
    .close = edo_duplex_close,
};

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static struct edo_duplex *edo_duplex_allocate(size_t capacity)
{
    struct edo_duplex *duplex;

    if (capacity > (SIZE_MAX / 2 - sizeof *duplex) / 2)
        return NULL;
    duplex = (struct edo_duplex *)edo_platform->allocate(sizeof *duplex + 2 * capacity);
    if (!duplex)
        return NULL;
    atomic_init(&duplex->open, 2);
    for (int i = 0; i < 2; i++) {
        duplex->ends[i] = (struct edo_end){{&edo_duplex_kind}, duplex, &duplex->flows[i], &duplex->flows[!i]};
        edo_lock_init(&duplex->flows[i].lock);
        duplex->flows[i].bytes = (unsigned char *)(duplex + 1) + (size_t)i * capacity;
        duplex->flows[i].capacity = capacity;
    }
    return duplex;
}

static edo_stream *edo_end_open(struct edo_end *end, struct edo_source *source)
{
    edo_source_open(source, -1);
    edo_source_set_kind(source, &end->beneath);
    /* No poller will tell of it: it is as if it were registered, for all who ask. */
    edo_source_set_registered(source, &source->runtime->workers[0]);
    end->in->reader = source;
    end->out->writer = source;
    return (edo_stream *)source;
}

int edo_duplex(edo_stream **a, edo_stream **b, size_t capacity)
{
    struct edo_duplex *duplex;
    struct edo_source *sources[2];
    int rc;

    if (!edo_task_self())
        return -EPERM;
    duplex = edo_duplex_allocate(capacity ? capacity : EDO_DUPLEX_CAPACITY);
    if (!duplex)
        return -ENOMEM;
    rc = edo_source_get(&sources[0]);
    if (rc == 0) {
        rc = edo_source_get(&sources[1]);
        if (rc < 0)
            edo_source_put(sources[0]);
    }
    if (rc < 0) {
        edo_platform->release(duplex);
        return rc;
    }
    *a = edo_end_open(&duplex->ends[0], sources[0]);
    *b = edo_end_open(&duplex->ends[1], sources[1]);
    return 0;
}
