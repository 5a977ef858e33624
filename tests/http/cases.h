/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of cases under tests/http/cases: what arrives, what must come of it, and the rule that says so.
 *
 * A file is a series of blocks with empty lines between them. A line is `key: value`; one that begins with '#' is a
 * comment. Bytes are written with C's escapes (\r \n \t \\ \xHH) and everything else as it is.
 *
 *     name: what the case is about                      bytes: a piece of the input; all pieces follow each other
 *     rule: RFC 9112 §5.1                                bytes*300: a piece that comes 300 times
 *     limits: line=64 bytes=100 fields=3 body=10         verdict: ok | more | 400 BARE_LF (status, code of errors.h)
 *
 * The other keys tell what is to be found in what was accepted; each kind of test knows its own. Everything that
 * was read stays until cases_forget(). Single-threaded.
 */
#ifndef EDO_TESTS_HTTP_CASES_H
#define EDO_TESTS_HTTP_CASES_H

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/parser.h"

#define CASES_MAX 1000
#define LINES_MAX 32

struct line {
    char *key;
    char *value;
};

struct test_case {
    char title[300]; /* file: rule: name */
    uint8_t *bytes;
    size_t size;
    struct edo_http_limits limits;
    const char *verdict;
    struct line lines[LINES_MAX];
    size_t line_count;
};

static struct test_case cases[CASES_MAX];
static size_t case_count;

/* What the tests need before they can begin ends the program if it is not there. */
static inline void cases_need(int holds, const char *what, const char *where)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", where, what);
    exit(2);
}

/* The bytes behind the escapes, in new memory, with a NUL behind them. */
static inline uint8_t *cases_unescape(const char *text, size_t *size)
{
    uint8_t *bytes = malloc(strlen(text) + 1);
    size_t count = 0;

    cases_need(bytes != NULL, "out of memory", text);
    while (*text) {
        char two[3] = "";

        if (*text != '\\') {
            bytes[count++] = (uint8_t)*text++;
            continue;
        }
        switch (text[1]) {
        case 'r':
            bytes[count++] = '\r';
            break;
        case 'n':
            bytes[count++] = '\n';
            break;
        case 't':
            bytes[count++] = '\t';
            break;
        case '\\':
            bytes[count++] = '\\';
            break;
        case 'x':
            cases_need(text[2] && text[3], "half an escape", text);
            memcpy(two, text + 2, 2);
            bytes[count++] = (uint8_t)strtoul(two, NULL, 16);
            text += 2;
            break;
        default:
            cases_need(0, "unknown escape", text);
        }
        text += 2;
    }
    bytes[count] = '\0';
    *size = count;
    return bytes;
}

/* The first line's value with that key; NULL if there is none. */
static inline const char *case_value(const struct test_case *test, const char *key)
{
    for (size_t i = 0; i < test->line_count; i++)
        if (strcmp(test->lines[i].key, key) == 0)
            return test->lines[i].value;
    return NULL;
}

static inline void case_add_bytes(struct test_case *test, const char *key, const char *value)
{
    unsigned long times = key[5] == '*' ? strtoul(key + 6, NULL, 10) : 1;
    size_t size;
    uint8_t *piece = cases_unescape(value, &size);

    test->bytes = realloc(test->bytes, test->size + size * times + 1);
    cases_need(test->bytes != NULL, "out of memory", value);
    for (; times > 0; times--, test->size += size)
        memcpy(test->bytes + test->size, piece, size);
    free(piece);
}

static inline void case_set_limits(struct test_case *test, const char *value)
{
    const char *found;

    if ((found = strstr(value, "line=")))
        test->limits.line = (uint32_t)strtoul(found + 5, NULL, 10);
    if ((found = strstr(value, "bytes=")))
        test->limits.bytes = (uint32_t)strtoul(found + 6, NULL, 10);
    if ((found = strstr(value, "fields=")))
        test->limits.fields = (uint32_t)strtoul(found + 7, NULL, 10);
    if ((found = strstr(value, "body=")))
        test->limits.body = strtoll(found + 5, NULL, 10);
}

