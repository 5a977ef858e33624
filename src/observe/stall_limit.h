/* SPDX-License-Identifier: MIT */
/*
 * How many stalls are reported: of one place at most three a minute, so that a place that stalls all the time does not
 * hide one that does so once an hour. All data are of one thread's.
 *
 * There are 16 places at most; a new one takes the place of one whose minute is over, or is left out.
 */
#ifndef EDO_OBSERVE_STALL_LIMIT_H
#define EDO_OBSERVE_STALL_LIMIT_H

#include <edo/base.h>

enum { EDO_STALL_PLACES = 16, EDO_STALLS_A_MINUTE = 3 };

struct edo_stall_place {
    const void *key;
    int64_t begin; /* of its minute */
    int count;     /* reported in it; 0: free */
};

struct edo_stall_limit {
    struct edo_stall_place places[EDO_STALL_PLACES];
};

/* Whether one more stall of the place `key` may be reported at `now`; then it is counted. */
static inline bool edo_stall_limit_allow(struct edo_stall_limit *limit, const void *key, int64_t now)
{
    struct edo_stall_place *free_place = NULL;

    for (int i = 0; i < EDO_STALL_PLACES; i++) {
        struct edo_stall_place *place = &limit->places[i];

        if (place->count > 0 && now - place->begin >= EDO_SEC(60))
            place->count = 0;
        if (place->count > 0 && place->key == key)
            return place->count++ < EDO_STALLS_A_MINUTE;
        if (place->count == 0 && !free_place)
            free_place = place;
    }
    if (!free_place)
        return false;
    *free_place = (struct edo_stall_place){key, now, 1};
    return true;
}

#endif
