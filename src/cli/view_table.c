/* SPDX-License-Identifier: MIT */
/*
 * Tables and pages: how columns share a row, and how lines that are more than the screen are scrolled.
 */
#include "cli/view.h"

#include <stdarg.h>

void edo_scroll_clamp(struct edo_scroll *scroll, int64_t count, int seen)
{
    scroll->seen = seen < 1 ? 1 : seen;
    if (scroll->chosen >= count)
        scroll->chosen = count - 1;
    if (scroll->chosen < 0)
        scroll->chosen = 0;
    if (scroll->first > scroll->chosen)
        scroll->first = scroll->chosen;
    if (scroll->first < scroll->chosen - scroll->seen + 1)
        scroll->first = scroll->chosen - scroll->seen + 1;
    if (scroll->first > count - scroll->seen)
        scroll->first = count - scroll->seen;
    if (scroll->first < 0)
        scroll->first = 0;
}

/* --- Tables ------------------------------------------------------------------------------------------------------- */

void edo_table_lay(struct edo_column *columns, int count, int width)
{
    int left = width + 1;
    int weights = 0;
    int last = -1;

    for (int i = 0; i < count; i++)
        columns[i].width = 0;
    for (int rank = 0; rank < EDO_RANK_NEVER; rank++)
        for (int i = 0; i < count; i++)
            if (columns[i].rank == rank && left >= columns[i].least + 1) {
                columns[i].width = columns[i].least;
                left -= columns[i].least + 1;
            }
    for (int i = 0; i < count; i++)
        weights += columns[i].width > 0 ? columns[i].weight : 0;
    if (weights == 0)
        return;
    for (int i = 0, rest = left; i < count; i++)
        if (columns[i].width > 0 && columns[i].weight > 0) {
            int share = rest * columns[i].weight / weights;

            columns[i].width += share;
            left -= share;
            last = i;
        }
    if (last >= 0)
        columns[last].width += left;
}

static int edo_table_column(const struct edo_column *columns, int column)
{
    int at = 0;

    for (int i = 0; i < column; i++)
        at += columns[i].width > 0 ? columns[i].width + 1 : 0;
    return at;
}

void edo_table_cell(const struct edo_table_row *at, int column, int style, edo_str text)
{
    const struct edo_column *where = &at->columns[column];
    int begin = edo_table_column(at->columns, column);
    int length = 0;
    int shift = 0;

    if (where->width == 0)
        return;
    for (size_t i = 0; i < text.size; i++) /* what is right-bound are figures and titles: a character is a column */
        length += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    if (where->right && length < where->width)
        shift = where->width - length;
    edo_canvas_put(at->canvas, at->row, begin + shift, where->width - shift, at->style ? at->style : style, text);
}

void edo_table_head(struct edo_canvas *canvas, int row, const struct edo_column *columns, int count, int sorted,
                    bool descending)
{
    struct edo_table_row at = {canvas, columns, row, 0};

    for (int i = 0; i < count; i++) {
        char title[64];
        const char *arrow = i != sorted     ? ""
                            : canvas->ascii ? (descending ? " v" : " ^")
                            : descending    ? "\u25bc"
                                            : "\u25b2";

        snprintf(title, sizeof title, "%s%s", columns[i].title, arrow);
        edo_table_cell(&at, i, EDO_STYLE_STRONG, edo_str_of(title));
    }
    edo_canvas_paint(canvas, row, 0, canvas->columns, EDO_STYLE_HEAD);
}

/* --- Pages -------------------------------------------------------------------------------------------------------- */

void edo_page_line(struct edo_page *page, int indent, int style, const char *format, ...)
{
    int64_t row = page->row + page->line++ - page->first;
    char text[2048];
    va_list arguments;

    if (row < page->row || row >= page->end)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    edo_canvas_put(page->canvas, (int)row, indent, page->canvas->columns - indent, style, edo_str_of(text));
}

/* A bar of so many eighths of a column. */
static void edo_page_bar(struct edo_page *page, int column, int width, double part)
{
    int64_t row = page->row + page->line - 1 - page->first;
    int full = (int)(part * width + 0.999);

    if (row < page->row || row >= page->end)
        return;
    for (int i = 0; i < full && i < width; i++)
        edo_canvas_level(page->canvas, (int)row, column + i, EDO_STYLE_BAR, page->canvas->ascii ? 5 : 8);
}

void edo_page_histogram(struct edo_page *page, const char *title, const json_t *histogram)
{
    const json_t *buckets = json_object_get(histogram, "buckets");
    double count = edo_fact_number(histogram, "count", 0);
    double most = 1;

    if (!json_is_object(histogram))
        return;
    edo_page_line(page, 0, EDO_STYLE_STRONG, "%s: %s, mean %s", title, edo_figure_whole(count).text,
                  edo_figure_time(count > 0 ? edo_fact_number(histogram, "sum_us", 0) / count : -1).text);
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        double here = edo_fact_number(json_array_get(buckets, i), "count", 0);

        most = here > most ? here : most;
    }
    for (size_t i = 0; i < json_array_size(buckets) && i < 128; i++) {
        const json_t *bucket = json_array_get(buckets, i);
        double here = edo_fact_number(bucket, "count", 0);
        double to = edo_fact_number(bucket, "to_ns", -1);

        edo_page_line(page, 2, EDO_STYLE_PLAIN, "%s %7s %9s", to < 0 ? "  " : "to",
                      to < 0 ? "longer" : edo_figure_time(to / 1000).text, edo_figure_whole(here).text);
        edo_page_bar(page, 23, page->canvas->columns - 24, here / most);
    }
}

void edo_page_frames(struct edo_page *page, const json_t *frames)
{
    for (size_t i = 0; i < json_array_size(frames) && i < 256; i++) {
        const json_t *frame = json_array_get(frames, i);
        edo_str function = edo_fact_text(frame, "function");
        edo_str module = edo_fact_text(frame, "module");
        char where[32] = "";

        if (function.size == 0)
            function = EDO_STR("?");
        else
            snprintf(where, sizeof where, "+0x%llx", (unsigned long long)edo_fact_number(frame, "offset", 0));
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "%c%-3zu %.*s%s  (%.*s+0x%llx)",
                      edo_fact_true(frame, "guessed") ? '?' : '#', i, EDO_STR_ARG(function), where, EDO_STR_ARG(module),
                      (unsigned long long)edo_fact_number(frame, "module_offset", 0));
    }
}
