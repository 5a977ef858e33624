/* SPDX-License-Identifier: MIT */
/*
 * What is known of a program: a window of rows of which each event says only what has changed, stalls that end, rates,
 * and facts of the wrong kind, which count as not known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/facts.h"

#include <stdio.h>

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    assert_non_null(value);
    return value;
}

static const char *name_at(const struct edo_facts *facts, int64_t index)
{
    return edo_fact_text(edo_facts_row(facts, index), "name").data;
}

static void test_rows_that_have_not_changed_are_kept(void **state)
{
    struct edo_facts facts;

    (void)state;
    edo_facts_init(&facts);
    edo_facts_tasks(&facts, parse("{\"total\":9,\"matching\":5,\"from\":2,\"ids\":[\"3\",\"5\"],"
                                  "\"rows\":[{\"id\":\"3\",\"name\":\"three\"},{\"id\":\"5\",\"name\":\"five\"}]}"));
    assert_string_equal(name_at(&facts, 2), "three");
    assert_string_equal(name_at(&facts, 3), "five");
    assert_null(edo_facts_row(&facts, 4));
    assert_null(edo_facts_row(&facts, 1));
    /* 5 moves up, 4 is new, 3 has gone; 8 is not known */
    edo_facts_tasks(
        &facts,
        parse(
            "{\"total\":9,\"matching\":5,\"from\":0,\"ids\":[\"5\",\"4\",\"8\"],\"rows\":[{\"id\":\"4\",\"name\":\"four\"}]}"));
    assert_string_equal(name_at(&facts, 0), "five");
    assert_string_equal(name_at(&facts, 1), "four");
    assert_null(edo_facts_row(&facts, 2));
    assert_int_equal(facts.matching, 5);
    edo_facts_finish(&facts);
}

static double time_at(const struct edo_facts *facts, int64_t index, const char *key)
{
    return edo_fact_number(edo_facts_row(facts, index), key, -1);
}

/* Rows are not told again for the time that has passed; what is told has its times as of its own event. */
static void test_times_of_rows_run_on_by_the_uptime(void **state)
{
    struct edo_facts facts;

    (void)state;
    edo_facts_init(&facts);
    edo_facts_tasks(&facts, parse("{\"uptime_ms\":5000,\"ids\":[\"3\",\"5\",\"7\"],\"rows\":["
                                  "{\"id\":\"3\",\"age_ms\":100,\"until_ms\":1500,\"deadline_ms\":60000},"
                                  "{\"id\":\"5\",\"age_ms\":4000},{\"id\":\"7\",\"until_ms\":\"soon\"}]}"));
    assert_true(time_at(&facts, 0, "age_ms") == 100);
    edo_facts_tasks(&facts, parse("{\"uptime_ms\":6000,\"ids\":[\"5\",\"3\",\"7\"],\"rows\":[]}"));
    edo_facts_tasks(&facts, parse("{\"uptime_ms\":7000,\"ids\":[\"5\",\"3\",\"7\"],\"rows\":"
                                  "[{\"id\":\"5\",\"age_ms\":6001}]}"));
    assert_true(time_at(&facts, 0, "age_ms") == 6001);
    assert_true(time_at(&facts, 1, "age_ms") == 2100);
    assert_true(time_at(&facts, 1, "until_ms") == 0);
    assert_true(time_at(&facts, 1, "deadline_ms") == 58000);
    assert_int_equal(edo_fact_text(edo_facts_row(&facts, 2), "until_ms").size, 4);
    assert_false(edo_fact_known(edo_facts_row(&facts, 2), "age_ms"));
    edo_facts_finish(&facts);
}

static void test_a_window_is_bounded(void **state)
{
    struct edo_facts facts;
    json_t *event = json_object();
    json_t *ids = json_array();
    json_t *rows = json_array();

    (void)state;
    for (int i = 0; i < 3 * EDO_FACTS_WINDOW; i++) {
        char id[24];

        snprintf(id, sizeof id, "%d", i);
        json_array_append_new(ids, json_string(id));
        json_array_append_new(rows, json_pack("{s:s}", "id", id));
    }
    json_object_set_new(event, "ids", ids);
    json_object_set_new(event, "rows", rows);
    edo_facts_init(&facts);
    edo_facts_tasks(&facts, event);
    assert_int_equal(facts.count, EDO_FACTS_WINDOW);
    edo_facts_finish(&facts);
}

static void test_a_stall_that_ends_keeps_its_frames(void **state)
{
    struct edo_facts facts;

    (void)state;
    edo_facts_init(&facts);
    for (int i = 0; i < 2 * EDO_FACTS_STALLS; i++) {
        json_t *stall = json_pack("{s:i,s:b,s:[s]}", "serial", i, "ended", 0, "frames", "f");

        edo_facts_stall(&facts, stall);
    }
    assert_int_equal(facts.stall_count, EDO_FACTS_STALLS);
    assert_true(edo_fact_number(facts.stalls[0], "serial", -1) == 2 * EDO_FACTS_STALLS - 1); /* the newest is first */
    edo_facts_stall(&facts, parse("{\"serial\":100,\"ended\":true,\"duration_us\":7}"));
    assert_int_equal(facts.stall_count, EDO_FACTS_STALLS);
    for (int i = 0; i < facts.stall_count; i++) {
        bool is = edo_fact_number(facts.stalls[i], "serial", -1) == 100;

        assert_int_equal(edo_fact_true(facts.stalls[i], "ended"), is);
        assert_int_equal(json_array_size(json_object_get(facts.stalls[i], "frames")), 1);
    }
    edo_facts_finish(&facts);
}

