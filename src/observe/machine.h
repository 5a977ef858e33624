/* SPDX-License-Identifier: MIT */
/*
 * What a walk up a stack has to know of the machine: its registers by their DWARF numbers, where a suspended flow has
 * them (runtime/context_*.S), what a call looks like, and how the kernel calls a signal handler. One header a machine;
 * elsewhere there are no registers to be had, and so no backtraces.
 */
#ifndef EDO_OBSERVE_MACHINE_H
#define EDO_OBSERVE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { EDO_CODE_BEFORE = 8 }; /* so many bytes before a return address are looked at, for a call */

#if defined(__x86_64__) && !defined(__ILP32__)
#include "observe/machine_x86_64.h"
#elif defined(__aarch64__) && !defined(__ILP32__)
#include "observe/machine_aarch64.h"
#else
#include "observe/machine_other.h"
#endif

/* Of one frame; what is not known cannot be used. */
struct edo_registers {
    uintptr_t value[EDO_REGISTERS];
    uint64_t known; /* a bit for each */
};

static inline bool edo_register_known(const struct edo_registers *registers, unsigned number)
{
    return number < EDO_REGISTERS && (registers->known >> number & 1);
}

static inline void edo_register_set(struct edo_registers *registers, unsigned number, uintptr_t value)
{
    registers->value[number] = value;
    registers->known |= UINT64_C(1) << number;
}

#endif
