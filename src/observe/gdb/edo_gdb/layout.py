# SPDX-License-Identifier: MIT
#
# Where the members of Edo's structs lie, the values of its enumerators, the addresses of its variables: all asked from the
# debug information of the library that is debugged. So the same script does for every build of it.
import operator
import struct

import gdb


class Missing(Exception):
    """The debug information lacks something."""


def why_missing():
    """A sentence for who has no debug information, or no Edo."""
    for name in ("edo_run", "edo_context_swap"):
        try:
            address = int(gdb.parse_and_eval("(unsigned long)&%s" % name))
        except gdb.error:
            continue
        module = gdb.solib_name(address)
        if not module:
            names = [o.filename for o in gdb.objfiles() if o.filename and not o.filename.startswith("system-supplied")]
            module = names[0] if names else "the program"
        return (
            "%s has Edo in it, but no debug information of it: build Edo with -g and do not strip, or install the "
            "package with its debug symbols" % module
        )
    return (
        "no Edo is to be seen in this program: run it first, so that its libraries are loaded; or it was stripped of all "
        "its symbols"
    )


class Struct:
    def __init__(self, gdb_type):
        self.type = gdb_type.strip_typedefs()
        self.name = str(self.type)
        self.size = self.type.sizeof
        self.members = {}
        self.readers = {}
        self._add(self.type, 0)

    def _add(self, of, base):
        for field in of.fields():
            if not hasattr(field, "bitpos"):
                continue
            at = base + field.bitpos // 8
            if field.name:
                self.members[field.name] = (at, field.type.strip_typedefs().unqualified())
            else:  # an anonymous union or struct
                self._add(field.type.strip_typedefs(), at)

    def member(self, path):
        """(offset, type) of "alarm.node.deadline" or "waiter[1]"."""
        at, rest = 0, self
        of = None
        for name in path.replace("[", ".[").split("."):
            if name.startswith("["):
                item = of.target().strip_typedefs().unqualified()
                at, of = at + int(name[1:-1]) * item.sizeof, item
                continue
            if rest is None:
                rest = Struct(of)
            if name not in rest.members:
                raise Missing("%s has no member %s in this build's debug information" % (self.name, path))
            offset, of = rest.members[name]
            at, rest = at + offset, None
        return at, of

    def offset(self, path):
        return self.member(path)[0]

    def reader(self, *paths):
        if paths not in self.readers:
            self.readers[paths] = Reader(self, paths)
        return self.readers[paths]


class Reader:
    """Some members of a struct, together: unpack(bytes, at) is the tuple of their values."""

    def __init__(self, of, paths):
        self.of = of
        self.size = of.size
        found = []
        for i, path in enumerate(paths):
            at, kind = of.member(path)
            found.append((at, i, kind))
        found.sort(key=lambda entry: entry[:2])
        form, end = "<", 0
        for at, _, kind in found:
            code = self._code(kind)
            form += "%dx%s" % (at - end, code)
            end = at + struct.calcsize("<" + code)
        self.unpack = struct.Struct(form).unpack_from
        order = sorted(range(len(found)), key=lambda k: found[k][1])
        if len(order) > 1 and order != list(range(len(order))):
            pick, inner = operator.itemgetter(*order), self.unpack
            self.unpack = lambda data, at=0: pick(inner(data, at))

    def _code(self, kind):
        size = kind.sizeof
        if kind.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY):
            raise Missing("%s: a member is no number in this build" % self.of.name)
        signed = kind.code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR) and kind.is_signed
        code = {1: "b", 2: "h", 4: "i", 8: "q"}[size]
        return code if signed else code.upper()

    def read(self, memory, address):
        return self.unpack(memory.read(address, self.size, self.of.name))


class Layout:
    def __init__(self):
        self.structs = {}
        self.constants = {}
        self.addresses = {}
        self.struct("edo_runtime")  # so that what is missing is told at once

    def struct(self, name):
        if name not in self.structs:
            try:
                self.structs[name] = Struct(gdb.lookup_type("struct " + name))
            except gdb.error:
                raise Missing(why_missing()) from None
        return self.structs[name]

    def _symbol(self, name):
        symbol = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
        if symbol is None:
            raise Missing("no %s in the debug information of Edo: it is another version, or was cut down" % name)
        return symbol

    def constant(self, name):
        """An enumerator."""
        if name not in self.constants:
            self.constants[name] = int(self._symbol(name).value())
        return self.constants[name]

    def kind(self, name):
        """An enumerator that a program may lack, when it is linked without what uses it; None then, which is no value."""
        try:
            return self.constant(name)
        except Missing:
            return None

    def linked(self, name):
        """Whether that variable or function is in the program: a static library leaves out what is not used."""
        try:
            gdb.parse_and_eval("&" + name)
            return True
        except gdb.error:
            return False

    def address(self, name):
        """Of a variable or a function."""
        if name not in self.addresses:
            try:
                self.addresses[name] = int(self._symbol(name).value().address)
            except gdb.error as error:
                raise Missing("no address of %s: %s" % (name, error)) from None
        return self.addresses[name]

    def variable(self, name):
        """(address, type)."""
        return self.address(name), self._symbol(name).value().type.strip_typedefs()
