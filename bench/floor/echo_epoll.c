/* SPDX-License-Identifier: MIT */
/*
 * The floor of echo: what was read is written back.
 */
#include "floor/server.h"

#include <unistd.h>

static int echo(int fd, char *buffer, size_t size)
{
    return write(fd, buffer, size) == (ssize_t)size ? 0 : -1;
}

int main(int argc, char **argv)
{
    return bench_floor_main(argc, argv, echo);
}
