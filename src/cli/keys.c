/* SPDX-License-Identifier: MIT */
/* What keys do, and what has to be asked for then; see keys.h. */
#include "cli/keys.h"

#include "cli/screen.h"

#include <inttypes.h>
#include <stdarg.h>

/* --- Views -------------------------------------------------------------------------------------------------------- */

void edo_keys_view(struct edo_top *top, int view)
{
    if (top->view < EDO_VIEW_TASK)
        top->back = top->view;
    top->view = view;
    top->scrolls[view] =
        view == EDO_VIEW_TASKS || view == EDO_VIEW_SCOPES ? top->scrolls[view] : (struct edo_scroll){0, 0, 1};
    json_decref(top->answer);
    top->answer = NULL;
    top->refusal[0] = 0;
    top->asked = 0;
    top->due = true;
}

/* Other tasks are asked for: those that are known are not they. */
static void edo_keys_anew(struct edo_top *top)
{
    top->scrolls[EDO_VIEW_TASKS] = (struct edo_scroll){0, 0, top->scrolls[EDO_VIEW_TASKS].seen};
}

static void edo_keys_task(struct edo_top *top, edo_str id)
{
    if (id.size == 0 || id.size >= sizeof top->task || strspn(id.data, "0123456789") < id.size)
        return;
    memcpy(top->task, id.data, id.size); /* before it goes with the answer it may stand in */
    top->task[id.size] = 0;
    edo_keys_view(top, EDO_VIEW_TASK);
}

/* --- What is opened and shut -------------------------------------------------------------------------------------- */

/* Takes a key out of a list. */
static void edo_keys_remove(char *keys, edo_str key)
{
    for (char *at = keys; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        size_t size = strcspn(at, ",");

        if (size == key.size && memcmp(at, key.data, size) == 0) {
            memmove(at, at + size + (at[size] == ','), strlen(at + size + (at[size] == ',')) + 1);
            return;
        }
    }
}

/* Puts one behind the others; the oldest make room for it. */
static void edo_keys_append(char keys[EDO_KEYS_SIZE], edo_str key)
{
    size_t used;

    while ((used = strlen(keys)) + key.size + 2 > EDO_KEYS_SIZE) {
        char *comma = strchr(keys, ',');

        memmove(keys, comma ? comma + 1 : keys + used, comma ? strlen(comma) : 1);
    }
    if (used > 0 && keys[used - 1] != ',')
        keys[used++] = ',';
    memcpy(keys + used, key.data, key.size);
    keys[used + key.size] = 0;
}

static void edo_keys_fold(struct edo_top *top, const json_t *row, bool open, bool shut)
{
    edo_str key = edo_fact_text(row, "key");

    if (key.size == 0 || key.size > 64 || strspn(key.data, "0123456789.") < key.size)
        return;
    edo_keys_remove(top->opened, key);
    edo_keys_remove(top->shut, key);
    if (open)
        edo_keys_append(top->opened, key);
    if (shut)
        edo_keys_append(top->shut, key);
}

/* Shut, then some of it, then all. */
static void edo_keys_sideways(struct edo_top *top, bool right)
{
    const json_t *row = edo_scopes_row(top);
    edo_str fold = edo_fact_text(row, "fold");
    bool shut = edo_str_equal(fold, EDO_STR("shut"));
    bool all = edo_str_equal(fold, EDO_STR("all"));
    bool hollow = edo_scopes_kind(row) != EDO_ROW_SCOPE || edo_scopes_is_hollow(row);
    double around = edo_fact_number(row, "around", -1);

    if (edo_scopes_kind(row) == EDO_ROW_MORE && right)
        edo_keys_fold(top, row, true, false);
    else if (!hollow && right && !all)
        edo_keys_fold(top, row, !shut, false);
    else if (!hollow && !right && !shut)
        edo_keys_fold(top, row, false, !all);
    else if (!right && around >= 0 && around < (double)edo_view_rows(top))
        top->scrolls[EDO_VIEW_SCOPES].chosen = (int64_t)around;
}

