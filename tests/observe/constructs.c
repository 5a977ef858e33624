/* SPDX-License-Identifier: MIT */
/* A library whose constructor takes its time; for test_backtrace.c. */
extern void edo_test_constructs(void);

__attribute__((constructor)) static void constructs(void)
{
    edo_test_constructs();
    __asm__ volatile("");
}
