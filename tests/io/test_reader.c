/* SPDX-License-Identifier: MIT */
/*
 * The buffered reader: lines and other pieces however they arrive, limits, ends, and that nothing is lost (C1, C3, F1).
 */
#include "pieces.h"

enum { WAYS = 12 };

/* --- Lines and other pieces --------------------------------------------------------------------------------------- */

/*
 * What was read, written down: (text) with its end, (text| without one, ! for one that was too long, the rest of which
 * is then skipped, $ for the end of the stream.
 */
struct reading {
    const char *input;
    size_t size;
    size_t limit;
    const char *as_lines;  /* what is to come out */
    const char *as_fields; /* divided by ';' */
};

#define INPUT(text) text, sizeof(text) - 1

static const struct reading readings[] = {
    {INPUT(""), 10, "$", "$"},
    {INPUT("\n"), 10, "()$", "(\n|$"},
    {INPUT("\n\n"), 10, "()()$", "(\n\n|$"},
    {INPUT("\r\n"), 0, "()$", "!$"},
    {INPUT("\n"), 0, "()$", "!$"},
    {INPUT(";"), 0, "!$", "()$"},
    {INPUT(";;a;"), 3, "!$", "()()(a)$"},
    {INPUT("abc\n"), 3, "(abc)$", "!$"},
    {INPUT("abc\r\n"), 3, "(abc)$", "!$"},
    {INPUT("abcd\n"), 3, "!$", "!$"},
    {INPUT("abcd\r\nefg\n"), 3, "!(efg)$", "!$"},
    {INPUT("abc\r\r\n"), 3, "!$", "!$"},
    {INPUT("abc\rd\nx\n"), 3, "!(x)$", "!$"},
    {INPUT("ab\r\r\n"), 3, "(ab\r)$", "!$"},
    {INPUT("a\rb\r\n"), 3, "(a\rb)$", "!$"},
    {INPUT("abc"), 3, "(abc|$", "(abc|$"},
    {INPUT("abcd"), 3, "!$", "!$"},
    {INPUT("abc\r"), 3, "!$", "!$"},
    {INPUT("ab\r"), 3, "(ab\r|$", "(ab\r|$"},
    {INPUT("a;b\nc;d\ne"), 100, "(a;b)(c;d)(e|$", "(a)(b\nc)(d\ne|$"},
    {INPUT("longer than any buffer here;\nshort\n"), 29, "(longer than any buffer here;)(short)$",
     "(longer than any buffer here)(\nshort\n|$"},
    {INPUT("longer than any buffer here;\nshort\n"), 28, "(longer than any buffer here;)(short)$",
     "(longer than any buffer here)(\nshort\n|$"},
    {INPUT("longer than any buffer here;\nshort\n"), 27, "!(short)$", "(longer than any buffer here)(\nshort\n|$"},
    {INPUT("longer than any buffer here;\nshort\n"), 26, "!(short)$", "!(\nshort\n|$"},
    {INPUT("zero\0inside\nx"), 100, "(zero\0inside)(x|$", "(zero\0inside\nx|$"},
};

static size_t buffer_sizes[] = {0, 1, 2, 3, 7, 8192};

struct transcript {
    const struct reading *reading;
    size_t buffer_size;
    bool given;
    bool lines;
    char text[200];
    size_t size;
};

static int transcribe(edo_stream *stream, void *argument)
{
    struct transcript *out = argument;
    char buffer[8192];
    edo_reader reader;
    ssize_t n;

    out->size = 0;
    edo_reader_init(&reader, stream, out->given ? buffer : NULL, out->buffer_size);
    do {
        edo_str text;

        n = out->lines ? edo_reader_read_line(&text, &reader, out->reading->limit)
                       : edo_reader_read_until(&text, &reader, ';', out->reading->limit);
        if (n > 0) {
            out->text[out->size++] = '(';
            memcpy(out->text + out->size, text.data, text.size);
            out->size += text.size;
            out->text[out->size++] = (size_t)n > text.size ? ')' : '|';
        } else if (n == -EMSGSIZE) {
            size_t before = edo_reader_buffered(&reader).size;

            CHECK(before > out->reading->limit);
            out->text[out->size++] = '!';
            n = edo_reader_skip_until(&reader, out->lines ? '\n' : ';') + 1;
        }
    } while (n > 0 && out->text[out->size - 1] != '|');
    CHECK_EQUAL(n < 0 ? n : 0, 0);
    CHECK_EQUAL(edo_reader_read_line(&(edo_str){0}, &reader, 100), 0); /* the end, again */
    CHECK_EQUAL(edo_reader_buffered(&reader).size, 0);
    out->text[out->size++] = '$';
    edo_reader_finish(&reader);
    return 0;
}

