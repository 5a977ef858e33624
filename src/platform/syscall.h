/* SPDX-License-Identifier: MIT */
/*
 * Calls to the kernel without libc in between, for those a server makes with every request: libc's wrappers are points
 * of pthread cancellation and write errno, and take as long over it as the rest of our way to the kernel. The answer is
 * the kernel's: a result, or a negative errno value.
 *
 * Builds for sanitizers go through libc, where those look at what is read and written.
 */
#ifndef EDO_PLATFORM_SYSCALL_H
#define EDO_PLATFORM_SYSCALL_H

#if defined(__has_feature)
#define EDO_SYSCALL_CHECKED                                                                                            \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDO_SYSCALL_CHECKED 1
#else
#define EDO_SYSCALL_CHECKED 0
#endif

#if EDO_SYSCALL_CHECKED
#define EDO_SYSCALL_DIRECT 0
#elif defined(__x86_64__) && defined(__LP64__)
#define EDO_SYSCALL_DIRECT 1
#include "platform/syscall_x86_64.h"
#elif defined(__aarch64__)
#define EDO_SYSCALL_DIRECT 1
#include "platform/syscall_aarch64.h"
#else
#define EDO_SYSCALL_DIRECT 0
#endif

#endif
