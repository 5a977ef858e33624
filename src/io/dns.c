/* SPDX-License-Identifier: MIT */
/*
 * Host names (rules C7, F5): "host:port" is taken apart, the host looked up in the runtime's lane for that, and what
 * was found put into order.
 *
 * A lookup lies on the heap and belongs to the job, which touches nothing else; so a cancelled caller leaves it there:
 * the job's end, or whoever takes it out of the queue, frees it. When the job has run in time it is the caller's again.
 * Failures of the job stand inside the lookup, since an error of edo_blocking_on means that the lookup is gone.
 *
 * In a seeded run the job runs inline and is answered at once, from a table; how long that should have taken is then
 * waited here (rule T1). The lane has no bound there.
 */
#include "io/host_name.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/fork.h"
#include "platform/names.h"
#include "platform/platform.h"

#include <edo/dns.h>
#include <edo/time.h>

#include <errno.h>

/* --- What is asked ------------------------------------------------------------------------------------------------ */

static bool edo_label_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '_';
}

/* Whether a last label is a number: getaddrinfo takes "127.1" and "0x7f.0x1" for addresses, and no domain ends so. */
static bool edo_is_number(const char *label, size_t size)
{
    bool hexadecimal = size >= 2 && label[0] == '0' && (label[1] | 0x20) == 'x';

    for (size_t i = hexadecimal ? 2 : 0; i < size; i++) {
        char lower = (char)(label[i] | 0x20);

        if (!(label[i] >= '0' && label[i] <= '9') && !(hexadecimal && lower >= 'a' && lower <= 'f'))
            return false;
    }
    return true;
}

bool edo_is_host_name(const char *host, size_t size)
{
    size_t label = 0; /* where the current one begins */

    if (size > 0 && host[size - 1] == '.')
        size--;
    if (size == 0 || size > 253)
        return false;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && host[i] != '.') {
            if (!edo_label_byte(host[i]))
                return false;
            continue;
        }
        if (i == label || i - label > 63)
            return false;
        if (i < size)
            label = i + 1;
    }
    return !edo_is_number(host + label, size - label);
}

/* 0 to 65535 without sign or leading zeros, as edo_addr_parse has it; else -EINVAL. */
static int edo_port_parse(const char *text)
{
    int port = 0;

    if (!*text || (text[0] == '0' && text[1]))
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (*text - '0');
        if (port > 65535)
            return -EINVAL;
    }
    return port;
}

/* "host:port": the host's size, and the port in *port; -EINVAL for what is no name. */
static int edo_host_split(int *port, const char *text)
{
    const char *colon = strchr(text, ':');

    if (!colon || !edo_is_host_name(text, (size_t)(colon - text)))
        return -EINVAL;
    *port = edo_port_parse(colon + 1);
    return *port < 0 ? -EINVAL : (int)(colon - text);
}

/* --- What was found ----------------------------------------------------------------------------------------------- */

static bool edo_found_same(const struct edo_lookup_address *a, const struct edo_lookup_address *b)
{
    if (a->at.any.sa_family != b->at.any.sa_family)
        return false;
    if (a->at.any.sa_family == AF_INET)
        return a->at.ip4.sin_addr.s_addr == b->at.ip4.sin_addr.s_addr;
    return a->at.ip6.sin6_scope_id == b->at.ip6.sin6_scope_id &&
           memcmp(&a->at.ip6.sin6_addr, &b->at.ip6.sin6_addr, sizeof a->at.ip6.sin6_addr) == 0;
}

/* The first one from `at` on that is, or is not, of the family, and did not come before; `count` if there is none. */
static int edo_found_next(const struct edo_lookup *lookup, int at, int family, bool of_it)
{
    for (; at < lookup->count; at++) {
        int before = 0;

        if ((lookup->found[at].at.any.sa_family == family) != of_it)
            continue;
        while (before < at && !edo_found_same(&lookup->found[before], &lookup->found[at]))
            before++;
        if (before == at)
            break;
    }
    return at;
}

