/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel: a platform table (rule T1) with a clock, descriptors, epoll and a network of its own, all of
 * them in memory and all their choices drawn from a seed (rule T2).
 *
 * There is one at a time in a process, `edo_sim`, since the table's functions are given no context. It belongs to the
 * thread of the run that it was begun for; only the clock of an impure one may be read by others.
 *
 * Time stands still while anything runs. It moves in epoll_wait alone, when that finds nothing: to the nearer of what
 * it was asked to wait for and the network's next delivery. In an impure run it is the system's time.
 *
 * Descriptors have numbers that no real one has, from EDO_SIM_FIRST, the lowest free one first. What is behind one is a
 * struct edo_sim_file: an epoll instance or eventfd (sim_epoll.c) or a socket (sim_socket.c, sim_stream.c,
 * sim_datagram.c). Real descriptors can be read and written, since files are; what waits for them, and their sockets,
 * is refused with -ENOTSUP, unless the run is impure.
 *
 * The network (sim_network.c) brings what sockets send each other, after a latency, in order from one socket to
 * another; between hosts that are cut off from each other it keeps it until they are not. Datagrams it loses then.
 *
 * Behaviour is Linux's, as far as Edo can see it: tests/testing/test_sim_kernel.c does the same things to both and
 * compares.
 */
#ifndef EDO_TESTING_SIM_H
#define EDO_TESTING_SIM_H

#include "base/list.h"
#include "platform/platform.h"
#include "testing/trace.h"

#include <edo/addr.h>

enum { EDO_SIM_FIRST = 1 << 30, EDO_SIM_WINDOW = 64 * 1024 };

struct edo_sim_file;
struct edo_sim_socket;
struct edo_sim_packet;

struct edo_sim_kind {
    uint32_t (*poll)(struct edo_sim_file *file); /* the epoll bits that hold now */
    void (*close)(struct edo_sim_file *file);    /* its number is gone, and nobody watches it; frees it, now or later */
};

/* First in what it is the file of. */
struct edo_sim_file {
    const struct edo_sim_kind *kind;
    int fd; /* -1: none */
    int flags;
    struct edo_link watches; /* of epoll instances, on this file */
};

struct edo_sim_delivery {
    int64_t time;
    uint64_t order; /* of those at the same time */
    struct edo_sim_socket *to;
    uint64_t upto;
    int what; /* enum edo_sim_news */
};

struct edo_sim_options {
    uint64_t seed;
    bool impure;
    bool shuffle; /* events in any order, and some of them later */
    bool short_transfers;
    int64_t tick; /* each reading of the clock takes so long */
    int64_t latency_min;
    int64_t latency_max;
    bool (*stuck)(void); /* nothing will ever happen: false if nothing can be done about that */
};

struct edo_sim {
    struct edo_sim_options options;
    struct edo_platform table;
    uint64_t random;
    int64_t time;
    int64_t started; /* the system's time then */

    struct edo_sim_file **files; /* by number */
    size_t file_room;
    size_t file_lowest; /* none below it is free */

    /* sim_network.c */
    struct edo_sim_delivery *deliveries; /* a heap, the next one first */
    size_t delivery_count;
    size_t delivery_room;
    uint64_t delivery_order;
    struct edo_sim_delivery *held; /* on the way between hosts that are cut off, in order */
    size_t held_count;
    size_t held_room;
    struct edo_link links; /* struct edo_sim_link */

    /* sim_socket.c */
    struct edo_link sockets; /* all */
    struct edo_link bound;   /* those with an address that was asked for */
    struct edo_link paths;   /* struct edo_sim_path */
    uint16_t next_port;

    struct edo_link names; /* sim_names.c: struct edo_sim_host_name */

    /* sim_datagram.c: of 1,000 that go over UDP */
    struct {
        int losses;
        int duplicates;
        int reorderings;
    } weather;
};

extern struct edo_sim *edo_sim;

/* --- sim.c -------------------------------------------------------------------------------------------------------- */

/*
 * Makes a kernel and puts it into `edo_sim`: 0 or -ENOMEM. Its table is sim->table. Ending it closes and frees all of
 * it.
 */
int edo_sim_begin(const struct edo_sim_options *options);
void edo_sim_end(void);

/* The time, without reading the clock taking any. */
int64_t edo_sim_time(void);

/* Lets time pass. */
void edo_sim_pass(int64_t duration);

/* Memory of the simulated kernel's own, zeroed; never NULL: without memory the test ends. */
void *edo_sim_allocate(size_t size);

/* An array with room for one more than `count`. */
void *edo_sim_grow(void *array, size_t *room, size_t count, size_t size);

/* Gives a file the lowest free number, which it returns. */
int edo_sim_file_open(struct edo_sim_file *file, const struct edo_sim_kind *kind, int flags);

/* What has that number, NULL if nothing does. */
struct edo_sim_file *edo_sim_file_of(int fd);

/* --- sim_epoll.c -------------------------------------------------------------------------------------------------- */

extern const struct edo_sim_kind edo_sim_epoll_kind;
extern const struct edo_sim_kind edo_sim_eventfd_kind;

int edo_sim_epoll_create(int flags);
int edo_sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int edo_sim_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t timeout);
int edo_sim_eventfd(unsigned initial, int flags);
ssize_t edo_sim_eventfd_read(struct edo_sim_file *file, void *buffer, size_t size);
ssize_t edo_sim_eventfd_write(struct edo_sim_file *file, const void *buffer, size_t size);

/* Something has happened to the file: the epoll bits it is about; 0: anything may be different. */
void edo_sim_notify(struct edo_sim_file *file, uint32_t about);

/* Takes the file out of all instances that watch it. */
void edo_sim_unwatch(struct edo_sim_file *file);

/* --- sim_network.c ------------------------------------------------------------------------------------------------ */

/* What comes to a socket. */
enum edo_sim_news {
    EDO_SIM_ASKED,       /* its own request for a connection, at the other host; `upto`: how often it was sent before */
    EDO_SIM_ESTABLISHED, /* the answer: there is a connection */
    EDO_SIM_REFUSED,     /* the answer: nobody listens there */
    EDO_SIM_BYTES,       /* of its stream, up to that position */
    EDO_SIM_ENDED,       /* nothing follows */
    EDO_SIM_RESET,
    EDO_SIM_PACKET /* a datagram of its own, at the other host; `upto`: which, a pointer */
};

/* Sends it that, `delay` from now and a latency later; after all that was sent before. */
void edo_sim_post(struct edo_sim_socket *to, int what, uint64_t upto, int64_t delay);

/* Sends a datagram on its way; `late`: others, that are sent after it, may overtake it. */
void edo_sim_post_packet(struct edo_sim_socket *from, struct edo_sim_packet *packet, bool late);

/* Delivers what is due; when the next delivery is due, EDO_FOREVER if there is none. */
void edo_sim_deliver(void);
int64_t edo_sim_next_delivery(void);

/* The links between two hosts (NULL: any); 0, -EINVAL for what is no IP address. */
int edo_sim_set_latency(const char *a, const char *b, int64_t min, int64_t max);
int edo_sim_cut(const char *a, const char *b);
int edo_sim_heal(const char *a, const char *b);

void edo_sim_network_finish(struct edo_sim *sim);

/* --- sim_names.c -------------------------------------------------------------------------------------------------- */

int edo_sim_resolve(struct edo_lookup *lookup);
void edo_sim_names_finish(struct edo_sim *sim);

/* --- sim_socket.c, sim_stream.c, sim_datagram.c: see sim_socket.h ------------------------------------------------- */

#endif
