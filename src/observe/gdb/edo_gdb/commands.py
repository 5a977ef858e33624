# SPDX-License-Identifier: MIT
#
# What users type. Each command looks at the program anew. What goes wrong is told in a sentence, never as a Python traceback.
import re

import gdb

from . import collect, core, frames, values
from .layout import Missing
from .memory import Trouble
from .text import Text
from .waits import REGION, RUNS, Waits, rings

INDENT_MOST = 32
TROUBLES_MOST = 10

HELP = """\
edo tasks [WORD...]      every task, a line each: state, name, spawn site, what it waits for, who holds that, deadline
                         (only lines with all the words, e.g. `edo tasks mutex held`)
edo task WHICH           one task: the same, its scopes, function, stack, and where in your program it stands
edo task WHICH bt        its backtrace; so does every command: `edo task 5 bt full`, `edo task 5 info locals`
edo task all bt          the same for all of them
edo task WHICH select    from now on bt, frame, up, down, print, ... are about that task, until the program goes on
edo thread               or until this: frames are the threads' again
edo scopes [WORD...]     the tree: scopes, and in them their tasks
edo workers              workers, their queues, timers and threads
edo gcore [FILE]         a core file with the stacks of all tasks, which gdb's own gcore may lack
edo help                 this

WHICH is a task's number, its name, or an expression for its handle (edo_task *). Nothing is called or written in the
program, so all of it works on core files too.
"""


def command(function):
    """The body of a command: errors in a sentence."""

    def invoke(self, argument, from_tty):
        try:
            function(self, argument.strip(), from_tty)
        except (Trouble, Missing) as error:
            raise gdb.GdbError("edo: %s" % error) from None
        except gdb.GdbError:
            raise
        except gdb.error as error:
            raise gdb.GdbError("edo: %s" % error) from None
        except OSError as error:
            raise gdb.GdbError("edo: %s" % error) from None
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RuntimeError) as error:
            raise gdb.GdbError("edo: this is an error of the script's own: %s: %s" % (type(error).__name__, error)) from None

    return invoke


def world(all_of_it=True):
    """What there is, with all that is waited for, or only who runs."""
    with gdb.with_parameter("language", "c"):
        found = collect.World()
        for runtime in found.runtimes:
            runtime.collect()
            runtime.look = Waits(runtime)
            runtime.look.take(all_of_it)
    return found


def write(lines):
    """Many lines in few calls; the pager is gdb's."""
    some = []
    for line in lines:
        some.append(line)
        if len(some) == 500:
            gdb.write("\n".join(some) + "\n")
            some = []
    if some:
        gdb.write("\n".join(some) + "\n")


def finish(found):
    """What could not be read, and that there was nothing."""
    if not found.runtimes and not found.memory.troubles:
        gdb.write("edo: no runtime runs\n")
    troubles = found.memory.troubles
    write("edo: " + text for text in troubles[:TROUBLES_MOST])
    if len(troubles) > TROUBLES_MOST:
        gdb.write("edo: and %d more like these\n" % (len(troubles) - TROUBLES_MOST))


def matches(words, line):
    line = line.lower()
    return all(word in line for word in words)


def indent(depth):
    return "  " * min(depth, INDENT_MOST)


# --- Which task


def find(found, which):
    """The tasks that are meant: a list."""
    tasks = [task for runtime in found.runtimes for task in runtime.order]
    if which == "all":
        return tasks
    number = None
    try:
        number = int(which, 0)
    except ValueError:
        name = which[1:-1] if which[:1] == '"' else which
        texts = {runtime: Text(runtime) for runtime in found.runtimes}
        named = [task for task in tasks if texts[task.runtime].name(task) == name]
        if len(named) > 1:
            some = ", ".join(str(task.id) for task in named[:10]) + (", ..." if len(named) > 10 else "")
            raise Trouble("%d tasks are called %s: say which number (%s)" % (len(named), name, some))
        if named:
            return named
        if which[:1] != '"':
            try:
                number = frames.address_of(gdb.parse_and_eval(which))
            except gdb.error:
                pass
    if number:
        for attribute in ("id", "handle", "address"):
            for task in tasks:
                if getattr(task, attribute) == number:
                    return [task]
    raise Trouble("there is no task %s (`edo tasks` lists them)" % which)


