/* SPDX-License-Identifier: MIT */
/*
 * The explorer's search. See explore.h; the steps themselves are in steps.c.
 *
 * Depth first. For each state on its way that has several choices the search keeps a copy of the world; going back is
 * copying that. All states ever met lie in one table, by hash; each knows through which state and choice it was met
 * first, which is the way to it, and all transitions are kept for the question whether an end can be reached.
 */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATES_MOST = 16000000 };

struct node { /* on the way of the search */
    uint32_t state;
    uint8_t choices[MODEL_CHOICES];
    int count;
    int next;
    char *copy; /* if there is more than one choice */
};

struct state {
    uint64_t hash;
    uint32_t parent;
    uint8_t choice;
    bool end;
};

static struct state *states;
static uint32_t state_count, state_room;
static uint32_t *table; /* index + 1 by hash */
static uint32_t table_size;
static uint32_t (*edges)[2];
static uint64_t edge_count, edge_room;

/* --- The table of states ------------------------------------------------------------------------------------------ */

static void rehash(void)
{
    table_size = table_size ? 2 * table_size : 1 << 16;
    table = (uint32_t *)model_grow(table, table_size * sizeof *table);
    memset(table, 0, table_size * sizeof *table);
    for (uint32_t i = 0; i < state_count; i++) {
        uint32_t at = (uint32_t)states[i].hash & (table_size - 1);

        while (table[at])
            at = (at + 1) & (table_size - 1);
        table[at] = i + 1;
    }
}

/* The state's number; *fresh: it was not met before. One in which something went wrong is always fresh, so the last. */
static uint32_t intern(bool *fresh, uint32_t parent, uint8_t choice)
{
    uint64_t hash = model_found.wrong ? model_mix(state_count, 0) : model_hash();
    uint32_t at;

    if (2 * state_count >= table_size)
        rehash();
    at = (uint32_t)hash & (table_size - 1);
    while (table[at] && states[table[at] - 1].hash != hash)
        at = (at + 1) & (table_size - 1);
    *fresh = !table[at];
    if (!*fresh)
        return table[at] - 1;
    if (state_count == state_room) {
        state_room = state_room ? 2 * state_room : 1 << 14;
        states = (struct state *)model_grow(states, state_room * sizeof *states);
    }
    states[state_count] = (struct state){hash, parent, choice, false};
    table[at] = ++state_count;
    return state_count - 1;
}

static void add_edge(uint32_t from, uint32_t to)
{
    if (edge_count == edge_room) {
        edge_room = edge_room ? 2 * edge_room : 1 << 16;
        edges = model_grow(edges, edge_room * sizeof *edges);
    }
    edges[edge_count][0] = from;
    edges[edge_count][1] = to;
    edge_count++;
}

/* --- The search --------------------------------------------------------------------------------------------------- */

static void search(void)
{
    struct node *way = NULL;
    size_t depth = 0, room = 0;
    uint32_t state;
    bool fresh;

    state = intern(&fresh, 0, 0);
    while (!model_found.wrong) {
        if (fresh) { /* we stand in it */
            struct node node = {.state = state};

            node.count = model_choices(node.choices);
            if (node.count == 0 && !model_ended()) {
                model_wrong("nobody can go on", model->name, 0);
                break;
            }
            if (node.count == 0) {
                states[state].end = true;
                model_found.ends++;
                if (model->check)
                    model->check();
            }
            if (node.count > 1)
                node.copy = model_save();
            if (depth == room) {
                room = room ? 2 * room : 256;
                way = (struct node *)model_grow(way, room * sizeof *way);
            }
            way[depth++] = node;
            fresh = false;
        }
        while (depth > 0 && way[depth - 1].next == way[depth - 1].count)
            free(way[--depth].copy);
        if (depth == 0 || model_found.wrong)
            break;
        if (way[depth - 1].next > 0)
            model_restore(way[depth - 1].copy);
        {
            struct node *node = &way[depth - 1];
            uint8_t choice = node->choices[node->next++];

            model_apply(choice);
            state = intern(&fresh, node->state, choice);
            add_edge(node->state, state);
        }
        if (state_count > STATES_MOST && !model_found.wrong)
            model_wrong("the states are too many", model->name, 0);
    }
    while (depth > 0)
        free(way[--depth].copy);
    free(way);
}