/* The families in turn, beginning with that of the first address; what is left of the longer one at the end. */
static int edo_found_in_order(edo_addr *out, int capacity, const struct edo_lookup *lookup, int port)
{
    int family = lookup->count > 0 ? lookup->found[0].at.any.sa_family : AF_UNSPEC;
    int next[2] = {edo_found_next(lookup, 0, family, true), edo_found_next(lookup, 0, family, false)};
    int count = 0;
    int turn = 0;

    while (count < capacity && (next[0] < lookup->count || next[1] < lookup->count)) {
        const struct edo_lookup_address *found;

        if (next[turn] >= lookup->count)
            turn = !turn;
        found = &lookup->found[next[turn]];
        next[turn] = edo_found_next(lookup, next[turn] + 1, family, turn == 0);
        turn = !turn;
        edo_addr_from_sockaddr(&out[count], &found->at.any,
                               found->at.any.sa_family == AF_INET ? sizeof found->at.ip4 : sizeof found->at.ip6);
        edo_addr_set_port(&out[count++], port);
    }
    return count;
}

/* --- Looking up --------------------------------------------------------------------------------------------------- */

static int edo_lookup_run(void *argument)
{
    struct edo_lookup *lookup = (struct edo_lookup *)argument;

    lookup->rc = edo_platform->resolve(lookup);
    return 0;
}

static void edo_lookup_free(void *argument)
{
    edo_platform->release(argument);
}

/* 0: the lookup has been made, and is the caller's; else it is gone. */
static int edo_lookup_make(struct edo_lookup *lookup)
{
    const edo_blocking_options options = {.size = sizeof options, .abandonable = true, .drop = edo_lookup_free};
    struct edo_task *task = edo_task_self();
    int rc;

    if (!task)
        return edo_lookup_run(lookup);
    rc = edo_blocking_on(task->home->runtime->resolving, edo_lookup_run, lookup, &options);
    if (rc == 0 && lookup->takes) {
        rc = edo_sleep(lookup->takes);
        if (rc < 0)
            edo_lookup_free(lookup);
    }
    return rc;
}

static int edo_resolve_name(edo_addr *out, int capacity, const char *text, int family)
{
    struct edo_lookup *lookup;
    int port;
    int size = edo_host_split(&port, text);
    int rc;

    if (size < 0)
        return size;
    lookup = (struct edo_lookup *)edo_platform->allocate(sizeof *lookup);
    if (!lookup)
        return -ENOMEM;
    memcpy(lookup->host, text, (size_t)size);
    lookup->family = family;
    rc = edo_lookup_make(lookup);
    if (rc < 0)
        return rc;
    rc = lookup->rc;
    if (rc == 0)
        rc = edo_found_in_order(out, capacity, lookup, port);
    edo_lookup_free(lookup);
    return rc == 0 ? EDO_EDNS_NODATA : rc;
}

int edo_resolve(edo_addr *out, int capacity, const char *text, const edo_resolve_options *given)
{
    struct edo_task *task = edo_task_self();
    edo_resolve_options options;
    edo_addr address;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (edo_in_forked_child())
        return -EPERM;
    if (!out || capacity < 1 || !text ||
        (options.family != AF_UNSPEC && options.family != AF_INET && options.family != AF_INET6))
        return -EINVAL;
    rc = edo_addr_parse(&address, text);
    if (rc == -ENODEV)
        return rc;
    if (rc < 0 || edo_addr_port(&address) < 0) /* not an IP address: "unix:80" is a host, too */
        return edo_resolve_name(out, capacity, text, options.family);
    if (task && (rc = edo_suspension_point(task)) < 0)
        return rc;
    if (options.family && options.family != address.at_.any.sa_family)
        return EDO_EDNS_NODATA;
    *out = address;
    return 1;
}
