/* SPDX-License-Identifier: MIT */
/* The platform's memory for the libraries above the core, which do not see its table. No data. */
#include "platform/platform.h"

#include <edo/memory.h>

void *edo_allocate(size_t size)
{
    return edo_platform->allocate(size);
}

void edo_release(void *memory)
{
    edo_platform->release(memory);
}
