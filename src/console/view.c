/* SPDX-License-Identifier: MIT */
/*
 * A view: which tasks are asked for, in which order, and a window of them. By numbers there is nothing to sort; else
 * all that match are.
 *
 * Names and places are compared by what they are, and found to match or not once for each different one, as far as they
 * are remembered: tasks are many, their names few.
 */
#include "console/console.h"

#include <edo/edo.h>

#include <errno.h>
#include <stdlib.h>

enum { COUNT = 100, COUNT_MOST = 1000, REMEMBERED = 64 };

/* --- Parameters --------------------------------------------------------------------------------------------------- */

/* -1: it is none of the words. */
static int word_of(const char *text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return -1;
}

static int read_number(uint64_t *out, edo_http_exchange *x, const char *name, uint64_t most)
{
    char text[24], *end;
    int rc = edo_console_parameter(text, sizeof text, x, name);

    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno || *end || *out > most ? -EINVAL : 0;
}

static const char *read_sort(struct edo_console_view *view, edo_http_exchange *x)
{
    static const char *const words[] = {"id", "name", "site", "state", "wait", "age", "polls", "busy", "worker"};
    char text[16];
    int rc = edo_console_parameter(text, sizeof text, x, "sort");

    if (rc != -ENOENT) {
        view->sort = rc < 0 ? -1 : word_of(text, words, EDO_COUNT(words));
        if (view->sort < 0)
            return "sort is one of id, name, site, state, wait, age, polls, busy, worker";
    }
    rc = edo_console_parameter(text, sizeof text, x, "order");
    view->descending = rc == 0 && strcmp(text, "desc") == 0;
    if (rc != -ENOENT && !view->descending && (rc < 0 || strcmp(text, "asc") != 0))
        return "order is asc or desc";
    return NULL;
}

static const char *read_state(struct edo_console_view *view, edo_http_exchange *x)
{
    static const char *const words[] = {"",        "running", "region",    "ready", "new",
                                        "waiting", "dormant", "cancelled", "warned"};
    static const int states[] = {0,
                                 EDO_TASK_RUNNING,
                                 EDO_TASK_REGION,
                                 EDO_TASK_READY,
                                 EDO_TASK_NEW,
                                 EDO_TASK_WAITING,
                                 EDO_VIEW_DORMANT,
                                 EDO_VIEW_CANCELLED,
                                 EDO_VIEW_WARNED};
    char text[16];
    int rc = edo_console_parameter(text, sizeof text, x, "state");
    int word = rc < 0 ? -1 : word_of(text, words, EDO_COUNT(words));

    if (rc == -ENOENT)
        return NULL;
    if (word < 0)
        return "state is one of running, region, ready, new, waiting, dormant, cancelled, warned";
    view->state = states[word];
    return NULL;
}

static const char *read_view(struct edo_console_view *view, edo_http_exchange *x)
{
    const char *why = read_sort(view, x);
    uint64_t from = 0, count = COUNT;

    if (!why)
        why = read_state(view, x);
    if (why)
        return why;
    if (edo_console_parameter(view->filter, sizeof view->filter, x, "filter") == -EINVAL)
        return "filter is a text of at most 127 bytes, with percent escapes";
    if (edo_console_parameter(view->site, sizeof view->site, x, "site") == -EINVAL)
        return "site is a place as tasks have it, such as server.c:41";
    if (read_number(&from, x, "from", UINT32_MAX) < 0)
        return "from is a number, from 0";
    if (read_number(&count, x, "count", COUNT_MOST) < 0)
        return "count is a number, up to 1000";
    if (read_number(&view->number, x, "runtime", UINT32_MAX) < 0)
        return "runtime is the number of one, as /api/program has it";
    view->from = (size_t)from;
    view->count = (size_t)count;
    return NULL;
}

int edo_console_view_read(struct edo_console_view *view, edo_http_exchange *x)
{
    const char *why;
    int rc;

    *view = (struct edo_console_view){.number = UINT64_MAX};
    why = read_view(view, x);
    if (!why)
        return 0;
    rc = edo_console_fail(x, 400, why);
    return rc < 0 ? rc : 1;
}

void edo_console_view_finish(struct edo_console_view *view)
{
    edo_release(view->tasks);
    view->tasks = NULL;
    view->capacity = 0;
}

