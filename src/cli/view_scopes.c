/* SPDX-License-Identifier: MIT */
/*
 * The tree of scopes and tasks. Its rows are made by the console, which is told what was opened and shut; known are
 * those that are seen, and as many before and behind them.
 */
#include "cli/view.h"

#include <stdarg.h>

static const json_t *row_at(const struct edo_top *top, int64_t index)
{
    int64_t from = (int64_t)edo_fact_number(top->answer, "from", 0);

    return index < from ? NULL : json_array_get(json_object_get(top->answer, "rows"), (size_t)(index - from));
}

const json_t *edo_scopes_row(const struct edo_top *top)
{
    return row_at(top, top->scrolls[EDO_VIEW_SCOPES].chosen);
}

int edo_scopes_kind(const json_t *row)
{
    edo_str kind = edo_fact_text(row, "row");

    return edo_str_equal(kind, EDO_STR("scope"))  ? EDO_ROW_SCOPE
           : edo_str_equal(kind, EDO_STR("task")) ? EDO_ROW_TASK
           : edo_str_equal(kind, EDO_STR("more")) ? EDO_ROW_MORE
                                                  : EDO_ROW_NONE;
}

bool edo_scopes_is_hollow(const json_t *row)
{
    return edo_fact_number(row, "tasks", 0) == 0 && edo_fact_number(row, "scopes", 0) == 0;
}

/* --- What a row says ---------------------------------------------------------------------------------------------- */

/* Facts behind each other, with commas; what does not fit is left out. */
struct words {
    char *out;
    size_t size;
    size_t used;
};

static void put(struct words *words, const char *format, ...) EDO_PRINTF(2, 3);
static void put(struct words *words, const char *format, ...)
{
    size_t room = words->size - words->used;
    va_list arguments;
    int size;

    if (words->used > 0 && room > 2) {
        memcpy(words->out + words->used, ", ", 3);
        words->used += 2;
        room -= 2;
    }
    va_start(arguments, format);
    size = vsnprintf(words->out + words->used, room, format, arguments);
    va_end(arguments);
    words->used += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
}

static void put_deadline(struct words *words, const json_t *row)
{
    double left = edo_fact_number(row, "deadline_ms", -1);

    if (left == 0)
        put(words, "deadline has passed");
    else if (left > 0)
        put(words, "deadline in %s", edo_figure_time(left * 1000).text);
}

/* What keeps it first: the rest may be cut off. */
static void scope_text(char *out, size_t size, const json_t *row)
{
    enum { STATES = 5 }; /* of edo_state_names; those behind are no states of their own */
    struct words words = {out, size, 0};
    edo_str cancelled = edo_fact_text(row, "cancelled");

    out[0] = 0;
    if (cancelled.size > 0)
        put(&words, "%s%.*s",
            memcmp(cancelled.data, "cancelled", cancelled.size < 9 ? cancelled.size : 9) == 0 ? "" : "cancelled: ",
            EDO_STR_ARG(cancelled));
    if (edo_fact_true(row, "waited"))
        put(&words, "its owner waits");
    put_deadline(&words, row);
    for (int i = 1; i <= STATES; i++) {
        double count = edo_fact_number(json_object_get(row, "states"), edo_state_names[i], 0);

        if (count > 0)
            put(&words, "%s %s", edo_figure_short(count).text, edo_state_names[i]);
    }
    if (edo_fact_number(row, "warned", 0) > 0)
        put(&words, "%s warned", edo_figure_short(edo_fact_number(row, "warned", 0)).text);
    if (edo_fact_true(row, "shield"))
        put(&words, "holds back cancellation");
    if (edo_fact_true(row, "supervises"))
        put(&words, "supervises");
}

static void task_text(char *out, size_t size, const json_t *row)
{
    struct words words = {out, size, 0};
    edo_str wait = edo_fact_text(row, "wait");

    out[0] = 0;
    if (wait.size > 0)
        put(&words, "%.*s", EDO_STR_ARG(wait));
    if (edo_fact_known(row, "until_ms"))
        put(&words, "%s", edo_figure_time(edo_fact_number(row, "until_ms", -1) * 1000).text);
    put_deadline(&words, row);
}

