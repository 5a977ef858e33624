/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's way into readers and frames. The first bytes of an input choose a framing, a buffer and how the rest is
 * divided; the rest goes through a socket of a simulated network, and is read as frames and as lines, in whole and
 * divided. Both must come to the same end, and every byte must be accounted for: taken, or in the reader still.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edo/edo.h>
#include <edo/testing.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) must(!!(condition), #condition, __LINE__)

static void must(int holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "line %d: %s\n", line, what);
    abort();
}

enum { MOST = 4096 };

/* What a reading comes to. */
struct end {
    uint64_t hash; /* of the texts */
    size_t count;
    size_t taken;
    size_t kept;
    ssize_t last;
};

struct input {
    edo_framing framing;
    const char *data;
    size_t size;
    size_t buffer_size;
    size_t limit;
    uint32_t dice; /* 0: not divided */
    struct end frames[2];
    struct end lines[2];
};

static size_t next_step(uint32_t *dice, size_t left)
{
    size_t step;

    if (*dice == 0)
        return left;
    *dice = *dice * 1664525 + 1013904223;
    *dice += *dice == 0;
    step = 1 + (*dice >> 24) % 40;
    return step < left ? step : left;
}

struct sending {
    const struct input *input;
    edo_stream *stream;
};

static int sends(void *argument)
{
    struct sending *sending = argument;
    const struct input *input = sending->input;
    uint32_t dice = input->dice;

    for (size_t at = 0; at < input->size;) {
        size_t step = next_step(&dice, input->size - at);

        MUST(edo_write_all(sending->stream, input->data + at, step) == (ssize_t)step);
        at += step;
        MUST(edo_sleep(EDO_MS(1)) == 0);
    }
    MUST(edo_shutdown(sending->stream, EDO_HALF_WRITE) == 0);
    return 0;
}

static void note(struct end *end, edo_str text)
{
    for (size_t i = 0; i < text.size; i++)
        end->hash = (end->hash ^ (unsigned char)text.data[i]) * 0x100000001b3;
    end->hash = (end->hash ^ text.size) * 0x100000001b3;
    end->count++;
}

static void read_frames(struct end *end, edo_reader *reader, const struct input *input)
{
    edo_str frame;

    while ((end->last = edo_frame_read(&frame, reader, &input->framing)) > 0) {
        MUST(frame.size <= (size_t)end->last && frame.size <= input->framing.limit + input->framing.offset + 10);
        MUST(end->taken + (size_t)end->last <= input->size);
        MUST(memcmp(frame.data, input->data + end->taken + ((size_t)end->last - frame.size), frame.size) == 0);
        note(end, frame);
        end->taken += (size_t)end->last;
    }
}

static void read_lines(struct end *end, edo_reader *reader, const struct input *input)
{
    edo_str line;

    while ((end->last = edo_reader_read_line(&line, reader, input->limit)) > 0) {
        MUST(line.size <= input->limit && line.size <= (size_t)end->last && (size_t)end->last <= line.size + 2);
        MUST(!memchr(line.data, '\n', line.size));
        MUST(memcmp(line.data, input->data + end->taken, line.size) == 0);
        note(end, line);
        end->taken += (size_t)end->last;
    }
}

static void read_through(struct end *end, struct input *input, edo_stream *ends[2],
                         void (*read)(struct end *, edo_reader *, const struct input *))
{
    struct sending sending = {input, ends[0]};
    edo_reader reader;
    edo_str rest;
    int rc = 0;

    memset(end, 0, sizeof *end);
    edo_reader_init(&reader, ends[1], NULL, input->buffer_size);
    EDO_SCOPE (scope, &rc) {
        MUST(edo_spawn(scope, sends, &sending) == 0);
        read(end, &reader, input);
        if (end->last < 0) /* nothing was taken: all the rest is there */
            MUST(edo_reader_peek(&rest, &reader, input->size + 1) == (ssize_t)(input->size - end->taken));
        end->kept = edo_reader_buffered(&reader).size;
    }
    MUST(rc == 0 && end->taken + end->kept == input->size);
    edo_reader_finish(&reader);
}

static int run(void *argument)
{
    struct input *input = argument;
    edo_listener *listener;
    uint32_t dice = input->dice;

    MUST(edo_tcp_listen(&listener, "127.0.0.1:7", NULL) == 0);
    for (int i = 0; i < 4; i++) {
        edo_stream *ends[2];

        MUST(edo_tcp_connect(&ends[0], "127.0.0.1:7", NULL) == 0);
        MUST(edo_accept(&ends[1], listener) == 0);
        input->dice = i % 2 ? dice : 0;
        if (i < 2)
            read_through(&input->frames[i % 2], input, ends, read_frames);
        else
            read_through(&input->lines[i % 2], input, ends, read_lines);
        edo_close(ends[0]);
        edo_close(ends[1]);
    }
    edo_listener_close(listener);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.framing = {.size = sizeof(edo_framing)}};
    char *copy;

    if (size < 6 || size > MOST)
        return 0;
    input.framing.field = data[0] % 10 == 9 ? EDO_FRAME_VARINT : data[0] % 10;
    input.framing.little_endian = data[0] & 0x80;
    input.framing.offset = data[1] % 4;
    input.framing.skip = data[1] % 8 < 4 ? 0 : (int)(data[1] >> 3) - 1;
    input.framing.adjust = (int)data[2] - 128;
    input.framing.limit = data[3] + 1u;
    input.buffer_size = data[4] % 16;
    input.limit = data[4] / 16 * 2;
    input.dice = data[5] + 1u;
    input.size = size - 6;
    copy = malloc(input.size + !input.size);
    MUST(copy);
    memcpy(copy, data + 6, input.size);
    input.data = copy;
    MUST(edo_test_run(run, &input, EDO_OPTIONS(edo_test_options, .seed = 1, .schedule = EDO_SCHEDULE_FIFO)) == 0);
    MUST(memcmp(&input.frames[0], &input.frames[1], sizeof input.frames[0]) == 0);
    MUST(memcmp(&input.lines[0], &input.lines[1], sizeof input.lines[0]) == 0);
    free(copy);
    return 0;
}
