/* SPDX-License-Identifier: MIT */
/*
 * Simulated host names: a list, the last setting of a name first. What a lookup takes is not taken here, where all
 * would stand still meanwhile: it is told to edo_resolve (src/io/dns.c), which waits for so long.
 */
#include "io/host_name.h"
#include "platform/names.h"
#include "testing/sim.h"

#include "base/container.h"

#include <edo/error.h>
#include <edo/task.h>
#include <edo/testing.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

struct edo_sim_host_name {
    struct edo_link link;
    struct edo_lookup answer;
};

/* --- Asking ------------------------------------------------------------------------------------------------------- */

static bool edo_same_name(const char *a, const char *b)
{
    size_t size = strlen(a);
    size_t other = strlen(b);

    size -= size > 0 && a[size - 1] == '.';
    other -= other > 0 && b[other - 1] == '.';
    return size == other && strncasecmp(a, b, size) == 0;
}

static struct edo_sim_host_name *edo_sim_name_find(const char *name)
{
    for (struct edo_link *link = edo_sim->names.next; link != &edo_sim->names; link = link->next) {
        struct edo_sim_host_name *found = EDO_CONTAINER_OF(link, struct edo_sim_host_name, link);

        if (edo_same_name(found->answer.host, name))
            return found;
    }
    return NULL;
}

/* Adds the address with that text; false if it is none. */
static bool edo_answer_add(struct edo_lookup *answer, const char *text)
{
    struct edo_lookup_address found;

    memset(&found, 0, sizeof found);
    if (inet_pton(AF_INET, text, &found.at.ip4.sin_addr) == 1)
        found.at.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &found.at.ip6.sin6_addr) == 1)
        found.at.any.sa_family = AF_INET6;
    else
        return false;
    if (answer->count == EDO_LOOKUP_MOST)
        return false;
    answer->found[answer->count++] = found;
    return true;
}

static void edo_answer_take(struct edo_lookup *lookup, const struct edo_lookup *answer)
{
    lookup->takes = answer->takes;
    lookup->count = 0;
    for (int i = 0; i < answer->count; i++)
        if (lookup->family == AF_UNSPEC || lookup->family == answer->found[i].at.any.sa_family)
            lookup->found[lookup->count++] = answer->found[i];
}

int edo_sim_resolve(struct edo_lookup *lookup)
{
    struct edo_sim_host_name *name = edo_sim_name_find(lookup->host);
    struct edo_lookup local = {.count = 0};
    int rc = 0;

    if (name) {
        edo_answer_take(lookup, &name->answer);
        rc = name->answer.rc;
    } else if (edo_same_name(lookup->host, "localhost")) {
        edo_answer_add(&local, "::1");
        edo_answer_add(&local, "127.0.0.1");
        edo_answer_take(lookup, &local);
    } else {
        rc = EDO_EDNS_UNKNOWN;
    }
    if (rc == 0 && lookup->count == 0)
        rc = EDO_EDNS_NODATA;
    edo_trace_add("resolve", (uint64_t)lookup->count, rc);
    return rc;
}

/* --- Setting ------------------------------------------------------------------------------------------------------ */

static int edo_sim_name_set(const struct edo_lookup *answer)
{
    struct edo_sim_host_name *name = (struct edo_sim_host_name *)edo_sim_allocate(sizeof *name);

    name->answer = *answer;
    edo_list_insert_head(&edo_sim->names, &name->link);
    return 0;
}

/* The answer without addresses; its host is as it was given. */
static int edo_answer_begin(struct edo_lookup *answer, const char *name, int64_t takes)
{
    size_t size = name ? strlen(name) : 0; /* of a name at most EDO_HOST_SIZE - 1 */

    memset(answer, 0, sizeof *answer);
    if (!edo_sim || !edo_in_task())
        return -EPERM;
    if (!name || !edo_is_host_name(name, size) || takes < 0)
        return -EINVAL;
    memcpy(answer->host, name, size);
    answer->takes = takes;
    return 0;
}

int edo_test_host(const char *name, const char *addresses, int64_t takes)
{
    struct edo_lookup answer;
    int rc = edo_answer_begin(&answer, name, takes);

    if (rc < 0)
        return rc;
    for (const char *at = addresses ? addresses : ""; *at;) {
        char text[INET6_ADDRSTRLEN] = "";
        size_t size = strcspn(at, " ");

        if (size >= sizeof text)
            return -EINVAL;
        memcpy(text, at, size);
        if (size > 0 && !edo_answer_add(&answer, text))
            return -EINVAL;
        at += size + (at[size] == ' ');
    }
    return answer.count > 0 ? edo_sim_name_set(&answer) : -EINVAL;
}

int edo_test_host_fails(const char *name, int error, int64_t takes)
{
    struct edo_lookup answer;
    int rc = edo_answer_begin(&answer, name, takes);

    if (rc < 0)
        return rc;
    answer.rc = error;
    return error < 0 ? edo_sim_name_set(&answer) : -EINVAL;
}

void edo_sim_names_finish(struct edo_sim *sim)
{
    struct edo_link *link;

    while ((link = edo_list_take_first(&sim->names)))
        edo_platform_system.release(EDO_CONTAINER_OF(link, struct edo_sim_host_name, link));
}
