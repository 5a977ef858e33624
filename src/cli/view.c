/* SPDX-License-Identifier: MIT */
/* The frame: head, tabs, the view, and the keys; see view.h. */
#include "cli/view.h"

int64_t edo_view_rows(const struct edo_top *top)
{
    switch (top->view) {
    case EDO_VIEW_TASKS:
        return top->facts.matching;
    case EDO_VIEW_SITES:
        return (int64_t)json_array_size(json_object_get(top->answer, "sites"));
    case EDO_VIEW_STALLS:
        return top->facts.stall_count;
    case EDO_VIEW_RESOURCES:
        return (int64_t)json_array_size(json_object_get(top->answer, "resources"));
    case EDO_VIEW_SCOPES:
        return (int64_t)edo_fact_number(top->answer, "total", 0);
    default:
        return INT64_MAX / 2; /* a page: its end is found when it is drawn */
    }
}

static void edo_view_tabs(struct edo_top *top, struct edo_canvas *canvas, int row)
{
    static const char *const names[] = {"1 tasks", "2 sites", "3 stalls", "4 resources", "5 times", "6 scopes"};
    int shown = top->view >= EDO_VIEW_TASK ? top->back : top->view;
    int at = 0;

    for (int i = 0; i < (int)EDO_COUNT(names); i++) {
        int width = edo_canvas_printf(canvas, row, at, canvas->columns - at, EDO_STYLE_DIM, " %s ", names[i]);

        if (i == shown)
            edo_canvas_paint(canvas, row, at, width, EDO_STYLE_SELECTED);
        at += width;
    }
}

static void edo_view_keys(struct edo_top *top, struct edo_canvas *canvas, int row)
{
    static const char *const keys[EDO_VIEW_COUNT] = {
        [EDO_VIEW_TASKS] = "q quit  Enter task  / filter  f state  s sites  < > sort  r reverse  ? help",
        [EDO_VIEW_SITES] = "q quit  Enter its tasks  Esc back  Tab next  ? help",
        [EDO_VIEW_STALLS] = "q quit  Enter task  Esc back  Tab next  ? help",
        [EDO_VIEW_RESOURCES] = "q quit  Enter holder's page  Esc back  Tab next  ? help",
        [EDO_VIEW_TIMES] = "q quit  Esc back  Tab next  ? help",
        [EDO_VIEW_SCOPES] = "q quit  Enter task, or opens and shuts  Left Right  Esc back  Tab next  ? help",
        [EDO_VIEW_TASK] = "q quit  Esc back  PgUp PgDn  ? help",
        [EDO_VIEW_HELP] = "q quit  Esc back",
    };

    if (!top->linked && top->lost[0])
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_BAD, "%s: %s",
                          top->facts.program ? "connection lost, trying again" : "no connection yet, trying again",
                          top->lost);
    else if (top->typing)
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_STRONG, "/%s_  Enter done  Esc none", top->filter);
    else if (top->refusal[0] && top->view != EDO_VIEW_TASK)
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_WARN, "%s", top->refusal);
    else if (!top->facts.program)
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_DIM, "connecting to %s", top->address);
    else
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_DIM, "%s", keys[top->view]);
}

void edo_view_draw(struct edo_top *top, struct edo_canvas *canvas)
{
    static void (*const bodies[EDO_VIEW_COUNT])(struct edo_top *, struct edo_canvas *, int, int) = {
        [EDO_VIEW_TASKS] = edo_view_tasks,   [EDO_VIEW_SITES] = edo_view_sites,
        [EDO_VIEW_STALLS] = edo_view_stalls, [EDO_VIEW_RESOURCES] = edo_view_resources,
        [EDO_VIEW_TIMES] = edo_view_times,   [EDO_VIEW_SCOPES] = edo_view_scopes,
        [EDO_VIEW_TASK] = edo_view_task,     [EDO_VIEW_HELP] = edo_view_help,
    };
    int row;

    edo_canvas_clear(canvas);
    row = edo_view_head(top, canvas, 0, false);
    if (canvas->rows >= 14)
        edo_view_tabs(top, canvas, row++);
    bodies[top->view](top, canvas, row, canvas->rows - 1);
    edo_view_keys(top, canvas, canvas->rows - 1);
}
