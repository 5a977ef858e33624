/* SPDX-License-Identifier: MIT */
/*
 * From a frame to its caller's, by the tables that compilers write for unwinding (.eh_frame), as far as C needs them.
 *
 *   unwind_find.c        which record of a module's tables is about an address: the linker's sorted index
 *                        (.eh_frame_hdr)
 *   unwind_program.c     what that record says at the address: where the caller's registers are (a row)
 *   unwind_expression.c  the little programs that rows may use instead of an offset: PLT entries and signal frames have
 *                        them
 *   unwind_step.c        a row applied to registers and a stack
 *
 * Tables and stacks are read through a struct edo_memory, which copies or says no. Nothing that is read is believed:
 * lengths, numbers of registers, depths and counts of steps are bounded, so that damaged tables and stacks give no
 * frames or wrong ones, and nothing else. No locks, no allocation, no state but the caller's.
 *
 * It is our own since the others (libgcc, libunwind, libdw) walk the running stack, allocate, take the loader's lock,
 * or read what they walk without asking whether it is there; and the core needs libc alone.
 */
#ifndef EDO_OBSERVE_UNWIND_H
#define EDO_OBSERVE_UNWIND_H

#include "observe/machine.h"

/* Copies `size` bytes; false: not all of them are there. */
struct edo_memory {
    bool (*read)(const struct edo_memory *memory, void *out, uintptr_t from, size_t size);
};

enum edo_rule_how {
    EDO_RULE_SAME = 0,
    EDO_RULE_UNDEFINED,
    EDO_RULE_OFFSET,       /* in memory at CFA + value; of the CFA itself: register + value */
    EDO_RULE_VALUE_OFFSET, /* CFA + value */
    EDO_RULE_REGISTER,     /* in the register `value` */
    EDO_RULE_EXPRESSION,   /* in memory where the expression at `value` says; of the CFA: what it says */
    EDO_RULE_VALUE_EXPRESSION
};

struct edo_rule {
    uint8_t how;
    uint8_t number; /* of the register that it is about; of the CFA: the one that it is counted from */
    uint16_t size;  /* of an expression */
    int64_t value;
};

/* Where the caller's registers are, at one place of the code. CFA: the caller's stack pointer, before the call. */
struct edo_row {
    uintptr_t pc; /* of which it is */
    bool found;
    bool signal;         /* the frame is the kernel's call of a signal handler: the caller's pc is no return address */
    bool kernels;        /* the same where no table says so (walk.c) */
    uint8_t back;        /* the register with the return address */
    uint8_t count;       /* of rules; of registers without one the caller has what they have */
    uintptr_t function;  /* where the function begins, or that part of it */
    struct edo_rule cfa; /* OFFSET or EXPRESSION */
    struct edo_rule rules[EDO_REGISTERS];
};

/* The record of one function. */
struct edo_unwind_record {
    uintptr_t begin; /* the code it is about */
    uintptr_t size;
    uintptr_t program; /* its instructions */
    uintptr_t program_end;
    uintptr_t common; /* those that come first */
    uintptr_t common_end;
    uint64_t code_factor;
    int64_t data_factor;
    uint8_t back;
    bool signal;
};

/* An interpreter at work: some KiB, so the caller says where. */
struct edo_unwind_scratch {
    struct edo_rule now[EDO_REGISTERS + 1]; /* the last one is the CFA's */
    struct edo_rule first[EDO_REGISTERS + 1];
    struct edo_rule kept[8][EDO_REGISTERS + 1];
};

enum edo_step {
    EDO_STEP_DONE = 0,
    EDO_STEP_END,    /* it is the first frame of its stack */
    EDO_STEP_NO_CFA, /* what the CFA is counted from is not known */
    EDO_STEP_LOST
};

/* `index`: a module's PT_GNU_EH_FRAME. False: nothing there is about `pc`. */
bool edo_unwind_find(struct edo_unwind_record *out, const struct edo_memory *memory, uintptr_t index, size_t index_size,
                     uintptr_t pc);

/* Fills in all of *out but .pc; false: the record makes no sense. */
bool edo_unwind_row(struct edo_row *out, struct edo_unwind_scratch *scratch, const struct edo_memory *memory,
                    const struct edo_unwind_record *record, uintptr_t pc);

/* What an expression at [at, at + size) comes to, begun with `cfa` if that is not NULL. */
bool edo_unwind_evaluate(uintptr_t *out, const struct edo_memory *memory, const struct edo_memory *stack, uintptr_t at,
                         size_t size, const struct edo_registers *registers, const uintptr_t *cfa);

/* Makes a frame's registers its caller's; they stay what they were if that is not DONE. */
enum edo_step edo_unwind_step(struct edo_registers *registers, const struct edo_memory *memory,
                              const struct edo_memory *stack, const struct edo_row *row);

/* --- Reading, for the files above --------------------------------------------------------------------------------- */

/*
 * Bytes from `at` to `end`, one after the other. Once something is not there it has failed, and all further reads are
 * 0.
 */
struct edo_cursor {
    const struct edo_memory *memory;
    uintptr_t at;
    uintptr_t end;
    bool failed;
    uintptr_t chunk_at; /* what has been copied */
    size_t chunk_size;
    unsigned char chunk[64];
};

void edo_cursor_init(struct edo_cursor *cursor, const struct edo_memory *memory, uintptr_t at, uintptr_t end);
uint64_t edo_cursor_fixed(struct edo_cursor *cursor, size_t size); /* little-endian, at most 8 bytes */
uint64_t edo_cursor_unsigned(struct edo_cursor *cursor);           /* LEB128 */
int64_t edo_cursor_signed(struct edo_cursor *cursor);
void edo_cursor_skip(struct edo_cursor *cursor, uint64_t size);

/* A pointer in one of the encodings (DW_EH_PE_*) that linkers use; `data`: what data-relative ones are counted from. */
uintptr_t edo_cursor_pointer(struct edo_cursor *cursor, unsigned encoding, uintptr_t data);

#endif
