/* SPDX-License-Identifier: MIT */
/* What is known of the program; see facts.h. */
#include "cli/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *const edo_facts_rate_names[EDO_RATE_COUNT] = {"polls", "steals", "handoffs", "spawned", "forced_yields"};

/* --- Fields ------------------------------------------------------------------------------------------------------- */

edo_str edo_fact_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? (edo_str){json_string_value(value), json_string_length(value)} : EDO_STR("");
}

static edo_str edo_fact_digits(const json_t *value, char buffer[24])
{
    if (json_is_string(value))
        return (edo_str){json_string_value(value), json_string_length(value)};
    if (!json_is_integer(value))
        return EDO_STR("");
    snprintf(buffer, 24, "%lld", (long long)json_integer_value(value));
    return edo_str_of(buffer);
}

edo_str edo_fact_id(const json_t *object, const char *key, char buffer[24])
{
    return edo_fact_digits(json_object_get(object, key), buffer);
}

double edo_fact_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

int64_t edo_fact_count(const json_t *object, const char *key)
{
    double number = edo_fact_number(object, key, 0);

    return number > 0 ? number < EDO_FACT_COUNT_MOST ? (int64_t)number : EDO_FACT_COUNT_MOST : 0;
}

bool edo_fact_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool edo_fact_known(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

/* --- Keeping ------------------------------------------------------------------------------------------------------ */

int edo_facts_init(struct edo_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->uptime = -1;
    for (int i = 0; i < EDO_RATE_COUNT; i++)
        facts->rates[i] = -1;
    return 0;
}

void edo_facts_finish(struct edo_facts *facts)
{
    edo_facts_forget_tasks(facts);
    for (int i = 0; i < facts->stall_count; i++)
        json_decref(facts->stalls[i]);
    json_decref(facts->program);
    json_decref(facts->now);
    free(facts->workers);
    memset(facts, 0, sizeof *facts);
}

void edo_facts_program(struct edo_facts *facts, json_t *value)
{
    char a[24];
    char b[24];

    /* Another program by now: nothing of the old one's holds. */
    if (facts->program && !edo_str_equal(edo_fact_id(facts->program, "pid", a), edo_fact_id(value, "pid", b))) {
        edo_facts_finish(facts);
        edo_facts_init(facts);
    }
    json_decref(facts->program);
    facts->program = value;
}

static void edo_facts_load(struct edo_facts_worker *worker, float load)
{
    if (worker->count == EDO_FACTS_HISTORY) {
        memmove(worker->load, worker->load + 1, sizeof worker->load - sizeof worker->load[0]);
        worker->count--;
    }
    worker->load[worker->count++] = load;
}

static void edo_facts_worker(struct edo_facts_worker *worker, const json_t *value, double seconds)
{
    double polls = edo_fact_number(value, "polls", 0);
    double busy = edo_fact_number(value, "busy", -1);

    worker->polls_rate = worker->count > 0 && polls >= worker->polls ? (polls - worker->polls) / seconds : -1;
    worker->polls = polls;
    worker->busy_known = busy >= 0;
    edo_facts_load(worker, (float)(busy >= 0 ? busy : worker->polls_rate > 0 ? worker->polls_rate : 0));
}

static void edo_facts_workers(struct edo_facts *facts, const json_t *list, double seconds)
{
    size_t count = json_array_size(list);

    if (count > EDO_FACTS_WORKERS)
        count = EDO_FACTS_WORKERS;
    if ((int)count != facts->worker_count) {
        free(facts->workers);
        facts->workers = calloc(count > 0 ? count : 1, sizeof *facts->workers);
        facts->worker_count = facts->workers ? (int)count : 0;
    }
    for (int i = 0; i < facts->worker_count; i++)
        edo_facts_worker(&facts->workers[i], json_array_get(list, (size_t)i), seconds);
}

void edo_facts_now(struct edo_facts *facts, json_t *value)
{
    double time = edo_fact_number(value, "time_ms", 0);
    double seconds = (time - edo_fact_number(facts->now, "time_ms", time)) / 1000;

    /* A stream begins with what was known already: that is no time that has passed. */
    if (!facts->now || seconds > 0) {
        for (int i = 0; i < EDO_RATE_COUNT; i++) {
            double before = edo_fact_number(facts->now, edo_facts_rate_names[i], -1);
            double after = edo_fact_number(value, edo_facts_rate_names[i], -1);

            facts->rates[i] = before >= 0 && after >= before && seconds > 0 ? (after - before) / seconds : -1;
        }
        edo_facts_workers(facts, json_object_get(value, "workers"), seconds > 0 ? seconds : 1);
    }
    json_decref(facts->now);
    facts->now = value;
}

/* --- The window --------------------------------------------------------------------------------------------------- */

void edo_facts_forget_tasks(struct edo_facts *facts)
{
    for (int i = 0; i < facts->count; i++)
        json_decref(facts->rows[i]);
    facts->count = 0;
}

/* The row with that id among `count`, taken out of there; the likely place is tried first. */
static json_t *edo_facts_take(json_t **rows, int count, int likely, edo_str id)
{
    char buffer[24];

    for (int i = -1; i < count; i++) {
        int at = i < 0 ? likely : i;
        json_t *row = at < count ? rows[at] : NULL;

        if (row && edo_str_equal(edo_fact_id(row, "id", buffer), id)) {
            rows[at] = NULL;
            return row;
        }
    }
    return NULL;
}

/* Rows of an event are those that are new or have changed, in any order; its ids are all, in theirs. */
static int edo_facts_merge(json_t **out, struct edo_facts *facts, const json_t *ids, const json_t *rows)
{
    int count = (int)(json_array_size(ids) < EDO_FACTS_WINDOW ? json_array_size(ids) : EDO_FACTS_WINDOW);
    int fresh_count = (int)(json_array_size(rows) < EDO_FACTS_WINDOW ? json_array_size(rows) : EDO_FACTS_WINDOW);
    json_t *fresh[EDO_FACTS_WINDOW];
    int next = 0;

    for (int i = 0; i < fresh_count; i++)
        fresh[i] = json_incref(json_array_get(rows, (size_t)i));
    for (int i = 0; i < count; i++) {
        char buffer[24];
        edo_str id = edo_fact_digits(json_array_get(ids, (size_t)i), buffer);

        out[i] = edo_facts_take(fresh, fresh_count, next, id);
        if (out[i])
            next++;
        else
            out[i] = edo_facts_take(facts->rows, facts->count, i, id);
    }
    for (int i = 0; i < fresh_count; i++)
        json_decref(fresh[i]);
    return count;
}

/* Moves a time that runs by itself. */
static void edo_facts_run_on(json_t *row, const char *key, double ms)
{
    const json_t *value = json_object_get(row, key);
    double time = json_number_value(value) + ms;

    if (json_is_number(value))
        json_object_set_new(row, key, json_integer(time > 0 && time < 1e15 ? (json_int_t)time : 0));
}

/*
 * A row is told again if something has happened to its task, not for the time that has passed: the rows known have to
 * follow that.
 */
static void edo_facts_pass(struct edo_facts *facts, double uptime)
{
    double passed = facts->uptime >= 0 && uptime >= 0 ? uptime - facts->uptime : 0;

    for (int i = 0; i < facts->count && passed != 0; i++) {
        edo_facts_run_on(facts->rows[i], "age_ms", passed);
        edo_facts_run_on(facts->rows[i], "until_ms", -passed);
        edo_facts_run_on(facts->rows[i], "deadline_ms", -passed);
    }
    facts->uptime = uptime;
}

void edo_facts_tasks(struct edo_facts *facts, json_t *value)
{
    const json_t *ids = json_object_get(value, "ids");
    const json_t *whole = json_object_get(value, "tasks");
    json_t *rows[EDO_FACTS_WINDOW];
    int count = 0;

    edo_facts_pass(facts, edo_fact_number(value, "uptime_ms", -1));
    if (json_is_array(whole))
        for (; count < EDO_FACTS_WINDOW && (size_t)count < json_array_size(whole); count++)
            rows[count] = json_incref(json_array_get(whole, (size_t)count));
    else
        count = edo_facts_merge(rows, facts, ids, json_object_get(value, "rows"));
    edo_facts_forget_tasks(facts);
    memcpy(facts->rows, rows, sizeof rows[0] * (size_t)count);
    facts->count = count;
    facts->total = edo_fact_count(value, "total");
    facts->matching = edo_fact_count(value, "matching");
    facts->from = edo_fact_count(value, "from");
    json_decref(value);
}

const json_t *edo_facts_row(const struct edo_facts *facts, int64_t index)
{
    return index >= facts->from && index < facts->from + facts->count ? facts->rows[index - facts->from] : NULL;
}

/* --- Stalls ------------------------------------------------------------------------------------------------------- */

/* The end of a stall has no frames: it adds to what its beginning said. */
void edo_facts_stall(struct edo_facts *facts, json_t *value)
{
    double serial = edo_fact_number(value, "serial", -1);

    for (int i = 0; i < facts->stall_count; i++)
        if (edo_fact_number(facts->stalls[i], "serial", -2) == serial) {
            json_object_update(facts->stalls[i], value);
            json_decref(value);
            return;
        }
    if (facts->stall_count == EDO_FACTS_STALLS)
        json_decref(facts->stalls[--facts->stall_count]);
    memmove(facts->stalls + 1, facts->stalls, sizeof facts->stalls[0] * (size_t)facts->stall_count);
    facts->stalls[0] = value;
    facts->stall_count++;
}

void edo_facts_stalls(struct edo_facts *facts, json_t *value)
{
    const json_t *list = json_object_get(value, "stalls");

    while (facts->stall_count > 0)
        json_decref(facts->stalls[--facts->stall_count]);
    for (size_t i = json_array_size(list); i > 0; i--)
        edo_facts_stall(facts, json_incref(json_array_get(list, i - 1)));
    json_decref(value);
}

/* --- Numbers as people read them ---------------------------------------------------------------------------------- */

struct edo_figure edo_figure_whole(double number)
{
    struct edo_figure figure = {"-"};
    char digits[32];
    size_t out = 0;
    int size;

    if (!(number >= 0 && number < 1e15))
        return figure;
    size = snprintf(digits, sizeof digits, "%.0f", number);
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            figure.text[out++] = ',';
        figure.text[out++] = digits[i];
    }
    figure.text[out] = 0;
    return figure;
}

