/* SPDX-License-Identifier: MIT */
/*
 * What goes to the client: responses are collected in the exchange's buffer and leave in as few calls as possible.
 *
 * Invariant: bytes leave in the order in which they were written, and after the first failure none at all (`broken`).
 * Waiting for a client that takes nothing spends an allowance, as reading does (input.c).
 */
#include "http/exchange.h"

static int fail_output(struct edo_http_exchange *x, int error)
{
    x->output_size = 0;
    x->close = true;
    return x->broken = error;
}

/* Waits until the client takes more. */
static int wait_writable(struct edo_http_exchange *x)
{
    int64_t began = edo_now();
    int rc = edo_wait_writable(x->stream, edo_http_after(began, x->write_allowance));

    x->write_allowance -= edo_now() - began;
    return rc;
}

static void earn(struct edo_http_exchange *x, ssize_t moved)
{
    x->write_allowance += moved * (int64_t)EDO_HTTP_EARNED_NS;
    if (x->write_allowance > x->server->write_timeout)
        x->write_allowance = x->server->write_timeout;
}

int edo_http_output_flush(struct edo_http_exchange *x)
{
    size_t sent = 0;

    if (x->broken)
        return x->broken;
    while (sent < x->output_size) {
        ssize_t n = edo_try_write(x->stream, x->output + sent, x->output_size - sent);

        if (n == -EAGAIN)
            n = wait_writable(x);
        if (n < 0)
            return fail_output(x, (int)n);
        sent += (size_t)n;
        if (__builtin_expect(sent < x->output_size, 0))
            earn(x, n);
    }
    x->output_size = 0;
    return 0;
}

int edo_http_output_send(struct edo_http_exchange *x, const struct iovec *given, int count)
{
    struct iovec pieces[4] = {{x->output, x->output_size}};
    struct iovec *piece = pieces;

    if (x->broken)
        return x->broken;
    memcpy(pieces + 1, given, (size_t)count * sizeof *given);
    for (count++;;) {
        ssize_t n;

        while (count > 0 && piece->iov_len == 0) {
            piece++;
            count--;
        }
        if (count == 0)
            break;
        n = edo_try_writev(x->stream, piece, count);
        if (n == -EAGAIN)
            n = wait_writable(x);
        if (n < 0)
            return fail_output(x, (int)n);
        earn(x, n);
        while (n > 0) {
            size_t step = (size_t)n < piece->iov_len ? (size_t)n : piece->iov_len;

            piece->iov_base = (char *)piece->iov_base + step;
            piece->iov_len -= step;
            n -= (ssize_t)step;
            if (piece->iov_len == 0) {
                piece++;
                count--;
            }
        }
    }
    x->output_size = 0;
    return 0;
}
