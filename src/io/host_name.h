/* SPDX-License-Identifier: MIT */
/* What a host may be called; see edo/dns.h. */
#ifndef EDO_IO_HOST_NAME_H
#define EDO_IO_HOST_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Whether these bytes are a name that edo_resolve looks up. */
bool edo_is_host_name(const char *host, size_t size);

#endif