static size_t transcript_size(const char *text)
{
    size_t size = 0;

    while (text[size] != '$')
        size++;
    return size + 1;
}

static int all_readings(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < EDO_COUNT(readings); i++)
        for (size_t b = 0; b < 2 * EDO_COUNT(buffer_sizes); b++)
            for (uint32_t way = 0; way < 2 * WAYS; way++) {
                struct transcript transcript = {&readings[i], buffer_sizes[b / 2], b % 2 == 1, way % 2 == 0, "", 0};
                const char *wanted = transcript.lines ? readings[i].as_lines : readings[i].as_fields;
                size_t size = transcript_size(wanted);

                CHECK_EQUAL(pieces_read(transcribe, &transcript, readings[i].input, readings[i].size, way / 2), 0);
                if (transcript.size != size || memcmp(transcript.text, wanted, size) != 0)
                    fprintf(stderr, "reading %zu, buffer of %zu, way %u: %.*s\n", i, transcript.buffer_size,
                            (unsigned)way, (int)transcript.size, transcript.text);
                CHECK(transcript.size == size && memcmp(transcript.text, wanted, size) == 0);
            }
    return 0;
}

static void test_pieces_are_the_same_however_they_arrive(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(all_readings, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* --- Bytes -------------------------------------------------------------------------------------------------------- */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";

/* Exact reads, peeks and others at random find each byte once. */
static int reads_at_random(edo_stream *stream, void *argument)
{
    uint32_t dice = *(uint32_t *)argument;
    edo_reader reader;
    char text[64] = "";
    size_t at = 0;
    ssize_t n = 1;

    edo_reader_init(&reader, stream, NULL, 1 + pieces_random(&dice) % 10);
    while (n > 0 && at < 26) {
        size_t want = 1 + pieces_random(&dice) % 12;
        size_t done = 0;
        edo_str seen;

        switch (pieces_random(&dice) % 5) {
        case 0:
            n = edo_reader_read(&reader, text + at, want);
            CHECK(n > 0 && (size_t)n <= want);
            break;
        case 1:
            n = edo_reader_read_exact(&reader, text + at, want);
            CHECK_EQUAL(n, want <= 26 - at ? (ssize_t)want : -ENODATA);
            break;
        case 2:
            n = edo_reader_read_exact_part(&done, &reader, text + at, want);
            CHECK_EQUAL(n, want <= 26 - at ? (ssize_t)want : -ENODATA);
            CHECK_EQUAL(done, n > 0 ? want : 26 - at);
            n = (ssize_t)done;
            break;
        case 3:
            n = edo_reader_peek(&seen, &reader, want);
            CHECK_EQUAL(n, seen.size);
            CHECK(seen.size >= want || at + seen.size == 26);
            if ((size_t)n > want)
                n = (ssize_t)want;
            memcpy(text + at, seen.data, (size_t)n);
            edo_reader_consume(&reader, (size_t)n);
            break;
        default:
            seen = edo_reader_buffered(&reader);
            n = (ssize_t)seen.size;
            memcpy(text + at, seen.data, seen.size);
            edo_reader_consume(&reader, seen.size);
            edo_reader_trim(&reader);
            CHECK_EQUAL(edo_reader_buffered(&reader).size, 0);
        }
        if (n > 0)
            at += (size_t)n;
        n = n == -ENODATA ? 1 : n >= 0;
    }
    CHECK_EQUAL(at, 26);
    CHECK(memcmp(text, alphabet, 26) == 0);
    CHECK_EQUAL(edo_reader_read(&reader, text, 3), 0);
    CHECK_EQUAL(edo_reader_read_exact(&reader, text, 3), 0);
    edo_reader_finish(&reader);
    return 0;
}

static int many_reads(void *argument)
{
    (void)argument;
    for (uint32_t seed = 0; seed < (uint32_t)edo_test_rounds(2000); seed++)
        CHECK_EQUAL(pieces_read(reads_at_random, &seed, alphabet, 26, seed % 7), 0);
    return 0;
}

static void test_every_way_of_reading_finds_each_byte_once(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(many_reads, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

/* One worker; what is written is there before it is read. */
static int counts_calls(void *argument)
{
    char large[100];
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    int before;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 50);
    CHECK_EQUAL(edo_write_all(pair[1], alphabet, 26), 26);
    before = atomic_load(&net_calls[NET_RECV]);
    CHECK_EQUAL(edo_reader_read(&reader, large, 0), 0);
    for (int i = 0; i < 13; i++)
        CHECK_EQUAL(edo_reader_read_exact(&reader, large, 2), 2);
    CHECK_EQUAL(atomic_load(&net_calls[NET_RECV]) - before, 1); /* the rest came from the buffer */

    edo_reader_trim(&reader);
    before = (int)pieces_live;
    CHECK_EQUAL(edo_write_all(pair[1], alphabet, 26), 26);
    CHECK_EQUAL(edo_reader_read(&reader, large, 50), 26);
    CHECK_EQUAL(pieces_live, before); /* it went past the buffer */

    CHECK_EQUAL(edo_write_all(pair[1], alphabet, 26), 26);
    CHECK_EQUAL(edo_reader_fill(&reader), 26);
    CHECK_EQUAL(edo_write_all(pair[1], alphabet, 26), 26);
    CHECK_EQUAL(edo_reader_fill(&reader), 24);
    CHECK_EQUAL(edo_reader_fill(&reader), -ENOBUFS);
    CHECK_EQUAL(edo_reader_peek(&text, &reader, 0), 50);
    CHECK_EQUAL(edo_reader_peek(&text, &reader, 52), 52);
    CHECK(memcmp(text.data + 26, alphabet, 26) == 0);
    edo_close(pair[1]);
    CHECK_EQUAL(edo_reader_peek(&text, &reader, 53), 52); /* the end comes before */
    CHECK_EQUAL(edo_reader_read_exact(&reader, large, 53), -ENODATA);
    CHECK_EQUAL(edo_reader_read_exact(&reader, large, 52), 52);
    CHECK_EQUAL(edo_reader_fill(&reader), 0);
    CHECK_EQUAL(edo_reader_peek(&text, &reader, 1), 0);
    edo_reader_finish(&reader);
    edo_close(pair[0]);
    return 0;
}

static void test_reads_are_few_and_large_ones_bypass(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(counts_calls, NULL), 0);
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static int counts_memory(void *argument)
{
    static char line[20000];
    char given[100];
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    long before;

    (void)argument;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    net_pair(pair);
    CHECK_EQUAL(edo_write_all(pair[1], "first\n", 6), 6);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    before = pieces_live;
    for (int own = 0; own < 2; own++) {
        edo_reader_init(&reader, pair[0], own ? NULL : given, sizeof given);
        CHECK_EQUAL(pieces_live, before);
        if (own == 0)
            CHECK_EQUAL(edo_reader_read_line(&text, &reader, 5), 6);
        CHECK_EQUAL(pieces_live, before);
        CHECK_EQUAL(edo_write_all(pair[1], line, sizeof line), (ssize_t)sizeof line);
        CHECK_EQUAL(edo_reader_read_line(&text, &reader, 100), -EMSGSIZE); /* no more memory than for its limit */
        CHECK(edo_reader_buffered(&reader).size <= 101);
        CHECK_EQUAL(edo_reader_read_line(&text, &reader, sizeof line), (ssize_t)sizeof line);
        CHECK_EQUAL(pieces_live, before + 1);
        CHECK_EQUAL(edo_write_all(pair[1], "short\nrest", 10), 10);
        CHECK_EQUAL(edo_reader_read_line(&text, &reader, 100), 6);
        CHECK_EQUAL(pieces_live, before + own); /* what had grown is gone, before it was read into */
        edo_reader_trim(&reader);
        CHECK_EQUAL(edo_reader_buffered(&reader).size, 4);
        CHECK(memcmp(edo_reader_buffered(&reader).data, "rest", 4) == 0);
        CHECK_EQUAL(pieces_live, before + own);
        edo_reader_consume(&reader, 4);
        edo_reader_trim(&reader);
        CHECK_EQUAL(pieces_live, before);
        edo_reader_finish(&reader);
    }
    net_close_pair(pair);
    return 0;
}

static void test_an_idle_reader_has_no_memory(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(counts_memory, NULL), 0);
}

/* A reader that was trimmed while it held something reads as much at once as before. */
static int is_trimmed(void *argument)
{
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    char byte;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 100);
    for (int emptied = 0; emptied < 2; emptied++) {
        CHECK_EQUAL(edo_write_all(pair[1], "ab", 2), 2);
        CHECK_EQUAL(edo_reader_fill(&reader), 2);
        CHECK_EQUAL(edo_reader_read(&reader, &byte, 1), 1);
        edo_reader_trim(&reader); /* to a single byte */
        CHECK_EQUAL(edo_write_all(pair[1], "0123456789", 10), 10);
        if (emptied)
            edo_reader_consume(&reader, 1);
        CHECK_EQUAL(edo_reader_fill(&reader), 10); /* it is not full: -ENOBUFS is for that */
        CHECK_EQUAL(edo_reader_peek(&text, &reader, 0), 11 - emptied);
        CHECK(memcmp(text.data, &"b0123456789"[emptied], text.size) == 0);
        edo_reader_consume(&reader, text.size);
    }
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_a_trimmed_reader_gets_its_buffer_back(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(is_trimmed, NULL), 0);
    assert_int_equal(pieces_live, 0);
}

static int lacks_memory(void *argument)
{
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    int refusals = 0;
    ssize_t n;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 2);
    CHECK_EQUAL(edo_write_all(pair[1], "a line, longer than two\nb\n", 26), 26);
    CHECK_EQUAL(edo_wait_readable(pair[0], EDO_FOREVER), 0);
    do {
        pieces_refusing = 1;
        n = edo_reader_read_line(&text, &reader, 100);
        pieces_refusing = 0;
        if (n == -ENOMEM) { /* with one allocation more it gets further, and has lost nothing */
            refusals++;
            CHECK(edo_reader_fill(&reader) != 0);
            if (edo_reader_fill(&reader) == -ENOBUFS)
                CHECK(edo_reader_peek(&text, &reader, edo_reader_buffered(&reader).size + 1) > 0);
        }
    } while (n == -ENOMEM);
    CHECK_EQUAL(n, 24);
    CHECK(edo_str_equal(text, EDO_STR("a line, longer than two")));
    CHECK(refusals >= 3);
    CHECK_EQUAL(edo_reader_read_line(&text, &reader, 100), 2);
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_f1_without_memory_nothing_is_lost(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(lacks_memory, NULL), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

/* The kinds of reads of 26 bytes, with a buffer of this size. */
struct exact {
    size_t buffer_size;
    ssize_t (*read)(edo_reader *reader, char *to, size_t *done);
};

static ssize_t by_exact(edo_reader *reader, char *to, size_t *done)
{
    (void)done;
    return edo_reader_read_exact(reader, to, 26);
}

static ssize_t by_exact_part(edo_reader *reader, char *to, size_t *done)
{
    return edo_reader_read_exact_part(done, reader, to, 26);
}

static ssize_t by_peek(edo_reader *reader, char *to, size_t *done)
{
    edo_str text;
    ssize_t n = edo_reader_peek(&text, reader, 26);

    (void)done;
    if (n == 26)
        memcpy(to, text.data, 26);
    if (n == 26)
        edo_reader_consume(reader, 26);
    return n;
}

static ssize_t by_until(edo_reader *reader, char *to, size_t *done)
{
    edo_str text;
    ssize_t n = edo_reader_read_until(&text, reader, 'z', 100);

    (void)done;
    if (n == 26)
        memcpy(to, text.data, 26);
    return n;
}

/* Each byte comes alone, and the read is cancelled after each. */
static int is_cancelled(void *argument)
{
    struct exact *exact = argument;
    char text[26] = "";
    edo_stream *pair[2];
    edo_reader reader;
    size_t done = 0;

    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, exact->buffer_size);
    for (int i = 0; i < 25; i++) {
        int rc = 0;

        CHECK_EQUAL(edo_write_all(pair[1], alphabet + i, 1), 1);
        EDO_SCOPE (scope, &rc) {
            struct pieces_cancel cancel = {scope, edo_stream_fd(pair[0])};

            CHECK_EQUAL(edo_spawn(scope, pieces_cancel, &cancel, .copy = sizeof cancel), 0);
            CHECK_EQUAL(exact->read(&reader, text, &done), -ECANCELED);
        }
        CHECK_EQUAL(edo_reader_buffered(&reader).size + done, i + 1);
    }
    CHECK_EQUAL(edo_write_all(pair[1], alphabet + 25, 1), 1);
    CHECK_EQUAL(exact->read(&reader, text, &done), 26);
    CHECK(memcmp(text, alphabet, 25) == 0);
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_c3_a_cancelled_exact_read_keeps_its_bytes(void **state)
{
    ssize_t (*const reads[])(edo_reader *, char *, size_t *) = {by_exact, by_exact_part, by_peek, by_until};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(reads); i++)
        for (size_t b = 0; b < EDO_COUNT(buffer_sizes); b++)
            assert_int_equal(net_run_alone(is_cancelled, &(struct exact){buffer_sizes[b], reads[i]}), 0);
}

static int is_refused(void *argument)
{
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    char to[8];
    size_t done = 0;
    int before;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 0);
    CHECK_EQUAL(edo_write_all(pair[1], "abc\ndef\n", 8), 8);
    CHECK_EQUAL(edo_reader_fill(&reader), 8);
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        before = net_calls_made();
        CHECK_EQUAL(edo_reader_read(&reader, to, 1), -ECANCELED);
        CHECK_EQUAL(edo_reader_read_exact(&reader, to, 1), -ECANCELED);
        CHECK_EQUAL(edo_reader_read_exact_part(&done, &reader, to, 1), -ECANCELED);
        CHECK_EQUAL(edo_reader_read_line(&text, &reader, 9), -ECANCELED);
        CHECK_EQUAL(edo_reader_read_until(&text, &reader, 'b', 9), -ECANCELED);
        CHECK_EQUAL(edo_reader_peek(&text, &reader, 1), -ECANCELED);
        CHECK_EQUAL(edo_reader_fill(&reader), -ECANCELED);
        CHECK_EQUAL(edo_reader_skip_until(&reader, '\n'), -ECANCELED);
        CHECK_EQUAL(net_calls_made(), before);
        CHECK_EQUAL(edo_reader_buffered(&reader).size, 8);
        edo_reader_consume(&reader, 4);
    }
    CHECK_EQUAL(edo_reader_read_line(&text, &reader, 9), 4);
    CHECK(edo_str_equal(text, EDO_STR("def")));
    edo_reader_finish(&reader);
    net_close_pair(pair);
    return 0;
}

