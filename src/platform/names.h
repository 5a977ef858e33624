/* SPDX-License-Identifier: MIT */
/* A host name that is to be looked up, and what came of it; the platform table's resolve takes it. */
#ifndef EDO_PLATFORM_NAMES_H
#define EDO_PLATFORM_NAMES_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* The longest name with its final dot and a terminating zero; how many addresses are looked at, the others left out. */
enum { EDO_HOST_SIZE = 255, EDO_LOOKUP_MOST = 64 };

struct edo_lookup_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    } at; /* its port is 0 */
};

struct edo_lookup {
    char host[EDO_HOST_SIZE];
    int family; /* AF_INET, AF_INET6; AF_UNSPEC: both */

    int rc;        /* for who passes it to another thread: what resolve returned */
    int64_t takes; /* a simulated answer: it comes only then, from now */
    int count;
    struct edo_lookup_address found[EDO_LOOKUP_MOST]; /* in the order in which they are to be tried (RFC 6724) */
};

#endif
