# SPDX-License-Identifier: MIT
#
# Reading the program's memory. What can't be read, or can't be true, is a Trouble with its address: commands tell it and go on
# with the rest.
import gdb

PAGE = 4096  # how finely memory that can be read in parts is looked through; any size would do


def printable(text):
    """As one line of a terminal."""
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)


class Trouble(Exception):
    """Something in the program is not what it should be."""


class Memory:
    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.texts = {}
        self.troubles = []

    def note(self, trouble):
        """Remembers what to tell at the end, once."""
        text = str(trouble)
        if text not in self.troubles:
            self.troubles.append(text)

    def read(self, address, size, what):
        address &= (1 << 64) - 1  # a broken link leads below 0
        try:
            return bytes(self.inferior.read_memory(address, size))
        except (gdb.error, OverflowError, ValueError, MemoryError):
            raise Trouble("cannot read %s at %#x (%d bytes)" % (what, address, size)) from None

    def read_parts(self, address, size, what):
        """Pieces (address, bytes) of what can be read of a large area; notes what can't."""
        try:
            return [(address, self.read(address, size, what))]
        except Trouble as trouble:
            self.note(trouble)
        pieces = []
        end = address + size
        while address < end:
            upto = min((address // PAGE + 1) * PAGE, end)
            try:
                part = self.read(address, upto - address, what)
                if pieces and pieces[-1][0] + len(pieces[-1][1]) == address:
                    pieces[-1] = (pieces[-1][0], pieces[-1][1] + part)
                else:
                    pieces.append((address, part))
            except Trouble:
                pass
            address = upto
        return pieces

    def text(self, address, most=128):
        """The terminated string there, as one line of a terminal; None for NULL."""
        if not address:
            return None
        if address not in self.texts:
            self.texts[address] = self._text(address, most)
        return self.texts[address]

    def _text(self, address, most):
        got = b""
        while len(got) < most and b"\0" not in got:
            size = min(most - len(got), 64 - (address + len(got)) % 64)  # never far past the end, which may be a mapping's
            try:
                got += self.read(address + len(got), size, "text")
            except Trouble:
                if not got:
                    return "<unreadable: %#x>" % address
                break
        text = got.split(b"\0")[0].decode("utf-8", "backslashreplace")
        return printable(text)

    def ring(self, head, next_at, what, most=10000000):
        """The links of a ring behind its head; its links' `next` lies `next_at` bytes into them."""
        seen = {head}
        link = head
        while True:
            link = int.from_bytes(self.read(link + next_at, 8, "a link of %s" % what), "little")
            if link == head:
                return
            if link in seen or len(seen) > most:
                raise Trouble("%s is broken: its list comes back to %#x and not to its head %#x" % (what, link, head))
            if not link:
                raise Trouble("%s is broken: its list ends, behind its head %#x" % (what, head))
            seen.add(link)
            yield link
