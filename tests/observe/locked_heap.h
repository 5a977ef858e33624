/* SPDX-License-Identifier: MIT */
/*
 * The program gets an allocator with one lock, which a test holds: whoever else wants memory meanwhile waits. Where a
 * checker has an allocator of its own nobody waits, and the tests are as good as others.
 */
#ifndef EDO_TESTS_OBSERVE_LOCKED_HEAP_H
#define EDO_TESTS_OBSERVE_LOCKED_HEAP_H

#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static _Atomic int heap_holder; /* the thread's number to the kernel; 0: nobody */

static inline void heap_hold(void)
{
    atomic_store(&heap_holder, gettid());
}

static inline void heap_let(void)
{
    atomic_store(&heap_holder, 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static inline void heap_pass(void)
{
    for (int holder; (holder = atomic_load(&heap_holder)) != 0 && holder != gettid();)
        usleep(100);
}

void *malloc(size_t size)
{
    heap_pass();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    heap_pass();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    heap_pass();
    return __libc_realloc(memory, size);
}

void free(void *memory)
{
    heap_pass();
    __libc_free(memory);
}
#endif

#endif
