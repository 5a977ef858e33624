/* SPDX-License-Identifier: MIT */
/*
 * The tree of scopes and tasks, as rows one under the other, and a window of them as JSON. The contract is
 * docs/guide/console.md.
 *
 * A scope has those beneath it that its owner has opened inside it, or that its tasks have opened; its tasks follow.
 * All of a program would be too much: of each scope the first few are shown and a row that tells how many more there
 * are, unless the client has shut the scope or opened all of it. Rows outside the window are counted, not looked at: so
 * a scope of 100,000 tasks costs what it takes to have counted them once.
 *
 * A snapshot's scopes are seen at different moments, and what they say of each other may not fit. Each has one parent,
 * is in one list, and the walk begins at those that have none: what goes in a circle is not reached. All of it lives
 * for one request.
 */
#include "console/console.h"

#include <edo/edo.h>

#include <errno.h>
#include <stdlib.h>

enum { SOME_TASKS = 5, SOME_SCOPES = 100, ENDING = 10, KEYS_SIZE = 3072 };

enum fold { SHUT, SOME, ALL };

struct node {
    uint32_t parent; /* index of a node; the last node has all that have no other */
    uint32_t child;  /* those beneath it, by their owners */
    uint32_t last;
    uint32_t next;
    uint32_t nth; /* among its siblings */
    uint32_t children;
    uint32_t task; /* its tasks, by their numbers */
    uint32_t last_task;
    uint32_t tasks;
    uint32_t states[EDO_CONSOLE_STATES];
    uint32_t dormant;
    uint32_t warned;
    uint32_t inside; /* tasks in it and in those beneath it */
    int depth;
    size_t row; /* that it has; set before those of what is in it */
    enum fold fold;
    bool there; /* its owner was seen */
    bool whole; /* all scopes beneath it are shown, as one of them was asked for */
    bool cancelled;
    bool waited; /* its owner waits for its tasks to end */
};

struct tree {
    edo_snapshot *snapshot;
    size_t runtime;
    edo_snapshot_runtime about;
    struct node *nodes;
    uint32_t *next_task; /* of the same scope */
    uint32_t *order;     /* nodes as the walk finds them, parents first */
    uint32_t top;        /* the node above all */
    uint32_t reached;
    size_t scopes; /* that are there */
    struct edo_json *json;
    size_t from;
    size_t end;
    size_t row;  /* the next one */
    uint32_t at; /* whose row is looked for; EDO_SNAPSHOT_NONE */
    ssize_t at_row;
};

/* --- Building ----------------------------------------------------------------------------------------------------- */

static void add_child(struct tree *tree, uint32_t index, uint32_t parent)
{
    struct node *above;

    if (parent == EDO_SNAPSHOT_NONE || parent >= tree->top || !tree->nodes[parent].there || parent == index)
        parent = tree->top;
    above = &tree->nodes[parent];
    tree->nodes[index].parent = parent;
    tree->nodes[index].nth = above->children++;
    if (above->child == EDO_SNAPSHOT_NONE)
        above->child = index;
    else
        tree->nodes[above->last].next = index;
    above->last = index;
}

static void add_task(struct tree *tree, uint32_t index, const edo_snapshot_task *task)
{
    edo_snapshot_wait wait = {.size = sizeof wait};
    bool known = task->scope < tree->top && tree->nodes[task->scope].there;
    struct node *node = &tree->nodes[known ? task->scope : tree->top];

    tree->next_task[index] = EDO_SNAPSHOT_NONE;
    if (node->task == EDO_SNAPSHOT_NONE)
        node->task = index;
    else
        tree->next_task[node->last_task] = index;
    node->last_task = index;
    node->tasks++;
    node->inside++;
    node->states[task->state]++;
    node->dormant += task->dormant;
    node->warned += task->warnings != 0;
    if (edo_snapshot_get_wait(&wait, tree->snapshot, tree->runtime, task->wait) == 0 && wait.what == EDO_FOR_SCOPE &&
        wait.scope < tree->top)
        tree->nodes[wait.scope].waited = true;
}

