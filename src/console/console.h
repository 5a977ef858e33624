/* SPDX-License-Identifier: MIT */
/*
 * The console: what its files share.
 *
 *     console.c   its life: thread, runtime, listening, the end
 *     requests.c  who may ask, what for; parameters
 *     pages.h     the files of the page
 *     looks.c     the snapshot that all share, when it is taken, and what is counted in it
 *     view.c      which tasks are asked for, in which order: a window of them
 *     rows.c      tasks as JSON, and as words
 *     groups.c    places where tasks were spawned; what they wait for together
 *     details.c   one task; scopes
 *     tree.c      the tree of scopes and tasks: a window of its rows
 *     now.c       the program and its workers
 *     stalls.c    the last reports of stalls
 *     events.c    the event stream
 *
 * Everything runs in tasks on one worker, which nobody takes away (no monitor): so between two suspension points nobody
 * else touches the data, and there are no locks. Except what other threads do: start and stop (console.c), and reports
 * of stalls (stalls.c).
 *
 * A snapshot is shared: it is taken anew when somebody wants one and the last is older than the interval, which is
 * chosen so that snapshots, and what is told of them in streams, take at most 1/25 of a processor. Texts in it are good
 * until the next suspension point of who reads them.
 */
#ifndef EDO_CONSOLE_CONSOLE_H
#define EDO_CONSOLE_CONSOLE_H

#include "console/json.h"

#include <edo/broadcast.h>
#include <edo/http.h>
#include <edo/snapshot.h>
#include <edo/sync.h>
#include <edo/time.h>

#include <pthread.h>

enum { EDO_CONSOLE_STALLS = 64, EDO_CONSOLE_CONNECTIONS = 32, EDO_CONSOLE_STATES = 6 };

/* --- Looks -------------------------------------------------------------------------------------------------------- */

/* What is counted in a snapshot of each runtime. */
struct edo_console_counts {
    uint64_t states[EDO_CONSOLE_STATES]; /* by enum edo_task_state */
    uint64_t dormant;
    uint64_t cancelled;
    uint64_t warned;
};

/* How long a worker had been busy at the snapshot before. */
struct edo_console_busy {
    uint64_t runtime; /* its number */
    int worker;
    int64_t busy;
    int64_t at; /* edo_now() */
};

struct edo_console_looks {
    edo_snapshot *snapshot; /* NULL: none was taken, or it was given back */
    struct edo_console_busy *before;
    size_t before_count;
    edo_timer rest;   /* gives the snapshot back that nobody has asked for again */
    uint64_t number;  /* of the snapshot */
    int rc;           /* of taking it */
    int64_t taken;    /* edo_now() */
    int64_t wall;     /* ms since 1970 */
    int64_t cost;     /* processor time that it took, and what streams made of it; ns */
    unsigned streams; /* that are open: for them it is kept */
};

/* Has *snapshot be younger than the interval. 0, or an error of edo_snapshot_take. */
int edo_console_look(struct edo_console_looks *looks);

/* How long one is good; when the next one may be taken (edo_now()). */
int64_t edo_console_interval(const struct edo_console_looks *looks);
int64_t edo_console_due(const struct edo_console_looks *looks);

/* CPU time of the console's thread, ns. */
int64_t edo_console_cpu(void);

void edo_console_looks_init(struct edo_console_looks *looks);

/* In a task: the memory goes. */
void edo_console_looks_finish(struct edo_console_looks *looks);

/* The last stream has ended, or a request been answered: it is not kept for long. */
void edo_console_looks_rest(struct edo_console_looks *looks);

/* What a worker had been busy at the snapshot before; NULL: it was in none. */
const struct edo_console_busy *edo_console_before(const struct edo_console_looks *looks, uint64_t runtime, int worker);

void edo_console_count(struct edo_console_counts *out, edo_snapshot *snapshot, size_t runtime);

/* --- Stalls ------------------------------------------------------------------------------------------------------- */

/* The last reports, as JSON; written by the threads that report, under `lock`. `changed` is set by each. */
struct edo_console_stall {
    uint64_t version; /* rises with each report; 0: a free place */
    uint64_t serial;
    uint64_t runtime;
    uint64_t suppressed;
    struct edo_json details; /* members that only the first report has */
    struct edo_json json;
};

struct edo_console_stalls {
    pthread_mutex_t lock;
    uint64_t version;
    struct edo_console_stall last[EDO_CONSOLE_STALLS];
    edo_watch *changed; /* of the version */
};

int edo_console_stalls_init(struct edo_console_stalls *stalls);
void edo_console_stalls_finish(struct edo_console_stalls *stalls);
void edo_console_stalls_add(struct edo_console_stalls *stalls, const edo_stall *stall);

/* Appends the first report with a version above *version, and sets that; false: there is none. */
bool edo_console_stalls_next(struct edo_json *out, uint64_t *version, struct edo_console_stalls *stalls);
uint64_t edo_console_stalls_version(struct edo_console_stalls *stalls);

/* --- The console -------------------------------------------------------------------------------------------------- */

