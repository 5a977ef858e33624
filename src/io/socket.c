/* SPDX-License-Identifier: MIT */
/* Sockets before they are streams: opening, and the options that both ends share. */
#include "io/stream.h"
#include "platform/platform.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int edo_unix_addr(edo_addr *out, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;

    if (length == 0)
        return -EINVAL;
    if (length >= sizeof name.sun_path)
        return -ENAMETOOLONG;
    memcpy(name.sun_path, path, length);
    if (path[0] == '@') { /* an abstract name: NUL in its place, and no end but the size's */
        name.sun_path[0] = '\0';
        return edo_addr_from_sockaddr(out, (struct sockaddr *)&name,
                                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    }
    return edo_addr_from_sockaddr(out, (struct sockaddr *)&name,
                                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1));
}

int edo_socket_open(const edo_addr *address)
{
    socklen_t size;
    const struct sockaddr *sockaddr = edo_addr_sockaddr(address, &size);

    return edo_platform->socket(sockaddr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int edo_socket_set(int fd, int level, int name, int value)
{
    return edo_platform->setsockopt(fd, level, name, &value, sizeof value);
}

int edo_socket_set_nodelay(int fd, bool on)
{
    return edo_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int edo_socket_set_keepalive(int fd, int64_t after)
{
    int64_t seconds = after / EDO_SEC(1) + (after % EDO_SEC(1) != 0);
    int rc = edo_socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, after > 0);

    if (rc < 0 || after <= 0)
        return rc;
    if (seconds > 32767) /* the kernel's limit, tcp(7) */
        seconds = 32767;
    return edo_socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds);
}

int edo_socket_name(edo_addr *out, int fd, int (*ask)(int fd, struct sockaddr *address, socklen_t *size))
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    int rc = ask(fd, (struct sockaddr *)&storage, &size);

    return rc < 0 ? rc : edo_addr_from_sockaddr(out, (struct sockaddr *)&storage, size);
}
