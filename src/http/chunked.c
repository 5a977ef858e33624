/* SPDX-License-Identifier: MIT */
/*
 * The grammar of a chunked body, one byte at a time, but for the body's own bytes, which are passed on as they are.
 *
 * Invariants: a chunk's bytes are passed on only after its whole line was found right and its size within the body's
 * limit; every verdict depends on the bytes read so far alone. The decoder belongs to its caller.
 */
#include "http/chunked.h"

#include "http/facts.h"

enum state {
    IN_SIZE,
    BEFORE_SEMICOLON, /* after whitespace that only another extension may follow */
    BEFORE_NAME,
    IN_NAME,
    AFTER_NAME, /* after whitespace: "=" or ";" */
    BEFORE_VALUE,
    IN_VALUE,
    IN_QUOTES,
    AFTER_BACKSLASH,
    AFTER_QUOTES,
    AFTER_SIZE_CR,
    IN_CHUNK,
    AFTER_CHUNK,
    AFTER_CHUNK_CR,
    AT_TRAILER,
    IN_TRAILER_NAME,
    IN_TRAILER_VALUE,
    AFTER_TRAILER_CR,
    AFTER_LAST_CR,
    SETTLED,
};

void edo_http_chunked_init(struct edo_http_chunked *decoder, const struct edo_http_limits *limits)
{
    static const struct edo_http_limits defaults;

    *decoder = (struct edo_http_chunked){.limits = limits ? limits : &defaults, .state = IN_SIZE};
}

/* --- Chunk lines: each of these returns the next state or an error ------------------------------------------------ */

static int after_size_digit(struct edo_http_chunked *decoder, uint8_t byte)
{
    if (decoder->digits++ == 16)
        return EDO_EHTTP_CHUNK_SIZE;
    decoder->chunk = decoder->chunk << 4 | edo_http_hex(byte);
    if (decoder->chunk > INT64_MAX)
        return EDO_EHTTP_CHUNK_OVERFLOW;
    return IN_SIZE;
}

/* What may follow a size or an extension that could end here. */
static int after_extension(uint8_t byte, int otherwise)
{
    if (byte == ';')
        return BEFORE_NAME;
    if (byte == '\r')
        return AFTER_SIZE_CR;
    if (byte == '\n')
        return EDO_EHTTP_BARE_LF;
    return edo_http_is_space(byte) ? BEFORE_SEMICOLON : otherwise;
}

/* The chunk line is complete: its size counts now. */
static int after_line(struct edo_http_chunked *decoder)
{
    int64_t body_max = decoder->limits->body ? decoder->limits->body : EDO_HTTP_BODY_MAX;
    uint64_t earned = 16 + (decoder->chunk < EDO_HTTP_CHUNK_LINE_MAX ? decoder->chunk : EDO_HTTP_CHUNK_LINE_MAX) * 2;
    uint64_t weight = decoder->weight + decoder->line;

    if (decoder->chunk > (uint64_t)(body_max - decoder->body))
        return EDO_EHTTP_BODY_LONG;
    decoder->body += (int64_t)decoder->chunk;
    decoder->weight = weight > earned ? weight - earned : 0;
    if (decoder->weight > EDO_HTTP_CHUNK_OVERHEAD_MAX)
        return EDO_EHTTP_CHUNK_OVERHEAD;
    decoder->line = 0;
    return decoder->chunk > 0 ? IN_CHUNK : AT_TRAILER;
}

static int next_in_line(struct edo_http_chunked *decoder, uint8_t byte)
{
    bool token = edo_http_is(byte, EDO_HTTP_TOKEN);
    bool space = edo_http_is_space(byte);
    int wrong = byte == '\n' ? EDO_EHTTP_BARE_LF : EDO_EHTTP_CHUNK_EXTENSION;

    switch (decoder->state) {
    case IN_SIZE:
        if (edo_http_is(byte, EDO_HTTP_HEX))
            return after_size_digit(decoder, byte);
        return decoder->digits > 0 ? after_extension(byte, EDO_EHTTP_CHUNK_SIZE) : EDO_EHTTP_CHUNK_SIZE;
    case BEFORE_SEMICOLON:
        return space ? BEFORE_SEMICOLON : byte == ';' ? BEFORE_NAME : wrong;
    case BEFORE_NAME:
        return token ? IN_NAME : space ? BEFORE_NAME : wrong;
    case IN_NAME:
        if (token || byte == '=')
            return token ? IN_NAME : BEFORE_VALUE;
        return space ? AFTER_NAME : after_extension(byte, wrong);
    case AFTER_NAME:
        return space ? AFTER_NAME : byte == '=' ? BEFORE_VALUE : byte == ';' ? BEFORE_NAME : wrong;
    case BEFORE_VALUE:
        return token ? IN_VALUE : space ? BEFORE_VALUE : byte == '"' ? IN_QUOTES : wrong;
    case IN_VALUE:
        return token ? IN_VALUE : after_extension(byte, wrong);
    case IN_QUOTES:
        if (edo_http_is(byte, EDO_HTTP_QUOTED))
            return IN_QUOTES;
        return byte == '"' ? AFTER_QUOTES : byte == '\\' ? AFTER_BACKSLASH : wrong;
    case AFTER_BACKSLASH:
        return edo_http_is(byte, EDO_HTTP_VALUE) ? IN_QUOTES : wrong;
    case AFTER_QUOTES:
        return after_extension(byte, wrong);
    default: /* AFTER_SIZE_CR */
        return byte == '\n' ? after_line(decoder) : EDO_EHTTP_BARE_CR;
    }
}