def split(argument):
    """WHICH and the rest."""
    parts = re.match(r'("(?:[^"\\]|\\.)*"|\S+)\s*(.*)', argument, re.S)
    return parts.groups() if parts else (None, "")


# --- Looking at one


def no_frames(task, text):
    """Why it has no frames; None: it has."""
    function = text.world.symbol(task.fn) or "%#x" % task.fn
    if task.stack:
        return None
    if task.dormant:
        return "task %d is dormant: it has no stack while it waits, and will go on in %s" % (task.id, function)
    return "task %d has not run yet: it has no stack, and will begin in %s" % (task.id, function)


def looking(task, text):
    """What to say `with` to, so that gdb's frames are the task's."""
    why = no_frames(task, text)
    thread = frames.thread_on_stack(task.runtime.look, task)
    if thread is None and task.state in (RUNS, REGION):
        thread = frames.gdb_thread_of(task.thread)
        if thread is None:
            raise Trouble("task %d runs, on LWP %d, which gdb does not know" % (task.id, task.thread.number))
    if thread is not None:
        return frames.OnThread(thread)
    if why:
        raise Trouble(why)
    return frames.Looking(frames.saved_registers(task.runtime.look, task))


def place(task, text):
    """Where it stands in the user's own code; None."""
    try:
        with looking(task, text):
            return frames.place()[1]
    except (Trouble, gdb.error):
        return None