ssize_t edo_console_runtime(edo_snapshot *snapshot, uint64_t number)
{
    edo_snapshot_runtime runtime = {.size = sizeof runtime};
    ssize_t found = -1;
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; snapshot && edo_snapshot_get_runtime(&runtime, snapshot, i) == 0; i++)
        if (number == UINT64_MAX ? runtime.number < least : runtime.number == number) {
            found = (ssize_t)i;
            least = runtime.number;
        }
    return found;
}

/* --- Which -------------------------------------------------------------------------------------------------------- */

/* What was found of a text, or a site, by its address. */
struct remembered {
    const void *what;
    bool matches;
};

struct finder {
    const struct edo_console_view *view;
    edo_snapshot *snapshot;
    struct remembered names[REMEMBERED];
    struct remembered filtered[REMEMBERED]; /* sites, by the filter */
    struct remembered sites[REMEMBERED];    /* and by the place that was asked for */
};

static struct remembered *place_of(struct remembered *table, const void *what)
{
    return &table[(uint64_t)(uintptr_t)what * UINT64_C(0x9e3779b97f4a7c15) >> 40 & (REMEMBERED - 1)];
}

static bool contains(const char *text, const char *piece)
{
    return text && strcasestr(text, piece) != NULL;
}

static bool name_matches(struct finder *finder, const char *name)
{
    struct remembered *place = place_of(finder->names, name);

    if (place->what != name)
        *place = (struct remembered){name, contains(name, finder->view->filter)};
    return place->matches;
}

static bool site_contains(struct finder *finder, const edo_site *site)
{
    struct remembered *place = place_of(finder->filtered, site);
    char text[192];

    if (!site)
        return false;
    if (place->what != site) {
        edo_console_site_text(text, sizeof text, site);
        *place = (struct remembered){site, contains(text, finder->view->filter) ||
                                               contains(site->function, finder->view->filter)};
    }
    return place->matches;
}

static bool site_is(struct finder *finder, const edo_site *site)
{
    struct remembered *place = place_of(finder->sites, site);
    char text[192];

    if (!site)
        return false;
    if (place->what != site) {
        edo_console_site_text(text, sizeof text, site);
        *place = (struct remembered){site, strcmp(text, finder->view->site) == 0};
    }
    return place->matches;
}

static bool wait_contains(struct finder *finder, const edo_snapshot_task *task)
{
    char text[512];

    if (task->wait == EDO_SNAPSHOT_NONE)
        return false;
    edo_console_wait_text(text, sizeof text, finder->snapshot, finder->view->runtime, task, false);
    return contains(text, finder->view->filter);
}

static bool matches(struct finder *finder, const edo_snapshot_task *task)
{
    const struct edo_console_view *view = finder->view;

    if (view->state && !(view->state == EDO_VIEW_DORMANT     ? task->dormant
                         : view->state == EDO_VIEW_CANCELLED ? task->cancelled != EDO_REASON_NONE
                         : view->state == EDO_VIEW_WARNED    ? task->warnings != 0
                                                             : task->state == view->state))
        return false;
    if (view->site[0] && !site_is(finder, task->site))
        return false;
    return !view->filter[0] || name_matches(finder, task->name) || site_contains(finder, task->site) ||
           wait_contains(finder, task);
}

/* --- In which order ----------------------------------------------------------------------------------------------- */

struct sorted {
    const char *text; /* NULL: by the key alone */
    uint64_t key;
    uint32_t task;
};

static const char *base_name(const edo_site *site)
{
    const char *slash = site ? strrchr(site->file, '/') : NULL;

    return slash ? slash + 1 : site ? site->file : "";
}

static uint64_t known(int64_t number)
{
    return number < 0 ? 0 : (uint64_t)number + 1;
}

