/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide/streams.md, word for word (docs/check.sh compares), and a main that runs them.
 */
#include <edo/edo.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct answers {
    edo_stream *stream;
    int lines;
};

/* Reads until the end, and closes the half that it was given. */
static int count_answers(void *arg)
{
    struct answers *answers = arg;
    edo_stream *in EDO_AUTO(edo_close_read) = answers->stream;
    char bytes[4096];
    ssize_t n;

    while ((n = edo_read(in, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++)
            answers->lines += bytes[i] == '\n';
    return (int)n;
}

/* Asks ten times and does not wait for each answer. Both halves are gone when it returns, whatever happened. */
static int ask(edo_stream *stream)
{
    edo_stream *out EDO_AUTO(edo_close_write) = stream;
    struct answers answers = {.stream = stream};
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, count_answers, &answers);
        if (rc < 0)
            edo_close_read(stream); /* a failed spawn leaves that half with us */
        for (int i = 0; i < 10 && rc == 0; i++) {
            ssize_t n = edo_write_all(out, "how are you?\n", 13);

            rc = n < 0 ? (int)n : 0;
        }
        edo_close_write(EDO_TAKE(out)); /* the other end reads the end, and ends its answers */
    }
    return rc < 0 ? rc : answers.lines;
}

static int echo(void *arg)
{
    edo_stream *stream EDO_AUTO(edo_close) = arg;
    uint64_t moved;

    return edo_copy(&moved, stream, stream);
}

/* A client and a server in one process: neither knows that there is no network between them. */
static int talk_in_memory(void)
{
    edo_stream *client;
    edo_stream *server;
    int lines = 0;
    int rc = edo_duplex(&client, &server, 4096);

    if (rc < 0)
        return rc;
    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, echo, server);
        if (rc < 0)
            edo_close(server);
        lines = ask(client);
        if (rc == 0 && lines < 0)
            rc = lines;
    }
    return rc < 0 ? rc : lines;
}

/* Saves what comes, a megabyte a second at most; what was read and not written is not lost to the timeout. */
static int64_t save_slowly(edo_stream *to, edo_stream *from)
{
    char memory[16384];
    edo_copy_buffer buffer = {.memory = memory, .size = sizeof memory};
    uint64_t total = 0;
    uint64_t moved;
    int rc;

    do {
        int64_t next = edo_now() + EDO_SEC(1);

        moved = 0;
        rc = 0;
        EDO_TIMEOUT (EDO_SEC(1), &rc) {
            rc = edo_copy_through(&moved, to, from, 1000000, &buffer);
        }
        total += moved;
        if (moved == 1000000 && rc == 0)
            rc = edo_sleep_until(next);
        else if (rc == 0)
            break; /* `from` has ended */
    } while (rc == 0 || rc == -ETIMEDOUT);
    return rc < 0 ? rc : (int64_t)total;
}

/* A file to a stream, with its size before it. */
static int send_file(edo_stream *to, const char *path)
{
    edo_file *file EDO_AUTO(edo_file_close) = NULL;
    struct stat status;
    char size[32];
    uint64_t sent;
    ssize_t n;
    int rc = edo_file_open(&file, path, O_RDONLY, 0);

    if (rc == 0)
        rc = edo_file_stat(&status, file);
    if (rc < 0)
        return rc;
    n = edo_write_all(to, size, (size_t)snprintf(size, sizeof size, "%lld\n", (long long)status.st_size));
    if (n < 0)
        return (int)n;
    rc = edo_sendfile(&sent, to, file, 0, (uint64_t)status.st_size);
    return rc == 0 && sent < (uint64_t)status.st_size ? -EIO : rc; /* somebody has made it shorter meanwhile */
}

/* --- Running them --------------------------------------------------------------------------------------------------------- */

static int expect(bool held, const char *what)
{
    if (!held)
        fprintf(stderr, "streams: %s\n", what);
    return held ? 0 : 1;
}

static int run(void *arg)
{
    static const char content[] = "some\ncontent\n";
    char path[] = "/tmp/edo-guide-XXXXXX";
    char got[64];
    size_t size = 0;
    edo_stream *from[2];
    edo_stream *to[2];
    ssize_t n;
    int failed = expect(talk_in_memory() == 10, "talk_in_memory");
    int fd = mkstemp(path);

    (void)arg;
    if (fd < 0 || edo_duplex(&from[0], &from[1], 0) < 0 || edo_duplex(&to[0], &to[1], 0) < 0)
        return 1;
    failed += expect(edo_write_all(from[0], content, 13) == 13, "edo_write_all");
    edo_close_write(from[0]);
    failed += expect(save_slowly(to[0], from[1]) == 13, "save_slowly");
    failed += expect(edo_read(to[1], got, sizeof got) == 13, "save_slowly moves");
    failed += expect(write(fd, content, 13) == 13, "write");
    failed += expect(send_file(to[0], path) == 0, "send_file");
    edo_close_write(to[0]);
    while ((n = edo_read(to[1], got + size, sizeof got - size)) > 0)
        size += (size_t)n;
    failed += expect(size == 16 && memcmp(got, "13\nsome\ncontent\n", 16) == 0, "send_file sends");
    edo_close_read(from[0]);
    edo_close(from[1]);
    edo_close_read(to[0]);
    edo_close(to[1]);
    close(fd);
    unlink(path);
    return failed;
}

int main(void)
{
    int rc = edo_run(run, NULL, NULL);

    if (rc < 0)
        fprintf(stderr, "streams: %s\n", edo_strerror(rc));
    return rc != 0;
}
