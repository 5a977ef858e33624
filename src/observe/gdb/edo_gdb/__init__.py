# SPDX-License-Identifier: MIT
#
# Edo's tasks in gdb, of a live process or of a core file. The program is only read: nothing is called in it and nothing is
# written to it, so a stopped process stays what it is.
#
#   layout.py     where members lie, by the debug information of the library: no number of the C is repeated here
#   memory.py     reading, and what is told when that fails
#   collect.py    runtimes, threads, tasks, scopes           (as src/observe/dump_collect.c, but nobody moves meanwhile)
#   waits.py      what tasks wait for; rings of them         (dump_waits.c, dump_cycles.c)
#   text.py       lines                                      (dump_text.c)
#   sockets.py    what a descriptor is
#   core.py       core files with all stacks
#   frames.py     gdb's own commands about frames, in a task that does not run
#   commands.py   what users type
