/* SPDX-License-Identifier: MIT */
/*
 * Requests: who may ask, and what is answered.
 *
 * A program's inside is not for whoever can make a browser ask. So: GET and HEAD alone; the Host is an address or
 * localhost, since a name might be anybody's that now means this machine (DNS rebinding); an Origin is our own; and
 * what a browser says it does for another site's page is refused. Nothing that is answered may be framed, sniffed, or
 * kept.
 */
#include "console/console.h"
#include "console/pages.h"

#include <edo/edo.h>
#include <edo/metrics.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Who may ask -------------------------------------------------------------------------------------------------- */

static bool same_text(edo_str text, const char *word)
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20 : text.data[i]) != word[i])
            return false;
    return true;
}

/* Whether it is an address, or localhost; with a port or without. */
static bool is_own_host(edo_str host)
{
    struct in6_addr ip;
    char text[64];
    const char *end;
    size_t size;

    if (!host.data || host.size == 0 || host.size >= sizeof text)
        return false;
    end = host.data[0] == '[' ? (const char *)memchr(host.data, ']', host.size)
                              : (const char *)memchr(host.data, ':', host.size);
    size = !end ? host.size : (size_t)(end - host.data) + (host.data[0] == '[');
    for (size_t i = size; i < host.size; i++)
        if (i == size ? host.data[i] != ':' : host.data[i] < '0' || host.data[i] > '9')
            return false;
    if (same_text((edo_str){host.data, size}, "localhost"))
        return true;
    if (host.data[0] == '[') {
        if (!end)
            return false;
        memcpy(text, host.data + 1, size - 2);
        text[size - 2] = '\0';
        return inet_pton(AF_INET6, text, &ip) == 1;
    }
    memcpy(text, host.data, size);
    text[size] = '\0';
    return inet_pton(AF_INET, text, &ip) == 1;
}

static bool is_own_origin(edo_str origin, edo_str host)
{
    return origin.size == 7 + host.size && memcmp(origin.data, "http://", 7) == 0 &&
           memcmp(origin.data + 7, host.data, host.size) == 0;
}

/* NULL, or why not. Each of several fields of a name counts. */
static const char *refusal(const edo_http_exchange *x)
{
    edo_str host = edo_http_host(x);
    edo_str name, value;

    if (!is_own_host(host))
        return "the Host is no address: ask for the console by its IP address, or as localhost";
    for (uint32_t i = 0; edo_http_header_at(&name, &value, x, i); i++) {
        if (same_text(name, "origin") && !is_own_origin(value, host))
            return "another origin's page asks";
        if (same_text(name, "sec-fetch-site") && !same_text(value, "same-origin") && !same_text(value, "none"))
            return "another site's page asks";
    }
    return NULL;
}

static void set_headers(edo_http_exchange *x)
{
    edo_http_set_header(x, "Cache-Control", "no-store");
    edo_http_set_header(x, "X-Content-Type-Options", "nosniff");
    edo_http_set_header(x, "Content-Security-Policy",
                        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    edo_http_set_header(x, "Referrer-Policy", "no-referrer");
    edo_http_set_header(x, "Cross-Origin-Resource-Policy", "same-origin");
}

/* --- Parameters --------------------------------------------------------------------------------------------------- */

static int hexadecimal(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

static int decode(char *out, size_t size, edo_str text)
{
    size_t used = 0;

    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];

        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            int high = i + 2 < text.size ? hexadecimal(text.data[i + 1]) : -1;
            int low = high >= 0 ? hexadecimal(text.data[i + 2]) : -1;

            if (low < 0)
                return -EINVAL;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0' || used + 1 >= size)
            return -EINVAL;
        out[used++] = byte;
    }
    out[used] = '\0';
    return 0;
}

