/* SPDX-License-Identifier: MIT */
/*
 * The grammar of a request's head, as a machine that can stop after any byte and go on from there.
 *
 * The states below stand in the order in which a head is read; edo_http_parse_head() enters at the one it stopped
 * in and falls through the rest. Invariants: a byte before `position` is never looked at again by this machine;
 * every error is found at the first byte that no good request could have there, so what is found does not depend on
 * how the bytes were divided; the bound of the section being read is the furthest that is looked at, so neither do
 * the limits. The parser and the head belong to the caller alone.
 */
#include "http/parser.h"

#include "http/facts.h"

enum state {
    AT_BEGIN,
    AFTER_EMPTY_CR,
    IN_METHOD,
    IN_PATH,
    IN_QUERY,
    IN_VERSION,
    AFTER_VERSION,
    AFTER_LINE_CR,
    AT_FIELD,
    IN_NAME,
    BEFORE_VALUE,
    IN_VALUE,
    AFTER_VALUE_CR,
    AFTER_LAST_CR,
    SETTLED,
};

void edo_http_parser_init(struct edo_http_parser *parser, struct edo_http_head *head, struct edo_http_field *fields,
                          uint32_t capacity, const struct edo_http_limits *limits)
{
    static const struct edo_http_limits defaults;
    uint32_t fields_max;

    if (!limits)
        limits = &defaults;
    fields_max = edo_http_limit(limits->fields, EDO_HTTP_FIELDS_MAX);
    *head = (struct edo_http_head){.fields = fields};
    *parser = (struct edo_http_parser){
        .head = head,
        .limits = limits,
        .bound = edo_http_limit(limits->line, EDO_HTTP_LINE_MAX),
        .fields_max = fields_max < capacity ? fields_max : capacity,
        .state = AT_BEGIN,
    };
}

/* --- Scanning ----------------------------------------------------------------------------------------------------- */

/*
 * edo_http_skip() for EDO_HTTP_VALUE, eight bytes at a time: most of a head are values. The word finds every control
 * character; what a carry makes it find besides, the table puts right.
 */
static inline size_t skip_value(const uint8_t *bytes, size_t at, size_t stop)
{
    const uint64_t every = 0x0101010101010101;

    while (at + 8 <= stop) {
        uint64_t word;
        uint64_t found;

        memcpy(&word, bytes + at, sizeof word);
        if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
            word = __builtin_bswap64(word);
        found = ((word - 0x20 * every) | (word + every)) & ~word & 0x80 * every;
        if (found == 0) {
            at += 8;
            continue;
        }
        at += (size_t)__builtin_ctzll(found) / 8;
        if (!edo_http_is(bytes[at], EDO_HTTP_VALUE))
            return at;
        at++;
    }
    return edo_http_skip(bytes, at, stop, EDO_HTTP_VALUE);
}

/* The smaller of the two: how far the machine may look. */
static inline size_t reach(size_t size, uint32_t bound)
{
    return size < bound ? size : bound;
}

static inline struct edo_http_span span(size_t begin, size_t end)
{
    return (struct edo_http_span){(uint32_t)begin, (uint32_t)(end - begin)};
}

/* Whether a byte may stand at this place of "HTTP/1.1" */
static inline bool is_version_byte(size_t place, uint8_t byte)
{
    return place == 5 || place == 7 ? edo_http_is(byte, EDO_HTTP_DIGIT) : byte == (uint8_t) "HTTP/_._"[place];
}

/* --- What is wrong with a byte ------------------------------------------------------------------------------------ */

static int wrong_in_line(uint8_t byte, int otherwise)
{
    return byte == '\n' ? EDO_EHTTP_BARE_LF : otherwise;
}

static int wrong_in_name(uint8_t byte, bool first)
{
    if (byte == ' ' || byte == '\t')
        return first ? EDO_EHTTP_FOLDED : EDO_EHTTP_NAME_SPACE;
    if (byte == ':')
        return EDO_EHTTP_NAME_EMPTY;
    return wrong_in_line(byte, EDO_EHTTP_NAME);
}

/* --- The machine -------------------------------------------------------------------------------------------------- */

