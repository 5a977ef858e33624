/* SPDX-License-Identifier: MIT */
/*
 * The head that every view has: which program it is, what its tasks do, how much happens a second, and its workers with
 * their last moments as bars. What does not fit is left out, from the end.
 */
#include "cli/view.h"

/* Facts one behind the other, over at most so many rows. */
struct edo_facts_line {
    struct edo_canvas *canvas;
    int row;
    int last;
    int column;
};

static void put(struct edo_facts_line *line, int style, const char *label, const char *value)
{
    int width = (int)(strlen(label) + strlen(value)) + 1;

    if (line->column > 0 && line->column + width > line->canvas->columns) {
        if (line->row == line->last)
            return;
        line->row++;
        line->column = 0;
    }
    line->column += edo_canvas_printf(line->canvas, line->row, line->column, width, EDO_STYLE_DIM, "%s ", label);
    line->column += edo_canvas_printf(line->canvas, line->row, line->column, width, style, "%s", value);
    line->column += 2;
}

static void put_count(struct edo_facts_line *line, const json_t *from, const char *key, const char *label, int style)
{
    double count = edo_fact_number(from, key, -1);

    if (count >= 0)
        put(line, count > 0 ? style : EDO_STYLE_PLAIN, label, edo_figure_whole(count).text);
}

