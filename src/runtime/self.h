/* SPDX-License-Identifier: MIT */
/*
 * Which thread is this? One thread-local pointer, read in a way that no compiler caches.
 *
 * A task may be resumed on another thread by any call that suspends. Compilers assume that a thread-local's address
 * does not change within a function, keep it in a register, and so would go on with the old thread's variable: seen
 * with gcc 12 at -O2 in a plain executable, and with every compiler under -fPIC. A volatile asm that reads the thread
 * pointer anew is neither moved across other volatile asm nor merged with another. Elsewhere a function that is not
 * inlined, with an asm statement inside that keeps it from being seen as pure, does the same.
 *
 * EDO_NAIVE_TLS builds the straightforward version, for the test that must catch it.
 *
 * A second pointer is the same, but for threads that are no runtime's: there it is a thread that never runs a task, not
 * NULL. So who wants to know the task alone asks one question, not two.
 */
#ifndef EDO_RUNTIME_SELF_H
#define EDO_RUNTIME_SELF_H

struct edo_thread;

#if defined(EDO_NAIVE_TLS)

extern __thread struct edo_thread *edo_self_pointer;
extern __thread struct edo_thread *edo_self_or_nobody_pointer;

static inline struct edo_thread *edo_thread_self(void)
{
    return edo_self_pointer;
}

static inline struct edo_thread *edo_thread_self_or_nobody(void)
{
    return edo_self_or_nobody_pointer;
}

#elif defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

extern __thread struct edo_thread *edo_self_pointer __attribute__((tls_model("initial-exec")));
extern __thread struct edo_thread *edo_self_or_nobody_pointer __attribute__((tls_model("initial-exec")));

static inline struct edo_thread *edo_thread_self(void)
{
    struct edo_thread *self;

    __asm__ volatile("movq edo_self_pointer@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(self));
    return self;
}

static inline struct edo_thread *edo_thread_self_or_nobody(void)
{
    struct edo_thread *self;

    __asm__ volatile("movq edo_self_or_nobody_pointer@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(self));
    return self;
}

#elif defined(__aarch64__)

extern __thread struct edo_thread *edo_self_pointer __attribute__((tls_model("initial-exec")));
extern __thread struct edo_thread *edo_self_or_nobody_pointer __attribute__((tls_model("initial-exec")));

static inline struct edo_thread *edo_thread_self(void)
{
    struct edo_thread *self;
    unsigned long offset;

    __asm__ volatile("adrp %1, :gottprel:edo_self_pointer\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:edo_self_pointer]\n\t"
                     "mrs %0, tpidr_el0\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(self), "=&r"(offset));
    return self;
}

static inline struct edo_thread *edo_thread_self_or_nobody(void)
{
    struct edo_thread *self;
    unsigned long offset;

    __asm__ volatile("adrp %1, :gottprel:edo_self_or_nobody_pointer\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:edo_self_or_nobody_pointer]\n\t"
                     "mrs %0, tpidr_el0\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(self), "=&r"(offset));
    return self;
}

#else

struct edo_thread *edo_thread_self(void);
struct edo_thread *edo_thread_self_or_nobody(void);

#endif

void edo_thread_set_self(struct edo_thread *thread);

#endif
