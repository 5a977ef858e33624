/* SPDX-License-Identifier: MIT */
/*
 * The stack census: how much stack the tasks of a spawn site have used at most (rule K2). Filled with .stack_census
 * only.
 */
#ifndef EDO_RUNTIME_CENSUS_H
#define EDO_RUNTIME_CENSUS_H

#include <edo/scope.h>

/* A task of that site has ended, having used so many bytes. Any thread, OUTSIDE. */
void edo_census_add(edo_site *site, size_t bytes);

/* Prints the census to stderr. */
void edo_census_print(void);

#endif
