/* SPDX-License-Identifier: MIT */
/*
 * The lock of readers and writers: strictly in order of arrival, handed over.
 *
 * The word: EDO_WRITER, or how many readers hold it times EDO_READER; and EDO_LINE, if and only if somebody is in line.
 * Without EDO_LINE anybody changes the word, by compare-and-swap; with it nobody but who holds the bucket's lock, so it
 * stays as it is meanwhile. It is set, too, under that lock.
 *
 * Who lets go of the lock while there is a line, and who leaves the line without having got it, admits those at its
 * front that can go in now: one writer, or all readers before the next writer. These hold the lock from then on; the
 * word is stored before they are woken. A reader that comes finds EDO_LINE and goes behind them, so writers are not
 * starved; nor are readers, since writers stand in the same line.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"
#include "sync/owner.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_WRITER = 1, EDO_LINE = 2, EDO_READER = 4 };

void edo_rwlock_init(edo_rwlock *rwlock)
{
    *rwlock = (edo_rwlock)EDO_RWLOCK_INIT;
}

void edo_rwlock_finish(edo_rwlock *rwlock)
{
    EDO_MISUSE_IF(edo_line_waited_for(rwlock), "an rwlock was finished that is waited for");
    EDO_MISUSE_IF(__atomic_load_n(&rwlock->word_, __ATOMIC_RELAXED) != 0, "an rwlock was finished that is held");
    (void)rwlock;
}

/* Whether one more may go in: a reader (what: EDO_READER) or a writer. */
static inline bool edo_rwlock_free(uint32_t word, uint32_t what)
{
    return what == EDO_READER ? !(word & (EDO_WRITER | EDO_LINE)) : word == 0;
}

/* Takes it if it is free. *seen: the word. */
static bool edo_rwlock_take(uint32_t *seen, edo_rwlock *rwlock, uint32_t what)
{
    uint32_t word = __atomic_load_n(&rwlock->word_, __ATOMIC_RELAXED);

    while (edo_rwlock_free(word, what))
        if (__atomic_compare_exchange_n(&rwlock->word_, &word, word + what, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    *seen = word;
    return false;
}

/*
 * Under the bucket's lock, with a line that was: `word` is what is left of the word; lets in who can go in, and stores
 * it.
 */
static void edo_rwlock_admit(struct edo_line *line, edo_rwlock *rwlock, uint32_t word)
{
    struct edo_parked *first;

    word &= ~(uint32_t)EDO_LINE;
    while ((first = line->first) && !(word & EDO_WRITER) && (first->want == EDO_READER || word == 0)) {
        word += (uint32_t)first->want;
        edo_line_take(line, first, 0);
    }
    if (first)
        word |= EDO_LINE;
    __atomic_store_n(&rwlock->word_, word, __ATOMIC_RELEASE); /* from here on it may be gone */
}

static int edo_rwlock_wait(edo_rwlock *rwlock, uint32_t what, int64_t deadline)
{
    struct edo_parked waiter;
    struct edo_line line;
    uint32_t word;
    int rc;

    edo_line_begin(&line, rwlock);
    do {
        if (edo_rwlock_take(&word, rwlock, what)) {
            edo_line_end(&line);
            return 0;
        }
    } while (!(word & EDO_LINE) && !__atomic_compare_exchange_n(&rwlock->word_, &word, word | EDO_LINE, false,
                                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    edo_parked_init(&waiter, EDO_PARKED_RWLOCK, what);
    rc = edo_line_wait(&line, &waiter, deadline);
    if (rc < 0) {
        /* Readers behind a writer that has left may go in. */
        edo_rwlock_admit(&line, rwlock, __atomic_load_n(&rwlock->word_, __ATOMIC_ACQUIRE));
        edo_line_end(&line);
    }
    return rc;
}

static int edo_rwlock_lock(edo_rwlock *rwlock, uint32_t what, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    int rc = task ? edo_suspension_point(task) : 0;
    uint64_t self = edo_owner_self(task);
    uint32_t word;

    if (rc < 0)
        return rc;
    if (!edo_rwlock_take(&word, rwlock, what)) {
        EDO_MISUSE_IF(edo_owner_read(&rwlock->owner_) == self, "an rwlock was locked again by the task that writes");
        if (edo_owner_read(&rwlock->owner_) == self)
            return -EDEADLK;
        rc = edo_rwlock_wait(rwlock, what, deadline);
    }
    if (rc == 0 && what == EDO_WRITER)
        edo_owner_write(&rwlock->owner_, self);
    return rc;
}

int edo_rwlock_read_lock_until(edo_rwlock *rwlock, int64_t deadline)
{
    return edo_rwlock_lock(rwlock, EDO_READER, deadline);
}

int edo_rwlock_read_lock(edo_rwlock *rwlock)
{
    return edo_rwlock_lock(rwlock, EDO_READER, EDO_FOREVER);
}

int edo_rwlock_write_lock_until(edo_rwlock *rwlock, int64_t deadline)
{
    return edo_rwlock_lock(rwlock, EDO_WRITER, deadline);
}

int edo_rwlock_write_lock(edo_rwlock *rwlock)
{
    return edo_rwlock_lock(rwlock, EDO_WRITER, EDO_FOREVER);
}

int edo_rwlock_try_read_lock(edo_rwlock *rwlock)
{
    uint32_t word;

    return edo_rwlock_take(&word, rwlock, EDO_READER) ? 0 : -EBUSY;
}

int edo_rwlock_try_write_lock(edo_rwlock *rwlock)
{
    uint32_t word;

    if (!edo_rwlock_take(&word, rwlock, EDO_WRITER))
        return -EBUSY;
    edo_owner_write(&rwlock->owner_, edo_owner_self(edo_task_self()));
    return 0;
}

/* Lets go of one hold. */
static void edo_rwlock_unlock(edo_rwlock *rwlock, uint32_t what)
{
    uint32_t word = __atomic_load_n(&rwlock->word_, __ATOMIC_RELAXED);
    struct edo_line line;

    while (!(word & EDO_LINE))
        if (__atomic_compare_exchange_n(&rwlock->word_, &word, word - what, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    edo_line_begin(&line, rwlock);
    word = __atomic_load_n(&rwlock->word_, __ATOMIC_ACQUIRE);
    if (word & EDO_LINE)
        edo_rwlock_admit(&line, rwlock, word - what);
    else /* the last in line has left it; nobody comes while the bucket is locked */
        __atomic_fetch_sub(&rwlock->word_, what, __ATOMIC_RELEASE);
    edo_line_end(&line);
}

void edo_rwlock_read_unlock(edo_rwlock *rwlock)
{
    bool held = __atomic_load_n(&rwlock->word_, __ATOMIC_RELAXED) >= EDO_READER;

    EDO_MISUSE_IF(!held, "an rwlock was read-unlocked that nobody holds for reading");
    if (held)
        edo_rwlock_unlock(rwlock, EDO_READER);
}

void edo_rwlock_write_unlock(edo_rwlock *rwlock)
{
    bool held = __atomic_load_n(&rwlock->word_, __ATOMIC_RELAXED) & EDO_WRITER;

    EDO_MISUSE_IF(!held || edo_owner_read(&rwlock->owner_) != edo_owner_self(edo_task_self()),
                  "an rwlock was write-unlocked by a task that does not hold it for writing");
    if (!held)
        return;
    edo_owner_write(&rwlock->owner_, 0);
    edo_rwlock_unlock(rwlock, EDO_WRITER);
}
