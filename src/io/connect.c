/* SPDX-License-Identifier: MIT */
/*
 * Connecting to an address. The state of an attempt is asked for by calling connect(2) again: 0 or EISCONN, it stands;
 * EALREADY, not yet (a needless wake); anything else is why it failed.
 */
#include "io/stream.h"
#include "platform/platform.h"
#include "runtime/options.h"
#include "runtime/task.h"

#include <edo/time.h>

#include <errno.h>
#include <sys/socket.h>

static int edo_connect_wait(struct edo_source *source, const struct sockaddr *sockaddr, socklen_t size)
{
    int64_t pause = EDO_MS(1);

    for (;;) {
        uint32_t seen;
        int rc;

        edo_source_ready(source, EDO_OUT, &seen);
        rc = edo_platform->connect(source->fd, sockaddr, size);
        switch (-rc) {
        case 0:
        case EISCONN:
            return 0;
        case EINTR: /* asked again at once: of an attempt that has ended meanwhile no edge will tell once more */
            rc = 0;
            break;
        case EINPROGRESS:
        case EALREADY:
            edo_source_drained(source, EDO_OUT, seen);
            rc = edo_source_wait(source, EDO_OUT, EDO_FOREVER);
            break;
        case EAGAIN: /* a Unix listener's queue is full, and epoll does not tell when it no longer is */
            if (sockaddr->sa_family != AF_UNIX)
                return rc;
            rc = edo_sleep(pause);
            if (pause < EDO_MS(50))
                pause *= 2;
            break;
        default:
            return rc;
        }
        if (rc < 0)
            return rc;
    }
}

static int edo_connect_prepare(int fd, const edo_connect_options *options, bool tcp)
{
    int rc = 0;

    if (tcp && !options->keep_delay)
        rc = edo_socket_set_nodelay(fd, true);
    if (rc == 0 && tcp && options->keepalive > 0)
        rc = edo_socket_set_keepalive(fd, options->keepalive);
    if (rc == 0 && options->bind) {
        socklen_t size;
        const struct sockaddr *local = edo_addr_sockaddr(options->bind, &size);

        rc = edo_platform->bind(fd, local, size);
    }
    return rc;
}

int edo_connect(edo_stream **out, const edo_addr *address, const edo_connect_options *given)
{
    struct edo_task *task = edo_task_self();
    edo_connect_options options;
    struct edo_source *source;
    const struct sockaddr *sockaddr;
    socklen_t size;
    int fd;
    int rc = EDO_READ_OPTIONS(&options, given);

    if (rc < 0)
        return rc;
    if (!task)
        return -EPERM;
    if (!address || !address->size_ || (options.bind && !options.bind->size_))
        return -EINVAL;
    rc = edo_suspension_point(task);
    if (rc == 0)
        rc = edo_source_get(&source);
    if (rc < 0)
        return rc;
    sockaddr = edo_addr_sockaddr(address, &size);
    fd = edo_socket_open(address);
    rc = fd < 0 ? fd : edo_connect_prepare(fd, &options, sockaddr->sa_family != AF_UNIX);
    if (rc < 0) {
        if (fd >= 0)
            edo_platform->close(fd);
        edo_source_put(source);
        return rc;
    }
    edo_source_open(source, fd);
    rc = edo_connect_wait(source, sockaddr, size);
    if (rc < 0) {
        edo_source_close(source);
        return rc;
    }
    *out = (edo_stream *)source;
    return 0;
}

int edo_unix_connect(edo_stream **out, const char *path, const edo_connect_options *options)
{
    edo_addr address;
    int rc = edo_unix_addr(&address, path);

    return rc < 0 ? rc : edo_connect(out, &address, options);
}
