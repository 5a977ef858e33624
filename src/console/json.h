/* SPDX-License-Identifier: MIT */
/*
 * JSON, written from left to right into memory that grows. Members are separated by commas by themselves: a value that
 * follows another one gets one before it. When there is no memory the text is empty and stays so, which `failed` tells;
 * nobody needs to ask before it is used. Bytes that are no UTF-8 are written as the characters with their numbers.
 */
#ifndef EDO_CONSOLE_JSON_H
#define EDO_CONSOLE_JSON_H

#include <edo/base.h>

struct edo_json {
    char *data;
    size_t size;
    size_t capacity;
    bool failed;
};

void edo_json_reset(struct edo_json *json); /* empties it; the memory stays */
void edo_json_finish(struct edo_json *json);

/* As it is, without a comma. */
void edo_json_raw(struct edo_json *json, const char *text, size_t size);
#define edo_json_put(json, literal) edo_json_raw((json), literal, sizeof(literal) - 1)

/* An object or a list begins ('{', '['), or ends; with a key, NULL in lists and at the top. */
void edo_json_open(struct edo_json *json, const char *key, char bracket);
void edo_json_close(struct edo_json *json, char bracket);

/* Members; `key` NULL: of a list. What is not known is not written: NULL, and in _known what is negative. */
void edo_json_text(struct edo_json *json, const char *key, const char *text);
void edo_json_uint(struct edo_json *json, const char *key, uint64_t number);
void edo_json_known(struct edo_json *json, const char *key, int64_t number);
void edo_json_int(struct edo_json *json, const char *key, int64_t number);
void edo_json_bool(struct edo_json *json, const char *key, bool value);
void edo_json_true(struct edo_json *json, const char *key, bool value); /* false: not written */
void edo_json_id(struct edo_json *json, const char *key, uint64_t id);  /* a string of digits */
void edo_json_printf(struct edo_json *json, const char *key, const char *format, ...) EDO_PRINTF(3, 4); /* a string */

#endif
