/* SPDX-License-Identifier: MIT */
/*
 * The table of tasks. Only the piece that is seen, and as much before and behind it, is known: the console sorts and
 * filters.
 */
#include "cli/view.h"

const char *const edo_sort_keys[] = {"id", "name", "state", "wait", "age", "polls", "busy", "worker", "site", NULL};
const char *const edo_state_names[] = {"",        "running", "region",    "ready",  "new",
                                       "waiting", "dormant", "cancelled", "warned", NULL};

/* As edo_sort_keys, behind the mark. */
enum { MARK, ID, NAME, STATE, WAIT, AGE, POLLS, BUSY, WORKER, SITE, COLUMNS };

static const struct edo_column columns_of_tasks[COLUMNS] = {
    [MARK] = {"", 1, 0, false, 0, 0},        [ID] = {"id", 5, 0, true, 1, 0},
    [NAME] = {"name", 10, 2, false, 0, 0},   [STATE] = {"state", 7, 0, false, 1, 0},
    [WAIT] = {"wait", 12, 4, false, 2, 0},   [AGE] = {"age", 6, 0, true, 3, 0},
    [POLLS] = {"polls", 6, 0, true, 4, 0},   [BUSY] = {"busy", 6, 0, true, 5, 0},
    [WORKER] = {"worker", 7, 0, true, 7, 0}, [SITE] = {"site", 14, 2, false, 6, 0},
};

static void edo_task_row(const struct edo_table_row *at, const json_t *row)
{
    bool warned = json_array_size(json_object_get(row, "warnings")) > 0;
    bool cancelled = edo_fact_known(row, "cancelled");
    edo_str state = edo_fact_text(row, "state");
    bool waits = edo_str_equal(state, EDO_STR("waiting"));
    bool dormant = waits && edo_fact_true(row, "dormant");
    int style = edo_str_equal(state, EDO_STR("running")) ? EDO_STYLE_GOOD : EDO_STYLE_PLAIN;
    char buffer[24];
    char wait[512];

    edo_table_cell(at, MARK, warned ? EDO_STYLE_WARN : EDO_STYLE_BAD,
                   warned      ? EDO_STR("!")
                   : cancelled ? EDO_STR("x")
                               : EDO_STR(" "));
    edo_table_cell(at, ID, EDO_STYLE_PLAIN, edo_fact_id(row, "id", buffer));
    edo_table_cell(at, NAME, warned ? EDO_STYLE_WARN : EDO_STYLE_STRONG, edo_fact_text(row, "name"));
    edo_table_cell(at, STATE, dormant ? EDO_STYLE_DIM : style, dormant ? EDO_STR("dormant") : state);
    snprintf(wait, sizeof wait, "%.*s%s%s", EDO_STR_ARG(edo_fact_text(row, "wait")),
             edo_fact_known(row, "until_ms") ? ", " : "",
             edo_fact_known(row, "until_ms") ? edo_figure_time(edo_fact_number(row, "until_ms", -1) * 1000).text : "");
    edo_table_cell(at, WAIT, EDO_STYLE_PLAIN, edo_str_of(wait));
    edo_table_cell(at, AGE, EDO_STYLE_PLAIN,
                   edo_str_of(edo_figure_time(edo_fact_number(row, "age_ms", -1) * 1000).text));
    edo_table_cell(at, POLLS, EDO_STYLE_PLAIN, edo_str_of(edo_figure_short(edo_fact_number(row, "polls", -1)).text));
    edo_table_cell(at, BUSY, EDO_STYLE_PLAIN, edo_str_of(edo_figure_time(edo_fact_number(row, "busy_us", -1)).text));
    edo_table_cell(at, WORKER, EDO_STYLE_PLAIN, edo_fact_id(row, "worker", buffer));
    edo_table_cell(at, SITE, EDO_STYLE_DIM, edo_fact_text(row, "site"));
}

