/* SPDX-License-Identifier: MIT */
/*
 * The chat's other end, for scripts: says what comes from a pipe, prints what is heard. `chat_client 127.0.0.1:7778
 * <fifo`.
 */
#include <edo/edo.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE = 1000 };

static int hear(void *server)
{
    edo_reader reader;
    edo_str line;
    ssize_t n;

    edo_reader_init(&reader, server, NULL, 0);
    while ((n = edo_reader_read_line(&line, &reader, LINE)) > 0) {
        printf("%.*s\n", EDO_STR_ARG(line));
        fflush(stdout);
    }
    edo_reader_finish(&reader);
    return n < 0 ? (int)n : -ESHUTDOWN; /* whoever speaks need not wait for more */
}

static int say(edo_stream *server, edo_stream *input)
{
    edo_reader reader;
    edo_writer writer;
    edo_str line;
    ssize_t n;

    edo_reader_init(&reader, input, NULL, 0);
    edo_writer_init(&writer, server, NULL, 0);
    while ((n = edo_reader_read_line(&line, &reader, LINE)) > 0) {
        n = edo_writer_printf(&writer, "%.*s\n", EDO_STR_ARG(line));
        if (n > 0 && edo_reader_buffered(&reader).size == 0) /* nothing more at once */
            n = edo_writer_flush(&writer);
        if (n < 0)
            break;
    }
    if (n == 0)
        n = edo_writer_flush(&writer);
    if (n == 0)
        n = edo_shutdown(server, EDO_HALF_WRITE);
    edo_writer_finish(&writer);
    edo_reader_finish(&reader);
    return (int)n;
}

static int talk(void *address)
{
    edo_stream *server EDO_AUTO(edo_close) = NULL;
    edo_stream *input EDO_AUTO(edo_close) = NULL;
    int rc = edo_stream_from_fd(&input, STDIN_FILENO);

    if (rc == 0)
        rc = edo_tcp_connect(&server, address, NULL);
    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, hear, server);
        if (rc == 0)
            rc = say(server, input);
    }
    return rc == -ESHUTDOWN ? 0 : rc;
}

int main(int argc, char **argv)
{
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: chat_client ADDRESS <PIPE\n");
        return 2;
    }
    rc = edo_run(talk, argv[1], EDO_OPTIONS(edo_run_options, .workers = 1));
    if (rc < 0)
        fprintf(stderr, "chat_client: %s\n", edo_strerror(rc));
    return rc < 0;
}