struct edo_console {
    edo_addr address;
    pthread_t thread;
    pthread_mutex_t lock; /* for the next three: what the starting thread waits for */
    pthread_cond_t changed;
    bool told;
    int rc;
    edo_notify stop;
    struct edo_console_looks looks;
    struct edo_console_stalls stalls;
};

/* --- Requests ----------------------------------------------------------------------------------------------------- */

/* A window of the tasks. */
struct edo_console_view {
    size_t runtime;  /* index in the snapshot */
    uint64_t number; /* that was asked for; UINT64_MAX: the lowest */
    int sort;        /* enum edo_console_sort */
    bool descending;
    char filter[128]; /* lower case */
    char site[192];   /* "server.c:41"; empty: any */
    int state;        /* enum edo_task_state, or one of the below; 0: any */
    size_t from;
    size_t count;
    /* What came of it. */
    size_t total;
    size_t matching;
    uint32_t *tasks; /* indices in the snapshot, `shown` of them */
    size_t shown;
    size_t capacity;
};

enum edo_console_sort {
    EDO_SORT_ID = 0,
    EDO_SORT_NAME,
    EDO_SORT_SITE,
    EDO_SORT_STATE,
    EDO_SORT_WAIT,
    EDO_SORT_AGE,
    EDO_SORT_POLLS,
    EDO_SORT_BUSY,
    EDO_SORT_WORKER
};

enum { EDO_VIEW_DORMANT = 100, EDO_VIEW_CANCELLED, EDO_VIEW_WARNED };

int edo_console_handle(edo_http_exchange *x, void *context);

/* Reads a view's parameters. 0; 1: they were bad, and the response was sent; or an error of that. */
int edo_console_view_read(struct edo_console_view *view, edo_http_exchange *x);
void edo_console_view_finish(struct edo_console_view *view);

/* Which runtime of the snapshot has that number (UINT64_MAX: the first): its index, -1: none. */
ssize_t edo_console_runtime(edo_snapshot *snapshot, uint64_t number);

/* Finds the tasks: 0, -ENOMEM, -ENOENT: there is no such runtime. */
int edo_console_view_fill(struct edo_console_view *view, edo_snapshot *snapshot);

/* A parameter of the query, decoded, terminated: 0; -ENOENT; -EINVAL: it is too long or ill-formed. */
int edo_console_parameter(char *out, size_t size, edo_http_exchange *x, const char *name);

/* Sends a body of JSON; {"error": ...}. */
int edo_console_send(edo_http_exchange *x, int status, struct edo_json *json);
int edo_console_fail(edo_http_exchange *x, int status, const char *why);

/* --- JSON: rows.c, now.c, details.c, groups.c --------------------------------------------------------------------- */

/* "server.c:41"; terminated. */
void edo_console_site_text(char *out, size_t size, const edo_site *site);
/* What a task waits for, in words. `ends`: sockets are asked for theirs. */
void edo_console_wait_text(char *out, size_t size, edo_snapshot *snapshot, size_t runtime,
                           const edo_snapshot_task *task, bool ends);
const char *edo_console_state_text(int state);
const char *edo_console_reason_text(int reason); /* NULL: it is not cancelled */

/*
 * The members of a ROW, without braces: all; those that are true until something happens; those that time alone
 * changes.
 */
void edo_console_row(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task,
                     int64_t now);
void edo_console_row_facts(struct edo_json *json, edo_snapshot *snapshot, size_t runtime,
                           const edo_snapshot_task *task);
void edo_console_row_times(struct edo_json *json, const edo_snapshot_task *task, int64_t now);

/* The members that say which window of which tasks it is, and when. */
void edo_console_window(struct edo_json *json, const struct edo_console_looks *looks,
                        const struct edo_console_view *view, const edo_snapshot_runtime *about);
void edo_console_frames(struct edo_json *json, const char *key, const edo_stall_frame *frames, size_t count);
void edo_console_histogram(struct edo_json *json, const char *key, const edo_histogram *histogram);

void edo_console_program(struct edo_json *json, edo_snapshot *snapshot, const struct edo_console_looks *looks);
void edo_console_now(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime);
void edo_console_tasks(struct edo_json *json, const struct edo_console_looks *looks,
                       const struct edo_console_view *view);
int edo_console_sites(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime);
void edo_console_scopes(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime);
/* "12.0": the same scope in any snapshot, by its owner. Nothing, where it is none. */
void edo_console_scope_key(struct edo_json *json, const char *key, edo_snapshot *snapshot, size_t runtime,
                           uint32_t number);
void edo_console_scope_facts(struct edo_json *json, uint32_t number, const edo_snapshot_scope *scope, int64_t now);
int edo_console_resources(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime);
void edo_console_task(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime, size_t task);

/* --- tree.c ------------------------------------------------------------------------------------------------------- */

/* Reads the parameters of /api/tree and answers. */
int edo_console_tree(edo_http_exchange *x, const struct edo_console_looks *looks, size_t runtime,
                     const struct edo_console_view *view);

/* --- events.c ----------------------------------------------------------------------------------------------------- */

int edo_console_events(edo_http_exchange *x, struct edo_console *console);

#endif
