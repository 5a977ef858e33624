/* SPDX-License-Identifier: MIT */
/*
 * How Edo reports failure.
 *
 * A function that can fail returns an int or ssize_t: 0 or a count if it succeeded, otherwise a negative
 * code. Results come through out-parameters, which are written only on success unless the function says
 * otherwise. `errno` is never set on purpose and never to be read: a task may wake on another thread than it
 * went to sleep on.
 *
 *     -1 ... -4095    a negative errno value: -ECANCELED, -ETIMEDOUT, -EPIPE, ... (<errno.h>)
 *     below -4095     a code of a domain of its own, such as TLS or HTTP; that room's header names it (those of host
 *                     names, EDO_EDNS_..., stand below)
 *
 * The first range is the kernel's own, so that no errno value will ever meet a domain's code.
 *
 *     ssize_t n = edo_read(peer, buffer, sizeof buffer);
 *     if (n < 0)
 *         fprintf(stderr, "reading: %s\n", edo_strerror((int)n));
 */
#ifndef EDO_ERROR_H
#define EDO_ERROR_H

#include <errno.h>

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The last code that is a negative errno value; domain codes are smaller than this. */
#define EDO_ERRNO_LAST (-4095)

/* Why a host name gave no address: see <edo/dns.h>. */
enum edo_dns_error {
    EDO_EDNS_UNKNOWN = -4101, /* the name does not exist */
    EDO_EDNS_NODATA = -4102,  /* the name exists, but has no address (of the family asked for) */
    EDO_EDNS_AGAIN = -4103,   /* nobody answered, for now: the same question may be answered later */
    EDO_EDNS_FAILED = -4104   /* the answer was a failure that will not pass by itself */
};

/*
 * What a returned code means, in a few English words: "success" for 0 and for counts, "operation canceled"
 * for -ECANCELED, "unknown error" for what nobody has defined. In lower case and without a full stop, to
 * stand within a sentence; the same in every locale.
 *
 * Never NULL. The text is static: it needs no freeing and stays as it is. Any thread, any time, signal
 * handlers too.
 */
EDO_API const char *edo_strerror(int rc);

#ifdef __cplusplus
}
#endif

#endif
