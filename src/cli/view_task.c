/* SPDX-License-Identifier: MIT */
/*
 * The pages: one task with all that is known of it, the program's times, and the help.
 */
#include "cli/view.h"

/* --- One task ----------------------------------------------------------------------------------------------------- */

void edo_wait_text(char *out, size_t size, const json_t *wait)
{
    edo_str what = edo_fact_text(wait, "for");
    edo_str local = edo_fact_text(wait, "local");
    edo_str remote = edo_fact_text(wait, "remote");
    edo_str address = edo_fact_text(wait, "address");
    edo_str function = edo_fact_text(wait, "function");
    edo_str in = edo_fact_text(wait, "in");
    char id[24];
    char holder[24];
    edo_str task = edo_fact_id(wait, "task", id);
    edo_str held = edo_fact_id(wait, "holder", holder);
    int used = snprintf(out, size, "%.*s", EDO_STR_ARG(what));

#define MORE(condition, ...)                                                                                           \
    if ((condition) && used >= 0 && (size_t)used < size)                                                               \
    used += snprintf(out + used, size - (size_t)used, __VA_ARGS__)
    MORE(edo_fact_known(wait, "descriptor"), ", descriptor %.0f", edo_fact_number(wait, "descriptor", -1));
    MORE(local.size > 0, ", on %.*s", EDO_STR_ARG(local));
    MORE(remote.size > 0, ", with %.*s", EDO_STR_ARG(remote));
    MORE(address.size > 0, " at %.*s", EDO_STR_ARG(address));
    MORE(held.size > 0, ", held by #%.*s", EDO_STR_ARG(held));
    MORE(task.size > 0, " #%.*s", EDO_STR_ARG(task));
    MORE(edo_fact_known(wait, "scope"), " %.0f", edo_fact_number(wait, "scope", 0));
    MORE(function.size > 0, " %.*s", EDO_STR_ARG(function));
    MORE(edo_fact_true(wait, "queued"), ", queued");
    MORE(in.size > 0, " in %.*s", EDO_STR_ARG(in));
#undef MORE
}

static void edo_task_facts(struct edo_page *page, const json_t *task)
{
    edo_str site = edo_fact_text(task, "site_file");
    edo_str state = edo_fact_text(task, "state");
    edo_str wait = edo_fact_text(task, "wait");
    edo_str function = edo_fact_text(task, "function");
    edo_str cancelled = edo_fact_text(task, "cancelled");
    const json_t *warnings = json_object_get(task, "warnings");
    char buffer[24];

    edo_page_line(page, 0, EDO_STYLE_STRONG, "task #%.*s  %.*s", EDO_STR_ARG(edo_fact_id(task, "id", buffer)),
                  EDO_STR_ARG(edo_fact_text(task, "name")));
    for (size_t i = 0; i < json_array_size(warnings) && i < 16; i++) {
        const char *warning = json_string_value(json_array_get(warnings, i));

        edo_page_line(page, 2, EDO_STYLE_WARN, "! %s", warning ? warning : "");
    }
    edo_page_line(page, 2, EDO_STYLE_PLAIN, "%.*s%s%s%.*s", EDO_STR_ARG(state),
                  edo_fact_true(task, "dormant") ? ", dormant" : "", wait.size ? ", for: " : "", EDO_STR_ARG(wait));
    if (edo_fact_known(task, "worker"))
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "on worker %.0f", edo_fact_number(task, "worker", 0));
    if (site.size > 0)
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "spawned at %.*s:%.0f by %.*s", EDO_STR_ARG(site),
                      edo_fact_number(task, "site_line", 0), EDO_STR_ARG(function));
    else if (edo_fact_text(task, "site").size > 0)
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "spawned at %.*s", EDO_STR_ARG(edo_fact_text(task, "site")));
    edo_page_line(page, 2, EDO_STYLE_PLAIN, "age %s, polls %s, busy %s",
                  edo_figure_time(edo_fact_number(task, "age_ms", -1) * 1000).text,
                  edo_figure_whole(edo_fact_number(task, "polls", -1)).text,
                  edo_figure_time(edo_fact_number(task, "busy_us", -1)).text);
    if (edo_fact_known(task, "until_ms"))
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "waits at most %s longer",
                      edo_figure_time(edo_fact_number(task, "until_ms", -1) * 1000).text);
    if (edo_fact_known(task, "deadline_ms"))
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "deadline in %s",
                      edo_figure_time(edo_fact_number(task, "deadline_ms", -1) * 1000).text);
    if (cancelled.size > 0)
        edo_page_line(page, 2, EDO_STYLE_BAD, "cancelled: %.*s", EDO_STR_ARG(cancelled));
}

static void edo_task_waits(struct edo_page *page, const json_t *waits)
{
    if (json_array_size(waits) > 0)
        edo_page_line(page, 0, EDO_STYLE_STRONG, "waits for");
    for (size_t i = 0; i < json_array_size(waits) && i < 64; i++) {
        char text[512];

        edo_wait_text(text, sizeof text, json_array_get(waits, i));
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "%s", text);
    }
}

