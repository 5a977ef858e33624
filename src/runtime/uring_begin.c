/* SPDX-License-Identifier: MIT */
/*
 * Getting a ring from the kernel, or not: io_uring may not be in this build, not in this kernel, forbidden (seccomp,
 * the sysctl kernel.io_uring_disabled), or short of memory or descriptors. None of that keeps a runtime from starting.
 * See uring.h.
 *
 * The only data is a flag: whether it has been said.
 */
#include "runtime/uring.h"
#include "platform/platform.h"

#include <edo/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void edo_uring_say(const char *why)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&said))
        fprintf(stderr, "edo: no io_uring for files, which go by blocking regions: %s\n", why);
}

#if EDO_IO_URING

#include <linux/io_uring.h>

enum {
    EDO_URING_ENTRIES = 1, /* submitted one at a time */
    EDO_URING_COMPLETIONS = 512,
    EDO_URING_NEEDED = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP
};

/* Linux 5.6, which has all that is needed, has the probe too. */
static int edo_uring_probe(struct edo_uring *ring)
{
    enum { EDO_MOST = 64 };
    union {
        struct io_uring_probe probe;
        unsigned char room[sizeof(struct io_uring_probe) + EDO_MOST * sizeof(struct io_uring_probe_op)];
    } answer;
    int rc;

    memset(&answer, 0, sizeof answer);
    rc = edo_platform->uring_register(ring->fd, IORING_REGISTER_PROBE, &answer, EDO_MOST);
    for (int i = 0; rc >= 0 && i < answer.probe.ops_len && i < EDO_MOST; i++)
        if (answer.probe.ops[i].flags & IO_URING_OP_SUPPORTED)
            ring->known |= UINT64_C(1) << answer.probe.ops[i].op;
    return rc;
}

static int edo_uring_map(struct edo_uring *ring, const struct io_uring_params *params)
{
    size_t entries_end = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t completions_end = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    char *queues;
    void *entries;
    int rc;

    ring->queues_size = entries_end > completions_end ? entries_end : completions_end;
    ring->entries_size = params->sq_entries * sizeof(struct io_uring_sqe);
    rc = edo_platform->map_shared(&ring->queues, ring->queues_size, ring->fd, IORING_OFF_SQ_RING);
    if (rc < 0)
        return rc;
    rc = edo_platform->map_shared(&entries, ring->entries_size, ring->fd, IORING_OFF_SQES);
    if (rc < 0)
        return rc;
    ring->entries = (struct io_uring_sqe *)entries;
    /* A child of fork has no business with them (rule F4). */
    edo_platform->advise(ring->queues, ring->queues_size, MADV_DONTFORK);
    edo_platform->advise(entries, ring->entries_size, MADV_DONTFORK);
    queues = (char *)ring->queues;
    ring->entries_tail = (_Atomic uint32_t *)(void *)(queues + params->sq_off.tail);
    ring->entries_mask = *(uint32_t *)(void *)(queues + params->sq_off.ring_mask);
    for (uint32_t i = 0; i < params->sq_entries; i++)
        ((uint32_t *)(void *)(queues + params->sq_off.array))[i] = i;
    ring->completions_head = (_Atomic uint32_t *)(void *)(queues + params->cq_off.head);
    ring->completions_tail = (_Atomic uint32_t *)(void *)(queues + params->cq_off.tail);
    ring->completions_mask = *(uint32_t *)(void *)(queues + params->cq_off.ring_mask);
    ring->completions = (const struct io_uring_cqe *)(void *)(queues + params->cq_off.cqes);
    ring->most = params->cq_entries;
    return 0;
}

static int edo_uring_open(struct edo_uring *ring)
{
    struct io_uring_params params;
    int rc;

    memset(&params, 0, sizeof params);
    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = EDO_URING_COMPLETIONS;
    rc = ring->fd = edo_platform->uring_setup(EDO_URING_ENTRIES, &params);
    if (rc < 0)
        return rc;
    if ((params.features & EDO_URING_NEEDED) != EDO_URING_NEEDED)
        return -ENOSYS;
    rc = edo_uring_probe(ring);
    return rc < 0 ? rc : edo_uring_map(ring, &params);
}

static void edo_uring_close(struct edo_uring *ring)
{
    if (ring->entries)
        edo_platform->unmap(ring->entries, ring->entries_size);
    if (ring->queues)
        edo_platform->unmap(ring->queues, ring->queues_size);
    if (ring->fd >= 0)
        edo_platform->close(ring->fd);
    edo_platform->release(ring);
}

int edo_uring_begin(struct edo_poller *poller)
{
    struct edo_uring *ring = (struct edo_uring *)edo_platform->allocate(sizeof *ring);
    int rc = -ENOMEM;

    if (ring) {
        rc = edo_uring_open(ring);
        if (rc >= 0)
            rc = edo_poller_add_ring(poller, ring, ring->fd);
        if (rc < 0)
            edo_uring_close(ring);
    }
    if (rc < 0)
        edo_uring_say(edo_strerror(rc));
    return rc >= 0;
}

void edo_uring_end(struct edo_poller *poller)
{
    if (poller->ring)
        edo_uring_close(poller->ring);
    poller->ring = NULL;
}

#else

int edo_uring_begin(struct edo_poller *poller)
{
    (void)poller;
    edo_uring_say("this build has none");
    return 0;
}

void edo_uring_end(struct edo_poller *poller)
{
    (void)poller;
}

void edo_uring_reap(struct edo_thread *thread, struct edo_uring *ring)
{
    (void)thread, (void)ring;
}

bool edo_uring_on(void)
{
    return false;
}

#endif