static void test_c1_a_cancelled_scope_reads_nothing_not_even_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(is_refused, NULL), 0);
}

/* What was skipped before a cancellation is not skipped again, and no more than up to the delimiter is. */
static int skips(void *argument)
{
    edo_stream *pair[2];
    edo_reader reader;
    edo_str text;
    int rc = 0;

    (void)argument;
    net_pair(pair);
    edo_reader_init(&reader, pair[0], NULL, 5);
    CHECK_EQUAL(edo_write_all(pair[1], alphabet, 13), 13);
    EDO_SCOPE (scope, &rc) {
        struct pieces_cancel cancel = {scope, edo_stream_fd(pair[0])};

        CHECK_EQUAL(edo_spawn(scope, pieces_cancel, &cancel, .copy = sizeof cancel), 0);
        CHECK_EQUAL(edo_reader_skip_until(&reader, '\n'), -ECANCELED);
    }
    CHECK_EQUAL(edo_write_all(pair[1], "rest\nnext\n", 10), 10);
    CHECK_EQUAL(edo_reader_skip_until(&reader, '\n'), 1);
    CHECK_EQUAL(edo_reader_read_line(&text, &reader, 10), 5);
    CHECK(edo_str_equal(text, EDO_STR("next")));
    edo_close(pair[1]);
    CHECK_EQUAL(edo_reader_skip_until(&reader, '\n'), 0);
    edo_reader_finish(&reader);
    edo_close(pair[0]);
    return 0;
}

static void test_skipping_goes_on_where_it_was_cancelled(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(skips, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pieces_test(test_pieces_are_the_same_however_they_arrive),
        pieces_test(test_every_way_of_reading_finds_each_byte_once),
        pieces_test(test_reads_are_few_and_large_ones_bypass),
        pieces_test(test_an_idle_reader_has_no_memory),
        pieces_test(test_a_trimmed_reader_gets_its_buffer_back),
        pieces_test(test_f1_without_memory_nothing_is_lost),
        pieces_test(test_c3_a_cancelled_exact_read_keeps_its_bytes),
        pieces_test(test_c1_a_cancelled_scope_reads_nothing_not_even_what_is_there),
        pieces_test(test_skipping_goes_on_where_it_was_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
