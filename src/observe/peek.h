/* SPDX-License-Identifier: MIT */
/*
 * Reading memory that may be gone: texts that tasks and scopes were named by, in a library that was unloaded meanwhile,
 * say. And reading memory that stays, but that others write: what is read is what was there at some moment, word by
 * word, and the checkers are told nothing of it.
 */
#ifndef EDO_OBSERVE_PEEK_H
#define EDO_OBSERVE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies `size` bytes; false if not all of them are there. */
bool edo_peek(void *out, const void *from, size_t size);

/* Copies what is there of it, from the first byte on, at most in pages; returns how much that was. */
size_t edo_peek_most(void *out, const void *from, size_t size);

/* Copies a terminated text, as much as there is room for. What cannot be read is empty; `from` NULL, too. */
void edo_peek_text(char *out, size_t size, const char *from);

/* A word at an address that is there, aligned; many of them. */
uintptr_t edo_unseen_word(uintptr_t address);
void edo_unseen_copy(void *out, const void *from, size_t size);

/* Which of `count` words from there is the first that is `word`; `count`: none. */
size_t edo_unseen_find(uintptr_t from, size_t count, uintptr_t word);

#endif