def facts(task):
    """Lines about one task."""
    runtime = task.runtime
    text, layout, memory = Text(runtime), runtime.world.layout, runtime.world.memory
    yield text.line(task)
    yield "  function    %s, argument %#x" % (text.world.symbol(task.fn) or "%#x" % task.fn, task.argument)
    site = text.world.site(task.site)
    if site and site[0]:
        yield "  spawned     in %s (%s:%d)" % (site[2] or "?", site[0], site[1])
    if no_frames(task, text) is None:
        where = place(task, text)
        if where:
            yield "  stands      in " + where
        try:
            low, high = runtime.look.stack_bounds(task)
            suspended = task.state not in (RUNS, REGION) and low <= task.sp < high
            used = ", %d bytes in use" % (high - task.sp) if suspended else ""
            yield "  stack       %#x to %#x (%d KiB)%s" % (low, high, (high - low) // 1024, used)
        except Trouble as trouble:
            memory.note(trouble)
    else:
        yield "  stack       none"
    yield "  control     block %#x, handle %s" % (task.address, "%#x" % task.handle if task.handle else "none: nobody joins it")
    joins = [other for other in runtime.order for wait in other.waits if wait.kind == "join" and wait.other == task.id]
    for other in joins:
        yield "  joined by   " + text.task(other.id)
    blocked = [other for other in runtime.order for wait in other.waits if wait.kind == "line" and wait.holder == task.id]
    for other in blocked[:20]:
        yield "  holds up    %s, which waits %s" % (text.task(other.id), text.waits(other))
    if len(blocked) > 20:
        yield "  holds up    and %d more" % (len(blocked) - 20)
    if task.parent:
        yield "  child of    %s of %s" % (text.scope(task.parent), text.task(task.parent.owner.id))
    for scope in task.scopes:
        yield "  opened      %s: %d task%s" % (text.scope(scope), max(scope.live, 0), "s" * (scope.live != 1))
    if task.flags & text.pinned and task.home_thread:
        for thread in runtime.threads:
            if thread.address == task.home_thread:
                yield "  pinned to   LWP %d" % thread.number


# --- Commands


class Edo(gdb.Command):
    """Edo's tasks: `edo help` tells what there is."""

    def __init__(self):
        super().__init__("edo", gdb.COMMAND_STATUS, prefix=True)

    @command
    def invoke(self, argument, from_tty):
        if argument:
            raise Trouble("there is no `edo %s`; see `edo help`" % argument.split()[0])
        gdb.write(HELP)


class EdoHelp(gdb.Command):
    """Tells what commands there are for Edo's tasks."""

    def __init__(self):
        super().__init__("edo help", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        gdb.write(HELP)


class EdoTasks(gdb.Command):
    """Every task, a line each: edo tasks [WORD...]
State, name, where it was spawned, what it waits for, who holds that, deadline, cancellation. With words only the lines in
which all of them are, in upper or lower case."""

    def __init__(self):
        super().__init__("edo tasks", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        words, found = argument.lower().split(), world()
        all_rings = rings(found)
        for runtime in found.runtimes:
            text = Text(runtime)
            gdb.write(text.heading() + "\n")
            if not words:
                write(text.rings(ring for ring in all_rings if ring[0].runtime is runtime))
            write(line for line in map(text.line, runtime.order) if matches(words, line))
        finish(found)


class EdoScopes(gdb.Command):
    """The tree of scopes and tasks: edo scopes [WORD...]
Under each task the scopes that it has opened, from outside in, and in those the tasks that were spawned into them. With words
only scopes and tasks in whose lines all of them are."""

    def __init__(self):
        super().__init__("edo scopes", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        words, found = argument.lower().split(), world()
        for runtime in found.runtimes:
            text, seen = Text(runtime), set()
            gdb.write(text.heading() + "\n")
            roots = [task for task in runtime.order if task.home == runtime.base]
            write(line for line in self.tree(roots, text, seen) if matches(words, line))
            lost = [task for task in runtime.order if task.address not in seen]
            if lost:
                gdb.write("whose scopes were not found:\n")
                write(line for line in ("  " + text.line(task) for task in lost) if matches(words, line))
        finish(found)

    def tree(self, roots, text, seen):
        """A loop, since trees may be deeper than Python's stack."""
        todo = [(task, 0) for task in reversed(roots)]
        while todo:
            item, depth = todo.pop()
            if isinstance(item, collect.Scope):
                yield indent(depth) + text.scope(item)
                todo.extend((task, depth + 1) for task in reversed(item.children))
            elif item.address not in seen:
                seen.add(item.address)
                yield indent(depth) + text.line(item)
                todo.extend((scope, depth + 1) for scope in reversed(item.scopes))


class EdoTask(gdb.Command):
    """One task: edo task WHICH [COMMAND...]
WHICH is its number, its name, or an expression for its handle; "all" for all of them with a command.
Without a command: what is known of it. With one, e.g. `edo task 5 bt`: gdb does that in the task's frames.
`edo task 5 select` keeps to the task until the program goes on, or `edo thread`."""

    def __init__(self):
        super().__init__("edo task", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        which, what = split(argument)
        if not which:
            raise Trouble("which task? edo task NUMBER [bt | select | COMMAND]")
        found = world(not what or which == "all")
        tasks = find(found, which)
        if what == "select":
            self.select(tasks)
        elif what:
            self.apply(tasks, what, which == "all", from_tty)
        else:
            for task in tasks:
                with gdb.with_parameter("language", "c"):
                    write(list(facts(task)))
        finish(found)

    def select(self, tasks):
        if len(tasks) != 1:
            raise Trouble("one at a time: edo task NUMBER select")
        task = tasks[0]
        where = looking(task, Text(task.runtime))
        if isinstance(where, frames.OnThread):
            frames.leave()
            where.other.switch()
        else:
            frames.look(where.registers)
        gdb.write("[frames are those of task %d until the program goes on, or `edo thread`]\n" % task.id)
        gdb.execute("frame", False, False)

    def apply(self, tasks, what, all_of_them, from_tty):
        for task in tasks:
            text = Text(task.runtime)
            try:
                with looking(task, text):
                    if all_of_them:
                        gdb.write("\n%s\n" % text.line(task))
                    gdb.execute(what, from_tty, False)
            except (Trouble, gdb.error) as error:
                if not all_of_them:
                    raise
                if isinstance(error, Trouble):
                    gdb.write("\n%s\n" % text.line(task))
                gdb.write("  %s\n" % error)

    def complete(self, text, word):
        parts = text.split()
        if len(parts) > 1 or (parts and text.endswith(" ")):
            names = ["bt", "bt full", "frame", "info locals", "select"]
            return [name for name in names if name.startswith(text[len(parts[0]) :].strip())]
        try:
            found = collect.World()
            numbers = [str(task.id) for runtime in found.runtimes for task in runtime.collect().order[:1000]]
            return [number for number in numbers + ["all"] if number.startswith(word or "")]
        except (Trouble, Missing, gdb.error):
            return []


class EdoThread(gdb.Command):
    """Ends `edo task N select`: bt, frame and the others are about the selected thread again."""

    def __init__(self):
        super().__init__("edo thread", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        if not frames.leave():
            raise Trouble("no task is selected")
        gdb.execute("frame", False, False)


class EdoWorkers(gdb.Command):
    """Workers: what each runs, how many tasks are in its queue, how many timers and descriptors it has; and the threads."""

    def __init__(self):
        super().__init__("edo workers", gdb.COMMAND_STATUS)

    @command
    def invoke(self, argument, from_tty):
        found = world()
        for runtime in found.runtimes:
            text = Text(runtime)
            gdb.write(text.heading() + "\n")
            with gdb.with_parameter("language", "c"):
                write(self.lines(runtime, text))
        finish(found)

    def lines(self, runtime, text):
        layout, memory = runtime.world.layout, runtime.world.memory
        worker = layout.struct("edo_worker")
        reader = worker.reader(
            "thread", "ring.head", "ring.tail", "fifo.count", "lifo", "wheel.count", "poller.sources", "poller.epoll",
            "idle", "held"
        )
        guards = {
            layout.kind("EDO_GUARD_" + name): what
            for name, what in (
                ("OUTSIDE", "in the program"), ("INSIDE", "in the runtime"), ("TAKEN", "its worker was taken"),
                ("REMOTE", "another thread is at its timers"), ("POLLING", "sleeps"),
            )
        }
        (waiting,) = layout.struct("edo_runtime").reader("global_count").read(memory, runtime.address)
        yield "  global queue: %d ready" % waiting
        by_address, at_work = {thread.address: thread for thread in runtime.threads}, set()
        for index in range(runtime.worker_count):
            try:
                (thread, head, tail, listed, lifo, timers, sources, epoll, idle, held) = reader.read(
                    memory, runtime.workers_address + index * worker.size
                )
            except Trouble as trouble:
                memory.note(trouble)
                continue
            ready = ((tail - head) & 0xFFFFFFFF) + listed + bool(lifo) + bool(held)
            at_work.add(thread)
            of = by_address.get(thread)
            task = runtime.tasks.get(of.current) if of else None
            yield "  worker %d: %s%s, %d ready, %d timers, %d descriptors at epoll %d" % (
                index,
                "runs " + text.task(task.id) if task else "idle" if idle else "looks for work",
                " (%s)" % self.thread(of, guards) if of else ", without a thread",
                ready, timers, sources, epoll,
            )
        for thread in runtime.threads:
            if thread.address in at_work or thread.retired:
                continue
            task = runtime.tasks.get(thread.current)
            yield "  thread without worker: %s%s" % (
                self.thread(thread, guards), ", runs " + text.task(task.id) if task else ", spare" if thread.spare else "",
            )

    def thread(self, thread, guards):
        found = frames.gdb_thread_of(thread)
        number = "thread %d" % found.num if found else "LWP %d" % thread.number
        return "%s, %s" % (number, guards.get(thread.guard, "guard %d" % thread.guard))


class EdoGcore(gdb.Command):
    """Writes a core file of the process: edo gcore [FILE]
As generate-core-file does; but that loses the tasks' stacks where guard pages lie between them, and this has them."""

    def __init__(self):
        super().__init__("edo gcore", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    @command
    def invoke(self, argument, from_tty):
        name, added = core.write(argument)
        gdb.write("Saved corefile %s%s\n" % (name, " (with %d KiB from between guard pages)" % (added // 1024) if added else ""))


def load():
    for kind in (Edo, EdoHelp, EdoTasks, EdoScopes, EdoTask, EdoThread, EdoWorkers, EdoGcore):
        kind()
    frames.load()
    values.load()
    gdb.events.stop.connect(collect.note_stop)


def unload():
    frames.unload()
    values.unload()
    try:
        gdb.events.stop.disconnect(collect.note_stop)
    except ValueError:
        pass
