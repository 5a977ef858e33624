/* SPDX-License-Identifier: MIT */
/*
 * The last reports of stalls. They come on the threads that report, which write them down as JSON at once, since what
 * they point to goes; a second report takes the first one's place, with its backtrace: only the duration is new.
 *
 * All under `lock`, held for as long as a text is copied. Who waits for `changed` looks first.
 */
#include "console/console.h"

#include <time.h>

int edo_console_stalls_init(struct edo_console_stalls *stalls)
{
    const uint64_t none = 0;
    int rc = edo_watch_create(&stalls->changed, &none);

    if (rc == 0)
        pthread_mutex_init(&stalls->lock, NULL);
    return rc;
}

void edo_console_stalls_finish(struct edo_console_stalls *stalls)
{
    for (size_t i = 0; i < EDO_CONSOLE_STALLS; i++) {
        edo_json_finish(&stalls->last[i].json);
        edo_json_finish(&stalls->last[i].details);
    }
    edo_watch_destroy(stalls->changed);
    pthread_mutex_destroy(&stalls->lock);
}

/* Where the first report of the same stall is; else the oldest place. */
static struct edo_console_stall *place_for(struct edo_console_stalls *stalls, const edo_stall *stall)
{
    struct edo_console_stall *oldest = &stalls->last[0];

    for (size_t i = 0; i < EDO_CONSOLE_STALLS; i++) {
        struct edo_console_stall *place = &stalls->last[i];

        if (place->version && place->serial == stall->serial && place->runtime == stall->task >> 48)
            return place;
        if (place->version < oldest->version)
            oldest = place;
    }
    return oldest;
}

static int64_t wall_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What only the first report has. */
static void write_details(struct edo_json *json, const edo_stall *stall)
{
    edo_json_text(json, "syscall", stall->syscall);
    edo_json_text(json, "wait_channel", stall->wait_channel);
    if (stall->frame_count > 0)
        edo_console_frames(json, "frames", stall->frames, stall->frame_count);
    edo_json_text(json, "no_frames", stall->no_frames);
}

static void write_down(struct edo_console_stall *place, const edo_stall *stall)
{
    struct edo_json *json = &place->json;
    char site[192];

    edo_json_reset(json);
    edo_json_open(json, NULL, '{');
    edo_json_uint(json, "serial", stall->serial);
    edo_json_bool(json, "ended", stall->ended);
    edo_json_text(json, "kind",
                  stall->kind == EDO_STALL_BLOCKED   ? "blocked"
                  : stall->kind == EDO_STALL_STARVED ? "starved"
                                                     : "computing");
    if (stall->task)
        edo_json_id(json, "task", stall->task);
    edo_json_text(json, "name", stall->name ? stall->name : stall->site ? stall->site->function : "task");
    if (stall->site) {
        edo_console_site_text(site, sizeof site, stall->site);
        edo_json_text(json, "site", site);
    }
    edo_json_int(json, "at_ms", wall_ms() - stall->duration / EDO_MS(1));
    edo_json_int(json, "duration_us", stall->duration / EDO_US(1));
    edo_json_uint(json, "suppressed", place->suppressed);
    if (place->details.size > 0) {
        edo_json_put(json, ",");
        edo_json_raw(json, place->details.data, place->details.size);
    }
    edo_json_close(json, '}');
}

void edo_console_stalls_add(struct edo_console_stalls *stalls, const edo_stall *stall)
{
    struct edo_console_stall *place;
    uint64_t version;

    pthread_mutex_lock(&stalls->lock);
    place = place_for(stalls, stall);
    if (!stall->ended || place->serial != stall->serial) {
        edo_json_reset(&place->details);
        write_details(&place->details, stall);
        place->suppressed = 0;
    }
    place->suppressed += stall->suppressed;
    write_down(place, stall);
    place->serial = stall->serial;
    place->runtime = stall->task >> 48;
    place->version = version = ++stalls->version;
    pthread_mutex_unlock(&stalls->lock);
    edo_watch_set(stalls->changed, &version);
}

uint64_t edo_console_stalls_version(struct edo_console_stalls *stalls)
{
    uint64_t version;

    pthread_mutex_lock(&stalls->lock);
    version = stalls->version;
    pthread_mutex_unlock(&stalls->lock);
    return version;
}

bool edo_console_stalls_next(struct edo_json *out, uint64_t *version, struct edo_console_stalls *stalls)
{
    struct edo_console_stall *next = NULL;

    pthread_mutex_lock(&stalls->lock);
    for (size_t i = 0; i < EDO_CONSOLE_STALLS; i++) {
        struct edo_console_stall *place = &stalls->last[i];

        if (place->version > *version && (!next || place->version < next->version))
            next = place;
    }
    if (next) {
        *version = next->version;
        edo_json_raw(out, next->json.data, next->json.size);
    }
    pthread_mutex_unlock(&stalls->lock);
    return next != NULL;
}
