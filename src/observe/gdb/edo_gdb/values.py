# SPDX-License-Identifier: MIT
#
# How `print`, `info locals` and `bt full` show Edo's values: an edo_str as its text, an edo_addr as edo_addr_print does, an edo_mutex with
# who holds it, a channel with what is in it. Only what lies in the program's memory is read; nothing is called. `print/r` shows the
# members. A value that is broken is shown by its members, too.
import ipaddress

import gdb

from .memory import Trouble, printable

TEXT_MOST = 200
HELD, THREAD = 1, 1 << 63


def number(value):
    """Also of an _Atomic member, whose qualifier gdb may not see through."""
    return int(value.cast(gdb.lookup_type("unsigned long"))) if value.type.sizeof <= 8 else int(value)


def bytes_at(value):
    return bytes(gdb.selected_inferior().read_memory(int(value.address), value.type.sizeof)) if value.address else bytes(value.bytes)


def quote(data):
    return '"%s"' % printable(data.replace(b"\\", b"\\\\").replace(b'"', b'\\"').decode("utf-8", "backslashreplace"))


def text_of_str(value):
    size, data = number(value["size"]), int(value["data"])
    if size == 0:
        return '"" (0 bytes)'
    try:
        got = bytes(gdb.selected_inferior().read_memory(data, min(size, TEXT_MOST)))
    except gdb.error:
        return "<unreadable: %#x> (%d bytes)" % (data, size)
    return "%s%s (%d byte%s)" % (quote(got), "..." if size > TEXT_MOST else "", size, "" if size == 1 else "s")


def text_of_path(data, at=False):
    """As edo_addr_parse takes it; `at`: an @ that begins it is escaped."""
    text = printable(data.replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace"))
    return "\\x40" + text[1:] if at and text[:1] == "@" else text


def text_of_addr(value):
    data = bytes(b & 0xFF for b in bytes_at(value))
    size, at = int.from_bytes(data[:4], "little"), data[8:]
    if size == 0:
        return "no address"
    family = int.from_bytes(at[:2], "little")
    port = int.from_bytes(at[2:4], "big")
    if family == 2:
        return "%s:%d" % (ipaddress.IPv4Address(at[4:8]), port)
    if family == 10:
        scope = int.from_bytes(at[24:28], "little")
        return "[%s%s]:%d" % (ipaddress.IPv6Address(at[8:24]), "%%%d" % scope if scope else "", port)
    if family == 1:
        path = at[2:size]
        return "@" + text_of_path(path[1:]) if path[:1] == b"\0" else "unix:" + text_of_path(path.split(b"\0")[0], at=True)
    return None


def text_of_mutex(value):
    word, owner = number(value["word_"]), number(value["owner_"])
    if word == 0:
        return "free"
    who = "a thread that runs no task" if owner & THREAD else "task %d" % owner if owner else "somebody"
    return "held by %s%s" % (who, ", waited for" if word & ~HELD else "")


def text_of_channel(value):
    capacity, count = number(value["capacity"]), number(value["count"])
    waiting = "".join(
        ", %d wait%s to %s" % (n, "s" if n == 1 else "", what)
        for n, what in ((number(value["senders_count"]), "send"), (number(value["receivers_count"]), "receive")) if n
    )
    return "%d value%s of %d bytes, room for %s%s%s" % (
        count, "" if count == 1 else "s", number(value["size"]), "any number" if capacity == (1 << 64) - 1 else capacity,
        waiting, ", closed" if number(value["closed"]) else "",
    )


SHOWN = {"edo_str": text_of_str, "edo_addr": text_of_addr, "edo_mutex": text_of_mutex, "edo_channel": text_of_channel}


class Value:
    """gdb asks with to_string, and for `members` where there is no text."""

    def __init__(self, text):
        self.text = text

    def to_string(self):
        return self.text


def edo_values(value):
    """The printer of a value, or None: it is none of these."""
    kind = value.type.strip_typedefs().unqualified()
    if kind.code != gdb.TYPE_CODE_STRUCT or kind.tag not in SHOWN:
        return None
    try:
        text = SHOWN[kind.tag](value)
    except (gdb.error, Trouble, ValueError, OverflowError, IndexError):
        text = None
    return Value(text) if text is not None else None


def load():
    gdb.pretty_printers.append(edo_values)


def unload():
    gdb.pretty_printers[:] = [one for one in gdb.pretty_printers if one is not edo_values]
