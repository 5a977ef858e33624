/* SPDX-License-Identifier: MIT */
/*
 * What comes from the client: filling the buffer, and the body of a request.
 *
 * Invariants: start <= at <= end <= capacity; the head's bytes stay where the head's spans point, for as long as the
 * exchange lives, so the body is read into what is behind it. Nobody waits for a client without a deadline. A body's is
 * an allowance: waiting spends it, bytes that come earn a part of it back, up to body_timeout. So a client that sends a
 * byte a second is cut about as soon as one that sends nothing, and one that is steadily slow is not.
 */
#include "http/exchange.h"

/* --- The buffer --------------------------------------------------------------------------------------------------- */

ssize_t edo_http_fill(struct edo_http_exchange *x, char *to, size_t room, int64_t deadline)
{
    for (;;) {
        ssize_t n = edo_try_read(x->stream, to, room);

        if (n != -EAGAIN)
            return n;
        if (x->output_size > 0 && (n = edo_http_output_flush(x)) < 0)
            return n;
        n = edo_wait_readable(x->stream, deadline);
        if (n < 0)
            return n;
    }
}

/* Moves the input into a new buffer, which has room for the largest head. */
static int grow(struct edo_http_exchange *x)
{
    uint32_t line = x->server->limits.line;
    uint32_t bytes = x->server->limits.bytes;
    uint32_t size = x->end - x->start;
    uint32_t capacity = line + bytes + EDO_HTTP_INPUT_SIZE;
    char *heap;

    if (size >= capacity)
        return -ENOMEM;
    heap = (char *)edo_allocate(capacity);
    if (!heap)
        return -ENOMEM;
    memcpy(heap, x->input + x->start, size);
    edo_release(x->heap);
    x->input = x->heap = heap;
    x->capacity = capacity;
    x->at -= x->start;
    x->end = size;
    x->start = 0;
    return 0;
}

int edo_http_make_room(struct edo_http_exchange *x)
{
    if (x->end < x->capacity)
        return 0;
    if (x->start > 0) {
        memmove(x->input, x->input + x->start, x->end - x->start);
        x->at -= x->start;
        x->end -= x->start;
        x->start = 0;
        return 0;
    }
    return x->heap ? -ENOMEM : grow(x);
}

/* --- The body ----------------------------------------------------------------------------------------------------- */

void edo_http_body_begin(struct edo_http_exchange *x)
{
    const struct edo_http_head *head = &x->head;

    x->expects = head->expect_continue;
    if (!head->has_body) {
        x->body = EDO_HTTP_BODY_END;
        return;
    }
    x->body_left = head->content_length;
    x->body = head->chunked ? EDO_HTTP_BODY_CHUNKED : EDO_HTTP_BODY_SIZED;
    x->read_allowance = x->server->body_timeout;
    if (head->chunked)
        edo_http_chunked_init(&x->decoder, &x->server->limits);
}

static ssize_t fail_body(struct edo_http_exchange *x, int error)
{
    x->body = EDO_HTTP_BODY_FAILED;
    x->body_error = error;
    x->unread = true;
    x->close = true;
    return error;
}

/* Tells a client that waits for it to send the body. */
static int invite(struct edo_http_exchange *x)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct iovec piece = {(void *)(uintptr_t)go_on, sizeof go_on - 1};

    x->expects = false;
    return x->stage == EDO_HTTP_STAGE_NONE ? edo_http_output_send(x, &piece, 1) : 0;
}

/* Reads some of the body's bytes, or of its chunks, within the allowance. */
static ssize_t fill_body(struct edo_http_exchange *x, char *to, size_t room)
{
    ssize_t n;

    if (x->expects && (n = invite(x)) < 0)
        return fail_body(x, (int)n);
    n = edo_try_read(x->stream, to, room);
    if (n == -EAGAIN) {
        int64_t began = edo_now();

        n = edo_http_fill(x, to, room, edo_http_after(began, x->read_allowance));
        x->read_allowance -= edo_now() - began;
    }
    if (n == 0)
        n = -ECONNRESET;
    if (n < 0)
        return n == -ECANCELED ? n : fail_body(x, (int)n);
    x->read_allowance += n * (int64_t)EDO_HTTP_EARNED_NS;
    if (x->read_allowance > x->server->body_timeout)
        x->read_allowance = x->server->body_timeout;
    return n;
}

