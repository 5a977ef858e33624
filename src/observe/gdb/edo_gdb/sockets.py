# SPDX-License-Identifier: MIT
#
# What a descriptor of a process on this machine is: a socket with its addresses, or whatever the kernel calls it. From /proc
# alone.
import ipaddress
import os


def read(pid, number):
    """One line about it; "" where nothing is known."""
    try:
        name = os.readlink("/proc/%d/fd/%d" % (pid, number))
    except OSError:
        return ""
    if not name.startswith("socket:["):
        return name
    return sockets(pid).get(name[8:-1], "a socket")


def address(text, six):
    """The kernel's hexadecimal words, each in the byte order of the machine."""
    host, port = text.split(":")
    words = [int(host[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(host), 8)]
    where = ipaddress.ip_address(b"".join(words))
    return ("[%s]:%d" if six else "%s:%d") % (where, int(port, 16))


def sockets(pid):
    """Texts by inodes."""
    found = {}
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for columns in lines(pid, kind):
            here, there = address(columns[1], "6" in kind), address(columns[2], "6" in kind)
            found[columns[9]] = "%s %s" % (kind[:3], here if there.endswith(":0") else "between %s and %s" % (here, there))
    for columns in lines(pid, "unix"):
        found[columns[6]] = "unix:" + columns[7] if len(columns) > 7 else "a Unix socket"
    return found


def lines(pid, kind):
    try:
        with open("/proc/%d/net/%s" % (pid, kind)) as file:
            return [line.split() for line in file.readlines()[1:]]
    except OSError:
        return []
