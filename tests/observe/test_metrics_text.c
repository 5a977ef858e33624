/* SPDX-License-Identifier: MIT */
/*
 * The text for Prometheus, read line by line by the rules of its format (0.0.4): each family has one HELP and one TYPE
 * before its samples, which stand together; counters, and they alone, are called _total; histograms are cumulative and
 * add up.
 */
#include "runtime/helpers.h"

#include <ctype.h>

struct reading {
    char families[64][64];
    int count;
    char type[16]; /* of the last family */
    int samples;   /* of it, so far */
    double buckets, le, sum;
};

static char text[65536];

/* Reads a metric's name; what follows it. */
static const char *read_name(char *name, size_t size, const char *at)
{
    size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");

    CHECK(n > 0 && n < size && strncmp(at, "edo_", 4) == 0);
    n = n < size ? n : size - 1;
    memcpy(name, at, n);
    name[n] = 0;
    return at + n;
}

static const char *family(const struct reading *reading)
{
    return reading->count > 0 ? reading->families[reading->count - 1] : "";
}

static bool is(const struct reading *reading, const char *type)
{
    return strcmp(reading->type, type) == 0;
}

static bool ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), wanted = strlen(end);

    return size >= wanted && strcmp(name + size - wanted, end) == 0;
}

static void read_help(struct reading *reading, const char *at)
{
    char name[64];

    CHECK(reading->count == 0 || reading->samples > 0);
    at = read_name(name, sizeof name, at);
    CHECK(*at == ' ' && isupper(at[1]) && ends_in(at, "."));
    CHECK(!strchr(at, '\\'));
    for (int i = 0; i < reading->count; i++)
        CHECK(strcmp(reading->families[i], name) != 0);
    if (CHECK(reading->count < 64))
        strcpy(reading->families[reading->count++], name);
    reading->type[0] = 0;
    reading->samples = 0;
}

static void read_type(struct reading *reading, const char *at)
{
    char name[64];

    at = read_name(name, sizeof name, at);
    CHECK(strcmp(name, family(reading)) == 0);
    CHECK(reading->type[0] == 0 && *at == ' ' && strlen(at) < sizeof reading->type);
    snprintf(reading->type, sizeof reading->type, "%s", at + 1);
    CHECK(is(reading, "counter") || is(reading, "gauge") || is(reading, "histogram"));
    CHECK(is(reading, "counter") == ends_in(name, "_total"));
    reading->buckets = reading->le = -1;
}

static double read_number(const char **at)
{
    char *end;
    double number = strtod(*at, &end);

    CHECK(end > *at && (isdigit(**at) || strncmp(*at, "+Inf", 4) == 0));
    *at = end;
    return number;
}

static void read_histogram_sample(struct reading *reading, const char *name, const char *at)
{
    const char *part = name + strlen(family(reading));

    if (strcmp(part, "_bucket") == 0) {
        double le, value;

        CHECK(strncmp(at, "{le=\"", 5) == 0);
        at += 5;
        le = read_number(&at);
        CHECK(strncmp(at, "\"} ", 3) == 0);
        at += 3;
        value = read_number(&at);
        CHECK(le > reading->le && value >= reading->buckets);
        reading->le = le;
        reading->buckets = value;
    } else if (CHECK(*at++ == ' ') && strcmp(part, "_sum") == 0) {
        reading->sum = read_number(&at);
        CHECK(reading->le > 1e300); /* +Inf came last */
    } else {
        CHECK(strcmp(part, "_count") == 0);
        CHECK(read_number(&at) == reading->buckets);
        CHECK(reading->sum >= 0);
    }
    CHECK(*at == 0);
}

static void read_sample(struct reading *reading, const char *line)
{
    char name[64], label[32];
    const char *at = read_name(name, sizeof name, line);

    CHECK(reading->type[0] != 0);
    if (is(reading, "histogram")) {
        CHECK(strncmp(name, family(reading), strlen(family(reading))) == 0);
        read_histogram_sample(reading, name, at);
    } else {
        CHECK(strcmp(name, family(reading)) == 0);
        if (strncmp(name, "edo_worker_", 11) == 0) {
            snprintf(label, sizeof label, "{worker=\"%d\"}", reading->samples);
            CHECK(strncmp(at, label, strlen(label)) == 0);
            at += strlen(label);
        } else {
            CHECK(reading->samples == 0);
        }
        CHECK(*at++ == ' ');
        read_number(&at);
        CHECK(*at == 0);
    }
    reading->samples++;
}

/* How many families the text has. */
static int read_text(ssize_t size)
{
    struct reading reading = {0};
    char *line = text, *end;

    CHECK(size > 0 && (size_t)size < sizeof text && strlen(text) == (size_t)size);
    CHECK(ends_in(text, "\n"));
    for (; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (strncmp(line, "# HELP ", 7) == 0)
            read_help(&reading, line + 7);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            read_type(&reading, line + 7);
        else
            read_sample(&reading, line);
    }
    CHECK(reading.samples > 0);
    return reading.count;
}

static int yields(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++)
        edo_yield();
    return 0;
}

static int text_root(void *argument)
{
    int families = *(int *)argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, yields, NULL), 0);
    CHECK_RC(read_text(edo_metrics_print(text, sizeof text)), families);
    return rc;
}

enum { FAMILIES = 42, MEASURED = 4 };

static void test_the_text_keeps_the_rules_of_its_format(void **state)
{
    int families = FAMILIES;

    (void)state;
    assert_int_equal(run(text_root, &families), 0);
    families += MEASURED;
    for (int workers = 1; workers <= 3; workers++)
        assert_int_equal(
            run_with(text_root, &families,
                     EDO_OPTIONS(edo_run_options, .workers = workers, .signals = EDO_SIGNALS_IGNORE, .metrics = true)),
            0);
}