/* Which tasks these are. */
static void edo_tasks_title(struct edo_top *top, struct edo_canvas *canvas, int row)
{
    const struct edo_facts *facts = &top->facts;
    const struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_TASKS];
    int64_t last = scroll->first + scroll->seen < facts->matching ? scroll->first + scroll->seen : facts->matching;
    int at = 0;

    at += edo_canvas_printf(canvas, row, at, canvas->columns, EDO_STYLE_STRONG, "%s-%s of %s",
                            edo_figure_whole((double)(facts->matching > 0 ? scroll->first + 1 : 0)).text,
                            edo_figure_whole((double)last).text, edo_figure_whole((double)facts->matching).text);
    if (facts->matching != facts->total)
        at += edo_canvas_printf(canvas, row, at, canvas->columns, EDO_STYLE_DIM, " (of %s)",
                                edo_figure_whole((double)facts->total).text);
    if (top->state > 0)
        at += edo_canvas_printf(canvas, row, at, canvas->columns, EDO_STYLE_WARN, "  state %s",
                                edo_state_names[top->state]);
    if (top->site[0])
        at += edo_canvas_printf(canvas, row, at, canvas->columns, EDO_STYLE_WARN, "  site %s", top->site);
    if (top->filter[0] || top->typing)
        edo_canvas_printf(canvas, row, at, canvas->columns, EDO_STYLE_WARN, "  filter /%s%s", top->filter,
                          top->typing ? "_" : "");
}

/* Numbers of tasks have as many digits as they have. */
static int edo_id_width(const struct edo_top *top, int64_t first, int seen)
{
    size_t width = 5;
    char buffer[24];

    for (int64_t i = first; i < first + seen; i++) {
        size_t size = edo_fact_id(edo_facts_row(&top->facts, i), "id", buffer).size;

        width = size > width ? size : width;
    }
    return width > 20 ? 20 : (int)width;
}

/* Columns of which nothing is known here would only take room from the others; the one that sorts stays. */
static void edo_columns_known(struct edo_top *top, struct edo_column *columns, int64_t first, int seen)
{
    static const struct {
        int column;
        const char *key;
    } measured[] = {{AGE, "age_ms"}, {POLLS, "polls"}, {BUSY, "busy_us"}, {WORKER, "worker"}};

    for (size_t i = 0; i < EDO_COUNT(measured); i++) {
        bool known = false;

        for (int64_t at = first; at < first + seen && !known; at++)
            known = edo_fact_known(edo_facts_row(&top->facts, at), measured[i].key);
        if (!known)
            columns[measured[i].column].rank = EDO_RANK_NEVER;
    }
    columns[top->sort + 1].rank = 0;
}

void edo_view_tasks(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_TASKS];
    struct edo_column columns[COLUMNS];

    edo_scroll_clamp(scroll, top->facts.matching, end - row - 2);
    memcpy(columns, columns_of_tasks, sizeof columns);
    columns[ID].least = edo_id_width(top, scroll->first, scroll->seen);
    edo_columns_known(top, columns, scroll->first, scroll->seen);
    edo_table_lay(columns, COLUMNS, canvas->columns);
    edo_tasks_title(top, canvas, row++);
    edo_table_head(canvas, row++, columns, COLUMNS, top->sort + 1, top->descending);
    for (int64_t i = scroll->first; row < end && i < top->facts.matching; i++, row++) {
        struct edo_table_row at = {canvas, columns, row, 0};
        const json_t *task = edo_facts_row(&top->facts, i);

        if (task)
            edo_task_row(&at, task);
        else
            edo_table_cell(&at, NAME, EDO_STYLE_DIM, canvas->ascii ? EDO_STR("...") : EDO_STR("\u2026"));
        if (i == scroll->chosen && top->view == EDO_VIEW_TASKS)
            edo_canvas_paint(canvas, row, 0, canvas->columns, EDO_STYLE_SELECTED);
    }
}
