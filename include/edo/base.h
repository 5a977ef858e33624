/* SPDX-License-Identifier: MIT */
/*
 * Words that every other header uses: visibility, text, time, options, and the macros that tie cleanup to a block.
 */
#ifndef EDO_BASE_H
#define EDO_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EDO_API          __attribute__((visibility("default")))
#define EDO_NODISCARD    __attribute__((warn_unused_result))
#define EDO_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define EDO_NORETURN     __attribute__((noreturn))
#else
#error "Edo needs gcc or clang: it uses __attribute__((cleanup)) and statement expressions"
#endif

/* The version of the headers; edo_version() tells that of the library that was linked. */
#define EDO_VERSION_MAJOR  0
#define EDO_VERSION_MINOR  1
#define EDO_VERSION_PATCH  0
#define EDO_VERSION_NUMBER (EDO_VERSION_MAJOR * 10000 + EDO_VERSION_MINOR * 100 + EDO_VERSION_PATCH)

/* The library's version as EDO_VERSION_NUMBER has it. Any thread. */
EDO_API int edo_version(void);

/* --- Time --------------------------------------------------------------------------------------------------------- */

/* All times are int64_t nanoseconds; deadlines are absolute on the monotonic clock (edo_now()). */
#define EDO_NS(n)   ((int64_t)(n))
#define EDO_US(n)   ((int64_t)(n)*1000)
#define EDO_MS(n)   ((int64_t)(n)*1000000)
#define EDO_SEC(n)  ((int64_t)(n)*1000000000)
#define EDO_FOREVER INT64_MAX /* a deadline that never comes */

/* --- Text --------------------------------------------------------------------------------------------------------- */

/* A piece of text: where and how long. Not necessarily terminated; does not own its bytes. */
typedef struct edo_str {
    const char *data;
    size_t size;
} edo_str;

#ifdef __cplusplus
#define EDO_STR(literal) (edo_str{(literal), sizeof(literal) - 1})
#else
#define EDO_STR(literal) ((edo_str){(literal), sizeof(literal) - 1})
#endif

/* For printf: printf("%.*s", EDO_STR_ARG(text)) */
#define EDO_STR_ARG(text) (int)(text).size, (text).data

/* The text of a terminated string; NULL gives an empty text. Any thread. */
static inline edo_str edo_str_of(const char *terminated)
{
    edo_str text = {terminated ? terminated : "", terminated ? strlen(terminated) : 0};

    return text;
}

/* Whether two texts have the same bytes. Any thread. */
static inline bool edo_str_equal(edo_str a, edo_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* --- Options ------------------------------------------------------------------------------------------------------ */

/*
 * Options are structs whose first member is their size. EDO_OPTIONS(edo_run_options, .workers = 2) gives a pointer to
 * one that lives until the end of the enclosing block. A zero member means its default; NULL means all defaults. A
 * struct from a newer header, handed to an older library, is refused with -E2BIG if its unknown tail is not all zero.
 */
#define EDO_OPTIONS(type, ...) (&(type){.size = sizeof(type), __VA_ARGS__})

#define EDO_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- Cleanup tied to a block -------------------------------------------------------------------------------------- */

#define EDO_JOIN_(a, b)  a##b
#define EDO_JOIN(a, b)   EDO_JOIN_(a, b)
#define EDO_UNIQUE(name) EDO_JOIN(name, __LINE__)

/*
 * `edo_stream *peer EDO_AUTO(edo_close) = NULL;` calls edo_close(peer) on every way out of the block: falling through,
 * return, break, goto. (Not on longjmp, which must not leave a task.) For your own types say once, at file level,
 * EDO_AUTO_DEFINE(thing *, thing_destroy). The function must accept NULL.
 */
#define EDO_AUTO(function) __attribute__((cleanup(EDO_JOIN(edo_auto_, function))))
#define EDO_AUTO_DEFINE(type, function)                                                                                \
    static inline void EDO_JOIN(edo_auto_, function)(type * variable_)                                                 \
    {                                                                                                                  \
        if (*variable_) /* mostly it is known that EDO_TAKE was there */                                               \
            function(*variable_);                                                                                      \
    }                                                                                                                  \
    struct edo_needs_semicolon_

/* Takes the value out of a pointer variable and leaves NULL there: how an EDO_AUTO variable gives up what it owns. */
#define EDO_TAKE(variable)                                                                                             \
    (__extension__({                                                                                                   \
        __typeof__(variable) edo_taken_ = (variable);                                                                  \
        (variable) = NULL;                                                                                             \
        edo_taken_;                                                                                                    \
    }))

/* EDO_DEFER(function, argument); calls function(argument) when the block is left, last deferred first. */
struct edo_deferred_ {
    void (*function)(void *);
    void *argument;
};
static inline void edo_deferred_run_(struct edo_deferred_ *deferred)
{
    deferred->function(deferred->argument);
}
#define EDO_DEFER(function_, argument_)                                                                                \
    struct edo_deferred_ EDO_UNIQUE(edo_defer_)                                                                        \
        __attribute__((cleanup(edo_deferred_run_), unused)) = {(function_), (argument_)}

/* EDO_AUTO(free) works out of the box. */
EDO_API void edo_auto_free(void *variable);

#ifdef __cplusplus
}
#endif

#endif