static ssize_t read_sized(struct edo_http_exchange *x, char *buffer, size_t size)
{
    size_t buffered = x->end - x->at;
    ssize_t n;

    if ((uint64_t)x->body_left < size)
        size = (size_t)x->body_left;
    if (buffered > 0) {
        n = (ssize_t)(buffered < size ? buffered : size);
        memcpy(buffer, x->input + x->at, (size_t)n);
        x->at += (uint32_t)n;
        x->expects = false;
    } else {
        n = fill_body(x, buffer, size);
        if (n < 0)
            return n;
    }
    x->body_left -= n;
    if (x->body_left == 0)
        x->body = EDO_HTTP_BODY_END;
    return n;
}

/* Gets more of the chunks into the buffer, which is empty behind the head. */
static ssize_t fill_chunks(struct edo_http_exchange *x)
{
    uint32_t behind = x->start + (uint32_t)x->parser.result;
    ssize_t n;

    if (x->capacity - behind < 1024 && !x->heap) {
        x->at = x->end = behind;
        if (grow(x) < 0)
            return fail_body(x, -ENOMEM);
        x->head.bytes = x->input;
        behind = x->end;
    }
    x->at = x->end = behind;
    n = fill_body(x, x->input + behind, x->capacity - behind);
    if (n > 0)
        x->end += (uint32_t)n;
    return n;
}

/*
 * Takes body bytes out of the chunks that are in the buffer, until it is empty, `size` bytes are there, or the body
 * ends.
 */
static ssize_t take_chunks(struct edo_http_exchange *x, char *buffer, size_t size)
{
    size_t taken = 0;

    while (taken < size && x->at < x->end) {
        size_t room = size - taken, consumed;
        size_t offered = x->end - x->at < room ? x->end - x->at : room;
        edo_str piece;
        int rc = edo_http_chunked_next(&x->decoder, x->input + x->at, offered, &consumed, &piece);

        x->at += (uint32_t)consumed;
        if (rc < 0)
            return fail_body(x, rc);
        memcpy(buffer + taken, piece.data, piece.size);
        taken += piece.size;
        if (rc == EDO_HTTP_CHUNK_END) {
            x->body = EDO_HTTP_BODY_END;
            break;
        }
    }
    return (ssize_t)taken;
}

static ssize_t read_chunked(struct edo_http_exchange *x, char *buffer, size_t size)
{
    for (;;) {
        ssize_t n;

        if (x->at < x->end) {
            x->expects = false;
            n = take_chunks(x, buffer, size);
            if (n != 0 || x->body == EDO_HTTP_BODY_END)
                return n;
        }
        n = fill_chunks(x);
        if (n < 0)
            return n;
    }
}

ssize_t edo_http_read(edo_http_exchange *x, void *buffer, size_t size)
{
    if (x->stage == EDO_HTTP_STAGE_TAKEN)
        return -EINVAL;
    if (size == 0 || x->body == EDO_HTTP_BODY_END)
        return 0;
    if (x->body == EDO_HTTP_BODY_FAILED)
        return x->body_error;
    return x->body == EDO_HTTP_BODY_SIZED ? read_sized(x, (char *)buffer, size) : read_chunked(x, (char *)buffer, size);
}

bool edo_http_body_discard(struct edo_http_exchange *x)
{
    char scratch[1024];
    size_t discarded = 0;

    if (x->body == EDO_HTTP_BODY_SIZED && x->body_left > EDO_HTTP_DISCARD_MAX)
        return false;
    while (x->body == EDO_HTTP_BODY_SIZED || x->body == EDO_HTTP_BODY_CHUNKED) {
        ssize_t n = edo_http_read(x, scratch, sizeof scratch);

        if (n < 0 || (discarded += (size_t)n) > EDO_HTTP_DISCARD_MAX)
            return false;
    }
    return x->body == EDO_HTTP_BODY_END;
}
