/* SPDX-License-Identifier: MIT */
/*
 * What the request line and the fields mean (facts.h). Everything here sees complete tokens whose characters the
 * grammar has checked; nothing is kept but what goes into the head, which belongs to the caller.
 */
#include "http/facts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* For what is rare: keeps its registers and its stack out of the way of what is not. */
#define NEVER_INLINE __attribute__((noinline))

/* --- Hosts -------------------------------------------------------------------------------------------------------- */

/* Nothing, or a colon and at most five digits that make no more than 65535. */
static inline bool is_port(const uint8_t *text, size_t size)
{
    if (size == 0)
        return true;
    if (text[0] != ':' || size > 6 || edo_http_skip(text, 1, size, EDO_HTTP_DIGIT) != size)
        return false;
    return size < 6 || memcmp(text + 1, "65535", 5) <= 0;
}

NEVER_INLINE static bool is_bracketed_host(const uint8_t *text, size_t size)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const uint8_t *bracket = memchr(text, ']', size);
    size_t close = bracket ? (size_t)(bracket - text) : 0;

    if (close < 2 || close > sizeof copy)
        return false;
    memcpy(copy, text + 1, close - 1);
    copy[close - 1] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1 && is_port(text + close + 1, size - close - 1);
}

/* A host and perhaps a port; not empty. What parser.h says about hosts. */
static inline bool is_host(const uint8_t *text, size_t size)
{
    size_t name = edo_http_skip(text, 0, size, EDO_HTTP_HOST);

    if (name == 0)
        return size > 0 && text[0] == '[' && is_bracketed_host(text, size);
    return is_port(text + name, size - name);
}

/* --- The request line --------------------------------------------------------------------------------------------- */

/* "http://" or "https://" in any case: its size, else 0. */
static uint32_t scheme_size(const uint8_t *target, uint32_t size)
{
    if (size >= 7 && edo_http_is_word(target, 7, "http://", 7))
        return 7;
    if (size >= 8 && edo_http_is_word(target, 8, "https://", 8))
        return 8;
    return 0;
}

/* Splits scheme://host[:port][/path] of an absolute target; what comes before the query is in head->path. */
static int split_absolute(struct edo_http_head *head, const uint8_t *bytes)
{
    uint32_t target = head->target.at;
    uint32_t end = target + head->path.size;
    uint32_t host = target + scheme_size(bytes + target, head->path.size);
    uint32_t slash = host;

    if (host == target)
        return EDO_EHTTP_TARGET_FORM;
    while (slash < end && bytes[slash] != '/')
        slash++;
    if (!is_host(bytes + host, slash - host))
        return EDO_EHTTP_TARGET_AUTHORITY;
    head->host = (struct edo_http_span){host, slash - host};
    if (slash < end)
        head->path = (struct edo_http_span){slash, end - slash};
    else
        head->path = (struct edo_http_span){host - 1, 1}; /* an empty path means "/": point at one of the scheme's */
    head->form = EDO_HTTP_ABSOLUTE;
    return 0;
}

int edo_http_understand_odd_target(struct edo_http_head *head, const uint8_t *bytes)
{
    if (head->method == EDO_HTTP_CONNECT)
        return EDO_EHTTP_CONNECT;
    if (head->target.size == 1 && bytes[head->target.at] == '*') {
        head->form = EDO_HTTP_ASTERISK;
        return head->method == EDO_HTTP_OPTIONS ? 0 : EDO_EHTTP_TARGET_FORM;
    }
    return split_absolute(head, bytes);
}

int edo_http_understand_version(struct edo_http_head *head, const uint8_t *version)
{
    if (version[5] == '0')
        return EDO_EHTTP_VERSION;
    if (version[5] != '1')
        return EDO_EHTTP_VERSION_OTHER;
    head->version_minor = version[7] != '0';
    return 0;
}

/* --- Fields ------------------------------------------------------------------------------------------------------- */

/*
 * The next member of a comma-separated list, without the whitespace around it; perhaps empty. `at` is moved behind
 * its comma, and becomes NULL when that was the last one. (Quoted strings, which may hold commas, are none of the
 * lists' we read: their pieces are no tokens either.)
 */
static edo_str next_member(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *begin = *at;
    const uint8_t *comma = begin;
    const uint8_t *last;

    while (comma < end && *comma != ',')
        comma++;
    *at = comma < end ? comma + 1 : NULL;
    last = comma;
    while (begin < last && edo_http_is_space(*begin))
        begin++;
    while (last > begin && edo_http_is_space(last[-1]))
        last--;
    return (edo_str){(const char *)begin, (size_t)(last - begin)};
}

static bool is_token(edo_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!edo_http_is((uint8_t)text.data[i], EDO_HTTP_TOKEN))
            return false;
    return text.size > 0;
}

static inline bool is_word(edo_str text, const char *lower)
{
    return edo_http_is_word((const uint8_t *)text.data, text.size, lower, strlen(lower));
}

int edo_http_understand_host(struct edo_http_head *head, const uint8_t *bytes, const struct edo_http_field *field)
{
    uint32_t name, host;

    if (field->name.size != sizeof name)
        return 0;
    memcpy(&name, bytes + field->name.at, sizeof name);
    memcpy(&host, "host", sizeof host);
    if ((name | 0x20202020) != host) /* edo_http_is_word() at once, for this one is in each request */
        return 0;
    if (head->seen & EDO_HTTP_SEEN_HOST)
        return EDO_EHTTP_HOST_TWICE;
    head->seen |= EDO_HTTP_SEEN_HOST;
    if (head->form != EDO_HTTP_ABSOLUTE)
        head->host = field->value;
    if (field->value.size > 0 && !is_host(bytes + field->value.at, field->value.size))
        return EDO_EHTTP_HOST;
    return 0;
}

