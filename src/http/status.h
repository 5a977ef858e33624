/* SPDX-License-Identifier: MIT */
/* The first line of a response, ready made. Constant data; any thread. */
#ifndef EDO_HTTP_STATUS_H
#define EDO_HTTP_STATUS_H

#include <edo/base.h>

/* "HTTP/1.1 200 OK" with its CRLF; .data is NULL for a status without a name. */
edo_str edo_http_status_line(int status);

#endif
