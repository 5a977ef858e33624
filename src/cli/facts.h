/* SPDX-License-Identifier: MIT */
/*
 * What is known of the program: the console's answers, as they came, and what follows from two of them (rates, the
 * workers' last minutes). Fields are looked up where they are drawn; one that is absent, or of another kind, counts as
 * not known.
 *
 * Owned by the task that draws. Bounded by what was asked for: a window of at most EDO_FACTS_WINDOW tasks, 64 stalls,
 * 256 workers.
 */
#ifndef EDO_CLI_FACTS_H
#define EDO_CLI_FACTS_H

#include <edo/base.h>

#include <jansson.h>

enum { EDO_FACTS_WINDOW = 1000, EDO_FACTS_STALLS = 64, EDO_FACTS_WORKERS = 256, EDO_FACTS_HISTORY = 256 };

/* A worker's last moments, newest last. */
struct edo_facts_worker {
    float load[EDO_FACTS_HISTORY]; /* busy, 0 to 1; else polls a second */
    int count;
    double polls; /* so far */
    double polls_rate;
    bool busy_known;
};

/* Counters whose growth is shown. */
enum edo_facts_rate {
    EDO_RATE_POLLS,
    EDO_RATE_STEALS,
    EDO_RATE_HANDOFFS,
    EDO_RATE_SPAWNED,
    EDO_RATE_YIELDS,
    EDO_RATE_COUNT
};
extern const char *const edo_facts_rate_names[EDO_RATE_COUNT];

struct edo_facts {
    json_t *program;
    json_t *now;
    double rates[EDO_RATE_COUNT]; /* a second; negative: not known */
    struct edo_facts_worker *workers;
    int worker_count;

    int64_t total; /* tasks; matching: those that pass the filter */
    int64_t matching;
    int64_t from; /* the window's first */
    int count;
    json_t *rows[EDO_FACTS_WINDOW]; /* NULL: its row has not come; its times are as they are now, whenever it came */
    double uptime;                  /* now: the console's uptime_ms; negative: not known */

    json_t *stalls[EDO_FACTS_STALLS]; /* newest first */
    int stall_count;
};

int edo_facts_init(struct edo_facts *facts);
void edo_facts_finish(struct edo_facts *facts);

/* Each takes over `value`, which is what the console said; it may be anything. */
void edo_facts_program(struct edo_facts *facts, json_t *value);
void edo_facts_now(struct edo_facts *facts, json_t *value);
void edo_facts_tasks(struct edo_facts *facts, json_t *value); /* an event's, or a whole answer */
void edo_facts_stall(struct edo_facts *facts, json_t *value);
void edo_facts_stalls(struct edo_facts *facts, json_t *value);

/* Forgets the window: other tasks were asked for. */
void edo_facts_forget_tasks(struct edo_facts *facts);

/* The row of the n-th matching task; NULL: not known. */
const json_t *edo_facts_row(const struct edo_facts *facts, int64_t index);

/* --- Fields ------------------------------------------------------------------------------------------------------- */

/*
 * A text, "" if there is none; whole numbers count as texts of their digits in edo_fact_id only, which writes into
 * `buffer`.
 */
edo_str edo_fact_text(const json_t *object, const char *key);
edo_str edo_fact_id(const json_t *object, const char *key, char buffer[24]);
double edo_fact_number(const json_t *object, const char *key, double otherwise);

/* How many there are, or which: from 0, and no more than can be counted with; what is no such number is 0. */
enum { EDO_FACT_COUNT_MOST = 2000000000 };
int64_t edo_fact_count(const json_t *object, const char *key);
bool edo_fact_true(const json_t *object, const char *key);
bool edo_fact_known(const json_t *object, const char *key);

/* --- Numbers as people read them ---------------------------------------------------------------------------------- */

/*
 * 99,997; 1234 -> "1,234". At most 5 columns: 12.3k. A time: 640ns, 340us, 1.2ms, 3.4s, 2m05s, 3h12m, 4d02h. Negative:
 * "-".
 */
struct edo_figure {
    char text[32];
};
struct edo_figure edo_figure_whole(double number);
struct edo_figure edo_figure_short(double number);
struct edo_figure edo_figure_time(double us);

#endif
