/* SPDX-License-Identifier: MIT */
/*
 * The other lists: spawn sites, stalls, and resources with those who wait for them.
 */
#include "cli/view.h"

#include <time.h>

static void choose(struct edo_top *top, struct edo_canvas *canvas, int row, int64_t index)
{
    if (index == top->scrolls[top->view].chosen)
        edo_canvas_paint(canvas, row, 0, canvas->columns, EDO_STYLE_SELECTED);
}

/* --- Spawn sites -------------------------------------------------------------------------------------------------- */

void edo_view_sites(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    enum { SITE, FUNCTION, COUNT, RUNNING, READY, WAITING, DORMANT, WARNED, BUSY, COLUMNS };
    static const char *const keys[COLUMNS] = {NULL,      NULL,      "count",  "running", "ready",
                                              "waiting", "dormant", "warned", NULL};
    struct edo_column columns[COLUMNS] = {
        [SITE] = {"spawned at", 14, 3, false, 0, 0}, [FUNCTION] = {"by", 8, 2, false, 4, 0},
        [COUNT] = {"tasks", 7, 0, true, 0, 0},       [RUNNING] = {"running", 7, 0, true, 2, 0},
        [READY] = {"ready", 6, 0, true, 5, 0},       [WAITING] = {"waiting", 7, 0, true, 1, 0},
        [DORMANT] = {"dormant", 7, 0, true, 3, 0},   [WARNED] = {"warned", 6, 0, true, 2, 0},
        [BUSY] = {"busy", 6, 0, true, 6, 0},
    };
    const json_t *sites = json_object_get(top->answer, "sites");
    struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_SITES];

    edo_scroll_clamp(scroll, (int64_t)json_array_size(sites), end - row - 1);
    edo_table_lay(columns, COLUMNS, canvas->columns);
    edo_table_head(canvas, row++, columns, COLUMNS, COUNT, true);
    for (int64_t i = scroll->first; row < end && i < (int64_t)json_array_size(sites); i++, row++) {
        struct edo_table_row at = {canvas, columns, row, 0};
        const json_t *site = json_array_get(sites, (size_t)i);
        edo_str place = edo_fact_text(site, "site");

        edo_table_cell(&at, SITE, EDO_STYLE_STRONG, place.size ? place : EDO_STR("not said"));
        edo_table_cell(&at, FUNCTION, EDO_STYLE_PLAIN, edo_fact_text(site, "function"));
        for (int column = COUNT; column <= WARNED; column++) {
            double count = edo_fact_number(site, keys[column], -1);
            int style = column == WARNED && count > 0 ? EDO_STYLE_WARN : count > 0 ? EDO_STYLE_PLAIN : EDO_STYLE_DIM;

            edo_table_cell(&at, column, style, edo_str_of(edo_figure_short(count).text));
        }
        edo_table_cell(&at, BUSY, EDO_STYLE_PLAIN,
                       edo_str_of(edo_figure_time(edo_fact_number(site, "busy_us", -1)).text));
        choose(top, canvas, row, i);
    }
}

/* --- Stalls ------------------------------------------------------------------------------------------------------- */

static void edo_clock_text(char out[16], double at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;

    if (!(at_ms > 0 && at_ms < 1e15) || !localtime_r(&seconds, &parts) || strftime(out, 16, "%H:%M:%S", &parts) == 0)
        memcpy(out, "-", 2);
}

