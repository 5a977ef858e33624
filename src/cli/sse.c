/* SPDX-License-Identifier: MIT */
/* Server-sent events, taken out of the bytes as they come; see sse.h. */
#include "cli/sse.h"

#include <errno.h>
#include <stdlib.h>

void edo_sse_text_finish(struct edo_sse_text *text)
{
    free(text->data);
    *text = (struct edo_sse_text){NULL, 0, 0};
}

int edo_sse_append(struct edo_sse_text *text, const char *data, size_t size)
{
    size_t need = text->size + size + 1;

    if (need > EDO_SSE_MOST)
        return -EMSGSIZE;
    if (need > text->capacity) {
        size_t capacity = need < 2048 ? 4096 : 2 * need;
        char *larger = realloc(text->data, capacity);

        if (!larger)
            return -ENOMEM;
        text->data = larger;
        text->capacity = capacity;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = 0;
    return 0;
}

void edo_sse_init(struct edo_sse *sse)
{
    memset(sse, 0, sizeof *sse);
}

void edo_sse_finish(struct edo_sse *sse)
{
    edo_sse_text_finish(&sse->line);
    edo_sse_text_finish(&sse->data);
    edo_sse_init(sse);
}

/* A line that is complete. 1: it ends an event; else 0, or an error. */
static int take_line(struct edo_sse *sse)
{
    char *line = sse->line.data;
    size_t size = sse->line.size;
    size_t name;
    size_t value;

    if (size > 0 && line[size - 1] == '\r')
        line[--size] = 0;
    sse->line.size = 0;
    if (size == 0) {
        sse->done = true; /* a name without data is no event, and forgotten as one */
        return sse->data.size > 0;
    }
    name = strcspn(line, ":");
    value = name < size ? name + 1 : name;
    if (line[value] == ' ')
        value++;
    if (name == 5 && memcmp(line, "event", 5) == 0) {
        strncpy(sse->name, line + value, sizeof sse->name - 1);
        return 0;
    }
    if (name != 4 || memcmp(line, "data", 4) != 0)
        return 0;
    if (sse->data.size > 0 && edo_sse_append(&sse->data, "\n", 1) < 0)
        return -EMSGSIZE;
    return edo_sse_append(&sse->data, line + value, size - value);
}

int edo_sse_next(struct edo_sse *sse, edo_str *bytes)
{
    int rc = 0;

    while (bytes->size > 0 && rc == 0) {
        const char *end = memchr(bytes->data, '\n', bytes->size);
        size_t size = end ? (size_t)(end - bytes->data) : bytes->size;

        if (sse->done) {
            sse->done = false;
            sse->data.size = 0;
            memset(sse->name, 0, sizeof sse->name);
        }
        if ((rc = edo_sse_append(&sse->line, bytes->data, size)) < 0)
            break;
        bytes->data += size + (end ? 1 : 0);
        bytes->size -= size + (end ? 1 : 0);
        if (end)
            rc = take_line(sse);
    }
    return rc;
}
