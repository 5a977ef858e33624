/* SPDX-License-Identifier: MIT */
/*
 * Host names: what addresses they have. To connect by name, give it to edo_tcp_connect (edo/stream.h), which asks here
 * and tries the addresses.
 *
 * Names are looked up by getaddrinfo(3), so as the machine is set up: /etc/hosts, DNS, and what else nsswitch.conf
 * says. That call blocks its thread, for many seconds where no server answers; so it is made on threads of the
 * runtime's own, at most 8 at a time (edo_run_options.resolving_threads): slow names take no thread from edo_blocking,
 * nor the other way round. What is more waits for its turn. Nothing is kept for later: a cache is the business of the
 * machine (nscd, systemd-resolved) or of the program; two that ask for the same name at once are two questions.
 */
#ifndef EDO_DNS_H
#define EDO_DNS_H

#include <edo/addr.h>
#include <edo/base.h>
#include <edo/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_resolve_options {
    size_t size;
    int family; /* AF_INET or AF_INET6: only those; 0: both */
} edo_resolve_options;

/*
 * Finds the addresses of "host:port", and writes at most `capacity` of them to out[0], out[1], ... Returns how many: 1
 * or more. They are in the order in which to try them: as the system sorts them (RFC 6724), but with the two families
 * in turn (RFC 8305, section 4), and each once.
 *
 * The host is a name of letters, digits, "-" and "_" in labels of 1 to 63 bytes, 253 bytes in all, perhaps with a final
 * dot that keeps search domains out; names in other scripts in their ASCII form ("xn--..."). Or an IP address, in the
 * text form of edo_addr_parse ("127.0.0.1:80", "[::1]:80"), for which nobody is asked. A port is a number; Unix
 * addresses and other spellings of IP addresses ("127.1", "0x7f000001") are refused. So text that comes from users can
 * be given as it is, and who must not let them reach some address compares what is found, not what was written.
 *
 *   EDO_EDNS_UNKNOWN  the name does not exist
 *   EDO_EDNS_NODATA   it has no address, or none of the family
 *   EDO_EDNS_AGAIN    no server could be asked, for now: trying again later makes sense
 *   EDO_EDNS_FAILED   a failure that will not pass by itself
 *   -EINVAL           the text is not of that form; no room (`capacity` below 1); an unknown family
 *   -ENODEV           no interface has the name after "%"
 *   -ECANCELED        nothing was looked up, or what comes of it is thrown away: see below
 *   -ENOMEM, -EMFILE, -EAGAIN (no thread to be had), -E2BIG, and what else getaddrinfo(3) met
 *
 * A suspension point, also for IP addresses. A cancelled call returns at once: if it waited for its turn nobody will be
 * asked; if the question is on its way its thread comes back by itself, later, and counts among the 8 until then.
 * Neither edo_run nor the end of the process waits for it. For a limit in time use EDO_TIMEOUT.
 *
 * On a thread that runs no task the call blocks and is made there. In seeded runs names are simulated (edo_test_host in
 * edo/testing.h).
 */
EDO_API int edo_resolve(edo_addr *out, int capacity, const char *text, const edo_resolve_options *options);

#ifdef __cplusplus
}
#endif

#endif
