/* SPDX-License-Identifier: MIT */
/*
 * A platform table that is the system's, but with other settings and refusals in what concerns memory: what tests of
 * the stack pool want of a kernel. fake_kernel_begin puts it in force, fake_kernel_end takes it back and checks that
 * all that was mapped was unmapped. Knobs may be turned in between, by one thread.
 */
#ifndef EDO_TESTS_RUNTIME_FAKE_KERNEL_H
#define EDO_TESTS_RUNTIME_FAKE_KERNEL_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "runtime/stack_guard.h"
#include "runtime/stack_slab.h"

enum { FAKE_GUARD_INSTALL = 102, FAKE_FD_OVERCOMMIT = 100001, FAKE_FD_MAP_COUNT };

static struct {
    /* Knobs. */
    int mark_answer;          /* what MADV_GUARD_INSTALL answers; 1: the kernel itself answers */
    const char *overcommit;   /* what /proc/sys/vm/overcommit_memory says; NULL: what it really says */
    const char *map_count;    /* the same for max_map_count; "" : cannot be opened */
    size_t map_most;          /* a larger mapping is refused; 0: no limit */
    long maps_left;           /* so many mappings more; -1: any number */
    bool protect_refused;     /* protecting a page away is refused */
    long charge_left;         /* pages that may be made writable; -1: any number */
    long calls_until_failure; /* so many calls more, then one fails; -1: never */
    /* Records. */
    atomic_long maps;
    atomic_long mapped; /* bytes, now */
    atomic_long marks;
    atomic_long protects;   /* to PROT_NONE */
    atomic_long give_backs; /* calls of MADV_DONTNEED */
    atomic_long writable_maps;
} fake;

/* Whether this call is the one to fail. */
static inline bool fake_fails(void)
{
    return fake.calls_until_failure >= 0 && fake.calls_until_failure-- == 0;
}

static int fake_map(void **out, size_t size, int protection, int flags)
{
    int rc;

    if (fake_fails() || (fake.map_most && size > fake.map_most) || fake.maps_left == 0)
        return -ENOMEM;
    fake.maps_left -= fake.maps_left > 0;
    rc = edo_platform_system.map(out, size, protection, flags);
    if (rc == 0) {
        atomic_fetch_add(&fake.maps, 1);
        atomic_fetch_add(&fake.mapped, (long)size);
        if (protection & PROT_WRITE)
            atomic_fetch_add(&fake.writable_maps, 1);
    }
    return rc;
}

static int fake_unmap(void *address, size_t size)
{
    atomic_fetch_sub(&fake.mapped, (long)size);
    return edo_platform_system.unmap(address, size);
}

static int fake_protect(void *address, size_t size, int protection)
{
    if (fake_fails())
        return -ENOMEM;
    if (protection == PROT_NONE) {
        if (fake.protect_refused)
            return -ENOMEM;
        atomic_fetch_add(&fake.protects, 1);
    } else if (fake.charge_left >= 0) {
        long pages = (long)(size / edo_page_size());

        if (pages > fake.charge_left)
            return -ENOMEM;
        fake.charge_left -= pages;
    }
    return edo_platform_system.protect(address, size, protection);
}

static int fake_advise(void *address, size_t size, int advice)
{
    if (fake_fails())
        return -ENOMEM;
    if (advice == MADV_DONTNEED)
        atomic_fetch_add(&fake.give_backs, 1);
    if (advice == FAKE_GUARD_INSTALL) {
        atomic_fetch_add(&fake.marks, 1);
        if (fake.mark_answer != 1)
            return fake.mark_answer;
    }
    return edo_platform_system.advise(address, size, advice);
}

static int fake_open(const char *path, int flags, mode_t mode)
{
    if (fake_fails())
        return -EMFILE;
    if (strcmp(path, "/proc/sys/vm/overcommit_memory") == 0 && fake.overcommit)
        return FAKE_FD_OVERCOMMIT;
    if (strcmp(path, "/proc/sys/vm/max_map_count") == 0 && fake.map_count)
        return fake.map_count[0] ? FAKE_FD_MAP_COUNT : -EACCES;
    return edo_platform_system.open(path, flags, mode);
}

static ssize_t fake_read(int fd, void *buffer, size_t size)
{
    const char *text = fd == FAKE_FD_OVERCOMMIT ? fake.overcommit : fake.map_count;

    if (fake_fails())
        return -EIO;
    if (fd != FAKE_FD_OVERCOMMIT && fd != FAKE_FD_MAP_COUNT)
        return edo_platform_system.read(fd, buffer, size);
    size = strlen(text) < size ? strlen(text) : size;
    memcpy(buffer, text, size);
    return (ssize_t)size;
}

static int fake_close(int fd)
{
    return fd == FAKE_FD_OVERCOMMIT || fd == FAKE_FD_MAP_COUNT ? 0 : edo_platform_system.close(fd);
}

static inline void fake_kernel_begin(void)
{
    static struct edo_platform table;

    table = edo_platform_system;
    table.map = fake_map;
    table.unmap = fake_unmap;
    table.protect = fake_protect;
    table.advise = fake_advise;
    table.open = fake_open;
    table.read = fake_read;
    table.close = fake_close;
    memset(&fake, 0, sizeof fake);
    fake.mark_answer = 1;
    fake.maps_left = -1;
    fake.charge_left = -1;
    fake.calls_until_failure = -1;
    edo_platform = &table;
    edo_stack_guard_forget();
}

static inline void fake_kernel_end(void)
{
    assert_int_equal(atomic_load(&fake.mapped), 0);
    edo_platform = &edo_platform_system;
    edo_stack_guard_forget();
}

#endif
