/* SPDX-License-Identifier: MIT */
/*
 * Text from anywhere, drawn on a canvas: nothing of it reaches a terminal as a command, columns stay columns, and
 * nothing is written outside of what was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/canvas.h"

#include <locale.h>
#include <stdlib.h>

/* What a row shows, as UTF-8, right after `text` was put into `width` columns at column 1 of a canvas full of dots. */
static char *shown(const char *text, size_t size, int width, bool ascii, int *used)
{
    struct edo_canvas canvas;
    static char *out;
    size_t length;
    FILE *file;

    free(out);
    assert_int_equal(edo_canvas_init(&canvas, 1, width + 2, ascii), 0);
    for (int i = 0; i < width + 2; i++)
        edo_canvas_put(&canvas, 0, i, 1, EDO_STYLE_PLAIN, EDO_STR("."));
    *used = edo_canvas_put(&canvas, 0, 1, width, EDO_STYLE_PLAIN, (edo_str){text, size});
    file = open_memstream(&out, &length);
    assert_non_null(file);
    assert_int_equal(edo_canvas_print(&canvas, file), 0);
    fclose(file);
    edo_canvas_finish(&canvas);
    return out;
}

#define assert_shown(text, width, expected)                                                                            \
    do {                                                                                                               \
        int used_;                                                                                                     \
        assert_string_equal(shown((text), sizeof(text) - 1, (width), false, &used_), expected);                        \
    } while (0)

static void test_text_is_cut_at_its_columns(void **state)
{
    (void)state;
    assert_shown("name", 6, ".name...\n");
    assert_shown("name", 4, ".name.\n");
    assert_shown("names", 4, ".nam\u2026.\n");
    assert_shown("names", 1, ".\u2026.\n");
    assert_shown("", 2, "....\n");
}

static void test_wide_characters_take_two_columns_and_are_never_halved(void **state)
{
    (void)state;
    assert_shown("\u4e2d\u6587", 4, ".\u4e2d\u6587.\n");
    assert_shown("\u4e2d\u6587", 5, ".\u4e2d\u6587..\n");
    assert_shown("\u4e2d\u6587\u5b57", 5, ".\u4e2d\u6587\u2026.\n");
    assert_shown("\u4e2d\u6587\u5b57", 4, ".\u4e2d \u2026.\n");
    assert_shown("\u4e2d", 1, ".\u2026.\n");
}

static void test_what_commands_a_terminal_is_shown_by_its_number(void **state)
{
    (void)state;
    assert_shown("a\x1b[2J", 8, ".a\\x1b[2J.\n");
    assert_shown("\x07\n\r\t", 16, ".\\x07\\x0a\\x0d\\x09.\n");
    assert_shown("\x00\x7f", 8, ".\\x00\\x7f.\n");
    assert_shown("\xc2\x9b"
                 "31m",
                 7, ".\\x9b31m.\n");                                                /* C1 */
    assert_shown("\u202e\u2066\u200f", 24, ".\\u{202e}\\u{2066}\\u{200f}.\n");      /* directions */
    assert_shown("\u200b\ufeff\U000e0041", 25, ".\\u{200b}\\u{feff}\\u{e0041}.\n"); /* invisible */
    assert_shown("\x1b]0;", 3, ".\\x\u2026.\n");
}

static void test_bytes_that_are_no_characters_are_shown_as_bytes(void **state)
{
    (void)state;
    assert_shown("\xff", 4, ".\\xff.\n");
    assert_shown("\xc3", 4, ".\\xc3.\n");          /* the end is missing */
    assert_shown("\xc0\xaf", 8, ".\\xc0\\xaf.\n"); /* longer than needed */
    assert_shown("\xe0\x80\xaf", 12, ".\\xe0\\x80\\xaf.\n");
    assert_shown("\xed\xa0\x80", 12, ".\\xed\\xa0\\x80.\n");          /* half of a pair */
    assert_shown("\xf4\x90\x80\x80", 16, ".\\xf4\\x90\\x80\\x80.\n"); /* beyond the last */
    assert_shown("\xe4\xb8z", 9, ".\\xe4\\xb8z.\n");
}

static void test_marks_stand_over_a_character_of_their_own_text_or_as_numbers(void **state)
{
    (void)state;
    assert_shown("e\u0301x", 2, ".e\u0301x.\n");
    assert_shown("\u0301x", 8, ".\\u{301}x.\n"); /* not over the dot before it */
    assert_shown("e\u0301\u0301\u0301", 8, ".e\u0301\u0301\\u{301}.\n");
}

static void test_a_terminal_without_utf8_gets_ascii(void **state)
{
    int used;

    (void)state;
    assert_string_equal(shown("\u00e4b", 3, 8, true, &used), ".\\xe4b....\n");
    assert_string_equal(shown("abcdef", 6, 3, true, &used), ".ab~.\n");
    assert_int_equal(used, 3);
}

static void test_nothing_is_drawn_outside(void **state)
{
    struct edo_canvas canvas;

    (void)state;
    assert_int_equal(edo_canvas_init(&canvas, 0, -3, false), 0); /* 1 by 1 */
    assert_int_equal(edo_canvas_put(&canvas, 0, 0, 100, EDO_STYLE_PLAIN, EDO_STR("\u4e2d")), 1);
    assert_int_equal(edo_canvas_put(&canvas, 0, 1, 100, EDO_STYLE_PLAIN, EDO_STR("x")), 0);
    assert_int_equal(edo_canvas_put(&canvas, 0, -1, 100, EDO_STYLE_PLAIN, EDO_STR("x")), 0);
    assert_int_equal(edo_canvas_put(&canvas, 0, 0, -5, EDO_STYLE_PLAIN, EDO_STR("x")), 0);
    edo_canvas_put(&canvas, 7, 0, 10, EDO_STYLE_PLAIN, EDO_STR("elsewhere"));
    edo_canvas_put(&canvas, -1, 0, 10, EDO_STYLE_PLAIN, EDO_STR("elsewhere"));
    edo_canvas_paint(&canvas, 0, -5, 100, EDO_STYLE_TITLE);
    edo_canvas_level(&canvas, 3, 3, EDO_STYLE_BAR, 99);
    edo_canvas_finish(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_cut_at_its_columns),
        cmocka_unit_test(test_wide_characters_take_two_columns_and_are_never_halved),
        cmocka_unit_test(test_what_commands_a_terminal_is_shown_by_its_number),
        cmocka_unit_test(test_bytes_that_are_no_characters_are_shown_as_bytes),
        cmocka_unit_test(test_marks_stand_over_a_character_of_their_own_text_or_as_numbers),
        cmocka_unit_test(test_a_terminal_without_utf8_gets_ascii),
        cmocka_unit_test(test_nothing_is_drawn_outside),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