/* A state from which no end can be reached, or state_count. */
static uint32_t find_trap(void)
{
    uint64_t *first = (uint64_t *)model_grow(NULL, (state_count + 2) * sizeof *first);
    uint32_t *from = (uint32_t *)model_grow(NULL, (edge_count + 1) * sizeof *from);
    uint32_t *queue = (uint32_t *)model_grow(NULL, (state_count + 1) * sizeof *queue);
    bool *reaches = (bool *)model_grow(NULL, state_count + 1);
    uint32_t head = 0, tail = 0, trap = state_count;

    memset(first, 0, (state_count + 2) * sizeof *first);
    for (uint64_t e = 0; e < edge_count; e++)
        first[edges[e][1] + 2]++;
    for (uint32_t i = 2; i < state_count + 2; i++)
        first[i] += first[i - 1];
    for (uint64_t e = 0; e < edge_count; e++)
        from[first[edges[e][1] + 1]++] = edges[e][0];
    for (uint32_t i = 0; i < state_count; i++) {
        reaches[i] = states[i].end;
        if (reaches[i])
            queue[tail++] = i;
    }
    while (head < tail) {
        uint32_t at = queue[head++];

        for (uint64_t e = first[at]; e < first[at + 1]; e++)
            if (!reaches[from[e]]) {
                reaches[from[e]] = true;
                queue[tail++] = from[e];
            }
    }
    for (uint32_t i = 0; i < state_count && trap == state_count; i++)
        if (!reaches[i])
            trap = i;
    free(first);
    free(from);
    free(queue);
    free(reaches);
    return trap;
}

/* Prints the way to a state: goes it again. */
static void retrace(uint32_t state)
{
    size_t length = 0;
    uint8_t *way;

    for (uint32_t at = state; at != 0; at = states[at].parent)
        length++;
    way = (uint8_t *)model_grow(NULL, length + 1);
    for (size_t i = length; i-- > 0; state = states[state].parent)
        way[i] = states[state].choice;
    model_begin();
    model_tracing = true;
    for (size_t i = 0; i < length; i++)
        model_apply(way[i]);
    model_tracing = false;
    free(way);
}

struct model_result model_explore(const struct model *the_model, const struct model_mutant *the_mutant, bool told)
{
    struct model_result found;

    model = the_model;
    model_mutant_now = the_mutant;
    memset(&model_found, 0, sizeof model_found);
    state_count = 0;
    edge_count = 0;
    if (table)
        memset(table, 0, table_size * sizeof *table);
    model_catch_faults(true);
    model_begin();
    search();
    if (!model_found.wrong) {
        uint32_t trap = find_trap();

        if (trap != state_count) {
            model_wrong("from here no end can be reached", model->name, 0);
            state_count = trap + 1;
        }
    }
    model_found.states = state_count;
    model_found.steps = edge_count;
    found = model_found;
    if (model_found.wrong && told) {
        printf("# %s: %s\n", model->name, found.what);
        retrace(state_count - 1);
    }
    model_catch_faults(false);
    model_forget_regions();
    return found;
}

bool model_holds(const struct model *the_model)
{
    struct model_result found = model_explore(the_model, NULL, true);

    printf("# %s: %llu states, %llu steps, %llu ends: %s\n", the_model->name, (unsigned long long)found.states,
           (unsigned long long)found.steps, (unsigned long long)found.ends, found.wrong ? "WRONG" : "all well");
    return !found.wrong;
}

bool model_rejects(const struct model *the_model, const struct model_mutant *the_mutant)
{
    struct model_result found = model_explore(the_model, the_mutant, getenv("EDO_MODEL_TOLD") != NULL);

    printf("# %s, %s: rejected after %llu states: %s\n", the_model->name, the_mutant ? the_mutant->where : "altered",
           (unsigned long long)found.states, found.wrong ? found.what : "NOT REJECTED");
    return found.wrong;
}