/* Tasks come by their numbers, and so do the scopes that they have opened. */
static void link_all(struct tree *tree)
{
    edo_snapshot_task task = {.size = sizeof task};
    edo_snapshot_scope scope = {.size = sizeof scope};

    for (uint32_t i = 0; i <= tree->top; i++) {
        struct node *node = &tree->nodes[i];

        *node = (struct node){.fold = i == tree->top ? ALL : SOME, .depth = -1};
        node->parent = node->child = node->last = node->next = node->task = EDO_SNAPSHOT_NONE;
        node->there =
            i < tree->top && edo_snapshot_get_scope(&scope, tree->snapshot, tree->runtime, i) == 0 && scope.owner != 0;
        node->cancelled = node->there && scope.cancelled != EDO_REASON_NONE;
        tree->scopes += node->there;
    }
    for (uint32_t i = 0; edo_snapshot_get_task(&task, tree->snapshot, tree->runtime, i) == 0; i++) {
        add_task(tree, i, &task);
        for (uint32_t j = 0; j < task.scope_count; j++)
            if (tree->nodes[task.scopes + j].there)
                add_child(tree, task.scopes + j, j > 0 ? task.scopes + j - 1 : task.scope);
    }
}

/* The node behind this one, where all that it has beneath it was walked, or is not to be. */
static uint32_t after(const struct tree *tree, uint32_t at)
{
    while (at != tree->top && tree->nodes[at].next == EDO_SNAPSHOT_NONE)
        at = tree->nodes[at].parent;
    return at == tree->top ? EDO_SNAPSHOT_NONE : tree->nodes[at].next;
}

/* How deep each is, and how many tasks are in it and beneath. */
static void measure(struct tree *tree)
{
    for (uint32_t at = tree->nodes[tree->top].child; at != EDO_SNAPSHOT_NONE;) {
        struct node *node = &tree->nodes[at];

        node->depth = tree->nodes[node->parent].depth + 1;
        tree->order[tree->reached++] = at;
        at = node->child != EDO_SNAPSHOT_NONE ? node->child : after(tree, at);
    }
    for (uint32_t i = tree->reached; i-- > 0;) {
        const struct node *node = &tree->nodes[tree->order[i]];

        tree->nodes[node->parent].inside += node->inside;
    }
}

static int build(struct tree *tree)
{
    edo_snapshot_get_runtime(&tree->about, tree->snapshot, tree->runtime);
    tree->top = (uint32_t)tree->about.scopes;
    tree->nodes = (struct node *)edo_allocate((tree->about.scopes + 1) * sizeof *tree->nodes);
    tree->order = (uint32_t *)edo_allocate((tree->about.scopes + 1) * sizeof *tree->order);
    tree->next_task = (uint32_t *)edo_allocate((tree->about.tasks + 1) * sizeof *tree->next_task);
    if (!tree->nodes || !tree->order || !tree->next_task)
        return -ENOMEM;
    link_all(tree);
    measure(tree);
    return 0;
}

static void finish(struct tree *tree)
{
    edo_release(tree->nodes);
    edo_release(tree->order);
    edo_release(tree->next_task);
}

/* --- What is folded ----------------------------------------------------------------------------------------------- */

static bool read_number(uint64_t *out, const char **text, uint64_t most)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && *out <= most;
}

/* The next one of a list of keys; *node: EDO_SNAPSHOT_NONE, that scope has ended. False: it is none. */
static bool read_key(uint32_t *node, const struct tree *tree, const char **text)
{
    edo_snapshot_task task = {.size = sizeof task};
    uint64_t owner, level;
    ssize_t at;

    if (!read_number(&owner, text, UINT64_MAX) || *(*text)++ != '.' || !read_number(&level, text, UINT32_MAX))
        return false;
    at = edo_snapshot_find(tree->snapshot, tree->runtime, owner);
    *node = EDO_SNAPSHOT_NONE;
    if (at >= 0 && edo_snapshot_get_task(&task, tree->snapshot, tree->runtime, (size_t)at) == 0 &&
        level < task.scope_count)
        *node = task.scopes + (uint32_t)level;
    return true;
}

/* Folds what a parameter has. False: it is ill-formed. */
static bool fold(struct tree *tree, edo_http_exchange *x, const char *parameter, enum fold as)
{
    char keys[KEYS_SIZE];
    const char *text = keys;
    int rc = edo_console_parameter(keys, sizeof keys, x, parameter);

    if (rc < 0)
        return rc == -ENOENT;
    while (*text) {
        uint32_t node;

        if (!read_key(&node, tree, &text))
            return false;
        if (node != EDO_SNAPSHOT_NONE)
            tree->nodes[node].fold = as;
        if (*text == ',')
            text++;
        else if (*text)
            return false;
    }
    return true;
}

