/* SPDX-License-Identifier: MIT */
/* What a user's first program does, in C: include, link, find that header and library agree. */
#include <edo/edo.h>

#include <stdio.h>

int main(void)
{
    printf("edo %d\n", edo_version());
    return edo_version() == EDO_VERSION_NUMBER ? 0 : 1;
}
