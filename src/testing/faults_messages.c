/* SPDX-License-Identifier: MIT */
/*
 * The table that refuses, as far as it is about messages and datagrams. See faults.h. Streams may be given less than
 * they asked for; datagrams are never cut, but of a batch there may be fewer.
 */
#include "testing/faults_table.h"

/* Whether what is moved over the socket may be cut. */
static bool edo_faults_may_cut(int fd)
{
    socklen_t size = sizeof(int);
    int type = SOCK_DGRAM;

    return edo_faults.storm.short_transfers > 0 &&
           edo_faults.base.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* As edo_faults_before_transfer; *less is what is to be moved then, perhaps the beginning of the first piece alone. */
static int edo_faults_before_message(int call, int fd, struct msghdr *less, struct iovec *first)
{
    size_t size;
    int rc;

    *first = less->msg_iovlen > 0 ? less->msg_iov[0] : (struct iovec){NULL, 0};
    size = first->iov_len;
    rc = edo_faults_before_transfer(call, fd, edo_faults_may_cut(fd) ? &size : NULL);
    if (rc == 0 && size < first->iov_len) {
        first->iov_len = size;
        less->msg_iov = first;
        less->msg_iovlen = 1;
    }
    return rc;
}

static ssize_t edo_faulty_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr less = *message;
    struct iovec first;
    int rc = edo_faults_before_message(EDO_CALL_SENDMSG, fd, &less, &first);

    return rc < 0 ? rc : edo_faults.base.sendmsg(fd, &less, flags);
}

static ssize_t edo_faulty_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct msghdr less = *message;
    struct iovec first;
    ssize_t rc = edo_faults_before_message(EDO_CALL_RECVMSG, fd, &less, &first);

    if (rc < 0)
        return rc;
    rc = edo_faults.base.recvmsg(fd, &less, flags);
    message->msg_namelen = less.msg_namelen;
    message->msg_controllen = less.msg_controllen;
    message->msg_flags = less.msg_flags;
    return rc;
}

static int edo_faulty_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    size_t fewer = count;
    int rc = edo_faults_before_transfer(EDO_CALL_RECVMMSG, fd, &fewer);

    return rc < 0 ? rc : edo_faults.base.recvmmsg(fd, messages, (unsigned)fewer, flags);
}

static int edo_faulty_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    size_t fewer = count;
    int rc = edo_faults_before_transfer(EDO_CALL_SENDMMSG, fd, &fewer);

    return rc < 0 ? rc : edo_faults.base.sendmmsg(fd, messages, (unsigned)fewer, flags);
}

static int edo_faulty_socketpair(int ends[2], int domain, int type, int protocol)
{
    int rc = edo_faults_before(EDO_CALL_SOCKETPAIR);

    if (rc == 0)
        rc = edo_faults.base.socketpair(ends, domain, type, protocol);
    for (int i = 0; i < 2 && rc == 0; i++)
        edo_faults_opened(EDO_CALL_SOCKETPAIR, ends[i]);
    return rc;
}

void edo_faults_fill_messages(struct edo_platform *table)
{
    table->sendmsg = edo_faulty_sendmsg;
    table->recvmsg = edo_faulty_recvmsg;
    table->recvmmsg = edo_faulty_recvmmsg;
    table->sendmmsg = edo_faulty_sendmmsg;
    table->socketpair = edo_faulty_socketpair;
}