static int understand_length(struct edo_http_head *head, const uint8_t *at, const uint8_t *end)
{
    int64_t length = 0;

    if (head->seen & EDO_HTTP_SEEN_LENGTH)
        return EDO_EHTTP_LENGTH_TWICE;
    head->seen |= EDO_HTTP_SEEN_LENGTH;
    if (at == end)
        return EDO_EHTTP_LENGTH;
    for (; at < end; at++) {
        if (!edo_http_is(*at, EDO_HTTP_DIGIT))
            return EDO_EHTTP_LENGTH;
        if (__builtin_mul_overflow(length, 10, &length) || __builtin_add_overflow(length, *at - '0', &length))
            return EDO_EHTTP_LENGTH_OVERFLOW;
    }
    head->content_length = length;
    return 0;
}

/* Repeated fields go on with the same list, so what was seen decides, not where a field ended. */
static int understand_coding(struct edo_http_head *head, const uint8_t *at, const uint8_t *end)
{
    head->seen |= EDO_HTTP_SEEN_CODING;
    while (at) {
        edo_str coding = next_member(&at, end);

        if (!is_token(coding))
            return EDO_EHTTP_CODING;
        if (head->seen & EDO_HTTP_SEEN_CHUNKED)
            return EDO_EHTTP_CODING_ORDER;
        head->seen |= is_word(coding, "chunked") ? EDO_HTTP_SEEN_CHUNKED : EDO_HTTP_SEEN_OTHER_CODING;
    }
    return 0;
}

static int understand_connection(struct edo_http_head *head, const uint8_t *at, const uint8_t *end)
{
    while (at) {
        edo_str option = next_member(&at, end);

        if (option.size == 0) /* empty members of a list are no offence: RFC 9110, 5.6.1.2 */
            continue;
        if (!is_token(option))
            return EDO_EHTTP_CONNECTION;
        if (is_word(option, "close"))
            head->seen |= EDO_HTTP_SEEN_CLOSE;
        else if (is_word(option, "keep-alive"))
            head->seen |= EDO_HTTP_SEEN_KEEP_ALIVE;
        else if (is_word(option, "upgrade"))
            head->seen |= EDO_HTTP_SEEN_UPGRADE;
    }
    return 0;
}

static int understand_expect(struct edo_http_head *head, edo_str value)
{
    if (!is_word(value, "100-continue"))
        return EDO_EHTTP_EXPECTATION;
    head->seen |= EDO_HTTP_SEEN_EXPECT;
    return 0;
}

int edo_http_understand_other(struct edo_http_head *head, const uint8_t *bytes, const struct edo_http_field *field)
{
    edo_str name = {(const char *)bytes + field->name.at, field->name.size};
    const uint8_t *value = bytes + field->value.at;
    const uint8_t *end = value + field->value.size;

    if (is_word(name, "content-length"))
        return understand_length(head, value, end);
    if (is_word(name, "transfer-encoding"))
        return understand_coding(head, value, end);
    if (is_word(name, "connection"))
        return understand_connection(head, value, end);
    if (is_word(name, "expect"))
        return understand_expect(head, (edo_str){(const char *)value, field->value.size});
    return 0;
}

/* --- The head as a whole ------------------------------------------------------------------------------------------ */

/* RFC 9112, 6.3: how long the body is, or why nobody can know. */
static int understand_body(struct edo_http_head *head, int64_t body_max)
{
    if (!(head->seen & EDO_HTTP_SEEN_CODING)) {
        head->has_body = head->content_length > 0;
        return head->content_length > (body_max ? body_max : EDO_HTTP_BODY_MAX) ? EDO_EHTTP_BODY_LONG : 0;
    }
    if (head->version_minor == 0)
        return EDO_EHTTP_CODING_OLD;
    if (head->seen & EDO_HTTP_SEEN_LENGTH)
        return EDO_EHTTP_LENGTH_AND_CODING;
    if (!(head->seen & EDO_HTTP_SEEN_CHUNKED))
        return EDO_EHTTP_CODING_ORDER;
    if (head->seen & EDO_HTTP_SEEN_OTHER_CODING)
        return EDO_EHTTP_CODING_UNKNOWN;
    head->chunked = true;
    head->has_body = true;
    head->content_length = -1;
    return 0;
}

int edo_http_understand_framing(struct edo_http_head *head, int64_t body_max)
{
    int rc;

    if (head->version_minor > 0 && !(head->seen & EDO_HTTP_SEEN_HOST))
        return EDO_EHTTP_HOST_MISSING;
    rc = understand_body(head, body_max);
    if (rc < 0)
        return rc;
    if (head->version_minor > 0)
        head->keep_alive = !(head->seen & EDO_HTTP_SEEN_CLOSE);
    else
        head->keep_alive = (head->seen & (EDO_HTTP_SEEN_CLOSE | EDO_HTTP_SEEN_KEEP_ALIVE)) == EDO_HTTP_SEEN_KEEP_ALIVE;
    head->expect_continue = head->has_body && head->version_minor > 0 && (head->seen & EDO_HTTP_SEEN_EXPECT);
    return 0;
}