static void edo_keys_enter_scope(struct edo_top *top, const json_t *row)
{
    char buffer[24];

    switch (edo_scopes_kind(row)) {
    case EDO_ROW_TASK:
        edo_keys_task(top, edo_fact_id(row, "id", buffer));
        break;
    case EDO_ROW_MORE:
        edo_keys_fold(top, row, true, false);
        break;
    case EDO_ROW_SCOPE:
        edo_keys_fold(top, row, false, !edo_str_equal(edo_fact_text(row, "fold"), EDO_STR("shut")));
        break;
    default:
        break;
    }
}

static void edo_keys_enter(struct edo_top *top)
{
    int64_t chosen = top->scrolls[top->view].chosen;
    const json_t *row;
    char buffer[24];
    edo_str id;

    switch (top->view) {
    case EDO_VIEW_TASKS:
        edo_keys_task(top, edo_fact_id(edo_facts_row(&top->facts, chosen), "id", buffer));
        break;
    case EDO_VIEW_STALLS:
        if (chosen < top->facts.stall_count)
            edo_keys_task(top, edo_fact_id(top->facts.stalls[chosen], "task", buffer));
        break;
    case EDO_VIEW_RESOURCES:
        row = json_array_get(json_object_get(top->answer, "resources"), (size_t)chosen);
        id = edo_fact_id(row, "holder", buffer);
        if (id.size == 0)
            id = edo_str_of(json_string_value(json_array_get(json_object_get(row, "waiters"), 0)));
        edo_keys_task(top, id);
        break;
    case EDO_VIEW_SCOPES:
        edo_keys_enter_scope(top, edo_scopes_row(top));
        break;
    case EDO_VIEW_SITES:
        row = json_array_get(json_object_get(top->answer, "sites"), (size_t)chosen);
        id = edo_fact_text(row, "site");
        if (id.size > 0 && id.size < sizeof top->site) {
            memcpy(top->site, id.data, id.size);
            top->site[id.size] = 0;
            edo_keys_anew(top);
            edo_keys_view(top, EDO_VIEW_TASKS);
        }
        break;
    default:
        break;
    }
}

static void edo_keys_escape(struct edo_top *top)
{
    if (top->view >= EDO_VIEW_TASK) {
        edo_keys_view(top, top->back);
    } else if (top->view != EDO_VIEW_TASKS) {
        edo_keys_view(top, EDO_VIEW_TASKS);
    } else if (top->filter[0] || top->site[0] || top->state > 0) {
        top->filter[0] = top->site[0] = 0;
        top->state = 0;
        edo_keys_anew(top);
    }
}

/* --- Moving ------------------------------------------------------------------------------------------------------- */

static void edo_keys_move(struct edo_top *top, int64_t by)
{
    struct edo_scroll *scroll = &top->scrolls[top->view];
    int64_t rows = edo_view_rows(top);
    bool page = top->view == EDO_VIEW_TIMES || top->view >= EDO_VIEW_TASK;
    int64_t *moved = page ? &scroll->first : &scroll->chosen;

    *moved = by > rows - *moved ? rows - 1 : *moved + by;
    if (*moved < 0)
        *moved = 0;
}

/* --- Typing the filter -------------------------------------------------------------------------------------------- */

static void edo_keys_type(struct edo_top *top, int key)
{
    size_t size = strlen(top->filter);
    mbstate_t state;
    char bytes[16];
    size_t more;

    if (key == EDO_KEY_ENTER) {
        top->typing = false;
        return;
    }
    if (key == EDO_KEY_ESCAPE) {
        top->typing = false;
        top->filter[0] = 0;
    } else if (key == EDO_KEY_BACKSPACE) {
        while (size > 0 && ((unsigned char)top->filter[size - 1] & 0xc0) == 0x80)
            size--;
        top->filter[size > 0 ? size - 1 : 0] = 0;
    } else if (key >= ' ' && key < EDO_KEY_NONE) {
        memset(&state, 0, sizeof state);
        more = wcrtomb(bytes, (wchar_t)key, &state);
        if (more == (size_t)-1 || size + more >= sizeof top->filter)
            return;
        memcpy(top->filter + size, bytes, more);
        top->filter[size + more] = 0;
    }
    edo_keys_anew(top);
}

