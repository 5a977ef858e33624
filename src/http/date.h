/* SPDX-License-Identifier: MIT */
/*
 * Dates of HTTP (RFC 9110 section 5.6.7): writing them, reading them in their three forms, and the line "Date: ..."
 * that every response has, which is made once a second.
 *
 * The line is in a seqlock: any task reads it without waiting, whoever finds it too old makes it anew. Words are
 * atomics (relaxed) between two readings of `sequence`; odd means that it is being written; who reads then makes one of
 * its own.
 */
#ifndef EDO_HTTP_DATE_H
#define EDO_HTTP_DATE_H

#include <edo/base.h>

#include <stdatomic.h>

#define EDO_HTTP_DATE_SIZE      29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define EDO_HTTP_DATE_LINE_SIZE 37 /* "Date: " before it, CRLF behind */

struct edo_http_clock {
    _Atomic uint32_t sequence;
    _Atomic int64_t until; /* on the monotonic clock: when the second ends that the line tells */
    _Atomic uint64_t words[5];
};

/* Writes EDO_HTTP_DATE_SIZE bytes, for seconds since 1970. Years 1970 to 9999. */
void edo_http_date_print(char *out, int64_t seconds);

/* Reads any of the three forms into seconds since 1970. 0 or -EINVAL. */
int edo_http_date_parse(int64_t *out, edo_str text);

/* Writes EDO_HTTP_DATE_LINE_SIZE bytes: the Date line for `now` (edo_now()). An all-zero clock is ready for use. */
void edo_http_date_line(char *out, struct edo_http_clock *clock, int64_t now);

#endif