static void edo_stall_frames(struct edo_canvas *canvas, int row, int end, const json_t *stall)
{
    struct edo_page page = {canvas, row, end, 0, 0};
    const json_t *frames = json_object_get(stall, "frames");
    edo_str call = edo_fact_text(stall, "syscall");
    edo_str channel = edo_fact_text(stall, "wait_channel");
    edo_str kind = edo_fact_text(stall, "kind");
    double suppressed = edo_fact_number(stall, "suppressed", 0);

    edo_page_line(&page, 0, EDO_STYLE_STRONG, "where it %s%s%.*s%s%.*s%s",
                  edo_str_equal(kind, EDO_STR("blocked"))   ? "blocks"
                  : edo_str_equal(kind, EDO_STR("starved")) ? "would run, had it a processor"
                                                            : "computes",
                  call.size ? ", in " : "", EDO_STR_ARG(call), channel.size ? " (" : "", EDO_STR_ARG(channel),
                  channel.size ? ")" : "");
    if (suppressed > 0)
        edo_page_line(&page, 2, EDO_STYLE_WARN, "%s stalls before it were not reported",
                      edo_figure_whole(suppressed).text);
    edo_page_frames(&page, frames);
    if (json_array_size(frames) == 0)
        edo_page_line(&page, 2, EDO_STYLE_DIM, "no backtrace");
}

void edo_view_stalls(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    enum { AT, KIND, LASTS, TASK, NAME, CALL, SITE, COLUMNS };
    struct edo_column columns[COLUMNS] = {
        [AT] = {"at", 8, 0, false, 1, 0},      [KIND] = {"kind", 9, 0, false, 1, 0},
        [LASTS] = {"lasts", 7, 0, true, 0, 0}, [TASK] = {"task", 7, 0, true, 2, 0},
        [NAME] = {"name", 10, 2, false, 0, 0}, [CALL] = {"in", 10, 1, false, 3, 0},
        [SITE] = {"site", 12, 2, false, 4, 0},
    };
    const struct edo_facts *facts = &top->facts;
    struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_STALLS];
    int frames = (end - row) / 2;
    int list = end - row - frames - 1;

    edo_scroll_clamp(scroll, facts->stall_count, list);
    for (int i = 0; i < facts->stall_count; i++) {
        char buffer[24];
        size_t size = edo_fact_id(facts->stalls[i], "task", buffer).size;

        columns[TASK].least =
            size > 7 && size <= 20 && (int)size > columns[TASK].least ? (int)size : columns[TASK].least;
    }
    edo_table_lay(columns, COLUMNS, canvas->columns);
    edo_table_head(canvas, row++, columns, COLUMNS, -1, false);
    if (facts->stall_count == 0)
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_DIM, "no task has kept its worker for too long");
    for (int64_t i = scroll->first; i < facts->stall_count && i < scroll->first + list; i++, row++) {
        struct edo_table_row at = {canvas, columns, row, 0};
        const json_t *stall = facts->stalls[i];
        bool ended = edo_fact_true(stall, "ended");
        edo_str call = edo_fact_text(stall, "syscall");
        char buffer[24];
        char clock[16];
        char lasts[48];

        edo_clock_text(clock, edo_fact_number(stall, "at_ms", 0));
        snprintf(lasts, sizeof lasts, "%s%s", ended ? "" : ">",
                 edo_figure_time(edo_fact_number(stall, "duration_us", -1)).text);
        edo_table_cell(&at, AT, EDO_STYLE_PLAIN, edo_str_of(clock));
        edo_table_cell(&at, KIND, ended ? EDO_STYLE_PLAIN : EDO_STYLE_BAD, edo_fact_text(stall, "kind"));
        edo_table_cell(&at, LASTS, ended ? EDO_STYLE_PLAIN : EDO_STYLE_BAD, edo_str_of(lasts));
        edo_table_cell(&at, TASK, EDO_STYLE_PLAIN, edo_fact_id(stall, "task", buffer));
        edo_table_cell(&at, NAME, EDO_STYLE_STRONG, edo_fact_text(stall, "name"));
        edo_table_cell(&at, CALL, EDO_STYLE_PLAIN, call);
        edo_table_cell(&at, SITE, EDO_STYLE_DIM, edo_fact_text(stall, "site"));
        choose(top, canvas, row, i);
    }
    if (facts->stall_count > 0)
        edo_stall_frames(canvas, end - frames, end, facts->stalls[scroll->chosen]);
}

