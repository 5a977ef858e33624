/* SPDX-License-Identifier: MIT */
/*
 * Peers in other languages, peers/NAME: built by their own tools when a row wants them, into the build directory.
 */
#ifndef EDO_BENCH_PEER_H
#define EDO_BENCH_PEER_H

#include <stddef.h>

/*
 * Builds peers/NAME, a package of cargo's, if that has not been done, and gives the path of its program. 0; -ENOENT if
 * there is no cargo or it can't build (nothing has been downloaded yet, and there is no network); why is in `reason`.
 */
int bench_peer_cargo(char *path, size_t size, const char *name, char *reason, size_t reason_size);

#endif
