/* SPDX-License-Identifier: MIT */
/*
 * What is inside a stream and a listener: a source (runtime/poller.h), first, since the conditions of dormant tasks name
 * streams by it.
 */
#ifndef EDO_IO_STREAM_H
#define EDO_IO_STREAM_H

#include "runtime/poller.h"

#include <edo/stream.h>

struct edo_stream {
    struct edo_source source;
};

struct edo_listener {
    struct edo_source *source;
    char *path; /* of a Unix socket, to be removed; NULL: none */
};

/* The address of a Unix socket's path, taken as it is; "@name" is an abstract name. -EINVAL, -ENAMETOOLONG. */
int edo_unix_addr(edo_addr *out, const char *path);

/* A non-blocking, close-on-exec socket of the address's family, connected or listening later. A descriptor or an error. */
int edo_socket_open(const edo_addr *address);

/* TCP options; an address family without them is left alone. */
int edo_socket_set_nodelay(int fd, bool on);
int edo_socket_set_keepalive(int fd, int64_t after);

#endif
