/* SPDX-License-Identifier: MIT */
/*
 * Tasks by what they have in common: the place where they were spawned; what they wait for. And rings of those that
 * wait for each other. Groups are found in an open hash, at most half full, which lives for one request.
 */
#include "console/console.h"

#include <edo/edo.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { RESOURCES = 200, WAITERS = 20 };

/* --- Groups ------------------------------------------------------------------------------------------------------- */

/* What of a resource, and which; of a site its address. */
struct group_key {
    uint64_t what;
    uint64_t which;
};

struct group {
    struct group_key key; /* both 0: a free place */
    const edo_site *site;
    uint64_t count;
    uint64_t states[EDO_CONSOLE_STATES];
    uint64_t dormant;
    uint64_t warned;
    int64_t busy; /* -1: not known */
    edo_snapshot_wait wait;
    uint32_t at; /* index of one such wait */
    uint64_t waiters[WAITERS];
};

struct groups {
    struct group *places;
    size_t size;
    size_t count;
};

static struct group *place_of(const struct groups *groups, struct group_key key)
{
    size_t at = (size_t)((key.which * UINT64_C(0x9e3779b97f4a7c15) + key.what * UINT64_C(0xc2b2ae3d27d4eb4f)) >> 24) &
                (groups->size - 1);

    while ((groups->places[at].key.what || groups->places[at].key.which) &&
           (groups->places[at].key.what != key.what || groups->places[at].key.which != key.which))
        at = (at + 1) & (groups->size - 1);
    return &groups->places[at];
}

/* NULL: there is no memory. */
static struct group *find(struct groups *groups, struct group_key key)
{
    struct groups old = *groups;
    struct group *group;

    if (groups->size < 2 * (groups->count + 1)) {
        groups->size = old.size ? 2 * old.size : 64;
        groups->places = (struct group *)edo_allocate(groups->size * sizeof *groups->places);
        if (!groups->places) {
            *groups = old;
            return NULL;
        }
        for (size_t i = 0; i < old.size; i++)
            if (old.places[i].count)
                *place_of(groups, old.places[i].key) = old.places[i];
        edo_release(old.places);
    }
    group = place_of(groups, key);
    if (group->count == 0) {
        group->key = key;
        group->busy = -1;
        groups->count++;
    }
    return group;
}

static int most_first(const void *left, const void *right)
{
    const struct group *a = (const struct group *)left;
    const struct group *b = (const struct group *)right;

    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    if (a->key.what != b->key.what)
        return a->key.what < b->key.what ? -1 : 1;
    return (a->key.which > b->key.which) - (a->key.which < b->key.which);
}

/* Puts those that there are at the front, the largest first. */
static void sort(struct groups *groups)
{
    size_t count = 0;

    for (size_t i = 0; i < groups->size; i++)
        if (groups->places[i].count)
            groups->places[count++] = groups->places[i];
    if (count > 0)
        qsort(groups->places, count, sizeof *groups->places, most_first);
    groups->count = count;
}

/* --- Sites -------------------------------------------------------------------------------------------------------- */

static void put_site(struct edo_json *json, const struct group *group)
{
    char text[192];

    edo_json_open(json, NULL, '{');
    if (group->site) {
        edo_console_site_text(text, sizeof text, group->site);
        edo_json_text(json, "site", text);
        edo_json_text(json, "function", group->site->function);
    }
    edo_json_uint(json, "count", group->count);
    for (int state = EDO_TASK_RUNNING; state <= EDO_TASK_WAITING; state++)
        edo_json_uint(json, edo_console_state_text(state), group->states[state]);
    edo_json_uint(json, "dormant", group->dormant);
    edo_json_uint(json, "warned", group->warned);
    if (group->busy >= 0)
        edo_json_int(json, "busy_us", group->busy / EDO_US(1));
    edo_json_close(json, '}');
}

int edo_console_sites(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime)
{
    edo_snapshot_task task = {.size = sizeof task};
    struct groups groups = {.size = 0};

    for (size_t i = 0; edo_snapshot_get_task(&task, looks->snapshot, runtime, i) == 0; i++) {
        struct group *group = find(&groups, (struct group_key){1, (uint64_t)(uintptr_t)task.site});

        if (!group) {
            edo_release(groups.places);
            return -ENOMEM;
        }
        group->site = task.site;
        group->count++;
        group->states[task.state]++;
        group->dormant += task.dormant;
        group->warned += task.warnings != 0;
        if (task.busy >= 0)
            group->busy = (group->busy < 0 ? 0 : group->busy) + task.busy;
    }
    sort(&groups);
    edo_json_open(json, NULL, '{');
    edo_json_uint(json, "snapshot", looks->number);
    edo_json_open(json, "sites", '[');
    for (size_t i = 0; i < groups.count; i++)
        put_site(json, &groups.places[i]);
    edo_json_close(json, ']');
    edo_json_close(json, '}');
    edo_release(groups.places);
    return 0;
}