/* --- Keys --------------------------------------------------------------------------------------------------------- */

static int edo_keys_count(const char *const *names)
{
    int count = 1; /* none is empty */

    while (names[count])
        count++;
    return count;
}

static void edo_keys_sort(struct edo_top *top, int by)
{
    int count = edo_keys_count(edo_sort_keys);

    top->sort = (top->sort + by + count) % count;
    /* Of numbers the largest are looked for, of texts the first. */
    top->descending = strstr("age polls busy", edo_sort_keys[top->sort]) != NULL;
    edo_keys_anew(top);
}

bool edo_keys_take(struct edo_top *top, int key)
{
    int seen = top->scrolls[top->view].seen;

    if (top->typing) {
        edo_keys_type(top, key);
        return true;
    }
    switch (key) {
    case 'q':
        return false;
    case EDO_KEY_UP:
    case 'k':
        edo_keys_move(top, -1);
        break;
    case EDO_KEY_DOWN:
    case 'j':
        edo_keys_move(top, 1);
        break;
    case EDO_KEY_PAGE_UP:
        edo_keys_move(top, -seen);
        break;
    case EDO_KEY_PAGE_DOWN:
    case ' ':
        edo_keys_move(top, seen);
        break;
    case EDO_KEY_HOME:
    case 'g':
        edo_keys_move(top, -(INT64_MAX / 2));
        break;
    case EDO_KEY_END:
    case 'G':
        edo_keys_move(top, INT64_MAX / 2);
        break;
    case EDO_KEY_ENTER:
        edo_keys_enter(top);
        break;
    case EDO_KEY_ESCAPE:
        edo_keys_escape(top);
        break;
    case EDO_KEY_TAB:
    case EDO_KEY_BACK_TAB:
        if (top->view < EDO_VIEW_TASK)
            edo_keys_view(top, (top->view + (key == EDO_KEY_TAB ? 1 : EDO_VIEW_TASK - 1)) % EDO_VIEW_TASK);
        break;
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
        edo_keys_view(top, key - '1');
        break;
    case 's':
        edo_keys_view(top, top->view == EDO_VIEW_SITES ? EDO_VIEW_TASKS : EDO_VIEW_SITES);
        break;
    case '?':
    case 'h':
        if (top->view != EDO_VIEW_HELP)
            edo_keys_view(top, EDO_VIEW_HELP);
        break;
    default:
        break;
    }
    if (top->view == EDO_VIEW_SCOPES && (key == EDO_KEY_LEFT || key == EDO_KEY_RIGHT))
        edo_keys_sideways(top, key == EDO_KEY_RIGHT);
    if (top->view != EDO_VIEW_TASKS)
        return true;
    switch (key) {
    case '<':
    case EDO_KEY_LEFT:
        edo_keys_sort(top, -1);
        break;
    case '>':
    case EDO_KEY_RIGHT:
        edo_keys_sort(top, 1);
        break;
    case 'r':
        top->descending = !top->descending;
        edo_keys_anew(top);
        break;
    case 'f':
        top->state = (top->state + 1) % edo_keys_count(edo_state_names);
        edo_keys_anew(top);
        break;
    case '/':
        top->typing = true;
        break;
    default:
        break;
    }
    return true;
}

/* --- What is asked for -------------------------------------------------------------------------------------------- */

/* A path in the making; what does not fit is left out, and the console says what is wrong with the rest. */
struct edo_path {
    char *out;
    size_t used;
};

