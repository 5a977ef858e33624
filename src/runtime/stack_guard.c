/* SPDX-License-Identifier: MIT */
/*
 * The ladder of guard pages. See stack_guard.h.
 *
 * Process-wide facts, each an atomic that is set to the same value by whoever finds it out first, relaxed: they order
 * nothing. The budget is a counter of what is left, which never falls below zero by take.
 */
#include "runtime/stack_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "runtime/stack_slab.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { UNKNOWN = 0, YES, NO };

/* What the kernel allows by default, where /proc cannot be read; and how much of it may go into guards. */
enum { DEFAULT_MAX_MAP_COUNT = 65530, BUDGET_PERCENT = 45, MAPPINGS_PER_GUARD = 2 };

static atomic_int strict;
static atomic_int marks;
static atomic_size_t map_count; /* vm.max_map_count; 0: not yet read */
static atomic_long budget_left; /* meaningful once map_count is set */

/* The number in a file of one line under /proc/sys; -1 if it cannot be had. */
static int64_t read_setting(const char *path)
{
    char text[24];
    int64_t value = 0;
    ssize_t n;
    ssize_t i;
    int fd = edo_platform->open(path, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    do
        n = edo_platform->read(fd, text, sizeof text);
    while (n == -EINTR);
    edo_platform->close(fd);
    for (i = 0; i < n && i < 18 && text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (text[i] - '0');
    return i > 0 ? value : -1;
}

bool edo_stack_commit_is_strict_now(void)
{
    bool is = read_setting("/proc/sys/vm/overcommit_memory") == 2;

    atomic_store_explicit(&strict, is ? YES : NO, memory_order_relaxed);
    return is;
}

bool edo_stack_commit_is_strict(void)
{
    int known = atomic_load_explicit(&strict, memory_order_relaxed);

    return known == UNKNOWN ? edo_stack_commit_is_strict_now() : known == YES;
}

static int install_mark(void *page)
{
    int rc;

    do
        rc = edo_platform->advise(page, edo_page_size(), MADV_GUARD_INSTALL);
    while (rc == -EINTR);
    return rc;
}

/*
 * Some emulators of Linux take an advice they do not know for a hint that they may ignore, and answer 0. But a real
 * mark takes away the page that was there before.
 */
static bool try_mark(void *page)
{
    unsigned char in_memory = 0;

    *(volatile char *)page = 0;
    return install_mark(page) == 0 && edo_platform->mincore(page, edo_page_size(), &in_memory) == 0 && !(in_memory & 1);
}

bool edo_stack_guard_is_free(void *page)
{
    int known = atomic_load_explicit(&marks, memory_order_relaxed);

    if (known == UNKNOWN) {
        known = try_mark(page) ? YES : NO;
        atomic_store_explicit(&marks, known, memory_order_relaxed);
    }
    return known == YES;
}

static void learn_budget(void)
{
    int64_t setting = read_setting("/proc/sys/vm/max_map_count");
    size_t expected = 0;
    long budget;

    if (setting < 0)
        setting = DEFAULT_MAX_MAP_COUNT;
    if (setting < 1)
        setting = 1; /* 0 means that it is not known */
    if (setting > INT32_MAX)
        setting = INT32_MAX;
    budget = (long)(setting * BUDGET_PERCENT / 100 / MAPPINGS_PER_GUARD);
    /* Whoever comes first adds it, so that nothing taken meanwhile is lost. */
    if (atomic_compare_exchange_strong(&map_count, &expected, (size_t)setting))
        atomic_fetch_add(&budget_left, budget);
}

size_t edo_stack_guard_budget(size_t *max_map_count)
{
    size_t setting;

    if (atomic_load(&map_count) == 0)
        learn_budget();
    setting = atomic_load(&map_count);
    if (max_map_count)
        *max_map_count = setting;
    return setting * BUDGET_PERCENT / 100 / MAPPINGS_PER_GUARD;
}

static size_t take_from_budget(size_t count)
{
    long left;
    long taken;

    if (atomic_load(&map_count) == 0)
        learn_budget();
    left = atomic_load(&budget_left);
    do {
        if (left <= 0)
            return 0;
        taken = (size_t)left < count ? left : (long)count;
    } while (!atomic_compare_exchange_weak(&budget_left, &left, left - taken));
    return (size_t)taken;
}

/* --- The ladder --------------------------------------------------------------------------------------------------- */

size_t edo_stack_guards_pay(struct edo_stack_guards *guards, void *page, size_t count)
{
    size_t paid;

    if (edo_stack_guard_is_free(page))
        return count;
    paid = take_from_budget(count);
    atomic_fetch_add(&guards->prepaid, paid);
    return paid == 0 && guards->allow_absent ? count : paid;
}

/* One guard out of what the pool has paid or the process has left. */
static bool take_one(struct edo_stack_guards *guards)
{
    size_t prepaid = atomic_load(&guards->prepaid);

    while (prepaid > 0)
        if (atomic_compare_exchange_weak(&guards->prepaid, &prepaid, prepaid - 1))
            return true;
    return take_from_budget(1) == 1;
}

/* Rung 1. */
static bool mark(void *page)
{
    int rc;

    if (atomic_load_explicit(&marks, memory_order_relaxed) != YES)
        return false;
    rc = install_mark(page);
    /* The process has called mlockall since: it will be so for the stacks to come. */
    if (rc == -EINVAL)
        atomic_store_explicit(&marks, NO, memory_order_relaxed);
    return rc == 0;
}

int edo_stack_guards_install(enum edo_stack_guard *kind, struct edo_stack_guards *guards, void *page)
{
    bool paid;

    if (mark(page)) {
        *kind = EDO_STACK_GUARD_MARKED;
        return 0;
    }
    /*
     * Where nothing was paid for a stack that was promised, which is when marks have ceased to work since, the kernel
     * shall say itself whether there is room for two more mappings.
     */
    paid = take_one(guards);
    if ((paid || !guards->allow_absent) && edo_platform->protect(page, edo_page_size(), PROT_NONE) == 0) {
        *kind = EDO_STACK_GUARD_PROTECTED;
        if (paid)
            atomic_fetch_add(&guards->used, 1);
        return 0;
    }
    if (paid)
        atomic_fetch_add(&guards->prepaid, 1);
    if (!guards->allow_absent)
        return -ENOMEM;
    *kind = EDO_STACK_GUARD_ABSENT;
    atomic_fetch_add(&guards->absent, 1);
    return 0;
}

void edo_stack_guards_refund(struct edo_stack_guards *guards, size_t count)
{
    size_t prepaid = atomic_load(&guards->prepaid);

    while (prepaid > 0) {
        size_t refund = prepaid < count ? prepaid : count;

        if (atomic_compare_exchange_weak(&guards->prepaid, &prepaid, prepaid - refund)) {
            atomic_fetch_add(&budget_left, (long)refund);
            return;
        }
    }
}

void edo_stack_guards_finish(struct edo_stack_guards *guards)
{
    size_t count = atomic_exchange(&guards->prepaid, 0) + atomic_exchange(&guards->used, 0);

    atomic_fetch_add(&budget_left, (long)count);
}

void edo_stack_guard_forget(void)
{
    atomic_store(&strict, UNKNOWN);
    atomic_store(&marks, UNKNOWN);
    atomic_store(&map_count, 0);
    atomic_store(&budget_left, 0);
}