static void set_key(struct sorted *out, const struct edo_console_view *view, edo_snapshot *snapshot,
                    const edo_snapshot_task *task)
{
    edo_snapshot_wait wait = {.size = sizeof wait};

    *out = (struct sorted){.task = out->task};
    switch (view->sort) {
    case EDO_SORT_NAME:
        out->text = task->name;
        break;
    case EDO_SORT_SITE:
        out->text = base_name(task->site);
        out->key = task->site ? (uint64_t)task->site->line : 0;
        break;
    case EDO_SORT_STATE:
        out->key = (uint64_t)task->state;
        break;
    case EDO_SORT_WAIT:
        out->text = "";
        if (edo_snapshot_get_wait(&wait, snapshot, view->runtime, task->wait) == 0) {
            out->text = edo_wait_for_text(wait.what);
            out->key = wait.address + (uint64_t)(wait.descriptor + 1) + wait.task;
        }
        break;
    case EDO_SORT_AGE: /* the oldest first would be "asc" by when it was spawned: age is what is sorted */
        out->key = task->spawned < 0 ? 0 : UINT64_MAX - (uint64_t)task->spawned;
        break;
    case EDO_SORT_POLLS:
        out->key = known(task->polls);
        break;
    case EDO_SORT_BUSY:
        out->key = known(task->busy);
        break;
    case EDO_SORT_WORKER:
        out->key = known(task->worker);
        break;
    default:
        break;
    }
}

static int compare(const void *left, const void *right, void *context)
{
    const struct sorted *a = (const struct sorted *)left;
    const struct sorted *b = (const struct sorted *)right;
    int sign = *(const bool *)context ? -1 : 1;
    int order = a->text == b->text ? 0 : strcmp(a->text, b->text);

    if (order == 0)
        order = (a->key > b->key) - (a->key < b->key);
    if (order != 0)
        return sign * order;
    return (a->task > b->task) - (a->task < b->task);
}

/* --- The window --------------------------------------------------------------------------------------------------- */

static size_t window_of(const struct edo_console_view *view, size_t matching)
{
    size_t left = matching > view->from ? matching - view->from : 0;

    return left < view->count ? left : view->count;
}

/* All tasks, by their numbers: they lie so. */
static void fill_plainly(struct edo_console_view *view)
{
    view->matching = view->total;
    view->shown = window_of(view, view->total);
    for (size_t i = 0; i < view->shown; i++) {
        size_t at = view->from + i;

        view->tasks[i] = (uint32_t)(view->descending ? view->total - 1 - at : at);
    }
}

static int fill_sorted(struct edo_console_view *view, edo_snapshot *snapshot)
{
    struct finder finder = {.view = view, .snapshot = snapshot};
    edo_snapshot_task task = {.size = sizeof task};
    struct sorted *all = (struct sorted *)edo_allocate((view->total + 1) * sizeof *all);

    if (!all)
        return -ENOMEM;
    view->matching = 0;
    for (size_t i = 0; i < view->total && edo_snapshot_get_task(&task, snapshot, view->runtime, i) == 0; i++) {
        if (!matches(&finder, &task))
            continue;
        all[view->matching].task = (uint32_t)i;
        set_key(&all[view->matching++], view, snapshot, &task);
    }
    if (view->sort != EDO_SORT_ID)
        qsort_r(all, view->matching, sizeof *all, compare, &view->descending);
    view->shown = window_of(view, view->matching);
    for (size_t i = 0; i < view->shown; i++) {
        size_t at = view->from + i;

        view->tasks[i] = all[view->sort == EDO_SORT_ID && view->descending ? view->matching - 1 - at : at].task;
    }
    edo_release(all);
    return 0;
}

int edo_console_view_fill(struct edo_console_view *view, edo_snapshot *snapshot)
{
    edo_snapshot_runtime about = {.size = sizeof about};
    ssize_t runtime = edo_console_runtime(snapshot, view->number);

    view->shown = 0;
    if (runtime < 0)
        return -ENOENT;
    view->runtime = (size_t)runtime;
    edo_snapshot_get_runtime(&about, snapshot, view->runtime);
    view->total = about.tasks;
    if (view->capacity < view->count) {
        edo_release(view->tasks);
        view->tasks = (uint32_t *)edo_allocate(view->count * sizeof *view->tasks);
        view->capacity = view->tasks ? view->count : 0;
        if (!view->tasks)
            return -ENOMEM;
    }
    if (view->sort != EDO_SORT_ID || view->filter[0] || view->site[0] || view->state)
        return fill_sorted(view, snapshot);
    fill_plainly(view);
    return 0;
}