static int room_root(void *argument)
{
    static char part[256];
    ssize_t size = edo_metrics_print(NULL, 0);

    (void)argument;
    CHECK(size > 1000);
    CHECK(edo_metrics_print(text, sizeof text) == size); /* the clock stands still, and so does all else */
    for (size_t capacity = 1; capacity <= sizeof part; capacity += 17) {
        memset(part, 'x', sizeof part);
        CHECK(edo_metrics_print(part, capacity) == size);
        CHECK(strlen(part) == capacity - 1);
        CHECK(memcmp(part, text, capacity - 1) == 0);
        CHECK(capacity == sizeof part || part[capacity] == 'x');
    }
    return 0;
}

static void test_a_text_that_finds_no_room_is_cut(void **state)
{
    (void)state;
    assert_int_equal(run_alone(room_root, NULL), 0);
}

static int values_root(void *argument)
{
    edo_metrics metrics = EDO_METRICS_INIT;
    char line[128];
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < 20; i++)
            CHECK_RC(edo_spawn(scope, yields, NULL), 0);
    virtual_pass(EDO_SEC(3) + 7);
    CHECK_RC(edo_metrics_read(&metrics), 0);
    CHECK(edo_metrics_print(text, sizeof text) > 0);
    snprintf(line, sizeof line, "\nedo_worker_switches_total{worker=\"0\"} %llu\n",
             (unsigned long long)metrics.switches);
    CHECK(strstr(text, line) != NULL);
    CHECK(strstr(text, "\nedo_tasks_alive 1\n") != NULL);
    CHECK(strstr(text, "\nedo_uptime_seconds 3.000000007\n") != NULL);
    CHECK(strstr(text, "\nedo_workers 1\n") != NULL);
    CHECK(strstr(text, "le=\"0.000000064\"") == NULL);
    return rc;
}

static int measured_values_root(void *argument)
{
    (void)argument;
    CHECK(edo_metrics_print(text, sizeof text) > 0);
    CHECK(strstr(text, "\nedo_poll_seconds_bucket{le=\"0.000000064\"} 0\n") != NULL);
    CHECK(strstr(text, "\nedo_poll_seconds_bucket{le=\"68.719476736\"} 0\n") != NULL);
    CHECK(strstr(text, "edo_delay_seconds_bucket{le=\"+Inf\"} ") != NULL);
    CHECK(strstr(text, "\nedo_worker_busy_seconds_total{worker=\"0\"} 0.000000000\n") != NULL);
    return 0;
}

static void test_values_are_those_that_are_read(void **state)
{
    (void)state;
    assert_int_equal(run_alone(values_root, NULL), 0);
    assert_int_equal(run_with(measured_values_root, NULL,
                              EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                          .stall_after = EDO_FOREVER, .metrics = true)),
                     0);
}

/* --- One reading -------------------------------------------------------------------------------------------------- */

static unsigned long long sum_of(const char *family)
{
    unsigned long long sum = 0;

    for (const char *at = strstr(text, family); at; at = strstr(at + 1, family))
        if (at[-1] == '\n')
            sum += strtoull(strchr(at, ' ') + 1, NULL, 10);
    return sum;
}

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

struct spawning {
    _Atomic int begun;
    _Atomic bool over;
};

/* Spawns on its worker, all the time, while the text is written on the other. */
static int spawns(void *argument)
{
    struct spawning *spawning = argument;
    int rc = 0;

    EDO_SCOPE (scope, &rc)
        while (!atomic_load(&spawning->over)) {
            atomic_store(&spawning->begun, 1);
            CHECK_RC(edo_spawn(scope, nothing, NULL), 0);
            edo_yield();
        }
    return rc;
}

static int one_reading_root(void *argument)
{
    struct spawning spawning = {0};
    int rc = 0;

    (void)argument;
    EDO_SCOPE (scope, &rc) {
        CHECK_RC(edo_spawn(scope, spawns, &spawning), 0);
        until(&spawning.begun, 1);
        for (int i = 0; i < 200; i++) {
            unsigned long long spawned, ended;

            CHECK(edo_metrics_print(text, sizeof text) > 0);
            spawned = sum_of("edo_worker_tasks_spawned_total{");
            ended = sum_of("edo_worker_tasks_ended_total{");
            CHECK_RC(sum_of("edo_tasks_alive "), spawned > ended ? spawned - ended : 0);
        }
        atomic_store(&spawning.over, true);
    }
    return rc;
}

static void test_a_text_is_of_one_reading(void **state)
{
    (void)state;
    assert_int_equal(
        run_with(one_reading_root, NULL, EDO_OPTIONS(edo_run_options, .workers = 2, .signals = EDO_SIGNALS_IGNORE)), 0);
}

static struct edo_platform table;

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static int refused_root(void *argument)
{
    (void)argument;
    table = *edo_platform;
    table.allocate = no_memory;
    edo_platform = &table;
    CHECK_RC(edo_metrics_print(text, sizeof text), -ENOMEM);
    CHECK_RC(edo_metrics_print_all(text, sizeof text), -ENOMEM);
    edo_platform = &edo_platform_system;
    return 0;
}

static void test_f1_without_memory_there_is_no_text(void **state)
{
    (void)state;
    assert_int_equal(run_alone(refused_root, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_keeps_the_rules_of_its_format),
        virtual_test(test_a_text_that_finds_no_room_is_cut),
        virtual_test(test_values_are_those_that_are_read),
        cmocka_unit_test(test_a_text_is_of_one_reading),
        cmocka_unit_test(test_f1_without_memory_there_is_no_text),
    };

    unsetenv("EDO_METRICS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
