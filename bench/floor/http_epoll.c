/* SPDX-License-Identifier: MIT */
/*
 * The floor of HTTP: fixed bytes for every empty line that ends a read, without a parser. (A request that is
 * cut in two within its empty line would be missed; the load generator sends each in one piece.)
 */
#include "floor/server.h"

#include <string.h>
#include <unistd.h>

static char hello[] = "HTTP/1.1 200 OK\r\n"
                      "Content-Type: text/plain\r\n"
                      "Content-Length: 13\r\n"
                      "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                      "\r\n"
                      "Hello, world!";

static int answer(int fd, char *buffer, size_t size)
{
    if (size < 4 || memcmp(buffer + size - 4, "\r\n\r\n", 4) != 0)
        return 0;
    return write(fd, bench_floor_answer, bench_floor_answer_size) == (ssize_t)bench_floor_answer_size ? 0 : -1;
}

int main(int argc, char **argv)
{
    bench_floor_answer = hello;
    bench_floor_answer_size = sizeof hello - 1;
    return bench_floor_main(argc, argv, answer);
}
