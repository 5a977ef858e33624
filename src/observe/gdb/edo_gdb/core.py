# SPDX-License-Identifier: MIT
#
# A core file of a live process with all of its tasks' stacks.
#
# gdb's own generate-core-file reads memory by the MiB, and where a page of that cannot be read it leaves the rest of the mapping
# zero. Guard pages between stacks are such pages, where the kernel has them without mappings of their own (stack_guard.h): then
# the stacks are lost. (The kernel's own core files are whole.) So what gdb complains of is read again, around those pages, and
# written where it belongs.
import re
import struct

import gdb

from .memory import PAGE, Trouble

PT_LOAD = 1  # of ELF, which gdb wrote


def segments(file):
    """(address, where in the file, size) of what a 64-bit core file holds of memory."""
    header = file.read(64)
    if header[:6] != b"\x7fELF\x02\x01":
        raise Trouble("the core file is no ELF file of 64 bits")
    (at,) = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    if count == 0xFFFF:  # too many: the number stands in the first section's header
        (sections,) = struct.unpack_from("<Q", header, 40)
        file.seek(sections + 44)
        (count,) = struct.unpack("<I", file.read(4))
    file.seek(at)
    table = file.read(size * count)
    for i in range(count):
        kind, _, where, address, _, stored, _, _ = struct.unpack_from("<IIQQQQQQ", table, i * size)
        if kind == PT_LOAD and stored:
            yield address, where, stored


def readable(inferior, address, size):
    """Pieces of that memory; where a page can't be read it is left out."""
    todo = [(address, size)]
    while todo:
        address, size = todo.pop()
        try:
            yield address, bytes(inferior.read_memory(address, size))
        except gdb.error:
            if size > PAGE:
                half = size // 2 // PAGE * PAGE or PAGE
                todo.append((address + half, size - half))
                todo.append((address, half))


def write(name):
    """gdb's core file, made whole: what was said, and how many bytes were added."""
    inferior = gdb.selected_inferior()
    said = gdb.execute("generate-core-file " + name, False, True)
    failed = re.findall(r"Memory read failed for corefile section, \d+ bytes at (0x[0-9a-f]+)", said)
    saved = re.search(r"Saved corefile (.*)", said)
    if not saved:
        raise Trouble("gdb wrote no core file: %s" % said.strip())
    added = 0
    with open(saved.group(1).strip(), "r+b") as file:
        places = list(segments(file))
        for lost in (int(text, 16) for text in failed):
            for address, where, size in places:
                if not address <= lost < address + size:
                    continue
                for begin in range(lost, address + size, 1 << 20):
                    for piece, data in readable(inferior, begin, min(1 << 20, address + size - begin)):
                        if data.count(0) != len(data):
                            file.seek(where + piece - address)
                            file.write(data)
                            added += len(data)
    return saved.group(1).strip(), added
