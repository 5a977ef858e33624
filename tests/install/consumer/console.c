/* SPDX-License-Identifier: MIT */
/* A program that names nothing of the console's library, and has it all the same: check.sh reads where on stderr. */
#include <edo/edo.h>

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

int main(void)
{
    return edo_run(nothing, NULL, EDO_OPTIONS(edo_run_options, .workers = 1, .console = "0")) < 0;
}
