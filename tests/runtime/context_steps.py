# SPDX-License-Identifier: MIT
"""
Steps through every instruction of the context switch and looks, at each, at what gdb makes of the stack (rule K3): the
callers of the flow that the stack pointer belongs to, the values those callers keep in registers, and an end at main or
at the entry frame. Then at a suspended flow, by its saved stack pointer.

    gdb -nx -batch -x tests/runtime/context_steps.py <build>/context_steps

For another processor under qemu-user: qemu-aarch64 -g PORT context_steps &, and gdb-multiarch with
-ex "target remote :PORT" before the -x. context_steps is best built with -O2 -g, so that values are in registers.
Ends with 0 if all was right.
"""
import gdb

# What v0, v1, ... of the two flows hold; v0 is counted up.
INNER = [("v%d" % i, 2000 + i, 2003 if i == 0 else 2000 + i) for i in range(10)]
OUTER = [("v%d" % i, 1000 + i, 1003 if i == 0 else 1000 + i) for i in range(10)]

steps = 0
values = 0
wrong = []


def number(expression):
    return int(gdb.parse_and_eval(expression)) & (2**64 - 1)


def frames():
    frame = gdb.newest_frame()
    while frame is not None and frame.is_valid():
        yield frame
        frame = frame.older()


def check_values(frame, expected, place):
    """What a caller keeps must be found through the frames below it, or be known to be nowhere."""
    global values
    for name, least, most in expected:
        value = frame.read_var(name)
        if value.is_optimized_out:
            continue
        values += 1
        if not least <= int(value) <= most:
            wrong.append("%s: %s is %d in %s" % (place, name, int(value), frame.name()))


def check_stack(place, inner):
    walk = list(frames())
    names = [frame.name() for frame in walk]
    reason = walk[-1].unwind_stop_reason()
    began = number("steps_began")
    wanted = "steps_inner_flow" if inner else "steps_outer_flow"
    if names[-1] != ("edo_context_entry" if inner else "main"):
        wrong.append("%s: ends in %s" % (place, names))
    if inner and reason != gdb.FRAME_UNWIND_OUTERMOST:
        wrong.append("%s: %s" % (place, gdb.frame_stop_reason_string(reason)))
    if (began or not inner) and names[0] != "edo_context_entry":
        if wanted not in names:
            wrong.append("%s: no %s in %s" % (place, wanted, names))
        elif not gdb.execute("x/i $pc", to_string=True).rstrip().endswith("ret"):
            # At a ret gdb goes by a rule of its own, for which a call keeps registers; ours does not.
            check_values(walk[names.index(wanted)], INNER if inner else OUTER, place)


def step_through():
    """From the first instruction of the switch to the first after it."""
    global steps
    while True:
        pc = number("$pc")
        begin = number("(unsigned long)&edo_context_swap")
        entry = number("(unsigned long)&edo_context_entry")
        end = number("(unsigned long)&edo_context_image")
        if not begin <= pc < end:
            return
        sp = number("$sp")
        inner = number("(unsigned long)steps_low") <= sp <= number("(unsigned long)steps_high")
        name, offset = ("edo_context_entry", pc - entry) if pc >= entry else ("edo_context_swap", pc - begin)
        check_stack("%s+%d on the %s stack" % (name, offset, "inner" if inner else "outer"), inner)
        steps += 1
        gdb.execute("stepi", to_string=True)


def look_at_suspended():
    """The debugger's user does the same by hand: take the saved stack pointer, and the label behind its load."""
    pc, sp = number("$pc"), number("$sp")
    gdb.execute("set $sp = (unsigned long)steps_inner.sp")
    gdb.execute("set $pc = (unsigned long)&edo_context_suspended")
    check_stack("suspended", True)
    gdb.execute("set $sp = %d" % sp)
    gdb.execute("set $pc = %d" % pc)


def run():
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    swap = gdb.Breakpoint("*edo_context_swap", internal=True)
    pause = gdb.Breakpoint("steps_pause", internal=True)
    pauses = 0
    resume = "continue" if gdb.selected_inferior().pid else "run"
    while True:
        gdb.execute(resume, to_string=True)
        resume = "continue"
        if not gdb.selected_inferior().pid:
            break
        if gdb.newest_frame().name() == "steps_pause":
            pauses += 1
            look_at_suspended()
        else:
            step_through()
    code = gdb.parse_and_eval("$_exitcode")
    if code.type.code == gdb.TYPE_CODE_VOID or int(code) != 0:
        wrong.append("the program ended with %s" % code)
    if steps < 60 or pauses != 3 or values < 60:
        wrong.append("only %d steps, %d values, %d pauses" % (steps, values, pauses))
    swap.delete()
    pause.delete()


try:
    run()
except gdb.error as error:
    wrong.append("gdb: %s" % error)
for line in wrong[:20]:
    print(line)
print("%d instructions, %d values, %d wrong" % (steps, values, len(wrong)))
gdb.execute("quit %d" % (1 if wrong else 0))