/* What is asked for is shown, whatever is shut around it. */
static bool seek(struct tree *tree, edo_http_exchange *x)
{
    char key[64];
    const char *text = key;
    int rc = edo_console_parameter(key, sizeof key, x, "at");

    tree->at = EDO_SNAPSHOT_NONE;
    tree->at_row = -1;
    if (rc < 0)
        return rc == -ENOENT;
    if (!read_key(&tree->at, tree, &text) || *text)
        return false;
    if (tree->at == EDO_SNAPSHOT_NONE || tree->nodes[tree->at].depth < 0)
        return true;
    for (uint32_t up = tree->nodes[tree->at].parent; up != tree->top; up = tree->nodes[up].parent) {
        tree->nodes[up].whole = true;
        if (tree->nodes[up].fold == SHUT)
            tree->nodes[up].fold = SOME;
    }
    return true;
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

/* Whether the next row, of what is in the node `around`, is in the window; then its object has begun. */
static bool begin_row(struct tree *tree, const char *kind, uint32_t around)
{
    size_t row = tree->row++;

    if (row < tree->from || row >= tree->end)
        return false;
    edo_json_open(tree->json, NULL, '{');
    edo_json_text(tree->json, "row", kind);
    edo_json_int(tree->json, "depth", tree->nodes[around].depth + 1);
    if (around != tree->top)
        edo_json_uint(tree->json, "around", tree->nodes[around].row);
    return true;
}

static void put_scope(struct tree *tree, uint32_t index)
{
    static const char *const folds[] = {[SHUT] = "shut", [SOME] = "some", [ALL] = "all"};
    struct node *node = &tree->nodes[index];
    edo_snapshot_scope scope = {.size = sizeof scope};
    edo_snapshot_task owner = {.size = sizeof owner};
    ssize_t at;

    node->row = tree->row;
    if (index == tree->at)
        tree->at_row = (ssize_t)tree->row;
    if (!begin_row(tree, "scope", node->parent))
        return;
    edo_snapshot_get_scope(&scope, tree->snapshot, tree->runtime, index);
    edo_console_scope_facts(tree->json, index, &scope, tree->about.now);
    at = edo_snapshot_find(tree->snapshot, tree->runtime, scope.owner);
    if (at >= 0 && edo_snapshot_get_task(&owner, tree->snapshot, tree->runtime, (size_t)at) == 0)
        edo_json_text(tree->json, "owner_name", owner.name);
    edo_json_uint(tree->json, "tasks", node->tasks);
    edo_json_uint(tree->json, "scopes", node->children);
    edo_json_uint(tree->json, "inside", node->inside);
    edo_json_open(tree->json, "states", '{');
    for (int state = EDO_TASK_RUNNING; state <= EDO_TASK_WAITING; state++)
        edo_json_uint(tree->json, edo_console_state_text(state), node->states[state]);
    edo_json_close(tree->json, '}');
    edo_json_uint(tree->json, "dormant", node->dormant);
    edo_json_uint(tree->json, "warned", node->warned);
    edo_json_true(tree->json, "waited", node->waited);
    edo_json_text(tree->json, "fold", folds[node->fold]);
    edo_json_close(tree->json, '}');
}

static void put_tasks(struct tree *tree, uint32_t index)
{
    const struct node *node = &tree->nodes[index];
    size_t shown = node->fold == SOME && node->tasks > SOME_TASKS ? SOME_TASKS : node->tasks;
    uint32_t at = node->task;

    if (tree->row + shown <= tree->from || tree->row >= tree->end) {
        tree->row += shown;
        return;
    }
    for (size_t i = 0; i < shown; i++, at = tree->next_task[at]) {
        edo_snapshot_task task = {.size = sizeof task};

        if (!begin_row(tree, "task", index))
            continue;
        edo_snapshot_get_task(&task, tree->snapshot, tree->runtime, at);
        edo_console_row(tree->json, tree->snapshot, tree->runtime, &task, tree->about.now);
        edo_json_close(tree->json, '}');
    }
}

/* How many of its scopes are shown. */
static uint32_t shown_scopes(const struct node *node)
{
    return node->fold == SHUT                                                   ? 0
           : node->fold == SOME && !node->whole && node->children > SOME_SCOPES ? SOME_SCOPES
                                                                                : node->children;
}

/* Behind the scopes beneath it: its tasks, and what is not shown. */
static void put_rest(struct tree *tree, uint32_t index)
{
    const struct node *node = &tree->nodes[index];
    uint32_t scopes = node->children - shown_scopes(node);
    uint32_t tasks = node->fold == SOME && node->tasks > SOME_TASKS ? node->tasks - SOME_TASKS : 0;

    if (node->fold == SHUT)
        return;
    put_tasks(tree, index);
    if (tasks == 0 && scopes == 0)
        return;
    if (!begin_row(tree, "more", index))
        return;
    edo_console_scope_key(tree->json, "key", tree->snapshot, tree->runtime, index);
    edo_json_uint(tree->json, "tasks", tasks);
    edo_json_uint(tree->json, "scopes", scopes);
    edo_json_close(tree->json, '}');
}

/*
 * The tasks that are in no scope that was seen, as the root task is; then every scope, with what is in it behind what
 * is beneath it.
 */
static void put_rows(struct tree *tree)
{
    const struct node *nodes = tree->nodes;
    uint32_t at = nodes[tree->top].child;

    put_tasks(tree, tree->top);
    while (at != EDO_SNAPSHOT_NONE && at != tree->top) {
        put_scope(tree, at);
        if (shown_scopes(&nodes[at]) > 0) {
            at = nodes[at].child;
            continue;
        }
        for (;;) {
            const struct node *node = &nodes[at];

            put_rest(tree, at);
            if (node->next != EDO_SNAPSHOT_NONE && node->nth + 1 < shown_scopes(&nodes[node->parent])) {
                at = node->next;
                break;
            }
            at = node->parent;
            if (at == tree->top)
                return;
        }
    }
}

/* Scopes that are cancelled, and have tasks all the same: those are what a program waits for that does not end. */
static void put_ending(struct tree *tree)
{
    edo_snapshot_scope scope = {.size = sizeof scope};
    int left = ENDING;

    edo_json_open(tree->json, "ending", '[');
    for (uint32_t i = 0; i < tree->reached && left > 0; i++) {
        const struct node *node = &tree->nodes[tree->order[i]];

        if (!node->cancelled || node->tasks == 0)
            continue;
        edo_snapshot_get_scope(&scope, tree->snapshot, tree->runtime, tree->order[i]);
        edo_json_open(tree->json, NULL, '{');
        edo_console_scope_facts(tree->json, tree->order[i], &scope, tree->about.now);
        edo_json_uint(tree->json, "tasks", node->tasks);
        edo_json_close(tree->json, '}');
        left--;
    }
    edo_json_close(tree->json, ']');
}

static void put_tree(struct tree *tree, uint64_t number)
{
    edo_json_open(tree->json, NULL, '{');
    edo_json_uint(tree->json, "snapshot", number);
    edo_json_int(tree->json, "uptime_ms", (tree->about.now - tree->about.started) / EDO_MS(1));
    edo_json_uint(tree->json, "scopes", tree->scopes);
    edo_json_uint(tree->json, "tasks", tree->about.tasks);
    edo_json_uint(tree->json, "from", tree->from);
    edo_json_open(tree->json, "rows", '[');
    put_rows(tree);
    edo_json_close(tree->json, ']');
    put_ending(tree);
    edo_json_uint(tree->json, "total", tree->row);
    edo_json_known(tree->json, "at", tree->at_row);
    edo_json_close(tree->json, '}');
}

int edo_console_tree(edo_http_exchange *x, const struct edo_console_looks *looks, size_t runtime,
                     const struct edo_console_view *view)
{
    struct edo_json json = {.data = NULL};
    struct tree tree = {.snapshot = looks->snapshot,
                        .runtime = runtime,
                        .about = {.size = sizeof tree.about},
                        .json = &json,
                        .from = view->from,
                        .end = view->from + view->count};
    bool sound;
    int rc = build(&tree);

    if (rc < 0) {
        finish(&tree);
        return rc;
    }
    sound = fold(&tree, x, "open", ALL) && fold(&tree, x, "shut", SHUT) && seek(&tree, x);
    if (sound)
        put_tree(&tree, looks->number);
    finish(&tree);
    return sound ? edo_console_send(x, 200, &json)
                 : edo_console_fail(x, 400,
                                    "open, shut and at are keys of scopes, as 12.0; the first two lists with commas");
}
