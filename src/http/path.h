/* SPDX-License-Identifier: MIT */
/*
 * From a request's path to a name that may be put behind a directory's.
 */
#ifndef EDO_HTTP_PATH_H
#define EDO_HTTP_PATH_H

#include <edo/base.h>

/*
 * Decodes the percent escapes of a path, once, then drops its empty and "." segments and resolves "..". What comes
 * out begins with exactly one slash, has no two in a row, no segment "." or "..", and no NUL but the one behind its
 * end; so `out + 1` is a relative name that does not lead upwards by itself. (Symbolic links still may: open it
 * beneath the directory.) It ends in a slash if the path ended in "/", "/." or "/..".
 *
 * Returns the size without the terminating NUL. -EINVAL: the path does not begin with a slash, has a malformed
 * escape, an escaped NUL or slash, or leads above its root. -ENAMETOOLONG: `capacity` is too small; path.size + 1
 * always suffices. Any byte else passes, backslashes and control characters included. `out` and `path` do not
 * overlap.
 */
ssize_t edo_http_path_decode(char *out, size_t capacity, edo_str path);

#endif