static void more_text(char *out, size_t size, const json_t *row)
{
    double scopes = edo_fact_number(row, "scopes", 0);
    double tasks = edo_fact_number(row, "tasks", 0);

    snprintf(out, size, "%s%s%s%s%s more", scopes > 0 ? edo_figure_whole(scopes).text : "", scopes > 0 ? " scopes" : "",
             scopes > 0 && tasks > 0 ? " and " : "", tasks > 0 ? edo_figure_whole(tasks).text : "",
             tasks > 0 ? " tasks" : "");
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

enum { TREE, TASKS, STATE, WHAT, SITE, COLUMNS };

static void put_name(const struct edo_table_row *at, const json_t *row, int kind, int style)
{
    enum { DEEPEST = 12 };
    double depth = edo_fact_number(row, "depth", 0);
    int indent = 2 * (int)(depth > DEEPEST ? DEEPEST : depth > 0 ? depth : 0);
    edo_str name = edo_fact_text(row, "name");
    char text[512];
    char more[128];
    char id[24];

    if (kind == EDO_ROW_SCOPE) {
        bool shut = edo_str_equal(edo_fact_text(row, "fold"), EDO_STR("shut"));
        const char *sign = edo_scopes_is_hollow(row) ? " "
                           : at->canvas->ascii       ? (shut ? "+" : "-")
                           : shut                    ? "\u25b8"
                                                     : "\u25be";

        if (name.size == 0)
            name = edo_fact_true(row, "shield") ? EDO_STR("shield") : EDO_STR("scope");
        snprintf(text, sizeof text, "%*s%s %.*s", indent, "", sign, EDO_STR_ARG(name));
    } else if (kind == EDO_ROW_TASK) {
        snprintf(text, sizeof text, "%*s#%.*s %.*s", indent, "", EDO_STR_ARG(edo_fact_id(row, "id", id)),
                 EDO_STR_ARG(name));
    } else {
        more_text(more, sizeof more, row);
        snprintf(text, sizeof text, "%*s%s", indent, "", more);
    }
    edo_table_cell(at, TREE, style, edo_str_of(text));
}

static void put_row(const struct edo_table_row *at, const json_t *row)
{
    int kind = edo_scopes_kind(row);
    bool cancelled = edo_fact_known(row, "cancelled");
    bool warned = json_array_size(json_object_get(row, "warnings")) > 0;
    bool dormant = edo_fact_true(row, "dormant");
    char text[1024] = "";

    put_name(at, row, kind,
             cancelled && kind == EDO_ROW_SCOPE ? EDO_STYLE_BAD
             : warned                           ? EDO_STYLE_WARN
             : kind == EDO_ROW_SCOPE            ? EDO_STYLE_STRONG
             : kind == EDO_ROW_MORE             ? EDO_STYLE_DIM
                                                : EDO_STYLE_PLAIN);
    if (kind == EDO_ROW_SCOPE) {
        edo_table_cell(at, TASKS, EDO_STYLE_PLAIN,
                       edo_str_of(edo_figure_short(edo_fact_number(row, "tasks", -1)).text));
        scope_text(text, sizeof text, row);
    } else if (kind == EDO_ROW_TASK) {
        edo_table_cell(at, STATE, dormant ? EDO_STYLE_DIM : EDO_STYLE_PLAIN,
                       dormant ? EDO_STR("dormant") : edo_fact_text(row, "state"));
        task_text(text, sizeof text, row);
    }
    edo_table_cell(at, kind == EDO_ROW_SCOPE ? STATE : WHAT,
                   cancelled && kind == EDO_ROW_SCOPE ? EDO_STYLE_BAD : EDO_STYLE_PLAIN, edo_str_of(text));
    edo_table_cell(at, SITE, EDO_STYLE_DIM, edo_fact_text(row, "site"));
}

void edo_view_scopes(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    struct edo_column columns[COLUMNS] = {
        [TREE] = {"scope, and its tasks", 22, 1, false, 0, 0},
        [TASKS] = {"tasks", 5, 0, true, 1, 0},
        [STATE] = {"state", 7, 0, false, 1, 0},
        [WHAT] = {"waits for, ends by", 10, 3, false, 1, 0},
        [SITE] = {"at", 14, 0, false, 3, 0},
    };
    struct edo_column wide[COLUMNS];
    struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_SCOPES];
    int64_t total = edo_view_rows(top);

    scroll->seen = end - row - 1; /* also before anything is known: so much is asked for */
    if (top->answer)
        edo_scroll_clamp(scroll, total, end - row - 1);
    edo_table_lay(columns, COLUMNS, canvas->columns);
    edo_table_head(canvas, row++, columns, COLUMNS, -1, false);
    memcpy(wide, columns, sizeof wide); /* a scope has no state of its own: it says more of its tasks */
    if (wide[STATE].width > 0 && wide[WHAT].width > 0) {
        wide[STATE].width += 1 + wide[WHAT].width;
        wide[WHAT].width = 0;
    }
    for (int64_t i = scroll->first; row < end && i < total; i++, row++) {
        const json_t *one = row_at(top, i);
        struct edo_table_row at = {canvas, edo_scopes_kind(one) == EDO_ROW_SCOPE ? wide : columns, row, 0};

        if (one)
            put_row(&at, one);
        else
            edo_table_cell(&at, TREE, EDO_STYLE_DIM, canvas->ascii ? EDO_STR("...") : EDO_STR("\u2026"));
        if (i == scroll->chosen)
            edo_canvas_paint(canvas, row, 0, canvas->columns, EDO_STYLE_SELECTED);
    }
}