/* --- Resources ---------------------------------------------------------------------------------------------------- */

/* What a wait is for; false: nothing that others may wait for too. */
static bool resource_of(struct group_key *out, const edo_snapshot_wait *wait)
{
    out->what = (uint64_t)wait->what;
    switch (wait->what) {
    case EDO_FOR_TIME:
    case EDO_FOR_WAKE:
    case EDO_FOR_JOB:
        return false;
    case EDO_FOR_READ:
    case EDO_FOR_WRITE:
        out->which = (uint64_t)wait->descriptor;
        return wait->descriptor >= 0;
    case EDO_FOR_JOIN:
        out->which = wait->task;
        return true;
    case EDO_FOR_SCOPE:
        out->which = wait->scope;
        return true;
    default:
        out->which = wait->address;
        return true;
    }
}

static void put_resource(struct edo_json *json, edo_snapshot *snapshot, size_t runtime, const struct group *group)
{
    const edo_snapshot_wait *wait = &group->wait;
    edo_snapshot_ends ends = {.size = sizeof ends};

    if (edo_snapshot_get_ends(&ends, snapshot, runtime, group->at) < 0)
        ends.local = ends.remote = NULL;
    edo_json_open(json, NULL, '{');
    edo_json_text(json, "kind", ends.local && ends.listens ? "accept" : edo_wait_for_text(wait->what));
    if (wait->address)
        edo_json_printf(json, "address", "0x%" PRIxPTR, wait->address);
    edo_json_known(json, "descriptor", wait->descriptor);
    edo_json_text(json, "stream", wait->kind);
    edo_json_text(json, "local", ends.local);
    edo_json_text(json, "remote", ends.remote);
    if (wait->task)
        edo_json_id(json, wait->what == EDO_FOR_JOIN ? "task" : "holder", wait->task);
    if (wait->scope != EDO_SNAPSHOT_NONE)
        edo_json_uint(json, "scope", wait->scope);
    edo_console_scope_key(json, "scope_key", snapshot, runtime, wait->scope);
    edo_json_uint(json, "count", group->count);
    edo_json_open(json, "waiters", '[');
    for (uint64_t i = 0; i < group->count && i < WAITERS; i++)
        edo_json_id(json, NULL, group->waiters[i]);
    edo_json_close(json, ']');
    edo_json_close(json, '}');
}

static void put_ring(void *context, const uint64_t *tasks, size_t count)
{
    struct edo_json *json = (struct edo_json *)context;

    edo_json_open(json, NULL, '[');
    for (size_t i = 0; i < count; i++)
        edo_json_id(json, NULL, tasks[i]);
    edo_json_close(json, ']');
}

static int add_waits(struct groups *groups, edo_snapshot *snapshot, size_t runtime, const edo_snapshot_task *task)
{
    edo_snapshot_wait wait = {.size = sizeof wait};

    for (uint32_t at = task->wait; edo_snapshot_get_wait(&wait, snapshot, runtime, at) == 0; at = wait.next) {
        struct group_key key;
        struct group *group;

        if (!resource_of(&key, &wait))
            continue;
        group = find(groups, key);
        if (!group)
            return -ENOMEM;
        group->wait = wait;
        group->at = at;
        if (group->count < WAITERS)
            group->waiters[group->count] = task->id;
        group->count++;
    }
    return 0;
}

int edo_console_resources(struct edo_json *json, const struct edo_console_looks *looks, size_t runtime)
{
    edo_snapshot_task task = {.size = sizeof task};
    struct groups groups = {.size = 0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && edo_snapshot_get_task(&task, looks->snapshot, runtime, i) == 0; i++)
        rc = add_waits(&groups, looks->snapshot, runtime, &task);
    if (rc == 0) {
        sort(&groups);
        edo_json_open(json, NULL, '{');
        edo_json_uint(json, "snapshot", looks->number);
        edo_json_uint(json, "all", groups.count);
        edo_json_open(json, "resources", '[');
        for (size_t i = 0; i < groups.count && i < RESOURCES; i++)
            put_resource(json, looks->snapshot, runtime, &groups.places[i]);
        edo_json_close(json, ']');
        edo_json_open(json, "deadlocks", '[');
        rc = edo_snapshot_deadlocks(looks->snapshot, runtime, put_ring, json);
        edo_json_close(json, ']');
        edo_json_close(json, '}');
    }
    edo_release(groups.places);
    return rc;
}