static ssize_t settle(struct edo_http_parser *parser, ssize_t result)
{
    parser->state = SETTLED;
    parser->result = (int32_t)result;
    return result;
}

ssize_t edo_http_parse_head(struct edo_http_parser *parser, const char *buffer, size_t size)
{
    struct edo_http_head *head = parser->head;
    struct edo_http_field *field = &head->fields[head->field_count];
    const uint8_t *bytes = (const uint8_t *)buffer;
    size_t at = parser->position;
    size_t mark = parser->mark;
    size_t stop = reach(size, parser->bound);
    size_t end;
    enum state state = (enum state)parser->state;
    int wrong;

    if (state == SETTLED)
        return parser->result;
    if (size <= at)
        return 0;

    switch (state) {
    case AT_BEGIN:
        if (bytes[at] != '\r')
            goto method;
        at++;
        state = AFTER_EMPTY_CR;
        /* fall through */
    case AFTER_EMPTY_CR:
        if (at == stop)
            goto wait;
        if (bytes[at++] != '\n') {
            wrong = EDO_EHTTP_BARE_CR;
            goto refuse;
        }
        parser->bound += 2;
        stop = reach(size, parser->bound);

    method:
        mark = at;
        if (at + 4 <= stop && memcmp(bytes + at, "GET ", 4) == 0) {
            head->method = EDO_HTTP_GET;
            at += 3;
            goto method_end;
        }
        state = IN_METHOD;
        /* fall through */
    case IN_METHOD:
        at = edo_http_skip(bytes, at, stop, EDO_HTTP_TOKEN);
        if (at - mark > EDO_HTTP_METHOD_MAX) {
            wrong = EDO_EHTTP_METHOD_LONG;
            goto refuse;
        }
        if (at == stop)
            goto wait;
        if (bytes[at] != ' ' || at == mark) {
            wrong = wrong_in_line(bytes[at], EDO_EHTTP_METHOD);
            goto refuse;
        }
        head->method = (uint8_t)edo_http_method_of(bytes + mark, at - mark);

    method_end:
        head->name = span(mark, at);
        mark = ++at;
        state = IN_PATH;
        /* fall through */
    case IN_PATH:
        at = edo_http_skip(bytes, at, stop, EDO_HTTP_PATH);
        if (at == stop)
            goto wait;
        head->path = span(mark, at);
        if (bytes[at] != '?')
            goto target_end;
        head->query.at = (uint32_t)++at;
        state = IN_QUERY;
        /* fall through */
    case IN_QUERY:
        at = edo_http_skip(bytes, at, stop, EDO_HTTP_TARGET);
        if (at == stop)
            goto wait;
        head->query.size = (uint32_t)at - head->query.at;

    target_end:
        if (bytes[at] != ' ') {
            wrong = wrong_in_line(bytes[at], EDO_EHTTP_TARGET);
            goto refuse;
        }
        if (at == mark) {
            wrong = EDO_EHTTP_TARGET_EMPTY;
            goto refuse;
        }
        head->target = span(mark, at);
        mark = ++at;
        if (at + 10 <= stop && memcmp(bytes + at, "HTTP/1.1\r\n", 10) == 0) {
            at += 10;
            head->version_minor = 1;
            goto line_end;
        }
        state = IN_VERSION;
        /* fall through */
    case IN_VERSION:
        for (; at - mark < 8; at++) {
            if (at == stop)
                goto wait;
            if (!is_version_byte(at - mark, bytes[at])) {
                wrong = wrong_in_line(bytes[at], EDO_EHTTP_VERSION);
                goto refuse;
            }
        }
        state = AFTER_VERSION;
        /* fall through */
    case AFTER_VERSION:
        if (at == stop)
            goto wait;
        if (bytes[at] != '\r') {
            wrong = wrong_in_line(bytes[at], EDO_EHTTP_VERSION);
            goto refuse;
        }
        at++;
        state = AFTER_LINE_CR;
        /* fall through */
    case AFTER_LINE_CR:
        if (at == stop)
            goto wait;
        if (bytes[at++] != '\n') {
            wrong = EDO_EHTTP_BARE_CR;
            goto refuse;
        }

        wrong = edo_http_understand_version(head, bytes + mark);
        if (wrong < 0)
            goto refuse;

    line_end:
        wrong = edo_http_understand_target(head, bytes);
        if (wrong < 0)
            goto refuse;
        parser->bound = (uint32_t)at + edo_http_limit(parser->limits->bytes, EDO_HTTP_BYTES_MAX);
        stop = reach(size, parser->bound);

    next_field:
        state = AT_FIELD;
        /* fall through */
    case AT_FIELD:
        if (at == stop)
            goto wait;
        if (bytes[at] == '\r')
            goto last;
        if (head->field_count == parser->fields_max) {
            wrong = EDO_EHTTP_FIELDS_MANY;
            goto refuse;
        }
        mark = at;
        state = IN_NAME;
        /* fall through */
    case IN_NAME:
        at = edo_http_skip(bytes, at, stop, EDO_HTTP_TOKEN);
        if (at == stop)
            goto wait;
        if (bytes[at] != ':' || at == mark) {
            wrong = wrong_in_name(bytes[at], at == mark);
            goto refuse;
        }
        field->name = span(mark, at);
        at++;
        state = BEFORE_VALUE;
        /* fall through */
    case BEFORE_VALUE:
        while (at < stop && edo_http_is_space(bytes[at]))
            at++;
        if (at == stop)
            goto wait;
        mark = at;
        state = IN_VALUE;
        /* fall through */
    case IN_VALUE:
        at = skip_value(bytes, at, stop);
        if (at == stop)
            goto wait;
        if (bytes[at] != '\r') {
            wrong = wrong_in_line(bytes[at], EDO_EHTTP_VALUE);
            goto refuse;
        }
        at++;
        state = AFTER_VALUE_CR;
        /* fall through */
    case AFTER_VALUE_CR:
        if (at == stop)
            goto wait;
        if (bytes[at++] != '\n') {
            wrong = EDO_EHTTP_BARE_CR;
            goto refuse;
        }
        end = at - 2;
        while (edo_http_is_space(bytes[end - 1]) && end > mark)
            end--;
        field->value = span(mark, end);
        wrong = edo_http_understand_field(head, bytes, field);
        if (wrong < 0)
            goto refuse;
        head->field_count++;
        field++;
        goto next_field;

    last:
        at++;
        state = AFTER_LAST_CR;
        /* fall through */
    case AFTER_LAST_CR:
        if (at == stop)
            goto wait;
        if (bytes[at++] != '\n') {
            wrong = EDO_EHTTP_BARE_CR;
            goto refuse;
        }
        wrong = edo_http_understand_head(head, parser->limits->body);
        if (wrong < 0)
            goto refuse;
        head->bytes = buffer;
        return settle(parser, (ssize_t)at);
    case SETTLED:
        break;
    }

wait:
    if (at == parser->bound) {
        wrong = state < AT_FIELD ? EDO_EHTTP_LINE_LONG : EDO_EHTTP_FIELDS_LONG;
        goto refuse;
    }
    parser->position = (uint32_t)at;
    parser->mark = (uint32_t)mark;
    parser->state = (uint8_t)state;
    return 0;

refuse:
    return settle(parser, wrong);
}

/* --- Looking up --------------------------------------------------------------------------------------------------- */

/* Whether two texts are equal but for the case of ASCII letters. */
static bool equal_but_case(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned x = (uint8_t)a[i];
        unsigned y = (uint8_t)b[i];

        if (x != y && ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
            return false;
    }
    return true;
}

bool edo_http_head_header_next(edo_str *value, const struct edo_http_head *head, const char *name, uint32_t *cursor)
{
    size_t size = strlen(name);

    while (*cursor < head->field_count) {
        const struct edo_http_field *field = &head->fields[(*cursor)++];

        if (field->name.size == size && equal_but_case(head->bytes + field->name.at, name, size)) {
            *value = edo_http_text(head, field->value);
            return true;
        }
    }
    return false;
}

edo_str edo_http_head_header(const struct edo_http_head *head, const char *name)
{
    edo_str value = {NULL, 0};
    uint32_t cursor = 0;

    edo_http_head_header_next(&value, head, name, &cursor);
    return value;
}
