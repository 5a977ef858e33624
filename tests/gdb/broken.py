# SPDX-License-Identifier: MIT
#
# Sourced by gdb where the program has stopped: breaks one thing after the other in its memory, asks the commands, and puts it right
# again. Each must answer with a sentence about what is broken, or with the rest, and never with an error of Python's.
import re

import gdb

COMMANDS = ["edo tasks", "edo scopes around", "edo workers", "edo task deep bt"]
looked = wrong = 0


def number(expression):
    return int(gdb.parse_and_eval("(unsigned long)(%s)" % expression))


def ask(command):
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return str(error)


def block(task):
    return int(re.search(r"block (0x[0-9a-f]+)", ask("edo task %d" % task)).group(1), 16)


def spoil(what, place, value, *wanted):
    """Each of `wanted` stands in what the commands say."""
    global looked, wrong
    before = number(place)
    gdb.execute("set var %s = (__typeof__(%s))%d" % (place, place, value))
    said = "".join(ask(command) for command in COMMANDS)
    gdb.execute("set var %s = (__typeof__(%s))%d" % (place, place, before))
    for text in wanted:
        looked += 1
        if not re.search(text, said) or re.search("Traceback|script's own|Error occurred", said):
            wrong += 1
            print("%s: no %s in\n%s" % (what, text, said))


for found in re.finditer(r'^task (\d+) "(deep|around|read)"', ask("edo tasks"), re.M):
    globals()[found.group(2)] = "((struct edo_task *)%d)" % block(int(found.group(1)))
runtime = "((struct edo_runtime *)((char *)edo_running.next - (unsigned long)&((struct edo_runtime *)0)->all))"
whole = '"join" .* waits for the end of task 2 "word"'

spoil("a scope", around + "->scope", 0x10, "edo: cannot read struct edo_scope_body at 0x10", whole)
spoil("a chain of scopes", around + "->scope->outer", number(around + "->scope"), "scopes of task .* are broken", whole)
spoil("a home", read + "->home", 0x10, "scopes of task .* are broken", "whose scopes were not found", whole)
spoil("a name", read + "->name", 0x3, '"<unreadable: 0x3>"', whole)
spoil("a site", read + "->site", 0x3, "<unreadable: 0x3>", whole)
spoil("a stack pointer", deep + "->context.sp", 0x1000, "its stack pointer 0x1000 elsewhere", whole)
spoil("a stack pointer, not by much", deep + "->context.sp", number(deep + "->context.sp") + 40, whole)
spoil("a stack", deep + "->stack", 0x10, "cannot read struct edo_stack at 0x10", whole)
spoil("a state", deep + "->wake", 77, '"deep" .* is ready', whole)
spoil("the number of workers", runtime + "->worker_count", 100000, "the runtime at 0x.* is broken: it has 100000 workers")
spoil("the workers", runtime + "->workers", 0x10, "cannot read the timing wheel of worker 0 at 0x", whole)
spoil("a thread", runtime + "->threads->next", 0x10, "cannot read struct edo_thread at 0x10", whole)
spoil("the threads", runtime + "->threads", 0, "without a thread", whole)
spoil("the size of blocks", runtime + "->tasks.block_size", 12, "its blocks have 12 bytes")
spoil("how far a chunk is carved", runtime + "->tasks.chunks->fresh", 0x10, "a chunk at 0x.* that is carved up to 0x10", whole)
spoil("the end of a chunk", runtime + "->tasks.chunks->end", 0x10, "a chunk at 0x.* of 0x10")
spoil("the list of chunks", runtime + "->tasks.chunks->next", 0x10, "cannot read struct edo_chunk at 0x10", whole)
spoil("its end", runtime + "->tasks.chunks->next", number(runtime + "->tasks.chunks"), "comes back to", whole)
spoil("the sources", runtime + "->sources.chunks", 0x18, "cannot read struct edo_chunk at 0x18", whole)
spoil("the handles", runtime + "->handles.chunks", 0x18, "cannot read struct edo_chunk at 0x18", '"join" .* waits for a wake')
spoil("a bucket", "edo_buckets[3].lines", 0x18, "cannot read ", whole)
spoil("the channels", "edo_meetings[0].list.next", 0x18, "cannot read struct edo_meeting at", whole)
spoil("a wheel", runtime + "->workers[0].wheel.slots[4][7].next", 0x18, "cannot read struct edo_alarm at 0x18", whole)
spoil("the list of runtimes", "edo_running.next", 0x10, "cannot read a link of the list of runtimes at 0x10")
spoil("its end", "edo_running.next->next", number("edo_running.next"), "the list of runtimes is broken", whole)
ages = runtime + "->workers[0].ages"
spoil("the marks", ages, 0x10, "cannot read the marks of worker 0 at 0x10", '"join" .* waits for the end of task 2 "word"\n')
spoil("how many there are", ages + "->count", 5000, "the marks of worker 0 at 0x.* are broken: there are 5000", whole)
spoil("their order", ages + "->marks[0].id", number("edo_running.next"), whole)
print("broken: %d looked at, %d wrong" % (looked, wrong))
