/* SPDX-License-Identifier: MIT */
/*
 * The status and the text behind each code of errors.h. Constant data; any thread.
 */
#include "http/errors.h"

struct error_meaning {
    int status;
    const char *text;
};

#define MEANING(name, status, text) {status, text},

static const struct error_meaning meanings[] = {EDO_HTTP_ERRORS(MEANING)};

static const struct error_meaning *meaning_of(ssize_t code)
{
    if (code > -EDO_HTTP_ERROR_BASE || code <= -(EDO_HTTP_ERROR_BASE + EDO_HTTP_ERROR_COUNT))
        return NULL;
    return &meanings[-(code + EDO_HTTP_ERROR_BASE)];
}

int edo_http_error_status(ssize_t code)
{
    const struct error_meaning *meaning = meaning_of(code);

    return meaning ? meaning->status : 0;
}

const char *edo_http_error_text(ssize_t code)
{
    const struct error_meaning *meaning = meaning_of(code);

    return meaning ? meaning->text : NULL;
}
