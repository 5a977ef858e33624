/* SPDX-License-Identifier: MIT */
/*
 * Paths for files (path.h). Pure. Invariant of the loop: what stands in `out` is a finished path of whole segments,
 * each with its slash before it, so the last one is taken back by going to the last slash.
 */
#include "http/path.h"

#include <errno.h>

#include "http/tokens.h"

/* One byte of the path, decoded; `at` is moved behind it. -EINVAL: nothing that may stand in a file's name. */
static int decode(edo_str path, size_t *at)
{
    const uint8_t *bytes = (const uint8_t *)path.data + *at;
    size_t left = path.size - *at;
    int byte = bytes[0];

    *at += byte == '%' ? 3 : 1;
    if (byte == '%') {
        if (left < 3 || !edo_http_is(bytes[1], EDO_HTTP_HEX) || !edo_http_is(bytes[2], EDO_HTTP_HEX))
            return -EINVAL;
        byte = (int)(edo_http_hex(bytes[1]) << 4 | edo_http_hex(bytes[2]));
        if (byte == '/')
            return -EINVAL;
    }
    return byte == '\0' ? -EINVAL : byte;
}

/* Where the path ends without its last segment and the slash before that. -EINVAL: it has none. */
static ssize_t parent(const char *out, size_t end)
{
    if (end == 0)
        return -EINVAL;
    while (out[--end] != '/')
        ;
    return (ssize_t)end;
}

static bool is_dots(const char *segment, size_t size)
{
    return size > 0 && size < 3 && segment[0] == '.' && segment[size - 1] == '.';
}

ssize_t edo_http_path_decode(char *out, size_t capacity, edo_str path)
{
    size_t end = 0; /* of the finished segments */
    size_t at = 0;
    bool directory = false; /* the last segment was empty, "." or ".." */

    if (path.size == 0 || path.data[0] != '/')
        return -EINVAL;
    while (at < path.size) {
        size_t size = 0; /* of this segment, which grows behind the finished ones and a slash */

        for (at++; at < path.size && path.data[at] != '/'; size++) {
            int byte = decode(path, &at);

            if (byte < 0)
                return byte;
            if (end + 1 + size >= capacity)
                return -ENAMETOOLONG;
            out[end + 1 + size] = (char)byte;
        }
        directory = size == 0 || is_dots(out + end + 1, size);
        if (directory && size == 2) {
            ssize_t shorter = parent(out, end);

            if (shorter < 0)
                return shorter;
            end = (size_t)shorter;
        }
        if (!directory) {
            out[end] = '/';
            end += 1 + size;
        }
    }
    if (end + directory >= capacity)
        return -ENAMETOOLONG;
    if (directory)
        out[end++] = '/';
    out[end] = '\0';
    return (ssize_t)end;
}