/* --- Resources ---------------------------------------------------------------------------------------------------- */

static void edo_ids_text(char *out, size_t size, const json_t *ids)
{
    size_t used = 0;

    out[0] = 0;
    for (size_t i = 0; i < json_array_size(ids) && i < 64 && used < size; i++) {
        const json_t *id = json_array_get(ids, i);
        int more =
            json_is_string(id) ? snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "", json_string_value(id)) : 0;

        used += more > 0 ? (size_t)more : 0;
    }
}

static void edo_resource_what(char *out, size_t size, const json_t *resource)
{
    edo_str kind = edo_fact_text(resource, "kind");
    edo_str remote = edo_fact_text(resource, "remote");
    edo_str local = edo_fact_text(resource, "local");
    edo_str address = edo_fact_text(resource, "address");
    char buffer[24];
    edo_str task = edo_fact_id(resource, "task", buffer);

    if (remote.size > 0)
        snprintf(out, size, "%.*s %.*s", EDO_STR_ARG(kind), EDO_STR_ARG(remote));
    else if (local.size > 0)
        snprintf(out, size, "%.*s on %.*s", EDO_STR_ARG(kind), EDO_STR_ARG(local));
    else if (address.size > 0)
        snprintf(out, size, "%.*s at %.*s", EDO_STR_ARG(kind), EDO_STR_ARG(address));
    else if (task.size > 0)
        snprintf(out, size, "%.*s #%.*s", EDO_STR_ARG(kind), EDO_STR_ARG(task));
    else
        snprintf(out, size, "%.*s", EDO_STR_ARG(kind));
}

void edo_view_resources(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    enum { WHAT, WAITERS, HOLDER, WHO, COLUMNS };
    struct edo_column columns[COLUMNS] = {
        [WHAT] = {"resource", 16, 2, false, 0, 0},
        [WAITERS] = {"waiters", 8, 0, true, 0, 0},
        [HOLDER] = {"held by", 8, 0, true, 1, 0},
        [WHO] = {"who waits", 10, 3, false, 2, 0},
    };
    const json_t *resources = json_object_get(top->answer, "resources");
    const json_t *rings = json_object_get(top->answer, "deadlocks");
    struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_RESOURCES];
    char text[1024];

    for (size_t i = 0; i < json_array_size(rings) && i < 3 && row < end - 2; i++) {
        edo_ids_text(text, sizeof text, json_array_get(rings, i));
        edo_canvas_printf(canvas, row++, 0, canvas->columns, EDO_STYLE_BAD, "deadlock: tasks %s wait for each other",
                          text);
    }
    edo_scroll_clamp(scroll, (int64_t)json_array_size(resources), end - row - 1);
    edo_table_lay(columns, COLUMNS, canvas->columns);
    edo_table_head(canvas, row++, columns, COLUMNS, WAITERS, true);
    if (top->answer && json_array_size(resources) == 0)
        edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_DIM, "nobody waits for anything");
    for (int64_t i = scroll->first; row < end && i < (int64_t)json_array_size(resources); i++, row++) {
        struct edo_table_row at = {canvas, columns, row, 0};
        const json_t *resource = json_array_get(resources, (size_t)i);
        char buffer[24];

        edo_resource_what(text, sizeof text, resource);
        edo_table_cell(&at, WHAT, EDO_STYLE_STRONG, edo_str_of(text));
        edo_table_cell(&at, WAITERS, EDO_STYLE_PLAIN,
                       edo_str_of(edo_figure_short(edo_fact_number(resource, "count", -1)).text));
        edo_table_cell(&at, HOLDER, EDO_STYLE_WARN, edo_fact_id(resource, "holder", buffer));
        edo_ids_text(text, sizeof text, json_object_get(resource, "waiters"));
        edo_table_cell(&at, WHO, EDO_STYLE_PLAIN, edo_str_of(text));
        choose(top, canvas, row, i);
    }
}