int edo_console_parameter(char *out, size_t size, edo_http_exchange *x, const char *name)
{
    edo_str query = edo_http_query(x);
    size_t length = strlen(name);

    for (size_t at = 0; at < query.size;) {
        const char *part = query.data + at;
        const char *end = (const char *)memchr(part, '&', query.size - at);
        size_t part_size = end ? (size_t)(end - part) : query.size - at;

        if (part_size > length && memcmp(part, name, length) == 0 && part[length] == '=')
            return decode(out, size, (edo_str){part + length + 1, part_size - length - 1});
        at += part_size + 1;
    }
    return -ENOENT;
}

/* --- Answers ------------------------------------------------------------------------------------------------------ */

int edo_console_send(edo_http_exchange *x, int status, struct edo_json *json)
{
    int rc = json->failed ? -ENOMEM : edo_http_respond(x, status, "application/json", json->data, json->size);

    edo_json_finish(json);
    return rc;
}

int edo_console_fail(edo_http_exchange *x, int status, const char *why)
{
    struct edo_json json = {.data = NULL};

    edo_json_open(&json, NULL, '{');
    edo_json_text(&json, "error", why);
    edo_json_close(&json, '}');
    return edo_console_send(x, status, &json);
}

/* What a request is about; looks are fresh. -1: the response was sent. */
static ssize_t runtime_of(struct edo_console_view *view, edo_http_exchange *x, struct edo_console_looks *looks, int *rc)
{
    ssize_t runtime;

    *rc = edo_console_view_read(view, x);
    if (*rc != 0)
        return -1;
    runtime = edo_console_runtime(looks->snapshot, view->number);
    if (runtime < 0)
        *rc = edo_console_fail(x, 404, view->number == UINT64_MAX ? "there is no runtime" : "that runtime has ended");
    return runtime;
}

static int send_page(edo_http_exchange *x)
{
    for (const struct edo_embedded *file = edo_embedded_files; file->path; file++)
        if (edo_http_match(x, NULL, file->path))
            return edo_http_respond(x, 200, file->type, file->data, (size_t)(file->end - file->data));
    return edo_console_fail(x, 404, "there is nothing here");
}

static int send_metrics(edo_http_exchange *x)
{
    ssize_t size = edo_metrics_print_all(NULL, 0);
    char *text;
    ssize_t rc;

    if (size < 0)
        return (int)size;
    size += size / 8 + 1024; /* numbers grow */
    text = (char *)edo_allocate((size_t)size);
    if (!text)
        return -ENOMEM;
    rc = edo_metrics_print_all(text, (size_t)size);
    if (rc >= 0)
        rc = edo_http_respond(x, 200, "text/plain; version=0.0.4", text, (size_t)(rc < size ? rc : size - 1));
    edo_release(text);
    return (int)rc;
}

static int send_stalls(edo_http_exchange *x, struct edo_console_stalls *stalls)
{
    struct edo_json json = {.data = NULL}, each[EDO_CONSOLE_STALLS] = {{.data = NULL}};
    uint64_t version = 0;
    size_t count = 0;

    while (count < EDO_CONSOLE_STALLS && edo_console_stalls_next(&each[count], &version, stalls))
        count++;
    edo_json_open(&json, NULL, '{');
    edo_json_open(&json, "stalls", '[');
    for (size_t i = count; i-- > 0;) { /* the newest first */
        if (each[i].failed)
            json.failed = true;
        if (i + 1 < count)
            edo_json_put(&json, ",");
        edo_json_raw(&json, each[i].data, each[i].size);
        edo_json_finish(&each[i]);
    }
    edo_json_close(&json, ']');
    edo_json_close(&json, '}');
    return edo_console_send(x, 200, &json);
}

static int send_tasks(edo_http_exchange *x, struct edo_console_looks *looks)
{
    struct edo_json json = {.data = NULL};
    struct edo_console_view view;
    int rc = edo_console_view_read(&view, x);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = edo_console_view_fill(&view, looks->snapshot);
    if (rc == 0)
        edo_console_tasks(&json, looks, &view);
    edo_console_view_finish(&view);
    if (rc == -ENOENT)
        return edo_console_fail(x, 404, "there is no such runtime");
    return rc < 0 ? rc : edo_console_send(x, 200, &json);
}

