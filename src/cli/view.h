/* SPDX-License-Identifier: MIT */
/*
 * What `edo top` shows and what it was told to show. struct edo_top is all of it: the facts, the choices of who sits
 * before it, and which question is open. The one task that draws owns it; the views read it, write what they have
 * learnt of the frame's size (how many rows there are room for), and draw on a canvas.
 */
#ifndef EDO_CLI_VIEW_H
#define EDO_CLI_VIEW_H

#include "cli/canvas.h"
#include "cli/facts.h"
#include "cli/link.h"

enum edo_view {
    EDO_VIEW_TASKS,
    EDO_VIEW_SITES,
    EDO_VIEW_STALLS,
    EDO_VIEW_RESOURCES,
    EDO_VIEW_TIMES,
    EDO_VIEW_SCOPES,
    EDO_VIEW_TASK, /* from here on none of those among which Tab goes */
    EDO_VIEW_HELP,
    EDO_VIEW_COUNT
};

/* A list that is scrolled: the row that is chosen, and the first and the number of those that are seen. */
struct edo_scroll {
    int64_t chosen;
    int64_t first;
    int seen;
};

enum { EDO_KEYS_SIZE = 600 };

struct edo_top {
    const char *address;
    const char *runtime; /* its number as text; NULL: the console's choice */
    struct edo_facts facts;
    bool linked;
    char lost[EDO_LINK_TEXT]; /* why it is not */

    int view;
    int back; /* the view that Esc leads to */
    struct edo_scroll scrolls[EDO_VIEW_COUNT];

    int sort; /* index of edo_sort_keys */
    bool descending;
    int state;        /* index of edo_state_names; 0: all */
    char filter[200]; /* UTF-8 */
    char site[200];
    bool typing; /* the filter */
    int64_t window_from;
    int window_count;

    char opened[EDO_KEYS_SIZE]; /* keys of scopes, with commas, oldest first */
    char shut[EDO_KEYS_SIZE];

    char task[24];  /* whose page it is */
    json_t *answer; /* to the view's question; NULL: none yet */
    char refusal[EDO_LINK_TEXT];
    uint64_t asked;               /* serial of the open question; 0: none is */
    uint64_t serial;              /* the last one given away */
    bool due;                     /* it is to be asked, even if it is the last one again */
    char question[EDO_LINK_PATH]; /* the last one */
};

extern const char *const edo_sort_keys[]; /* NULL at the end */
extern const char *const edo_state_names[];

/* Draws the whole frame. */
void edo_view_draw(struct edo_top *top, struct edo_canvas *canvas);

/*
 * The head's rows, from `row` on; returns the next free one. Rates need two moments: `totals` shows what was counted
 * instead.
 */
int edo_view_head(struct edo_top *top, struct edo_canvas *canvas, int row, bool totals);

/* The body of each view, in rows [row, end). */
void edo_view_tasks(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_sites(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_stalls(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_resources(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_task(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_times(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_scopes(struct edo_top *top, struct edo_canvas *canvas, int row, int end);
void edo_view_help(struct edo_top *top, struct edo_canvas *canvas, int row, int end);

/* A row of the tree of scopes: which one is chosen, NULL where it is not known. */
enum edo_row { EDO_ROW_NONE, EDO_ROW_SCOPE, EDO_ROW_TASK, EDO_ROW_MORE };
const json_t *edo_scopes_row(const struct edo_top *top);
int edo_scopes_kind(const json_t *row);
bool edo_scopes_is_hollow(const json_t *row);

/* How many rows the view's list has. */
int64_t edo_view_rows(const struct edo_top *top);

/* Keeps the chosen row among `count`, and among the `seen` that are seen. */
void edo_scroll_clamp(struct edo_scroll *scroll, int64_t count, int seen);

/* --- Tables ------------------------------------------------------------------------------------------------------- */

enum { EDO_RANK_NEVER = 16 };

struct edo_column {
    const char *title;
    int least;  /* columns without which it is not worth it */
    int weight; /* its share of what is left over; 0: none */
    bool right; /* to the right */
    int rank;   /* columns of a higher one are left out first; EDO_RANK_NEVER: always */
    int width;  /* as laid out; 0: left out */
};

/* Gives each its width, in `width` columns with one between any two. */
void edo_table_lay(struct edo_column *columns, int count, int width);
void edo_table_head(struct edo_canvas *canvas, int row, const struct edo_column *columns, int count, int sorted,
                    bool descending);

/* One cell of a row. */
struct edo_table_row {
    struct edo_canvas *canvas;
    const struct edo_column *columns;
    int row;
    int style;
};
void edo_table_cell(const struct edo_table_row *at, int column, int style, edo_str text);

/* --- Pages: lines under each other, of which some are seen -------------------------------------------------------- */

struct edo_page {
    struct edo_canvas *canvas;
    int row;
    int end;
    int64_t first;
    int64_t line; /* the next one */
};

/* A line, indented by `indent`. */
void edo_page_line(struct edo_page *page, int indent, int style, const char *format, ...) EDO_PRINTF(4, 5);
void edo_page_histogram(struct edo_page *page, const char *title, const json_t *histogram);
void edo_page_frames(struct edo_page *page, const json_t *frames);

/* A waiting's words, from an object of `waits`. */
void edo_wait_text(char *out, size_t size, const json_t *wait);

#endif
