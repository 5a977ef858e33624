/* SPDX-License-Identifier: MIT */
/*
 * Reading memory that may be gone. See peek.h.
 *
 * The kernel copies (process_vm_readv(2) of the process itself), and says -EFAULT where a load would be a SIGSEGV. It
 * goes past the platform table: it is about this process's memory, whatever the program's kernel is made to look like.
 * Where the kernel does not know the call, or a filter forbids it, it is asked to read a signal mask from there, for an
 * operation that there is not: -EFAULT tells the same before it tells -EINVAL. Between that and the copy the memory may
 * go, as it does but for unloaded libraries not.
 */
#include "observe/peek.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EDO_UNSEEN __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

enum { EDO_PEEK_PAGE = 4096, EDO_PEEK_MASK = 8 /* bytes */ };

/* memcpy is one of the checkers' own. */
EDO_UNSEEN static void edo_unseen_bytes(unsigned char *out, uintptr_t from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = ((const volatile unsigned char *)from)[i];
}

/* How many bytes were read, from the first on; -1: the call is not to be had. */
static ssize_t edo_peek_some(void *out, const void *from, size_t size)
{
    size_t first = EDO_PEEK_PAGE - (uintptr_t)from % EDO_PEEK_PAGE;
    struct iovec to = {out, size};
    struct iovec parts[2]; /* of a part that is not all there nothing is read */
    int before = errno;
    ssize_t rc;

    if (first > size)
        first = size;
    parts[0] = (struct iovec){(void *)(uintptr_t)from, first};
    parts[1] = (struct iovec){(void *)((uintptr_t)from + first), size - first};
    rc = syscall(SYS_process_vm_readv, getpid(), &to, 1UL, parts, size > first ? 2UL : 1UL, 0UL);
    if (rc < 0)
        rc = errno == EFAULT ? 0 : -1;
    errno = before;
    return rc;
}

/* Whether the word is there; it does not cross a page. (At 0 it would be taken for none.) */
static bool edo_peek_is_there(uintptr_t word)
{
    int before = errno;
    bool there = word != 0 && (syscall(SYS_rt_sigprocmask, ~0L, word, NULL, EDO_PEEK_MASK) == 0 || errno != EFAULT);

    errno = before;
    return there;
}

/* What is there of it, from the first byte on, without that call. */
static size_t edo_peek_by_pages(void *out, const void *from, size_t size)
{
    size_t done = 0;

    while (done < size) {
        uintptr_t at = (uintptr_t)from + done;
        size_t here = EDO_PEEK_PAGE - at % EDO_PEEK_PAGE;

        if (!edo_peek_is_there(at / EDO_PEEK_MASK * EDO_PEEK_MASK))
            break;
        if (here > size - done)
            here = size - done;
        edo_unseen_bytes((unsigned char *)out + done, at, here);
        done += here;
    }
    return done;
}

size_t edo_peek_most(void *out, const void *from, size_t size)
{
    ssize_t rc = edo_peek_some(out, from, size);

    return rc < 0 ? edo_peek_by_pages(out, from, size) : (size_t)rc;
}

bool edo_peek(void *out, const void *from, size_t size)
{
    return edo_peek_most(out, from, size) == size;
}

void edo_peek_text(char *out, size_t size, const char *from)
{
    out[from ? edo_peek_most(out, from, size - 1) : 0] = '\0';
}

EDO_UNSEEN uintptr_t edo_unseen_word(uintptr_t address)
{
    return *(const volatile uintptr_t *)address;
}

EDO_UNSEEN void edo_unseen_copy(void *out, const void *from, size_t size)
{
    volatile uintptr_t *to = (volatile uintptr_t *)out;

    for (size_t i = 0; i < size / sizeof(uintptr_t); i++)
        to[i] = ((const volatile uintptr_t *)from)[i];
}

EDO_UNSEEN size_t edo_unseen_find(uintptr_t from, size_t count, uintptr_t word)
{
    const volatile uintptr_t *words = (const volatile uintptr_t *)from;
    size_t i = 0;

    while (i < count && words[i] != word)
        i++;
    return i;
}
