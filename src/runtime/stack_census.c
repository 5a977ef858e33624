/* SPDX-License-Identifier: MIT */
/*
 * How much of its stack a flow used (rule K2). Called by whoever holds the stack, while no flow runs on it.
 *
 * No paint: fresh pages are zero, so the lowest byte that is not zero is the deepest that was written. Only pages that
 * are in memory are looked at; to read another would make it so.
 */
#include <sys/mman.h>

#include "platform/platform.h"
#include "platform/sanitizer.h"
#include "runtime/stack.h"
#include "runtime/stack_slab.h"

enum { PAGES_AT_ONCE = 256 };

void edo_stack_scrub(struct edo_stack *stack)
{
#if EDO_ASAN
    __asan_unpoison_memory_region(stack->low, stack->size);
#endif
    edo_platform->advise(stack->low, stack->size, MADV_DONTNEED);
}

/* The lowest byte that is not zero in [low, high), or `high`. The checkers take dead frames for out of bounds. */
__attribute__((no_sanitize_address, no_sanitize_thread, noinline)) static const unsigned char *
find_nonzero(const unsigned char *low, const unsigned char *high)
{
    edo_valgrind_look_away();
    while (low < high && *(const uint64_t *)(const void *)low == 0)
        low += sizeof(uint64_t);
    while (low < high && *low == 0)
        low++;
    edo_valgrind_look_again();
    return low;
}

size_t edo_stack_high_water(struct edo_stack *stack)
{
    size_t page = edo_page_size();
    unsigned char *low = stack->low;
    unsigned char *top = low + stack->size;
    unsigned char in_memory[PAGES_AT_ONCE];

    for (unsigned char *place = low; place < top; place += page) {
        size_t index = (size_t)(place - low) / page % PAGES_AT_ONCE;

        if (index == 0) {
            size_t rest = (size_t)(top - place);

            /* Where that cannot be told, all pages are looked at. */
            if (edo_platform->mincore(place, rest < page * PAGES_AT_ONCE ? rest : page * PAGES_AT_ONCE, in_memory) < 0)
                for (size_t i = 0; i < PAGES_AT_ONCE; i++)
                    in_memory[i] = 1;
        }
        if (in_memory[index] & 1) {
            const unsigned char *used = find_nonzero(place, place + page);

            if (used < place + page)
                return (size_t)(top - used);
        }
    }
    return 0;
}
