/* SPDX-License-Identifier: MIT */
/*
 * Which checkers this build is for. EDO_ASAN and EDO_TSAN are found out from the compiler; EDO_VALGRIND is given by the
 * build, which knows whether valgrind/valgrind.h is installed. All are 0 or 1.
 */
#ifndef EDO_PLATFORM_SANITIZER_H
#define EDO_PLATFORM_SANITIZER_H

#include <stdbool.h>

#if defined(__has_feature)
#define EDO_HAS_FEATURE(name) __has_feature(name)
#else
#define EDO_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || EDO_HAS_FEATURE(address_sanitizer)
#define EDO_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define EDO_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || EDO_HAS_FEATURE(thread_sanitizer)
#define EDO_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define EDO_TSAN 0
#endif

#ifndef EDO_VALGRIND
#define EDO_VALGRIND 0
#elif EDO_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* Whether Valgrind runs this program, as far as this build can know. */
static inline bool edo_on_valgrind(void)
{
#if EDO_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* Between these two, Valgrind says nothing of what this thread does. */
static inline void edo_valgrind_look_away(void)
{
#if EDO_VALGRIND
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void edo_valgrind_look_again(void)
{
#if EDO_VALGRIND
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/*
 * What comes before a release of an address is, for ThreadSanitizer, before what follows its acquire: for order that it
 * cannot see, since no atomic makes it.
 */
static inline void edo_tsan_release(void *address)
{
#if EDO_TSAN
    __tsan_release(address);
#endif
    (void)address;
}

static inline void edo_tsan_acquire(void *address)
{
#if EDO_TSAN
    __tsan_acquire(address);
#endif
    (void)address;
}

#endif