static void path_put(struct edo_path *path, const char *format, ...) EDO_PRINTF(2, 3);
static void path_put(struct edo_path *path, const char *format, ...)
{
    size_t room = EDO_LINK_PATH - path->used;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(path->out + path->used, room, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < room)
        path->used += (size_t)size;
    path->out[path->used] = 0;
}

/* Percent-encoded, all but letters and digits. */
static void path_put_text(struct edo_path *path, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    for (; *text; text++)
        path_put(path, strchr(plain, *text) ? "%c" : "%%%02X", (unsigned char)*text);
}

/* Which runtime, where that was said; behind '?' or '&'. */
static void path_put_runtime(struct edo_path *path, char sign, const struct edo_top *top)
{
    if (top->runtime)
        path_put(path, "%cruntime=%s", sign, top->runtime);
}

/* As many rows before and behind those that are seen as are seen; kept until the edge comes near. */
static void edo_keys_window(struct edo_top *top)
{
    const struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_TASKS];
    int64_t seen = scroll->seen < 1 ? 1 : scroll->seen;
    int64_t first = scroll->first;
    int64_t last = first + seen < top->facts.matching ? first + seen : top->facts.matching;

    if (top->window_count >= 2 * seen && first >= top->window_from && last <= top->window_from + top->window_count)
        return;
    top->window_count = (int)(3 * seen < 20 ? 20 : 3 * seen > EDO_FACTS_WINDOW ? EDO_FACTS_WINDOW : 3 * seen);
    top->window_from = first > seen ? first - seen : 0;
}

void edo_keys_stream_path(char out[EDO_LINK_PATH], struct edo_top *top)
{
    struct edo_path path = {out, 0};

    edo_keys_window(top);
    path_put(&path, "/api/events?sort=%s&order=%s&from=%lld&count=%d", edo_sort_keys[top->sort],
             top->descending ? "desc" : "asc", (long long)top->window_from, top->window_count);
    if (top->state > 0)
        path_put(&path, "&state=%s", edo_state_names[top->state]);
    if (top->filter[0]) {
        path_put(&path, "&filter=");
        path_put_text(&path, top->filter);
    }
    if (top->site[0]) {
        path_put(&path, "&site=");
        path_put_text(&path, top->site);
    }
    path_put_runtime(&path, '&', top);
}

/* The screen that is seen, one before it and two behind; so it changes once for each screen that is scrolled. */
static void edo_keys_tree_path(struct edo_path *path, const struct edo_top *top)
{
    const struct edo_scroll *scroll = &top->scrolls[EDO_VIEW_SCOPES];
    int64_t seen = scroll->seen < 12 ? 12 : scroll->seen > EDO_FACTS_WINDOW / 4 ? EDO_FACTS_WINDOW / 4 : scroll->seen;
    int64_t from = scroll->first / seen * seen - seen;

    path_put(path, "/api/tree?from=%" PRId64 "&count=%" PRId64, from > 0 ? from : 0, 4 * seen);
    if (top->opened[0])
        path_put(path, "&open=%s", top->opened);
    if (top->shut[0])
        path_put(path, "&shut=%s", top->shut);
    path_put_runtime(path, '&', top);
}

void edo_keys_ask_path(char out[EDO_LINK_PATH], const struct edo_top *top)
{
    struct edo_path path = {out, 0};

    out[0] = 0;
    switch (top->view) {
    case EDO_VIEW_TASK:
        path_put(&path, "/api/task?id=%s", top->task);
        path_put_runtime(&path, '&', top);
        break;
    case EDO_VIEW_SCOPES:
        edo_keys_tree_path(&path, top);
        break;
    case EDO_VIEW_SITES:
    case EDO_VIEW_RESOURCES:
        path_put(&path, "/api/%s", top->view == EDO_VIEW_SITES ? "sites" : "resources");
        path_put_runtime(&path, '?', top);
        break;
    default:
        break;
    }
}
