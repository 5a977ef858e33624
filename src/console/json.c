/* SPDX-License-Identifier: MIT */
/* JSON, written from left to right. See json.h. */
#include "base/utf8.h"
#include "console/json.h"

#include <edo/memory.h>

#include <stdarg.h>
#include <stdio.h>

void edo_json_reset(struct edo_json *json)
{
    json->size = 0;
    json->failed = false;
}

void edo_json_finish(struct edo_json *json)
{
    edo_release(json->data);
    *json = (struct edo_json){.data = NULL};
}

static bool room(struct edo_json *json, size_t size)
{
    size_t capacity = json->capacity ? json->capacity : 4096;
    char *data;

    if (json->failed)
        return false;
    if (json->capacity - json->size >= size)
        return true;
    while (capacity - json->size < size)
        capacity *= 2;
    data = (char *)edo_allocate(capacity);
    if (!data) {
        json->failed = true;
        json->size = 0;
        return false;
    }
    if (json->size > 0)
        memcpy(data, json->data, json->size);
    edo_release(json->data);
    json->data = data;
    json->capacity = capacity;
    return true;
}

void edo_json_raw(struct edo_json *json, const char *text, size_t size)
{
    if (!room(json, size))
        return;
    memcpy(json->data + json->size, text, size);
    json->size += size;
}

static void quoted(struct edo_json *json, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)text;

    edo_json_put(json, "\"");
    while (*at) {
        const unsigned char *plain = at;
        size_t size;

        while (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
            at++;
        if (at > plain)
            edo_json_raw(json, (const char *)plain, (size_t)(at - plain));
        if (!*at)
            break;
        size = *at < 0x80 ? 0 : edo_utf8_size(at);
        if (size > 0) {
            edo_json_raw(json, (const char *)at, size);
            at += size;
        } else {
            char escape[] = {'\\', 'u', '0', '0', digits[*at >> 4], digits[*at & 15]};

            edo_json_raw(json, escape, sizeof escape);
            at++;
        }
    }
    edo_json_put(json, "\"");
}

/* The comma, if there is something before it, and the key. */
static void begin(struct edo_json *json, const char *key)
{
    char last = json->size > 0 ? json->data[json->size - 1] : '\0';

    if (last && last != '{' && last != '[' && last != ' ' && last != '\n') /* the last two: of an event's frame */
        edo_json_put(json, ",");
    if (key) {
        edo_json_put(json, "\"");
        edo_json_raw(json, key, strlen(key));
        edo_json_put(json, "\":");
    }
}

void edo_json_open(struct edo_json *json, const char *key, char bracket)
{
    begin(json, key);
    edo_json_raw(json, &bracket, 1);
}

void edo_json_close(struct edo_json *json, char bracket)
{
    edo_json_raw(json, &bracket, 1);
}

void edo_json_text(struct edo_json *json, const char *key, const char *text)
{
    if (!text)
        return;
    begin(json, key);
    quoted(json, text);
}

static size_t digits_of(char *out, uint64_t number)
{
    char reversed[20];
    size_t count = 0;

    do
        reversed[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

void edo_json_uint(struct edo_json *json, const char *key, uint64_t number)
{
    char text[20];

    begin(json, key);
    edo_json_raw(json, text, digits_of(text, number));
}

void edo_json_int(struct edo_json *json, const char *key, int64_t number)
{
    char text[24] = "-";
    size_t sign = number < 0;

    begin(json, key);
    edo_json_raw(json, text, digits_of(text + sign, sign ? -(uint64_t)number : (uint64_t)number) + sign);
}

void edo_json_known(struct edo_json *json, const char *key, int64_t number)
{
    if (number >= 0)
        edo_json_int(json, key, number);
}

void edo_json_bool(struct edo_json *json, const char *key, bool value)
{
    begin(json, key);
    edo_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void edo_json_true(struct edo_json *json, const char *key, bool value)
{
    if (value)
        edo_json_bool(json, key, true);
}

void edo_json_id(struct edo_json *json, const char *key, uint64_t id)
{
    char text[24] = "\"";
    size_t size = digits_of(text + 1, id) + 1;

    text[size++] = '"';
    begin(json, key);
    edo_json_raw(json, text, size);
}

void edo_json_printf(struct edo_json *json, const char *key, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    edo_json_text(json, key, text);
}