static int send_task(edo_http_exchange *x, struct edo_console_looks *looks, size_t runtime)
{
    struct edo_json json = {.data = NULL};
    char text[32], why[64], *end;
    int rc = edo_console_parameter(text, sizeof text, x, "id");
    unsigned long long id;
    ssize_t task;

    errno = 0;
    id = rc == 0 && text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (id == 0 || errno || *end)
        return edo_console_fail(x, 400, "give the number of a task: id=12");
    task = edo_snapshot_find(looks->snapshot, runtime, id);
    if (task < 0) {
        snprintf(why, sizeof why, "task %llu has ended", id);
        return edo_console_fail(x, 404, why);
    }
    edo_console_task(&json, looks, runtime, (size_t)task);
    return edo_console_send(x, 200, &json);
}

enum { NOW, SITES, SCOPES, TREE, RESOURCES, TASK };

/* What is about one runtime. */
static int send_part(edo_http_exchange *x, struct edo_console_looks *looks, int part)
{
    struct edo_json json = {.data = NULL};
    struct edo_console_view view;
    int rc;
    ssize_t runtime = runtime_of(&view, x, looks, &rc);

    if (runtime < 0)
        return rc < 0 ? rc : 0;
    rc = 0;
    if (part == TASK)
        return send_task(x, looks, (size_t)runtime);
    if (part == TREE)
        return edo_console_tree(x, looks, (size_t)runtime, &view);
    if (part == NOW)
        edo_console_now(&json, looks, (size_t)runtime);
    else if (part == SITES)
        rc = edo_console_sites(&json, looks, (size_t)runtime);
    else if (part == SCOPES)
        edo_console_scopes(&json, looks, (size_t)runtime);
    else
        rc = edo_console_resources(&json, looks, (size_t)runtime);
    if (rc < 0) {
        edo_json_finish(&json);
        return rc;
    }
    return edo_console_send(x, 200, &json);
}

static int send_program(edo_http_exchange *x, struct edo_console_looks *looks)
{
    struct edo_json json = {.data = NULL};

    edo_console_program(&json, looks->snapshot, looks);
    return edo_console_send(x, 200, &json);
}

static int answer(edo_http_exchange *x, struct edo_console *console)
{
    static const struct {
        const char *path;
        int part;
    } parts[] = {{"/api/now", NOW},   {"/api/sites", SITES},         {"/api/scopes", SCOPES},
                 {"/api/tree", TREE}, {"/api/resources", RESOURCES}, {"/api/task", TASK}};
    edo_str path = edo_http_path(x);
    int rc;

    if (path.size < 5 || memcmp(path.data, "/api/", 5) != 0)
        return edo_http_match(x, NULL, "/metrics") ? send_metrics(x) : send_page(x);
    if (edo_http_match(x, NULL, "/api/stalls"))
        return send_stalls(x, &console->stalls);
    if (edo_http_match(x, NULL, "/api/events"))
        return edo_console_events(x, console);
    rc = edo_console_look(&console->looks);
    edo_console_looks_rest(&console->looks);
    if (rc < 0)
        return rc;
    if (edo_http_match(x, NULL, "/api/program"))
        return send_program(x, &console->looks);
    if (edo_http_match(x, NULL, "/api/tasks"))
        return send_tasks(x, &console->looks);
    for (size_t i = 0; i < EDO_COUNT(parts); i++)
        if (edo_http_match(x, NULL, parts[i].path))
            return send_part(x, &console->looks, parts[i].part);
    return edo_console_fail(x, 404, "there is nothing here");
}

int edo_console_handle(edo_http_exchange *x, void *context)
{
    const char *why = refusal(x);

    set_headers(x);
    if (why)
        return edo_console_fail(x, 403, why);
    if (!edo_str_equal(edo_http_method(x), EDO_STR("GET")) && !edo_str_equal(edo_http_method(x), EDO_STR("HEAD"))) {
        edo_http_set_header(x, "Allow", "GET, HEAD");
        return edo_console_fail(x, 405, "GET and HEAD only: nothing here can be changed");
    }
    return answer(x, (struct edo_console *)context);
}
