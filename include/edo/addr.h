/* SPDX-License-Identifier: MIT */
/*
 * Addresses of sockets: IPv4 and IPv6 with a port, and Unix sockets by path or abstract name.
 *
 * An edo_addr is a plain value. Copy it, store it, compare it with edo_addr_equal; it owns nothing and needs
 * no cleanup. Its members are the library's business: use the functions. All zero is "no address", which only
 * edo_addr_equal and edo_addr_sockaddr accept; the others answer it with -EINVAL.
 *
 * All functions may be called on any thread, in tasks or outside them, and none waits. Two threads may read
 * the same value at once; a value that one of them writes is theirs to guard, as with any variable.
 *
 * Addresses have a text form, which edo_addr_parse reads and edo_addr_print writes:
 *
 *     127.0.0.1:80         IPv4, four decimal numbers without leading zeros, and a port
 *     :80                  the same as 0.0.0.0:80: any IPv4 address of this machine
 *     [::1]:80             IPv6, in brackets, so that its colons are not taken for the port's
 *     [::]:80              any IPv6 address of this machine; any IPv4 one too, unless the socket forbids it
 *     [fe80::1%eth0]:80    a link-local address with its interface, by name
 *     [fe80::1%2]:80       the same by the interface's number, and as it is printed
 *     /run/app.sock        a Unix socket by its path
 *     unix:/run/app.sock   the same, and as it is printed; after "unix:" the path may be relative
 *     @app                 a Unix socket by its name in Linux's abstract namespace
 *
 * A port is a decimal number from 0 to 65535 without sign or leading zeros, and never left out; 0 lets the
 * system choose one when the address is bound. Nothing else may stand in the text: no white space around or
 * within an IP address, no host names (to resolve one takes a while: edo_resolve), no second spelling of numbers.
 *
 * Unix paths and names are taken byte for byte, spaces and UTF-8 included, except that "\xNN" is the byte
 * with that hexadecimal number. Control characters, backslashes, and an "@" that begins a path must be
 * written so, and are printed so: printed addresses never break a line of a log.
 *
 *     edo_addr addr;
 *     char text[EDO_ADDR_TEXT_SIZE];
 *     int rc = edo_addr_parse(&addr, "[::1]:8080");
 *
 *     if (rc == 0 && (rc = edo_addr_print(text, sizeof text, &addr)) > 0)
 *         printf("%s has port %d\n", text, edo_addr_port(&addr));
 */
#ifndef EDO_ADDR_H
#define EDO_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_addr {
    uint32_t size_; /* of the address in use, as the system counts it; 0: no address */
    uint32_t reserved_;
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
        struct sockaddr_un local;
    } at_;
} edo_addr;

/* Bytes that hold the text of every address, with its terminating zero. */
#define EDO_ADDR_TEXT_SIZE 440

/*
 * Reads the text form above into *out. Returns 0, or, with nothing written,
 *   -EINVAL        the text has none of the forms, or is NULL
 *   -ENAMETOOLONG  a Unix path or name of more than 107 bytes
 *   -ENODEV        no interface has the name after "%"
 * An interface is looked up in the system when it is given by name; all else is computed from the text alone.
 */
EDO_API int edo_addr_parse(edo_addr *out, const char *text);

/*
 * Writes the text of an address and a terminating zero to out. Returns the length of the text without the zero, or,
 * with nothing written,
 *   -ENOSPC        text and zero are longer than `capacity` bytes; EDO_ADDR_TEXT_SIZE is always enough
 *   -EINVAL        `addr` is NULL or no address
 * What is printed, edo_addr_parse reads back into an equal address. Only two addresses that no one can be reached at
 * have no such text: the unnamed Unix address (of a socket that was never bound) is printed as "unix:" and the empty
 * abstract name as "@", and both are refused by edo_addr_parse.
 */
EDO_API int edo_addr_print(char *out, size_t capacity, const edo_addr *addr);

/*
 * Whether two addresses are the same: family, IP address, port and interface, or the bytes of path or name.
 * An IPv4 address differs from the same one mapped into IPv6 (::ffff:1.2.3.4). Two that are no address are
 * equal.
 */
EDO_API bool edo_addr_equal(const edo_addr *a, const edo_addr *b);

/* The port, 0 to 65535; -EAFNOSUPPORT for a Unix address, -EINVAL for no address. */
EDO_API int edo_addr_port(const edo_addr *addr);

/*
 * Puts another port, 0 to 65535, into an IPv4 or IPv6 address. Returns 0, -EINVAL for a port out of range or
 * no address, -EAFNOSUPPORT for a Unix address; the address is then unchanged.
 */
EDO_API int edo_addr_set_port(edo_addr *addr, int port);

/*
 * The address as bind(2) and connect(2) want it, and its size in *size. It points into *addr and is good for
 * as long as that is; NULL, with size 0, for no address. Its sa_family tells AF_INET, AF_INET6 and AF_UNIX
 * apart.
 */
EDO_API const struct sockaddr *edo_addr_sockaddr(const edo_addr *addr, socklen_t *size);

/*
 * The other way round: the address that accept(2), getpeername(2) or recvfrom(2) has filled in, with the size that it
 * told. Copies; `sockaddr` need not be aligned. Returns 0, or, with nothing written,
 *   -EINVAL        `sockaddr` is NULL, or `size` too small for the family
 *   -ENAMETOOLONG  a Unix path without room for its terminating zero, or a `size` larger than Unix addresses have
 *   -EAFNOSUPPORT  another family than the three
 * The flow label of an IPv6 address is dropped: it belongs to a connection rather than to an address.
 */
EDO_API int edo_addr_from_sockaddr(edo_addr *out, const struct sockaddr *sockaddr, socklen_t size);

#ifdef __cplusplus
}
#endif

#endif
