/* SPDX-License-Identifier: MIT */
/*
 * What readers (edo/reader.h) and writers (edo/writer.h) keep their bytes in. Theirs alone: its members are named here
 * so that they can live in the caller's memory.
 */
#ifndef EDO_BUFFER_H
#define EDO_BUFFER_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_buffer {
    char *data_;  /* NULL: there is none at present */
    char *given_; /* the caller's; NULL: it brings its own */
    size_t base_; /* the size of `given_`, or that of its own as long as nothing larger is needed */
    size_t capacity_;
    size_t start_;
    size_t end_;
} edo_buffer;

#ifdef __cplusplus
}
#endif

#endif