static void edo_task_scopes(struct edo_page *page, const json_t *scopes)
{
    if (json_array_size(scopes) > 0)
        edo_page_line(page, 0, EDO_STYLE_STRONG, "in scopes, from the innermost out");
    for (size_t i = 0; i < json_array_size(scopes) && i < 256; i++) {
        const json_t *scope = json_array_get(scopes, i);
        edo_str name = edo_fact_text(scope, "name");
        edo_str cancelled = edo_fact_text(scope, "cancelled");
        char buffer[24];
        char deadline[64] = "";

        if (edo_fact_known(scope, "deadline_ms"))
            snprintf(deadline, sizeof deadline, ", deadline in %s",
                     edo_figure_time(edo_fact_number(scope, "deadline_ms", -1) * 1000).text);
        edo_page_line(page, 2, cancelled.size ? EDO_STYLE_BAD : EDO_STYLE_PLAIN,
                      "%.0f %.*s  %.*s  of #%.*s, live %s%s%s%.*s", edo_fact_number(scope, "number", 0),
                      EDO_STR_ARG(name.size ? name : EDO_STR("scope")), EDO_STR_ARG(edo_fact_text(scope, "site")),
                      EDO_STR_ARG(edo_fact_id(scope, "owner", buffer)),
                      edo_figure_whole(edo_fact_number(scope, "live", -1)).text, deadline,
                      cancelled.size ? ", cancelled: " : "", EDO_STR_ARG(cancelled));
    }
}

static void edo_task_history(struct edo_page *page, const json_t *history)
{
    if (json_array_size(history) > 0)
        edo_page_line(page, 0, EDO_STYLE_STRONG, "history");
    for (size_t i = 0; i < json_array_size(history) && i < 1000; i++) {
        const json_t *moment = json_array_get(history, i);
        char buffer[24];
        edo_str worker = edo_fact_id(moment, "worker", buffer);

        edo_page_line(page, 2, EDO_STYLE_PLAIN, "%7s ago  %.*s%s%.*s",
                      edo_figure_time(edo_fact_number(moment, "ago_us", -1)).text,
                      EDO_STR_ARG(edo_fact_text(moment, "event")), worker.size ? ", worker " : "", EDO_STR_ARG(worker));
    }
}

/* Draws the page, whose length is known only then: again, if it was scrolled beyond its end. */
static void edo_page_draw(struct edo_top *top, struct edo_canvas *canvas, int row, int end,
                          void (*draw)(struct edo_top *, struct edo_page *))
{
    struct edo_scroll *scroll = &top->scrolls[top->view];
    struct edo_page page = {canvas, row, row, 0, 0};

    draw(top, &page);               /* to count */
    scroll->chosen = scroll->first; /* a page is moved, nothing on it is chosen */
    scroll->seen = end - row < 1 ? 1 : end - row;
    if (scroll->first > page.line - scroll->seen)
        scroll->first = page.line - scroll->seen;
    if (scroll->first < 0)
        scroll->first = 0;
    page = (struct edo_page){canvas, row, end, scroll->first, 0};
    draw(top, &page);
}

static void edo_task_page(struct edo_top *top, struct edo_page *page)
{
    const json_t *task = top->answer;

    if (top->refusal[0])
        edo_page_line(page, 0, EDO_STYLE_WARN, "%s", top->refusal);
    if (!task)
        return;
    edo_task_facts(page, task);
    edo_task_waits(page, json_object_get(task, "waits"));
    if (json_array_size(json_object_get(task, "frames")) > 0)
        edo_page_line(page, 0, EDO_STYLE_STRONG, "stack");
    edo_page_frames(page, json_object_get(task, "frames"));
    edo_task_scopes(page, json_object_get(task, "scopes"));
    edo_page_histogram(page, "how long it runs at a time", json_object_get(task, "poll"));
    edo_page_histogram(page, "how long it waits for its turn", json_object_get(task, "delay"));
    edo_task_history(page, json_object_get(task, "history"));
}

void edo_view_task(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    edo_page_draw(top, canvas, row, end, edo_task_page);
}

/* --- Times -------------------------------------------------------------------------------------------------------- */

static void edo_times_page(struct edo_top *top, struct edo_page *page)
{
    const json_t *now = top->facts.now;

    edo_page_histogram(page, "how long tasks run at a time", json_object_get(now, "poll"));
    edo_page_histogram(page, "how long tasks wait for their turn", json_object_get(now, "delay"));
    if (!edo_fact_known(now, "poll"))
        edo_page_line(page, 0, EDO_STYLE_DIM, "the program does not measure times (.metrics, EDO_METRICS=1)");
}

void edo_view_times(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    edo_page_draw(top, canvas, row, end, edo_times_page);
}

/* --- Help --------------------------------------------------------------------------------------------------------- */

static void edo_help_page(struct edo_top *top, struct edo_page *page)
{
    static const char *const lines[] = {
        "Tab, 1 to 6    tasks, spawn sites, stalls, resources, times, scopes",
        "Enter          a task's page; of a spawn site, its tasks; opens and shuts a scope",
        "Esc            back; takes filters away",
        "arrows, j k, PgUp PgDn, Home End",
        "Left, Right    less of a scope, more of it",
        "< >            sort by the column to the left, to the right",
        "r              the other way round",
        "/              filter: a piece of a name, site, function or wait",
        "f              only tasks of one state, the next one each time",
        "s              tasks by spawn site",
        "? h            this page",
        "q              quit",
        "",
        "!  a warning: open the task's page",
        "x  cancelled",
    };

    (void)top;
    edo_page_line(page, 0, EDO_STYLE_STRONG, "edo top: what the tasks of a running program do");
    for (size_t i = 0; i < EDO_COUNT(lines); i++)
        edo_page_line(page, 2, EDO_STYLE_PLAIN, "%s", lines[i]);
}

void edo_view_help(struct edo_top *top, struct edo_canvas *canvas, int row, int end)
{
    edo_page_draw(top, canvas, row, end, edo_help_page);
}
