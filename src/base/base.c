/* SPDX-License-Identifier: MIT */
/*
 * The few functions behind <edo/base.h>. No data.
 */
#include <edo/base.h>

#include <stdlib.h>

int edo_version(void)
{
    return EDO_VERSION_NUMBER;
}

void edo_auto_free(void *variable)
{
    void *memory;

    /* The variable is a pointer to whatever type; copying reads it without claiming which. */
    memcpy(&memory, variable, sizeof memory);
    free(memory);
}
