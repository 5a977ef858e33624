/* SPDX-License-Identifier: MIT */
/* Opening a file that is certain to lie within a directory. */
#ifndef EDO_HTTP_OPEN_BENEATH_H
#define EDO_HTTP_OPEN_BENEATH_H

#include <edo/base.h>

/*
 * Opens `name`, relative to the directory `root` (a descriptor), for reading. Neither ".." nor a symbolic link leads
 * out of it: openat2(2) sees to that; links that stay inside are followed. A descriptor or a negative errno. Blocks as
 * open(2).
 */
int edo_http_open_beneath(int root, const char *name);

/* The same for kernels without openat2, component by component: here no symbolic link is followed at all. */
int edo_http_open_stepwise(int root, const char *name);

#endif
