/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses and their text form, which <edo/addr.h> describes.
 *
 * Invariant: whatever leaves this file is in one normal form, so that equal addresses have equal bytes:
 * padding, flow label and what follows a Unix path are zero; a path's size counts its terminating zero, a
 * name's its leading one. Values only; nothing is shared.
 */
#include <edo/addr.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_OFFSET = offsetof(struct sockaddr_un, sun_path),
    PATH_CAPACITY = sizeof(((struct sockaddr_un *)NULL)->sun_path),
    NAME_MAX_BYTES = PATH_CAPACITY - 1, /* a path needs its last byte for the zero, a name its first */
    ESCAPE_SIZE = 4                     /* \xNN */
};

_Static_assert(sizeof(edo_addr) >= 112 && sizeof(edo_addr) <= 128, "the size that callers were promised");
_Static_assert(EDO_ADDR_TEXT_SIZE >= sizeof "unix:" + NAME_MAX_BYTES * ESCAPE_SIZE, "all escaped still fits");

/* --- Reading
 * ------------------------------------------------------------------------------------------------------ */

/* All of the text as a decimal number without sign or leading zeros. */
static bool parse_decimal(uint32_t *out, edo_str text, uint32_t maximum)
{
    uint64_t number = 0;

    if (text.size == 0 || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
        if (number > maximum)
            return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* inet_pton for text that is not terminated; INET6_ADDRSTRLEN is the longest that can be an address. */
static bool parse_ip(int family, void *out, edo_str text)
{
    char terminated[INET6_ADDRSTRLEN];

    if (text.size >= sizeof terminated)
        return false;
    memcpy(terminated, text.data, text.size);
    terminated[text.size] = '\0';
    return inet_pton(family, terminated, out) == 1;
}

static int parse_scope(uint32_t *out, edo_str text)
{
    char name[IF_NAMESIZE];

    if (text.size == 0)
        return -EINVAL;
    if (strspn(text.data, "0123456789") >= text.size)
        return parse_decimal(out, text, UINT32_MAX) && *out != 0 ? 0 : -EINVAL;
    if (text.size >= sizeof name)
        return -ENODEV;
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    *out = if_nametoindex(name);
    return *out != 0 ? 0 : -ENODEV;
}

static edo_str between(const char *from, const char *to)
{
    return (edo_str){from, (size_t)(to - from)};
}

/* The text after a "[". */
static int parse_ip6(edo_addr *out, const char *text)
{
    struct sockaddr_in6 *ip = &out->at_.ip6;
    const char *end = strchr(text, ']');
    const char *scope;
    uint32_t port;

    if (!end || end[1] != ':')
        return -EINVAL;
    scope = memchr(text, '%', (size_t)(end - text));
    if (!parse_ip(AF_INET6, &ip->sin6_addr, between(text, scope ? scope : end)) ||
        !parse_decimal(&port, edo_str_of(end + 2), UINT16_MAX))
        return -EINVAL;
    ip->sin6_family = AF_INET6;
    ip->sin6_port = htons((uint16_t)port);
    out->size_ = sizeof *ip;
    return scope ? parse_scope(&ip->sin6_scope_id, between(scope + 1, end)) : 0;
}

static int parse_ip4(edo_addr *out, const char *text)
{
    struct sockaddr_in *ip = &out->at_.ip4;
    const char *colon = strrchr(text, ':');
    uint32_t port;

    if (!colon || !parse_decimal(&port, edo_str_of(colon + 1), UINT16_MAX))
        return -EINVAL;
    if (colon != text && !parse_ip(AF_INET, &ip->sin_addr, between(text, colon)))
        return -EINVAL;
    ip->sin_family = AF_INET;
    ip->sin_port = htons((uint16_t)port);
    out->size_ = sizeof *ip;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_plain(char c)
{
    return (unsigned char)c >= ' ' && c != 0x7f && c != '\\';
}

/* One byte of a path or name, which may be written as \xNN. Returns how many characters it took; 0: not well
 * formed. */
static size_t parse_byte(char *out, const char *text)
{
    if (is_plain(text[0])) {
        *out = text[0];
        return 1;
    }
    if (text[0] != '\\' || text[1] != 'x' || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
        return 0;
    *out = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
    return ESCAPE_SIZE;
}

/* A path, or, after its "@", an abstract name, which may contain zeros. */
static int parse_local(edo_addr *out, const char *text, bool abstract)
{
    struct sockaddr_un *local = &out->at_.local;
    size_t size = 0, taken;
    bool too_long = false;

    for (; *text; text += taken) {
        char byte;

        taken = parse_byte(&byte, text);
        if (taken == 0 || (byte == '\0' && !abstract))
            return -EINVAL;
        too_long = size == NAME_MAX_BYTES;
        if (!too_long)
            local->sun_path[abstract + size++] = byte;
    }
    if (size == 0)
        return -EINVAL;
    if (too_long)
        return -ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    out->size_ = (uint32_t)(PATH_OFFSET + 1 + size);
    return 0;
}

int edo_addr_parse(edo_addr *out, const char *text)
{
    static const char prefix[] = "unix:";
    edo_addr addr;
    int rc;

    if (!out || !text)
        return -EINVAL;
    memset(&addr, 0, sizeof addr); /* an initialiser may leave the rest of a union as it was */
    if (strncmp(text, prefix, sizeof prefix - 1) == 0) {
        text += sizeof prefix - 1;
        rc = text[0] == '@' ? -EINVAL : parse_local(&addr, text, false);
    } else if (text[0] == '/')
        rc = parse_local(&addr, text, false);
    else if (text[0] == '@')
        rc = parse_local(&addr, text + 1, true);
    else if (text[0] == '[')
        rc = parse_ip6(&addr, text + 1);
    else
        rc = parse_ip4(&addr, text);
    if (rc == 0)
        *out = addr;
    return rc;
}

/* --- Writing
 * ------------------------------------------------------------------------------------------------------ */

/* The buffers of these have EDO_ADDR_TEXT_SIZE bytes, which is enough for all they may write. */

static int print_ip4(char *out, const struct sockaddr_in *ip)
{
    char host[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &ip->sin_addr, host, sizeof host);
    return snprintf(out, EDO_ADDR_TEXT_SIZE, "%s:%u", host, (unsigned)ntohs(ip->sin_port));
}

static int print_ip6(char *out, const struct sockaddr_in6 *ip)
{
    char host[INET6_ADDRSTRLEN], scope[sizeof "%4294967295"] = "";

    inet_ntop(AF_INET6, &ip->sin6_addr, host, sizeof host);
    if (ip->sin6_scope_id != 0)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)ip->sin6_scope_id);
    return snprintf(out, EDO_ADDR_TEXT_SIZE, "[%s%s]:%u", host, scope, (unsigned)ntohs(ip->sin6_port));
}

static int print_local(char *out, const struct sockaddr_un *local, size_t size)
{
    bool abstract = size > PATH_OFFSET && local->sun_path[0] == '\0';
    const char *bytes = local->sun_path + abstract;
    size_t count = size > PATH_OFFSET ? size - PATH_OFFSET - 1 : 0; /* less the zero before or behind */
    int length = sprintf(out, "%s", abstract ? "@" : "unix:");

    for (size_t i = 0; i < count; i++)
        if (is_plain(bytes[i]) && !(i == 0 && !abstract && bytes[i] == '@'))
            out[length++] = bytes[i];
        else
            length += sprintf(out + length, "\\x%02x", (unsigned)(unsigned char)bytes[i]);
    out[length] = '\0';
    return length;
}

int edo_addr_print(char *out, size_t capacity, const edo_addr *addr)
{
    char text[EDO_ADDR_TEXT_SIZE];
    int length;

    if (!addr || addr->size_ == 0)
        return -EINVAL;
    if (addr->at_.any.sa_family == AF_INET)
        length = print_ip4(text, &addr->at_.ip4);
    else if (addr->at_.any.sa_family == AF_INET6)
        length = print_ip6(text, &addr->at_.ip6);
    else
        length = print_local(text, &addr->at_.local, addr->size_);
    if ((size_t)length >= capacity)
        return -ENOSPC;
    memcpy(out, text, (size_t)length + 1);
    return length;
}

/* --- The rest
 * ----------------------------------------------------------------------------------------------------- */

bool edo_addr_equal(const edo_addr *a, const edo_addr *b)
{
    return a->size_ == b->size_ && memcmp(&a->at_, &b->at_, a->size_) == 0;
}

/* Where the port is, as it travels; NULL for addresses without. */
static const in_port_t *port_of(const edo_addr *addr)
{
    if (addr->at_.any.sa_family == AF_INET)
        return &addr->at_.ip4.sin_port;
    return addr->at_.any.sa_family == AF_INET6 ? &addr->at_.ip6.sin6_port : NULL;
}

int edo_addr_port(const edo_addr *addr)
{
    const in_port_t *port;

    if (!addr || addr->size_ == 0)
        return -EINVAL;
    port = port_of(addr);
    return port ? ntohs(*port) : -EAFNOSUPPORT;
}

int edo_addr_set_port(edo_addr *addr, int port)
{
    if (!addr || addr->size_ == 0 || port < 0 || port > UINT16_MAX)
        return -EINVAL;
    if (addr->at_.any.sa_family == AF_INET)
        addr->at_.ip4.sin_port = htons((uint16_t)port);
    else if (addr->at_.any.sa_family == AF_INET6)
        addr->at_.ip6.sin6_port = htons((uint16_t)port);
    else
        return -EAFNOSUPPORT;
    return 0;
}

const struct sockaddr *edo_addr_sockaddr(const edo_addr *addr, socklen_t *size)
{
    *size = addr->size_;
    return addr->size_ != 0 ? &addr->at_.any : NULL;
}

static int local_from(edo_addr *addr, const unsigned char *bytes, socklen_t size)
{
    struct sockaddr_un *local = &addr->at_.local;
    size_t count = size - PATH_OFFSET;

    if (count > PATH_CAPACITY)
        return -ENAMETOOLONG;
    memcpy(local->sun_path, bytes + PATH_OFFSET, count);
    if (count > 0 && local->sun_path[0] != '\0') {
        /* A path ends at its zero, or where the size says so. */
        size_t length = strnlen(local->sun_path, count);

        if (length > NAME_MAX_BYTES)
            return -ENAMETOOLONG;
        memset(local->sun_path + length, 0, PATH_CAPACITY - length);
        count = length + 1;
    }
    local->sun_family = AF_UNIX;
    addr->size_ = (uint32_t)(PATH_OFFSET + count);
    return 0;
}

int edo_addr_from_sockaddr(edo_addr *out, const struct sockaddr *sockaddr, socklen_t size)
{
    const unsigned char *bytes = (const unsigned char *)sockaddr;
    edo_addr addr;
    sa_family_t family;
    int rc = 0;

    if (!out || !sockaddr || size < sizeof family)
        return -EINVAL;
    memset(&addr, 0, sizeof addr);
    memcpy(&family, bytes + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family == AF_INET) {
        if (size < sizeof addr.at_.ip4)
            return -EINVAL;
        memcpy(&addr.at_.ip4, bytes, sizeof addr.at_.ip4);
        memset(addr.at_.ip4.sin_zero, 0, sizeof addr.at_.ip4.sin_zero);
        addr.size_ = sizeof addr.at_.ip4;
    } else if (family == AF_INET6) {
        if (size < sizeof addr.at_.ip6)
            return -EINVAL;
        memcpy(&addr.at_.ip6, bytes, sizeof addr.at_.ip6);
        addr.at_.ip6.sin6_flowinfo = 0;
        addr.size_ = sizeof addr.at_.ip6;
    } else if (family == AF_UNIX)
        rc = local_from(&addr, bytes, size);
    else
        rc = -EAFNOSUPPORT;
    if (rc == 0)
        *out = addr;
    return rc;
}
