/* SPDX-License-Identifier: MIT */
/*
 * The wait group. The word is twice the count, plus one if somebody may be in line. The count changes by
 * compare-and-swap, but for the step from 1 to 0 with a line, which is made under the bucket's lock together with
 * taking all out of it: at 0 the group may be gone as soon as anybody sees it. The line begins, and is left, under the
 * lock.
 */
#include "runtime/parking.h"
#include "runtime/runtime.h"

#include <edo/sync.h>

#include <errno.h>

enum { EDO_LINE = 1, EDO_ONE = 2 };

void edo_wait_group_init(edo_wait_group *group)
{
    *group = (edo_wait_group)EDO_WAIT_GROUP_INIT;
}

void edo_wait_group_finish(edo_wait_group *group)
{
    EDO_MISUSE_IF(edo_line_waited_for(group), "a wait group was finished that is waited for");
    (void)group;
}

void edo_wait_group_add(edo_wait_group *group, uint32_t count)
{
    __atomic_fetch_add(&group->word_, EDO_ONE * (int64_t)count, __ATOMIC_RELAXED);
}

static bool edo_wait_group_change(int64_t *word, edo_wait_group *group, int64_t to)
{
    return __atomic_compare_exchange_n(&group->word_, word, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The count was 1, with a line. */
static void edo_wait_group_last(edo_wait_group *group)
{
    struct edo_line line;
    int64_t word;

    edo_line_begin(&line, group);
    word = __atomic_load_n(&group->word_, __ATOMIC_ACQUIRE);
    while (!edo_wait_group_change(&word, group, word == EDO_ONE + EDO_LINE ? 0 : word - EDO_ONE))
        ;
    if (word == EDO_ONE + EDO_LINE) /* from here on it may be gone */
        while (line.first)
            edo_line_take(&line, line.first, 0);
    edo_line_end(&line);
}

void edo_wait_group_done(edo_wait_group *group)
{
    int64_t word = __atomic_load_n(&group->word_, __ATOMIC_ACQUIRE);

    do {
        EDO_MISUSE_IF(word < EDO_ONE, "a wait group has had more done than added");
        if (word < EDO_ONE)
            return;
        if (word == EDO_ONE + EDO_LINE) {
            edo_wait_group_last(group);
            return;
        }
    } while (!edo_wait_group_change(&word, group, word - EDO_ONE));
}

int edo_wait_group_wait_until(edo_wait_group *group, int64_t deadline)
{
    struct edo_task *task = edo_task_self();
    struct edo_parked waiter;
    int64_t word = __atomic_load_n(&group->word_, __ATOMIC_ACQUIRE);
    struct edo_line line;
    int rc = task ? edo_suspension_point(task) : 0;

    if (rc < 0 || word < EDO_ONE)
        return rc;
    edo_line_begin(&line, group);
    do {
        if (word < EDO_ONE) {
            edo_line_end(&line);
            return 0;
        }
    } while (!edo_wait_group_change(&word, group, word | EDO_LINE));
    edo_parked_init(&waiter, EDO_PARKED_WAIT_GROUP, 0);
    rc = edo_line_wait(&line, &waiter, deadline);
    if (rc < 0) {
        if (!line.first)
            __atomic_fetch_and(&group->word_, ~(int64_t)EDO_LINE, __ATOMIC_RELAXED);
        edo_line_end(&line);
    }
    return rc;
}

int edo_wait_group_wait(edo_wait_group *group)
{
    return edo_wait_group_wait_until(group, EDO_FOREVER);
}
