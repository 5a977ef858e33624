/* SPDX-License-Identifier: MIT */
/* Paths of Unix sockets that are no more. */
#ifndef EDO_IO_STALE_H
#define EDO_IO_STALE_H

#include <edo/addr.h>

/*
 * A Unix socket's path that is in the way: removed if no socket has it any more. Any file is refused to connect(2) as a
 * stale socket is; that it is a socket is told by open(2), which cannot open one. A datagram socket that lives refuses
 * a stream with another error.
 */
void edo_unlink_stale(const edo_addr *address, const char *path);

#endif
