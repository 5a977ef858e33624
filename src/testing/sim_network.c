/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: how long things take from host to host, and what does not come through.
 *
 * A host is an IP address without a port. What is on its way is a delivery to a socket, in a heap by time. Of one
 * socket the times never decrease, and those that are equal come in the order of sending: so a stream keeps its order.
 * When hosts are cut off from each other what comes due between them is put aside, and due again, in the old order,
 * once they are not; nothing is lost but datagrams, which are packets that leave a socket rather than news for one.
 * Unix sockets have no hosts, and no latency.
 *
 * Links that were set apart are few, and in a list, the last one set first.
 */
#include "testing/random.h"
#include "testing/sim_socket.h"

#include <edo/base.h>

#include <arpa/inet.h>
#include <string.h>

struct edo_sim_host {
    bool any;
    uint8_t bytes[16]; /* IPv4 ones as IPv6 has them */
};

struct edo_sim_link {
    struct edo_link link;
    struct edo_sim_host a;
    struct edo_sim_host b;
    bool cut;
    bool timed;
    int64_t min;
    int64_t max;
};

/* --- Hosts and links ---------------------------------------------------------------------------------------------- */

static void edo_host_map(struct edo_sim_host *out, const void *ip4)
{
    memset(out, 0, sizeof *out);
    out->bytes[10] = out->bytes[11] = 0xff;
    memcpy(out->bytes + 12, ip4, 4);
}

static int edo_host_parse(struct edo_sim_host *out, const char *text)
{
    struct in_addr ip4;

    memset(out, 0, sizeof *out);
    out->any = !text;
    if (!text || inet_pton(AF_INET6, text, out->bytes) == 1)
        return 0;
    if (inet_pton(AF_INET, text, &ip4) != 1)
        return -EINVAL;
    edo_host_map(out, &ip4);
    return 0;
}

static void edo_host_of(struct edo_sim_host *out, const edo_addr *address)
{
    memset(out, 0, sizeof *out);
    if (address->at_.any.sa_family == AF_INET)
        edo_host_map(out, &address->at_.ip4.sin_addr);
    else
        memcpy(out->bytes, &address->at_.ip6.sin6_addr, sizeof out->bytes);
}

/* Whether `pattern` speaks of that host; any does of all. */
static bool edo_host_matches(const struct edo_sim_host *pattern, const struct edo_sim_host *host)
{
    return pattern->any || (!host->any && memcmp(pattern->bytes, host->bytes, sizeof host->bytes) == 0);
}

static bool edo_hosts_match(const struct edo_sim_host *a, const struct edo_sim_host *b, const struct edo_sim_host *c,
                            const struct edo_sim_host *d)
{
    return (edo_host_matches(a, c) && edo_host_matches(b, d)) || (edo_host_matches(a, d) && edo_host_matches(b, c));
}

static struct edo_sim_link *edo_link_between(const edo_addr *one, const edo_addr *other, bool cut)
{
    struct edo_sim_host here;
    struct edo_sim_host there;

    if (edo_list_empty(&edo_sim->links))
        return NULL;
    edo_host_of(&here, one);
    edo_host_of(&there, other);
    for (struct edo_link *link = edo_sim->links.next; link != &edo_sim->links; link = link->next) {
        struct edo_sim_link *found = EDO_CONTAINER_OF(link, struct edo_sim_link, link);

        if ((cut ? found->cut : found->timed) && edo_hosts_match(&found->a, &found->b, &here, &there))
            return found;
    }
    return NULL;
}

static bool edo_is_cut(struct edo_sim_socket *socket)
{
    return socket->family != AF_UNIX && edo_link_between(&socket->local, &socket->remote, true);
}

static int64_t edo_latency_between(const edo_addr *one, const edo_addr *other)
{
    struct edo_sim *sim = edo_sim;
    struct edo_sim_link *link = edo_link_between(one, other, false);
    int64_t min = link ? link->min : sim->options.latency_min;
    int64_t max = link ? link->max : sim->options.latency_max;

    return min + (max > min ? (int64_t)edo_random_below(&sim->random, (uint64_t)(max - min) + 1) : 0);
}

static int edo_link_add(struct edo_sim_link **out, const char *a, const char *b)
{
    struct edo_sim_link link = {.cut = false};
    int rc = edo_host_parse(&link.a, a);

    if (rc == 0)
        rc = edo_host_parse(&link.b, b);
    if (rc < 0)
        return rc;
    *out = (struct edo_sim_link *)edo_sim_allocate(sizeof link);
    **out = link;
    edo_list_insert_head(&edo_sim->links, &(*out)->link);
    return 0;
}

int edo_sim_set_latency(const char *a, const char *b, int64_t min, int64_t max)
{
    struct edo_sim_link *link;
    int rc = min < 0 || max < min ? -EINVAL : edo_link_add(&link, a, b);

    if (rc == 0) {
        link->timed = true;
        link->min = min;
        link->max = max;
    }
    return rc;
}

int edo_sim_cut(const char *a, const char *b)
{
    struct edo_sim_link *link;
    int rc = edo_link_add(&link, a, b);

    if (rc == 0)
        link->cut = true;
    return rc;
}

/* --- Deliveries --------------------------------------------------------------------------------------------------- */

static bool edo_delivery_before(const struct edo_sim_delivery *a, const struct edo_sim_delivery *b)
{
    return a->time < b->time || (a->time == b->time && a->order < b->order);
}