struct edo_figure edo_figure_short(double number)
{
    static const char units[] = "kMGTP";
    struct edo_figure figure = {"-"};
    int unit = -1;

    if (!(number >= 0 && number < 1e18))
        return figure;
    if (number > 0 && number < 9.95) {
        snprintf(figure.text, sizeof figure.text, number == (double)(int)number ? "%.0f" : "%.1f", number);
        return figure;
    }
    for (; number >= 9999.5; unit++)
        number /= 1000;
    if (unit < 0)
        snprintf(figure.text, sizeof figure.text, "%.0f", number);
    else
        snprintf(figure.text, sizeof figure.text, number < 99.95 ? "%.1f%c" : "%.0f%c", number, units[unit]);
    return figure;
}

struct edo_figure edo_figure_time(double us)
{
    struct edo_figure figure = {"-"};
    long long seconds;

    if (!(us >= 0 && us < 1e17))
        return figure;
    seconds = (long long)(us / 1e6 + 0.5);
    if (us > 0 && us < 0.9995)
        snprintf(figure.text, sizeof figure.text, "%.0fns", us * 1000);
    else if (us < 999.5)
        snprintf(figure.text, sizeof figure.text, us > 0 && us < 9.95 ? "%.1fus" : "%.0fus", us);
    else if (us < 999.5e3)
        snprintf(figure.text, sizeof figure.text, us < 99.95e3 ? "%.1fms" : "%.0fms", us / 1e3);
    else if (us < 59.95e6)
        snprintf(figure.text, sizeof figure.text, "%.1fs", us / 1e6);
    else if (seconds < 3600)
        snprintf(figure.text, sizeof figure.text, "%lldm%02llds", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        snprintf(figure.text, sizeof figure.text, "%lldh%02lldm", seconds / 3600, seconds / 60 % 60);
    else
        snprintf(figure.text, sizeof figure.text, "%lldd%02lldh", seconds / 86400, seconds / 3600 % 24);
    return figure;
}
