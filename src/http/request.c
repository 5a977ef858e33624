/* SPDX-License-Identifier: MIT */
/* What a handler asks about its request. Reads the exchange, which is its task's. */
#include "http/exchange.h"

static edo_str text(const struct edo_http_exchange *x, struct edo_http_span span)
{
    return edo_http_text(&x->head, span);
}

edo_str edo_http_method(const edo_http_exchange *x)
{
    return text(x, x->head.name);
}

edo_str edo_http_target(const edo_http_exchange *x)
{
    return text(x, x->head.target);
}

edo_str edo_http_path(const edo_http_exchange *x)
{
    return text(x, x->head.path);
}

edo_str edo_http_query(const edo_http_exchange *x)
{
    return x->head.query.at ? text(x, x->head.query) : (edo_str){NULL, 0};
}

edo_str edo_http_host(const edo_http_exchange *x)
{
    return x->head.host.at ? text(x, x->head.host) : (edo_str){NULL, 0};
}

int edo_http_minor(const edo_http_exchange *x)
{
    return x->head.version_minor;
}

bool edo_http_match(const edo_http_exchange *x, const char *method, const char *path)
{
    if (path && !edo_str_equal(edo_http_path(x), edo_str_of(path)))
        return false;
    if (!method || edo_str_equal(edo_http_method(x), edo_str_of(method)))
        return true;
    return x->head.method == EDO_HTTP_HEAD && strcmp(method, "GET") == 0;
}

edo_str edo_http_header(const edo_http_exchange *x, const char *name)
{
    return edo_http_head_header(&x->head, name);
}

bool edo_http_header_at(edo_str *name, edo_str *value, const edo_http_exchange *x, uint32_t index)
{
    if (index >= x->head.field_count)
        return false;
    *name = text(x, x->head.fields[index].name);
    *value = text(x, x->head.fields[index].value);
    return true;
}

int64_t edo_http_body_size(const edo_http_exchange *x)
{
    return x->head.content_length;
}

int edo_http_peer(edo_addr *out, edo_http_exchange *x)
{
    return edo_stream_peer(out, x->stream);
}

int edo_http_take_stream(edo_stream **out, edo_str *received, edo_http_exchange *x)
{
    int rc = x->stage == EDO_HTTP_STAGE_TAKEN ? -EINVAL : edo_http_output_flush(x);

    if (rc < 0)
        return rc;
    x->stage = EDO_HTTP_STAGE_TAKEN;
    x->close = true;
    *received = (edo_str){x->input + x->at, x->end - x->at};
    *out = x->stream;
    return 0;
}
