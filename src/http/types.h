/* SPDX-License-Identifier: MIT */
/* Which Content-Type a file's name tells. */
#ifndef EDO_HTTP_TYPES_H
#define EDO_HTTP_TYPES_H

#include <edo/base.h>

/* The type for what follows the last dot of the name, in any case; "application/octet-stream" if nothing is known. */
const char *edo_http_type_of(edo_str name);

#endif
