/* SPDX-License-Identifier: MIT */
/*
 * The stack census. Sites are static objects of the program; those that were counted form a list that only grows. One
 * lock guards the list and what stands in the sites: this is a measuring mode, not a fast path.
 */
#include "runtime/census.h"
#include "platform/lock.h"

#include <edo/runtime.h>

#include <stdio.h>

enum { EDO_SITE_LISTED = 1 };

static struct edo_lock edo_census_lock;
static edo_site *edo_census_sites;

void edo_census_add(edo_site *site, size_t bytes)
{
    if (!site)
        return;
    edo_lock_acquire(&edo_census_lock);
    if (!(site->state_ & EDO_SITE_LISTED)) {
        site->state_ |= EDO_SITE_LISTED;
        site->next_ = edo_census_sites;
        edo_census_sites = site;
    }
    site->reserved_[0]++;
    if (bytes > site->reserved_[1])
        site->reserved_[1] = bytes;
    edo_lock_release(&edo_census_lock);
}

size_t edo_census_read(edo_census_entry *out, size_t capacity)
{
    size_t count = 0;
    size_t kept = 0;

    edo_lock_acquire(&edo_census_lock);
    for (edo_site *site = edo_census_sites; site; site = site->next_) {
        size_t at = kept;

        count++;
        while (at > 0 && out[at - 1].high_water < site->reserved_[1])
            at--;
        if (at == capacity)
            continue;
        if (kept < capacity)
            kept++;
        for (size_t i = kept - 1; i > at; i--)
            out[i] = out[i - 1];
        out[at] = (edo_census_entry){site, site->reserved_[0], site->reserved_[1]};
    }
    edo_lock_release(&edo_census_lock);
    return count;
}

void edo_census_print(void)
{
    edo_census_entry entries[100];
    size_t count = edo_census_read(entries, EDO_COUNT(entries));

    fprintf(stderr, "edo: stack census: most bytes used, tasks, spawned at\n");
    for (size_t i = 0; i < count && i < EDO_COUNT(entries); i++)
        fprintf(stderr, "edo: %10llu %10llu  %s:%d (%s)\n", (unsigned long long)entries[i].high_water,
                (unsigned long long)entries[i].tasks, entries[i].site->file, entries[i].site->line,
                entries[i].site->function);
}
