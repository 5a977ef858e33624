/* SPDX-License-Identifier: MIT */
/* The thread-local pointers behind edo_thread_self(). See self.h for why they are read so carefully. */
#include "runtime/self.h"
#include "runtime/thread.h"

#include <stddef.h>

static struct edo_thread edo_nobody; /* never written: it has no task, no worker and no runtime */

__thread struct edo_thread *edo_self_pointer;
__thread struct edo_thread *edo_self_or_nobody_pointer = &edo_nobody;

/* Not inlined, so that the address is computed within one call and never lives longer. */
__attribute__((noinline)) void edo_thread_set_self(struct edo_thread *thread)
{
    __asm__ volatile("" ::: "memory");
    edo_self_pointer = thread;
    edo_self_or_nobody_pointer = thread ? thread : &edo_nobody;
}

#if !defined(EDO_NAIVE_TLS) && !(defined(__x86_64__) && !defined(__SANITIZE_THREAD__)) && !defined(__aarch64__)
__attribute__((noinline)) struct edo_thread *edo_thread_self(void)
{
    __asm__ volatile("" ::: "memory");
    return edo_self_pointer;
}

__attribute__((noinline)) struct edo_thread *edo_thread_self_or_nobody(void)
{
    __asm__ volatile("" ::: "memory");
    return edo_self_or_nobody_pointer;
}
#endif
