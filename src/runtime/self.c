/* SPDX-License-Identifier: MIT */
/* The thread-local pointer behind edo_thread_self(). See self.h for why it is read so carefully. */
#include "runtime/self.h"

#include <stddef.h>

__thread struct edo_thread *edo_self_pointer;

/* Not inlined, so that the address is computed within one call and never lives longer. */
__attribute__((noinline)) void edo_thread_set_self(struct edo_thread *thread)
{
    __asm__ volatile("" ::: "memory");
    edo_self_pointer = thread;
}

#if !defined(EDO_NAIVE_TLS) && !(defined(__x86_64__) && !defined(__SANITIZE_THREAD__)) && !defined(__aarch64__)
__attribute__((noinline)) struct edo_thread *edo_thread_self(void)
{
    __asm__ volatile("" ::: "memory");
    return edo_self_pointer;
}
#endif
