/* SPDX-License-Identifier: MIT */
/*
 * Misuse that can be told for certain ends the program with a message, in builds with EDO_DEBUG_CHECKS (rule F2).
 * Release builds don't ask.
 */
#ifndef EDO_RUNTIME_MISUSE_H
#define EDO_RUNTIME_MISUSE_H

#ifdef EDO_DEBUG_CHECKS
__attribute__((noreturn)) void edo_misuse(const char *what, const char *file, int line);
#define EDO_MISUSE_IF(condition, what)                                                                                 \
    do {                                                                                                               \
        if (__builtin_expect(!!(condition), 0))                                                                        \
            edo_misuse((what), __FILE__, __LINE__);                                                                    \
    } while (0)
#else
#define EDO_MISUSE_IF(condition, what) ((void)sizeof(condition))
#endif

#endif
