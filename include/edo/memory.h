/* SPDX-License-Identifier: MIT */
/*
 * Memory from where the runtime has its own: what replaces the platform under a program (a test that lets allocations
 * fail, a count of them) sees these too.
 */
#ifndef EDO_MEMORY_H
#define EDO_MEMORY_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* So many bytes, zeroed and aligned to 16; NULL if there are none to be had. Any thread; never waits. */
EDO_API void *edo_allocate(size_t size);

/* Gives them back; NULL is accepted. Any thread. */
EDO_API void edo_release(void *memory);
EDO_AUTO_DEFINE(void *, edo_release);

#ifdef __cplusplus
}
#endif

#endif
