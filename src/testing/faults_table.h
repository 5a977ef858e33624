/* SPDX-License-Identifier: MIT */
/* What the functions of the faults' table ask: see faults.h, and faults.c for the lies it tells. */
#ifndef EDO_TESTING_FAULTS_TABLE_H
#define EDO_TESTING_FAULTS_TABLE_H

#include "testing/faults.h"

/* What the call is to return instead of being made; 0: it is made. */
int edo_faults_before(int call);

/* The call has opened a descriptor, which is counted, or failed. Returns it. */
int edo_faults_opened(int call, int fd);

/*
 * What a transfer is to return instead of being made; 0: it is made, of at most *size (bytes, messages). `size` may be
 * NULL.
 */
int edo_faults_before_transfer(int call, int fd, size_t *size);

/* Puts the calls for messages into the table. */
void edo_faults_fill_messages(struct edo_platform *table);

/* Puts the calls for descriptors, files and processes into the table. */
void edo_faults_fill_descriptors(struct edo_platform *table);

#endif