static void edo_heap_push(struct edo_sim *sim, struct edo_sim_delivery delivery)
{
    struct edo_sim_delivery *heap = sim->deliveries = (struct edo_sim_delivery *)edo_sim_grow(
        sim->deliveries, &sim->delivery_room, sim->delivery_count, sizeof delivery);
    size_t at = sim->delivery_count++;

    while (at > 0 && edo_delivery_before(&delivery, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = delivery;
}

static struct edo_sim_delivery edo_heap_pop(struct edo_sim *sim)
{
    struct edo_sim_delivery *heap = sim->deliveries;
    struct edo_sim_delivery first = heap[0];
    struct edo_sim_delivery last = heap[--sim->delivery_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= sim->delivery_count)
            break;
        if (child + 1 < sim->delivery_count && edo_delivery_before(&heap[child + 1], &heap[child]))
            child++;
        if (!edo_delivery_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

void edo_sim_post(struct edo_sim_socket *to, int what, uint64_t upto, int64_t delay)
{
    struct edo_sim *sim = edo_sim;
    int64_t now = edo_sim_time();
    int64_t time = now + delay + (to->family == AF_UNIX ? 0 : edo_latency_between(&to->local, &to->remote));

    if (time < to->last)
        time = to->last;
    to->last = time;
    if (time <= now && to->pending == 0 && !edo_is_cut(to)) {
        edo_sim_arrive(to, what, upto);
        return;
    }
    to->pending++;
    edo_heap_push(sim, (struct edo_sim_delivery){time, sim->delivery_order++, to, upto, what});
}

static struct edo_sim_packet *edo_delivery_packet(const struct edo_sim_delivery *delivery)
{
    return delivery->what == EDO_SIM_PACKET ? (struct edo_sim_packet *)(uintptr_t)delivery->upto : NULL;
}

/* Between hosts that are cut off from each other it is lost. */
static void edo_packet_arrive(struct edo_sim_socket *from, struct edo_sim_packet *packet)
{
    if (edo_link_between(&packet->from, &packet->to, true))
        edo_platform_system.release(packet);
    else
        edo_sim_arrive(from, EDO_SIM_PACKET, (uintptr_t)packet);
}

void edo_sim_post_packet(struct edo_sim_socket *from, struct edo_sim_packet *packet, bool late)
{
    struct edo_sim *sim = edo_sim;
    int64_t now = edo_sim_time();
    int64_t time = now + edo_latency_between(&packet->from, &packet->to);

    if (late) { /* others overtake it */
        time += 1 + (int64_t)edo_random_below(&sim->random, (uint64_t)EDO_MS(1));
    } else {
        if (time < from->last)
            time = from->last;
        from->last = time;
    }
    if (time <= now && from->pending == 0) {
        edo_packet_arrive(from, packet);
        return;
    }
    from->pending++;
    edo_heap_push(sim, (struct edo_sim_delivery){time, sim->delivery_order++, from, (uintptr_t)packet, EDO_SIM_PACKET});
}

void edo_sim_deliver(void)
{
    struct edo_sim *sim = edo_sim;

    while (sim->delivery_count > 0 && sim->deliveries[0].time <= edo_sim_time()) {
        struct edo_sim_delivery delivery = edo_heap_pop(sim);

        struct edo_sim_packet *packet = edo_delivery_packet(&delivery);

        if (!packet && edo_is_cut(delivery.to)) {
            sim->held =
                (struct edo_sim_delivery *)edo_sim_grow(sim->held, &sim->held_room, sim->held_count, sizeof delivery);
            sim->held[sim->held_count++] = delivery;
            continue;
        }
        delivery.to->pending--;
        if (packet)
            edo_packet_arrive(delivery.to, packet);
        else
            edo_sim_arrive(delivery.to, delivery.what, delivery.upto);
        edo_sim_settle(delivery.to);
    }
}

int64_t edo_sim_next_delivery(void)
{
    return edo_sim->delivery_count > 0 ? edo_sim->deliveries[0].time : EDO_FOREVER;
}

int edo_sim_heal(const char *a, const char *b)
{
    struct edo_sim *sim = edo_sim;
    struct edo_sim_host one;
    struct edo_sim_host other;
    size_t count = sim->held_count;
    int rc = edo_host_parse(&one, a);

    if (rc == 0)
        rc = edo_host_parse(&other, b);
    if (rc < 0)
        return rc;
    for (struct edo_link *link = sim->links.next, *next; link != &sim->links; link = next) {
        struct edo_sim_link *found = EDO_CONTAINER_OF(link, struct edo_sim_link, link);

        next = link->next;
        if (found->cut && edo_hosts_match(&one, &other, &found->a, &found->b)) {
            edo_list_remove(link);
            edo_platform_system.release(found);
        }
    }
    /* What is still cut off will be put aside again. */
    sim->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        sim->held[i].time = edo_sim_time();
        edo_heap_push(sim, sim->held[i]);
    }
    return 0;
}

void edo_sim_network_finish(struct edo_sim *sim)
{
    struct edo_link *link;

    while ((link = edo_list_take_first(&sim->links)))
        edo_platform_system.release(EDO_CONTAINER_OF(link, struct edo_sim_link, link));
    for (size_t i = 0; i < sim->delivery_count; i++)
        edo_platform_system.release(edo_delivery_packet(&sim->deliveries[i]));
    edo_platform_system.release(sim->deliveries);
    edo_platform_system.release(sim->held);
}
