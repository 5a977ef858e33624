/* SPDX-License-Identifier: MIT */
/*
 * Host names by getaddrinfo(3): what the machine's administrator has set up (nsswitch.conf: files, DNS, and others) is
 * what counts. Blocks, for many seconds where nobody answers; runs foreign code, so on ordinary threads only (rule F5).
 * No data.
 */
#include "platform/names.h"
#include "platform/platform_linux.h"

#include <edo/error.h>

#include <netdb.h>
#include <string.h>

static int edo_resolve_failure(int rc)
{
    switch (rc) {
    case EAI_NONAME:
        return EDO_EDNS_UNKNOWN;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return EDO_EDNS_NODATA;
    case EAI_AGAIN:
        return EDO_EDNS_AGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_FAMILY:
        return -EAFNOSUPPORT;
    case EAI_SYSTEM:
        return edo_system_failure();
    default: /* EAI_FAIL, and what only a wrong question gives */
        return EDO_EDNS_FAILED;
    }
}

int edo_system_resolve(struct edo_lookup *lookup)
{
    const struct addrinfo hints = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(lookup->host, NULL, &hints, &list);

    if (rc != 0)
        return edo_resolve_failure(rc);
    lookup->count = 0;
    for (const struct addrinfo *at = list; at && lookup->count < EDO_LOOKUP_MOST; at = at->ai_next) {
        struct edo_lookup_address *found = &lookup->found[lookup->count];
        socklen_t size = at->ai_family == AF_INET    ? sizeof found->at.ip4
                         : at->ai_family == AF_INET6 ? sizeof found->at.ip6
                                                     : 0;

        if (size == 0 || at->ai_addrlen < size)
            continue;
        memcpy(&found->at, at->ai_addr, size);
        lookup->count++;
    }
    freeaddrinfo(list);
    return lookup->count > 0 ? 0 : EDO_EDNS_NODATA;
}
