/* SPDX-License-Identifier: MIT */
/* Names of system calls: of those that block, or take long. */
#ifndef EDO_OBSERVE_SYSTEM_CALLS_H
#define EDO_OBSERVE_SYSTEM_CALLS_H

/* Of this machine's call `number`; NULL: it is not in the list. Any thread. */
const char *edo_system_call_name(long number);

#endif
