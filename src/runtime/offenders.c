/* SPDX-License-Identifier: MIT */
/* Tasks that keep others waiting. See offenders.h. */
#include "runtime/offenders.h"
#include "runtime/worker.h"

#include <string.h>

/* Under the lock. The task's entry; a new one if `make`, else NULL if it has none. */
static struct edo_offender *edo_offender_find(struct edo_offenders *offenders, uint64_t id, bool make)
{
    struct edo_offender *oldest = &offenders->of[0];

    for (int i = 0; i < EDO_OFFENDERS; i++) {
        struct edo_offender *offender = &offenders->of[i];

        if (offender->id == id)
            return offender;
        if (offender->seen < oldest->seen)
            oldest = offender;
    }
    if (!make)
        return NULL;
    *oldest = (struct edo_offender){.id = id};
    return oldest;
}

void edo_offender_stalls(struct edo_offenders *offenders, uint64_t id, int64_t since, int64_t now)
{
    struct edo_offender *offender;

    edo_lock_acquire(&offenders->lock);
    offender = edo_offender_find(offenders, id, true);
    offender->since = since;
    offender->seen = now;
    edo_lock_release(&offenders->lock);
}

void edo_offender_goes_on(struct edo_offenders *offenders, uint64_t id, int64_t now, int64_t least)
{
    struct edo_offender *offender;

    edo_lock_acquire(&offenders->lock);
    offender = edo_offender_find(offenders, id, false);
    if (offender && offender->since) {
        if (now - offender->since >= least) {
            memmove(&offender->ends[1], &offender->ends[0], sizeof offender->ends - sizeof *offender->ends);
            offender->ends[0] = now;
        }
        offender->since = 0;
        offender->seen = now;
    }
    edo_lock_release(&offenders->lock);
}

void edo_offender_rounds(struct edo_offenders *offenders, uint64_t id, int64_t now)
{
    struct edo_offender *offender;

    edo_lock_acquire(&offenders->lock);
    offender = edo_offender_find(offenders, id, true);
    offender->rounds = now;
    offender->seen = now;
    edo_lock_release(&offenders->lock);
}

void edo_offenders_copy(struct edo_offender *out, struct edo_offenders *offenders)
{
    edo_lock_acquire(&offenders->lock);
    memcpy(out, offenders->of, sizeof offenders->of);
    edo_lock_release(&offenders->lock);
}

bool edo_goes_round(const struct edo_rounds *rounds, int64_t time)
{
    uint64_t turns = rounds->looks * EDO_TURNS_BETWEEN_LOOKS;

    /* With .metrics there are some more switches: samples. */
    return rounds->looks > 0 && rounds->events == 0 && turns * EDO_ROUND_LONGEST >= (uint64_t)time &&
           rounds->switches <= 2 * rounds->looks && rounds->forced < turns / 2;
}