static inline void case_add_line(struct test_case *test, char *text, const char *path)
{
    char *colon = strchr(text, ':');
    char *value;

    cases_need(colon != NULL, "line without a colon", path);
    cases_need(test->line_count < LINES_MAX, "too many lines in a case", path);
    *colon = '\0';
    value = colon[1] == ' ' ? colon + 2 : colon + 1;
    if (strncmp(text, "bytes", 5) == 0) {
        case_add_bytes(test, text, value);
        free(text);
        return;
    }
    if (strcmp(text, "limits") == 0)
        case_set_limits(test, value);
    test->lines[test->line_count].key = text;
    test->lines[test->line_count++].value = value;
}

static inline void case_finish(struct test_case *test, const char *path)
{
    const char *name = case_value(test, "name");
    const char *rule = case_value(test, "rule");
    const char *file = strrchr(path, '/');

    cases_need(name && rule && test->bytes, "a case needs name, rule and bytes", name ? name : path);
    test->verdict = case_value(test, "verdict");
    cases_need(test->verdict != NULL, "a case needs a verdict", name);
    snprintf(test->title, sizeof test->title, "%s: %s: %s", file ? file + 1 : path, rule, name);
    for (size_t i = 0; i < case_count; i++)
        cases_need(strcmp(cases[i].title, test->title) != 0, "two cases of one name", test->title);
    case_count++;
}

static inline void cases_read_file(const char *path)
{
    static char line[65536];
    FILE *file = fopen(path, "r");
    struct test_case *test = NULL;

    cases_need(file != NULL, "cannot be read", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#')
            continue;
        if (line[0] == '\0') {
            if (test)
                case_finish(test, path);
            test = NULL;
            continue;
        }
        cases_need(case_count < CASES_MAX, "too many cases", path);
        test = &cases[case_count];
        case_add_line(test, strdup(line), path);
    }
    if (test)
        case_finish(test, path);
    fclose(file);
}

/* Reads all files of EDO_TEST_CASES whose names match; at least one does. */
static inline void cases_read(const char *pattern)
{
    glob_t found;

    cases_need(glob(pattern, 0, NULL, &found) == 0, "no such cases", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        cases_read_file(found.gl_pathv[i]);
    globfree(&found);
}

static inline void cases_forget(void)
{
    for (; case_count > 0; case_count--) {
        struct test_case *test = &cases[case_count - 1];

        for (size_t i = 0; i < test->line_count; i++)
            free(test->lines[i].key);
        free(test->bytes);
    }
}

/* --- What a verdict is called ------------------------------------------------------------------------------------- */

#define CASES_ERROR_NAME(name, status, text) #name,

/* "400 BARE_LF" for an error, "more" for 0, "ok" for anything above. */
static inline const char *verdict_of(ssize_t rc)
{
    static const char *const names[] = {EDO_HTTP_ERRORS(CASES_ERROR_NAME)};
    static char text[64];

    if (rc >= 0)
        return rc == 0 ? "more" : "ok";
    if (edo_http_error_status(rc) == 0)
        return "a code that is none";
    snprintf(text, sizeof text, "%d %s", edo_http_error_status(rc), names[-rc - EDO_HTTP_ERROR_BASE]);
    return text;
}

/* --- Chance ------------------------------------------------------------------------------------------------------- */

static uint64_t chance_state;

/* From EDO_TEST_SEED, or the clock; says which, so that a failure can be had again. */
static inline void chance_begin(void)
{
    const char *seed = getenv("EDO_TEST_SEED");

    chance_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("seed of the splits: EDO_TEST_SEED=%llu\n", (unsigned long long)chance_state);
}

/* 1 ... most */
static inline size_t chance(size_t most)
{
    uint64_t x = chance_state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (size_t)((x ^ x >> 31) % most) + 1;
}

#endif
