/* SPDX-License-Identifier: MIT */
/*
 * One GET over a connection; see client.h. Belongs to the task that opened it.
 */
#include "cli/client.h"

#include <edo/addr.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { HEAD_MOST = 16 * 1024, LINE_MOST = 256, TRAILER_MOST = 4096 };

/* Where a chunked body is. */
enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, BODY_END };

/* --- The head ----------------------------------------------------------------------------------------------------- */

static edo_str trim(edo_str text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text.data++, text.size--;
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool is(edo_str text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* "HTTP/1.1 200 OK" */
static int status_line(struct edo_client *client, edo_str line)
{
    const char *at = line.data;

    if (line.size < 12 || memcmp(at, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)at[7]) || at[8] != ' ')
        return -EPROTO;
    for (int i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)at[i]))
            return -EPROTO;
        client->status = client->status * 10 + (at[i] - '0');
    }
    return line.size == 12 || at[12] == ' ' ? 0 : -EPROTO;
}

static int length(uint64_t *out, edo_str text)
{
    if (text.size < 1 || text.size > 18)
        return -EPROTO;
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit((unsigned char)text.data[i]))
            return -EPROTO;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return 0;
}

static int field(struct edo_client *client, edo_str line)
{
    const char *colon = memchr(line.data, ':', line.size);
    edo_str name = {line.data, colon ? (size_t)(colon - line.data) : 0};
    edo_str value;

    if (name.size == 0)
        return -EPROTO;
    value = trim((edo_str){colon + 1, line.size - name.size - 1});
    if (is(name, "content-type")) {
        size_t size = 0;

        for (; size < value.size && size < sizeof client->type - 1 && !strchr("; \t", value.data[size]); size++)
            client->type[size] = (char)tolower((unsigned char)value.data[size]);
        client->type[size] = 0;
    } else if (is(name, "transfer-encoding")) {
        if (!is(value, "chunked"))
            return -EPROTO;
        client->chunked = true;
    } else if (is(name, "content-length")) {
        client->until_close = false;
        return length(&client->left, value);
    }
    return 0;
}

static int read_head(struct edo_client *client)
{
    size_t most = HEAD_MOST;
    edo_str line;
    ssize_t n;
    int rc = 0;

    n = edo_reader_read_line(&line, &client->reader, most);
    if (n > 0)
        rc = status_line(client, line);
    while (n > 0 && rc == 0) {
        most -= (size_t)n < most ? (size_t)n : most;
        n = edo_reader_read_line(&line, &client->reader, most);
        if (n <= 0 || line.size == 0)
            break;
        rc = field(client, line);
    }
    if (n == 0 || n == -EMSGSIZE)
        return -EPROTO;
    if (n < 0)
        return (int)n;
    if (client->chunked)
        client->until_close = false;
    return rc;
}

/* --- The request -------------------------------------------------------------------------------------------------- */

/* The console answers only to whom calls it by number (its guard against DNS rebinding): so does the Host field. */
static int request(struct edo_client *client, const char *path)
{
    char host[EDO_ADDR_TEXT_SIZE];
    char text[4096];
    edo_addr peer;
    int size;
    int rc;

    if ((rc = edo_stream_peer(&peer, client->stream)) < 0 || (rc = edo_addr_print(host, sizeof host, &peer)) < 0)
        return rc;
    size = snprintf(text, sizeof text,
                    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: edo-top\r\nConnection: close\r\n\r\n", path, host);
    if (size < 0 || (size_t)size >= sizeof text)
        return -ENAMETOOLONG;
    return (int)edo_write_all(client->stream, text, (size_t)size);
}

int edo_client_open(struct edo_client *client, const char *address, const char *path)
{
    int rc;

    memset(client, 0, sizeof *client);
    client->until_close = true;
    edo_reader_init(&client->reader, NULL, NULL, 0);
    if ((rc = edo_tcp_connect(&client->stream, address, NULL)) < 0)
        return rc;
    edo_reader_init(&client->reader, client->stream, NULL, 0);
    rc = request(client, path);
    return rc < 0 ? rc : read_head(client);
}

void edo_client_close(struct edo_client *client)
{
    edo_reader_finish(&client->reader);
    edo_close(client->stream);
    client->stream = NULL;
}

/* --- The body ----------------------------------------------------------------------------------------------------- */

/* The line that has come, without its end, and how many bytes it has with it; -EAGAIN: it has not come yet. */
static ssize_t body_line(edo_str *line, struct edo_client *client)
{
    edo_str got = edo_reader_buffered(&client->reader);
    size_t most = got.size < LINE_MOST ? got.size : LINE_MOST;
    const char *end = most > 0 ? memchr(got.data, '\n', most) : NULL;

    if (!end)
        return got.size < LINE_MOST ? -EAGAIN : -EPROTO;
    *line = (edo_str){got.data, (size_t)(end - got.data)};
    if (line->size > 0 && line->data[line->size - 1] == '\r')
        line->size--;
    return end - got.data + 1;
}

static int chunk_size(uint64_t *out, edo_str line)
{
    size_t digits = 0;

    *out = 0;
    for (; digits < line.size && isxdigit((unsigned char)line.data[digits]); digits++) {
        int c = tolower((unsigned char)line.data[digits]);

        if (digits == 15)
            return -EPROTO;
        *out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return digits == 0 || (digits < line.size && !strchr("; \t", line.data[digits])) ? -EPROTO : 0;
}

/* Goes over what stands between the pieces of a chunked body. 1: a piece comes; 0: the end; -EAGAIN; -EPROTO. */
static int between_chunks(struct edo_client *client)
{
    while (client->state != CHUNK_DATA && client->state != BODY_END) {
        edo_str line;
        ssize_t n = body_line(&line, client);
        int rc = 0;

        if (n < 0)
            return (int)n;
        switch (client->state) {
        case CHUNK_SIZE:
            rc = chunk_size(&client->left, line);
            client->state = client->left > 0 ? CHUNK_DATA : TRAILER;
            break;
        case CHUNK_END:
            rc = line.size > 0 ? -EPROTO : 0;
            client->state = CHUNK_SIZE;
            break;
        default: /* trailers; .left counts them */
            client->left += (uint64_t)n;
            rc = client->left > TRAILER_MOST ? -EPROTO : 0;
            if (line.size == 0)
                client->state = BODY_END;
        }
        if (rc < 0)
            return rc;
        edo_reader_consume(&client->reader, (size_t)n);
    }
    return client->state == CHUNK_DATA;
}

ssize_t edo_client_body(edo_str *piece, struct edo_client *client)
{
    edo_str got;

    edo_reader_consume(&client->reader, client->taken);
    client->taken = 0;
    if (client->chunked) {
        int rc = between_chunks(client);

        if (rc <= 0)
            return rc;
    } else if (!client->until_close && client->left == 0) {
        return 0;
    }
    got = edo_reader_buffered(&client->reader);
    if (got.size == 0)
        return client->state == BODY_END ? 0 : -EAGAIN;
    if (!client->until_close && got.size > client->left)
        got.size = (size_t)client->left;
    *piece = got;
    client->taken = got.size;
    if (!client->until_close)
        client->left -= got.size;
    if (client->chunked && client->left == 0)
        client->state = CHUNK_END;
    return (ssize_t)got.size;
}

int edo_client_more(struct edo_client *client)
{
    ssize_t n = edo_reader_fill(&client->reader);

    if (n == 0 && client->until_close) {
        client->state = BODY_END;
        return 0;
    }
    return n > 0 ? 0 : n == 0 ? -ECONNRESET : (int)n;
}
