/* SPDX-License-Identifier: MIT */
/* The examples of docs/guide/buffered.md, which stand there word for word. */
#include <edo/edo.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* Answers commands, a line each, until the client leaves. */
static int answer_lines(void *stream)
{
    edo_reader reader;
    edo_writer writer;
    edo_str line;
    ssize_t n;

    edo_reader_init(&reader, stream, NULL, 0);
    edo_writer_init(&writer, stream, NULL, 0);
    while ((n = edo_reader_read_line(&line, &reader, 500)) != 0) {
        if (n == -EMSGSIZE && edo_reader_skip_until(&reader, '\n') == 1)
            n = edo_writer_put(&writer, EDO_STR("too long\n"));
        else if (n > 0)
            n = edo_writer_printf(&writer, "you said %.*s\n", EDO_STR_ARG(line));
        if (n >= 0 && edo_reader_buffered(&reader).size == 0) /* there is nothing more to answer at once */
            n = edo_writer_flush(&writer);
        if (n < 0)
            break;
    }
    edo_writer_finish(&writer);
    edo_reader_finish(&reader);
    return (int)n;
}

/* Reads lines, and does something else every second in which none comes. */
static int read_or_tick(edo_reader *reader, int *ticks)
{
    for (;;) {
        edo_str line;
        ssize_t n = 0;
        int rc = 0;

        EDO_TIMEOUT (EDO_SEC(1), &rc) {
            n = edo_reader_read_line(&line, reader, 500);
            rc = n < 0 ? (int)n : 0;
        }
        if (rc == -ETIMEDOUT)
            ++*ticks; /* half a line may have come: it is in the reader, and the next call goes on with it */
        else if (rc < 0 || n == 0)
            return rc;
        else
            printf("%.*s\n", EDO_STR_ARG(line));
    }
}

/* Two bytes of length, little-endian, which counts the type byte behind it. */
static const edo_framing records = {.size = sizeof(edo_framing), .field = 2, .little_endian = true, .limit = 4096};

/* Sends every record back to where it came from. */
static int return_records(void *stream)
{
    edo_reader reader;
    edo_writer writer;
    edo_str record;
    ssize_t n;

    edo_reader_init(&reader, stream, NULL, 0);
    edo_writer_init(&writer, stream, NULL, 0);
    while ((n = edo_frame_read(&record, &reader, &records)) > 0) {
        n = edo_frame_write(&writer, &records, record.data, record.size);
        if (n > 0 && edo_reader_buffered(&reader).size == 0)
            n = edo_writer_flush(&writer);
        if (n < 0)
            break;
    }
    edo_writer_finish(&writer);
    edo_reader_finish(&reader);
    return (int)n;
}

/* Writes a header whose number is known only when the rest is there. */
static int write_numbers(edo_writer *writer, const int *numbers, int count)
{
    void *place;
    int rc = edo_writer_reserve(&place, writer, 1 + (size_t)count * 12);

    if (rc == 0) {
        char *text = place;
        int size = 1;

        for (int i = 0; i < count; i++)
            size += snprintf(text + size, 13, "%d,", numbers[i]);
        text[0] = (char)size;
        edo_writer_commit(writer, (size_t)size);
    }
    return rc;
}

/* --- They run ----------------------------------------------------------------------------------------------------- */

static int pair(edo_stream *out[2])
{
    int fds[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ? -EMFILE : 0;

    for (int i = 0; i < 2 && rc == 0; i++)
        rc = edo_stream_from_fd(&out[i], fds[i]);
    return rc;
}

/* What a service answers to `text`, as long as that is. */
static int ask(edo_task_fn service, edo_str text, edo_str wanted)
{
    edo_stream *ends[2];
    edo_reader reader;
    edo_str got;
    int rc = pair(ends);

    if (rc < 0)
        return rc;
    edo_reader_init(&reader, ends[0], NULL, 0);
    EDO_SCOPE (scope, &rc) {
        ssize_t n = edo_spawn(scope, service, ends[1]);

        if (n == 0)
            n = edo_write_all(ends[0], text.data, text.size);
        if (n >= 0)
            n = edo_reader_peek(&got, &reader, wanted.size);
        rc = n < 0 ? (int)n : edo_str_equal(got, wanted) ? 0 : -EBADMSG;
        edo_shutdown(ends[0], EDO_HALF_WRITE);
    }
    edo_reader_finish(&reader);
    edo_close(ends[0]);
    edo_close(ends[1]);
    return rc;
}

static int say(void *stream)
{
    ssize_t n = edo_write_all(stream, "half", 4);

    if (n > 0)
        n = edo_sleep(EDO_MS(1200));
    if (n >= 0)
        n = edo_write_all(stream, " a line\n", 8);
    edo_shutdown(stream, EDO_HALF_WRITE);
    return n < 0 ? (int)n : 0;
}

static int run(void *argument)
{
    static const int numbers[] = {1, -20};
    edo_stream *ends[2];
    edo_reader reader;
    edo_writer writer;
    edo_str text;
    int ticks = 0;
    int rc = ask(answer_lines, EDO_STR("one\r\ntwo\n"), EDO_STR("you said one\nyou said two\n"));

    (void)argument;
    if (rc == 0)
        rc = ask(return_records, EDO_STR("\4\0Tabc\1\0U"), EDO_STR("\4\0Tabc\1\0U"));
    if (rc == 0)
        rc = pair(ends);
    if (rc < 0)
        return rc;
    edo_reader_init(&reader, ends[0], NULL, 0);
    edo_writer_init(&writer, ends[1], NULL, 0);
    rc = write_numbers(&writer, numbers, 2);
    if (rc == 0)
        rc = edo_writer_flush(&writer);
    if (rc == 0)
        rc = edo_reader_peek(&text, &reader, 7) == 7 && edo_str_equal(text, EDO_STR("\7"
                                                                                    "1,-20,"))
                 ? 0
                 : -EBADMSG;
    edo_reader_consume(&reader, 7);
    if (rc == 0) {
        EDO_SCOPE (scope, &rc) {
            rc = edo_spawn(scope, say, ends[1]);
            if (rc == 0)
                rc = read_or_tick(&reader, &ticks);
        }
    }
    edo_writer_finish(&writer);
    edo_reader_finish(&reader);
    edo_close(ends[0]);
    edo_close(ends[1]);
    return rc < 0 ? rc : ticks > 0 ? 0 : -ETIME;
}

int main(void)
{
    int rc = edo_run(run, NULL, NULL);

    if (rc < 0)
        fprintf(stderr, "%s\n", edo_strerror(rc));
    return rc < 0;
}
