# SPDX-License-Identifier: MIT
#
# gdb's commands for Edo's tasks: `source` this file, then `edo help`. It only finds the package beside it (edo_gdb) and
# loads that afresh, so that it may be sourced again after a change.
import os
import sys


def edo_load():
    here = os.path.dirname(os.path.realpath(__file__))
    told = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # who debugs as root leaves nothing behind
    sys.path.insert(0, here)
    try:
        before = sys.modules.get("edo_gdb.commands")
        if before:
            before.unload()
        for name in [name for name in sys.modules if name.split(".")[0] == "edo_gdb"]:
            del sys.modules[name]
        from edo_gdb import commands

        commands.load()
    finally:
        sys.path.remove(here)
        sys.dont_write_bytecode = told


edo_load()
