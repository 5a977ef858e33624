/* SPDX-License-Identifier: MIT */
/* Paths of Unix sockets that are no more. See stale.h. No data. */
#include "io/stale.h"
#include "io/stream.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

void edo_unlink_stale(const edo_addr *address, const char *path)
{
    socklen_t size;
    const struct sockaddr *sockaddr = edo_addr_sockaddr(address, &size);
    int fd = edo_platform->open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

    if (fd >= 0)
        edo_platform->close(fd);
    if (fd != -ENXIO)
        return;
    fd = edo_socket_open(address);
    if (fd < 0)
        return;
    if (edo_platform->connect(fd, sockaddr, size) == -ECONNREFUSED)
        edo_platform->unlink(path);
    edo_platform->close(fd);
}