/* --- Behind a chunk, and trailer fields --------------------------------------------------------------------------- */

/* The chunk has been used up, so decoder->chunk is 0 again: where the next size begins. */
static int after_chunk(struct edo_http_chunked *decoder, uint8_t byte)
{
    if (decoder->state == AFTER_CHUNK)
        return byte == '\r' ? AFTER_CHUNK_CR : byte == '\n' ? EDO_EHTTP_BARE_LF : EDO_EHTTP_CHUNK_END;
    decoder->digits = 0;
    return byte == '\n' ? IN_SIZE : EDO_EHTTP_BARE_CR;
}

static int next_in_trailer(struct edo_http_chunked *decoder, uint8_t byte)
{
    int wrong = byte == '\n' ? EDO_EHTTP_BARE_LF : EDO_EHTTP_NAME;

    switch (decoder->state) {
    case AT_TRAILER:
        if (byte == '\r')
            return AFTER_LAST_CR;
        if (decoder->fields++ == edo_http_limit(decoder->limits->fields, EDO_HTTP_FIELDS_MAX))
            return EDO_EHTTP_FIELDS_MANY;
        if (edo_http_is(byte, EDO_HTTP_TOKEN))
            return IN_TRAILER_NAME;
        return edo_http_is_space(byte) ? EDO_EHTTP_FOLDED : byte == ':' ? EDO_EHTTP_NAME_EMPTY : wrong;
    case IN_TRAILER_NAME:
        if (edo_http_is(byte, EDO_HTTP_TOKEN))
            return IN_TRAILER_NAME;
        return byte == ':' ? IN_TRAILER_VALUE : edo_http_is_space(byte) ? EDO_EHTTP_NAME_SPACE : wrong;
    case IN_TRAILER_VALUE:
        if (edo_http_is(byte, EDO_HTTP_VALUE))
            return IN_TRAILER_VALUE;
        return byte == '\r' ? AFTER_TRAILER_CR : byte == '\n' ? EDO_EHTTP_BARE_LF : EDO_EHTTP_VALUE;
    case AFTER_TRAILER_CR:
        return byte == '\n' ? AT_TRAILER : EDO_EHTTP_BARE_CR;
    default: /* AFTER_LAST_CR */
        return byte == '\n' ? SETTLED : EDO_EHTTP_BARE_CR;
    }
}

/* --- The machine -------------------------------------------------------------------------------------------------- */

/* Steps over one byte that is not of the body. The next state or an error. */
static int next_state(struct edo_http_chunked *decoder, uint8_t byte)
{
    if (decoder->state > IN_CHUNK && decoder->state < AT_TRAILER)
        return after_chunk(decoder, byte);
    if (decoder->state < IN_CHUNK)
        return decoder->line++ < EDO_HTTP_CHUNK_LINE_MAX ? next_in_line(decoder, byte) : EDO_EHTTP_CHUNK_LINE_LONG;
    if (decoder->line++ < edo_http_limit(decoder->limits->bytes, EDO_HTTP_BYTES_MAX))
        return next_in_trailer(decoder, byte);
    return EDO_EHTTP_FIELDS_LONG;
}

int edo_http_chunked_next(struct edo_http_chunked *decoder, const char *data, size_t size, size_t *consumed,
                          edo_str *piece)
{
    size_t at = 0;

    *consumed = 0;
    *piece = (edo_str){data, 0};
    if (decoder->state == SETTLED)
        return decoder->result;
    while (at < size && decoder->state != SETTLED) {
        int next;

        if (decoder->state == IN_CHUNK) {
            piece->data = data + at;
            piece->size = size - at < decoder->chunk ? size - at : (size_t)decoder->chunk;
            decoder->chunk -= piece->size;
            if (decoder->chunk == 0)
                decoder->state = AFTER_CHUNK;
            *consumed = at + piece->size;
            return EDO_HTTP_CHUNK_PIECE;
        }
        next = next_state(decoder, (uint8_t)data[at++]);
        decoder->state = next < 0 ? SETTLED : (uint8_t)next;
        decoder->result = next < 0 ? next : EDO_HTTP_CHUNK_END;
    }
    *consumed = at;
    return decoder->state == SETTLED ? decoder->result : EDO_HTTP_CHUNK_MORE;
}
