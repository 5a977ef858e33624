/* SPDX-License-Identifier: MIT */
/*
 * What the explorer's two halves share: steps.c, the world, its threads and what they may do next; and explore.c, the
 * search through its states.
 *
 * A choice is a byte: which thread, and whether it goes on (for some waits in one of several ways) or the oldest store
 * in its buffer becomes visible.
 */
#ifndef EDO_MODELS_STEPS_H
#define EDO_MODELS_STEPS_H

#include "explore.h"

enum { MODEL_CHOICES = 48 };

/* What is being explored, and what was found. */
extern const struct model *model;
extern const struct model_mutant *model_mutant_now;
extern struct model_result model_found;
extern bool model_tracing; /* steps are printed */

/* Brings world and threads to the first state. */
void model_begin(void);

/* What may happen next: fills `out`, returns how many. */
int model_choices(uint8_t out[MODEL_CHOICES]);

/* Does one of them. */
void model_apply(uint8_t choice);

/* All threads have ended, and nothing is left in their buffers. */
bool model_ended(void);

/* The state as a number, never 0; a copy of it, to be freed; and back. */
uint64_t model_hash(void);
uint64_t model_mix(uint64_t hash, uint64_t word);
char *model_save(void);
void model_restore(const char *copy);

void model_forget_regions(void);

/* While on, a thread that touches memory that does not exist is something wrong like others. */
void model_catch_faults(bool on);

/* realloc, or the end. */
void *model_grow(void *memory, size_t bytes);

#endif