static void put_rate(struct edo_facts_line *line, const struct edo_facts *facts, int rate, const char *label,
                     bool totals)
{
    char value[48];

    if (totals) {
        put_count(line, facts->now, edo_facts_rate_names[rate], label, EDO_STYLE_PLAIN);
        return;
    }
    if (!edo_fact_known(facts->now, edo_facts_rate_names[rate]))
        return;
    snprintf(value, sizeof value, "%s/s", edo_figure_short(facts->rates[rate]).text);
    put(line, EDO_STYLE_PLAIN, label, value);
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

static void edo_head_title(struct edo_top *top, struct edo_canvas *canvas, int row)
{
    const struct edo_facts *facts = &top->facts;
    edo_str name = edo_fact_text(facts->program, "program");
    double interval = edo_fact_number(facts->now, "interval_ms", 0);
    double up = edo_fact_number(facts->now, "time_ms", -1) - edo_fact_number(facts->program, "started_ms", 0);
    char right[300];
    char buffer[24];
    int size;
    int used;

    if (interval > 0)
        size = snprintf(right, sizeof right, "%s  every %s ", top->address, edo_figure_time(interval * 1000).text);
    else
        size = snprintf(right, sizeof right, "%s ", top->address);
    used = edo_canvas_put(canvas, row, 1, canvas->columns / 2, EDO_STYLE_PLAIN, name.size ? name : EDO_STR("edo top"));
    if (facts->program)
        used +=
            edo_canvas_printf(canvas, row, 1 + used, canvas->columns, EDO_STYLE_PLAIN, "  pid %.*s  up %s",
                              EDO_STR_ARG(edo_fact_id(facts->program, "pid", buffer)), edo_figure_time(up * 1000).text);
    if (used + 3 + size < canvas->columns)
        edo_canvas_put(canvas, row, canvas->columns - size, size, EDO_STYLE_PLAIN, edo_str_of(right));
    edo_canvas_paint(canvas, row, 0, canvas->columns, EDO_STYLE_TITLE);
}

static int edo_head_tasks(struct edo_top *top, struct edo_canvas *canvas, int row, int most)
{
    const json_t *now = top->facts.now;
    const json_t *states = json_object_get(now, "states");
    struct edo_facts_line line = {canvas, row, row + most - 1, 0};

    put_count(&line, now, "tasks", "tasks", EDO_STYLE_STRONG);
    put_count(&line, states, "running", "running", EDO_STYLE_GOOD);
    put_count(&line, states, "waiting", "waiting", EDO_STYLE_PLAIN);
    put_count(&line, states, "ready", "ready", EDO_STYLE_PLAIN);
    put_count(&line, now, "warned", "warned", EDO_STYLE_WARN);
    put_count(&line, now, "dormant", "dormant", EDO_STYLE_PLAIN);
    put_count(&line, states, "region", "region", EDO_STYLE_PLAIN);
    put_count(&line, states, "new", "new", EDO_STYLE_PLAIN);
    put_count(&line, now, "cancelled", "cancelled", EDO_STYLE_PLAIN);
    return line.row + 1;
}

static int edo_head_rates(struct edo_top *top, struct edo_canvas *canvas, int row, int most, bool totals)
{
    const struct edo_facts *facts = &top->facts;
    struct edo_facts_line line = {canvas, row, row + most - 1, 0};
    char value[160];

    put_rate(&line, facts, EDO_RATE_POLLS, "polls", totals);
    put_rate(&line, facts, EDO_RATE_STEALS, "steals", totals);
    put_rate(&line, facts, EDO_RATE_HANDOFFS, "hand-offs", totals);
    put_count(&line, facts->now, "stalls", "stalls", EDO_STYLE_BAD);
    put_rate(&line, facts, EDO_RATE_SPAWNED, "spawned", totals);
    put_rate(&line, facts, EDO_RATE_YIELDS, "forced yields", totals);
    put_count(&line, facts->now, "timers", "timers", EDO_STYLE_PLAIN);
    put_count(&line, facts->now, "descriptors", "descriptors", EDO_STYLE_PLAIN);
    if (edo_fact_known(facts->now, "blocking_threads")) {
        snprintf(value, sizeof value, "%s/%s queued %s",
                 edo_figure_short(edo_fact_number(facts->now, "blocking_busy", 0)).text,
                 edo_figure_short(edo_fact_number(facts->now, "blocking_threads", 0)).text,
                 edo_figure_short(edo_fact_number(facts->now, "blocking_queued", 0)).text);
        put(&line, EDO_STYLE_PLAIN, "blocking", value);
    }
    if (edo_fact_known(facts->now, "stacks_resident")) {
        snprintf(value, sizeof value, "%s+%s", edo_figure_short(edo_fact_number(facts->now, "stacks_resident", 0)).text,
                 edo_figure_short(edo_fact_number(facts->now, "stacks_cached", 0)).text);
        put(&line, EDO_STYLE_PLAIN, "stacks", value);
    }
    return line.row + 1;
}

/* --- Workers ------------------------------------------------------------------------------------------------------ */

/* The load of the n-th moment from the right, 0 to 8; -1: there was none. */
static int edo_worker_level(const struct edo_facts_worker *worker, int back)
{
    float most = 1;
    float load;

    if (back >= worker->count)
        return -1;
    load = worker->load[worker->count - 1 - back];
    if (!worker->busy_known)
        for (int i = 0; i < worker->count; i++)
            most = worker->load[i] > most ? worker->load[i] : most;
    load = load / most * 8;
    return load <= 0.05f ? 0 : load < 1 ? 1 : load > 8 ? 8 : (int)(load + 0.5f);
}

static void edo_worker_bars(struct edo_canvas *canvas, int row, int column, int width,
                            const struct edo_facts_worker *worker, int style)
{
    for (int i = 0; i < width; i++) {
        int level = edo_worker_level(worker, width - 1 - i);

        if (level >= 0)
            edo_canvas_level(canvas, row, column + i, style, level > 0 ? level : 1);
    }
}

/* One worker in `width` columns: number, bars, load, and behind that what there is room for. */
static void edo_worker_row(struct edo_top *top, struct edo_canvas *canvas, int row, int column, int width, int index)
{
    const struct edo_facts_worker *worker = &top->facts.workers[index];
    const json_t *facts = json_array_get(json_object_get(top->facts.now, "workers"), (size_t)index);
    double stalled = edo_fact_number(facts, "stalled_ms", -1);
    int style = stalled >= 0 ? EDO_STYLE_BAD : EDO_STYLE_BAR;
    int bars = width >= 60 ? width / 3 : width - 12;
    int at = column;
    char buffer[24];

    at += edo_canvas_printf(canvas, row, at, 4, EDO_STYLE_DIM, "%3d ", index);
    edo_worker_bars(canvas, row, at, bars, worker, style);
    at += bars + 1;
    if (worker->busy_known)
        edo_canvas_printf(canvas, row, at, 5, EDO_STYLE_PLAIN, "%3.0f%%",
                          (double)worker->load[worker->count - 1] * 100);
    else
        edo_canvas_printf(canvas, row, at, 7, EDO_STYLE_PLAIN, "%5s/s", edo_figure_short(worker->polls_rate).text);
    at += 8;
    if (width < 60)
        return;
    if (worker->busy_known)
        edo_canvas_printf(canvas, row, at, 8, EDO_STYLE_PLAIN, "%5s/s", edo_figure_short(worker->polls_rate).text);
    at += 8;
    at += edo_canvas_printf(canvas, row, at, 12, EDO_STYLE_PLAIN, "queue %-4s",
                            edo_figure_short(edo_fact_number(facts, "queue", -1)).text);
    at++;
    if (stalled >= 0)
        edo_canvas_printf(canvas, row, at, column + width - at, EDO_STYLE_BAD, "stalled %s%s%.*s",
                          edo_figure_time(stalled * 1000).text, edo_fact_known(facts, "task") ? " by #" : "",
                          EDO_STR_ARG(edo_fact_id(facts, "task", buffer)));
    else if (edo_fact_known(facts, "task"))
        edo_canvas_printf(canvas, row, at, column + width - at, EDO_STYLE_GOOD, "runs #%.*s",
                          EDO_STR_ARG(edo_fact_id(facts, "task", buffer)));
    else if (edo_fact_true(facts, "parked"))
        edo_canvas_printf(canvas, row, at, column + width - at, EDO_STYLE_DIM, "sleeps");
}

/* All workers in at most `most` rows: one a row, several a row, or a sign for each. */
static int edo_head_workers(struct edo_top *top, struct edo_canvas *canvas, int row, int most)
{
    int count = top->facts.worker_count;
    int rows = count < most ? count : most;
    int across = rows > 0 ? (count + rows - 1) / rows : 0;
    int width = across > 0 ? canvas->columns / across : 0;

    if (rows == 0)
        return row;
    if (width >= 20) {
        for (int i = 0; i < count; i++)
            edo_worker_row(top, canvas, row + i % rows, i / rows * width, width - 1, i);
        return row + rows;
    }
    edo_canvas_printf(canvas, row, 0, canvas->columns, EDO_STYLE_DIM, "workers");
    width = canvas->columns > 16 ? canvas->columns - 8 : 8;
    for (int i = 0; i < count && i / width < rows; i++) {
        int level = edo_worker_level(&top->facts.workers[i], 0);

        edo_canvas_level(canvas, row + i / width, 8 + i % width, EDO_STYLE_BAR, level > 0 ? level : 1);
    }
    return row + ((count + width - 1) / width < rows ? (count + width - 1) / width : rows);
}

int edo_view_head(struct edo_top *top, struct edo_canvas *canvas, int row, bool totals)
{
    int rows = canvas->rows;

    edo_head_title(top, canvas, row++);
    if (!top->facts.now)
        return row;
    row = edo_head_tasks(top, canvas, row, rows >= 30 ? 2 : 1);
    if (rows >= 10)
        row = edo_head_rates(top, canvas, row, rows >= 30 ? 2 : 1, totals);
    return rows < 8 ? row : edo_head_workers(top, canvas, row, rows < 16 ? 1 : rows / 6);
}