static void test_rates_need_two_moments_and_a_new_program_begins_anew(void **state)
{
    struct edo_facts facts;

    (void)state;
    edo_facts_init(&facts);
    edo_facts_program(&facts, parse("{\"pid\":1}"));
    edo_facts_now(&facts, parse("{\"time_ms\":1000,\"polls\":100,\"workers\":[{\"polls\":5}]}"));
    assert_true(facts.rates[EDO_RATE_POLLS] < 0);
    edo_facts_now(&facts, parse("{\"time_ms\":3000,\"polls\":300,\"workers\":[{\"polls\":25}]}"));
    assert_true(facts.rates[EDO_RATE_POLLS] == 100);
    assert_true(facts.workers[0].polls_rate == 10);
    edo_facts_now(&facts,
                  parse("{\"time_ms\":3000,\"polls\":300,\"workers\":[{\"polls\":25}]}")); /* another stream begins */
    assert_true(facts.rates[EDO_RATE_POLLS] == 100);
    assert_int_equal(facts.workers[0].count, 2);
    edo_facts_program(&facts, parse("{\"pid\":1}"));
    assert_non_null(facts.now);
    edo_facts_program(&facts, parse("{\"pid\":2}"));
    assert_null(facts.now);
    edo_facts_finish(&facts);
}

static void test_facts_of_the_wrong_kind_are_not_known(void **state)
{
    static const char *const wrong[] = {
        "{}", "{\"ids\":7,\"rows\":{},\"workers\":\"x\",\"stalls\":[1,null,\"x\"]}",
        "{\"ids\":[null,{},7],\"rows\":[1,[],\"\"],\"workers\":[1,null,[]],\"stalls\":{}}",
        "{\"tasks\":[1,null,{\"id\":5}],\"from\":-7,\"matching\":1e300,\"time_ms\":\"x\"}"};

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(wrong); i++) {
        struct edo_facts facts;

        edo_facts_init(&facts);
        edo_facts_program(&facts, parse(wrong[i]));
        edo_facts_now(&facts, parse(wrong[i]));
        edo_facts_now(&facts, parse(wrong[i]));
        edo_facts_tasks(&facts, parse(wrong[i]));
        edo_facts_tasks(&facts, parse(wrong[i]));
        edo_facts_stalls(&facts, parse(wrong[i]));
        edo_facts_stall(&facts, parse(wrong[i]));
        for (int64_t row = -10; row < 10; row++)
            assert_int_equal(edo_fact_text(edo_facts_row(&facts, row), "name").size, 0);
        edo_facts_finish(&facts);
    }
}

static void test_counts_are_bounded_whatever_is_said(void **state)
{
    static const char *const said[] = {"1e300", "-1e300", "9223372036854775807", "-9223372036854775808", "-1", "\"7\""};
    static const int64_t heard[] = {EDO_FACT_COUNT_MOST, 0, EDO_FACT_COUNT_MOST, 0, 0, 0};
    char text[128];

    (void)state;
    for (size_t i = 0; i < EDO_COUNT(said); i++) {
        struct edo_facts facts;

        edo_facts_init(&facts);
        snprintf(text, sizeof text, "{\"tasks\":[{\"id\":\"1\"}],\"total\":%s,\"matching\":%s,\"from\":%s}", said[i],
                 said[i], said[i]);
        edo_facts_tasks(&facts, parse(text));
        assert_int_equal(facts.total, heard[i]);
        assert_int_equal(facts.matching, heard[i]);
        assert_int_equal(facts.from, heard[i]);
        assert_non_null(edo_facts_row(&facts, heard[i]));
        edo_facts_finish(&facts);
    }
}

static void test_figures(void **state)
{
    (void)state;
    assert_string_equal(edo_figure_whole(0).text, "0");
    assert_string_equal(edo_figure_whole(999).text, "999");
    assert_string_equal(edo_figure_whole(1234567).text, "1,234,567");
    assert_string_equal(edo_figure_whole(-1).text, "-");
    assert_string_equal(edo_figure_short(0).text, "0");
    assert_string_equal(edo_figure_short(0.5).text, "0.5");
    assert_string_equal(edo_figure_short(9999).text, "9999");
    assert_string_equal(edo_figure_short(12345).text, "12.3k");
    assert_string_equal(edo_figure_short(999999).text, "1000k");
    assert_string_equal(edo_figure_short(12345678).text, "12.3M");
    assert_string_equal(edo_figure_short(1e300).text, "-");
    assert_string_equal(edo_figure_time(0.64).text, "640ns");
    assert_string_equal(edo_figure_time(340).text, "340us");
    assert_string_equal(edo_figure_time(1234).text, "1.2ms");
    assert_string_equal(edo_figure_time(3.4e6).text, "3.4s");
    assert_string_equal(edo_figure_time(59.9e6).text, "59.9s");
    assert_string_equal(edo_figure_time(59.96e6).text, "1m00s");
    assert_string_equal(edo_figure_time(125e6).text, "2m05s");
    assert_string_equal(edo_figure_time(3600e6 * 3 + 60e6 * 12).text, "3h12m");
    assert_string_equal(edo_figure_time(86400e6 * 4 + 3600e6 * 2).text, "4d02h");
    assert_string_equal(edo_figure_time(-1).text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_that_have_not_changed_are_kept),
        cmocka_unit_test(test_times_of_rows_run_on_by_the_uptime),
        cmocka_unit_test(test_a_window_is_bounded),
        cmocka_unit_test(test_a_stall_that_ends_keeps_its_frames),
        cmocka_unit_test(test_rates_need_two_moments_and_a_new_program_begins_anew),
        cmocka_unit_test(test_facts_of_the_wrong_kind_are_not_known),
        cmocka_unit_test(test_counts_are_bounded_whatever_is_said),
        cmocka_unit_test(test_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
