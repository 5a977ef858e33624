/* SPDX-License-Identifier: MIT */
/* Task dumps: how old each task is, on a clock that passes only while all sleep. */
#include "observe/dumped.h"

#include <edo/testing.h>

static int lives_on(void *argument)
{
    (void)argument;
    return edo_sleep(EDO_SEC(100000));
}

static int64_t age_in(const struct dumped *json, const char *name)
{
    const char *at = strstr(json->text, name);

    at = at ? strstr(at, "\"age_ns\":") : NULL;
    return at ? strtoll(at + 9, NULL, 10) : -1;
}

static int show_ages(void *argument)
{
    struct dumped text;
    int rc = 0;

    (void)argument;
    EDO_SCOPE (all, &rc) {
        CHECK_RC(edo_spawn(all, lives_on, NULL, .name = "old"), 0);
        CHECK_RC(edo_sleep(EDO_SEC(7300)), 0);
        CHECK_RC(edo_spawn(all, lives_on, NULL, .name = "middle"), 0);
        CHECK_RC(edo_spawn(all, lives_on, NULL, .name = "brother"), 0);
        CHECK_RC(edo_sleep(EDO_SEC(2)), 0);
        CHECK_RC(edo_spawn(all, lives_on, NULL, .name = "young"), 0);
        CHECK_RC(edo_sleep(EDO_MS(250)), 0);
        dumped_begin(&text, EDO_DUMP_TEXT, false);
        CHECK_LINE(&text, "\"root\"", ", age 7302.250 s");
        CHECK_LINE(&text, "\"old\"", ", age 7302.250 s");
        CHECK_LINE(&text, "\"middle\"", ", age 2.250 s");
        CHECK_LINE(&text, "\"brother\"", ", age 2.250 s");
        CHECK_LINE(&text, "\"young\"", ", age 0.250 s");
        dumped_end(&text);
        dumped_begin(&text, EDO_DUMP_JSON, false);
        CHECK(age_in(&text, "\"old\"") / EDO_MS(1) == 7302250); /* a wheel is a bit late */
        CHECK(age_in(&text, "\"middle\"") / EDO_MS(1) == 2250);
        CHECK(age_in(&text, "\"young\"") / EDO_MS(1) == 250);
        dumped_end(&text);
        edo_scope_cancel(all);
    }
    return 0;
}

static void test_each_task_has_its_age(void **state)
{
    (void)state;
    assert_int_equal(run_alone(show_ages, NULL), 0);
}

static int show_none(void *argument)
{
    struct dumped text;

    (void)argument;
    dumped_begin(&text, EDO_DUMP_TEXT, false);
    CHECK(!strstr(text.text, "age"));
    dumped_end(&text);
    dumped_begin(&text, EDO_DUMP_JSON, false);
    CHECK(!strstr(text.text, "age_ns"));
    dumped_end(&text);
    return 0;
}

static void test_t2_seeded_dumps_have_no_clock_in_them(void **state)
{
    (void)state;
    atomic_store(&test_failures, 0);
    assert_int_equal(edo_test_run(show_none, NULL, NULL), 0);
    assert_int_equal(atomic_load(&test_failures), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        virtual_test(test_each_task_has_its_age),
        cmocka_unit_test(test_t2_seeded_dumps_have_no_clock_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
