# SPDX-License-Identifier: MIT
#
# Which runtimes there are, their threads, tasks and scopes.
#
# Tasks are found in their blocks (runtime/blocks.h), which are read chunk by chunk: a block whose id is not 0 is a task
# (edo_task_publish). Scopes are found on the chains of the tasks that opened them (runtime/scope.h), and who is in which by
# the tasks' `home`.
import bisect
import time

import gdb

from .layout import Layout, Missing
from .memory import Memory, Trouble

FOREVER = (1 << 63) - 1  # EDO_FOREVER, which is INT64_MAX
CHAIN_MOST = 100000  # scopes that one task has opened


class Scope:
    __slots__ = ("address", "owner", "flags", "live", "deadline", "name", "site", "cancel_site", "children")


class Task:
    __slots__ = (
        "address", "id", "runtime", "flags", "wake", "stack", "sp", "fn", "argument", "handle", "home", "scope_address",
        "site", "name", "home_thread", "dormant", "when_deadline", "scopes", "state", "thread", "waits", "until", "parent",
    )


class Thread:
    __slots__ = ("address", "number", "pthread", "name", "guard", "worker", "current", "region", "spare", "retired")


class Runtime:
    """One of them. What can't be read of it is noted in memory.troubles; a Trouble is raised if nothing of it can be."""

    def __init__(self, world, address):
        self.world = world
        self.address = address
        layout, memory = world.layout, world.memory
        of = layout.struct("edo_runtime")
        (count, self.workers_address, self.id_base, self.threads_address, self.hooks, self.blocking, self.resolving) = of.reader(
            "worker_count", "workers", "id_base", "threads", "hooks", "blocking", "resolving"
        ).read(memory, address)
        if not 0 < count <= layout.constant("EDO_WORKERS_MOST"):
            raise Trouble("the runtime at %#x is broken: it has %d workers" % (address, count))
        self.worker_count = count
        self.number = self.id_base >> layout.constant("EDO_ID_RUNTIME_SHIFT")
        self.base = address + of.offset("base")
        self.detached = address + of.offset("detached")
        self.root = address + of.offset("root")
        self.fd_released = address + of.offset("fd_released")
        self.threads = list(self._threads())
        self.marks = None  # see spawned()
        self.tasks = {}  # by their addresses
        self.scopes = {}

    def worker_size(self):
        return self.world.layout.struct("edo_worker").size

    def worker_index(self, address):
        size = self.worker_size()
        index = (address - self.workers_address) // size
        return index if address and 0 <= index < self.worker_count else None

    def spawned(self, task, now):
        """When, by the marks (runtime/ages.h) of the worker that has spawned it, as edo_ages_find has it; None: not known."""
        if self.marks is None:
            self.marks = list(self._marks())
            self.firsts = [ids[0] for ids, _ in self.marks]
        # Workers' numbers rise with the workers, and each one's first mark is below all of its own.
        index = bisect.bisect_left(self.firsts, task.id) - 1
        if index < 0:
            return None
        ids, times = self.marks[index]
        at = bisect.bisect_left(ids, task.id)
        begin, end = times[at - 1], min(times[at], now) if at < len(ids) else now
        return begin + (end - begin) // 2 if begin < end else end

    def _marks(self):
        """(numbers, times) of each worker that has them."""
        layout, memory = self.world.layout, self.world.memory
        worker, ages = layout.struct("edo_worker"), layout.struct("edo_ages")
        mark = layout.struct("edo_age_mark")
        reader, begin, room = mark.reader("id", "time"), ages.offset("marks"), ages.members["marks"][1].sizeof // mark.size
        for index in range(self.worker_count):
            try:
                (address,) = worker.reader("ages").read(memory, self.workers_address + index * worker.size)
                if not address:
                    continue
                data = memory.read(address, ages.size, "the marks of worker %d" % index)
                (count,) = ages.reader("count").unpack(data)
                if not 0 < count <= room:
                    raise Trouble("the marks of worker %d at %#x are broken: there are %d of them" % (index, address, count))
                yield tuple(zip(*(reader.unpack(data, begin + i * mark.size) for i in range(count))))
            except Trouble as trouble:
                memory.note(trouble)

    def _threads(self):
        layout, memory = self.world.layout, self.world.memory
        of = layout.struct("edo_thread")
        reader = of.reader(
            "number", "id", "guard", "worker", "current", "region", "spare", "retired", "next"
        )
        address, seen = self.threads_address, set()
        while address:
            if address in seen:
                memory.note(Trouble("the list of the runtime's threads is broken: it comes back to %#x" % address))
                return
            seen.add(address)
            try:
                fields = reader.read(memory, address)
                thread = Thread()
                thread.address = address
                (thread.number, thread.pthread, thread.guard, thread.worker, thread.current, thread.region, thread.spare,
                 thread.retired, address) = fields
                yield thread
            except Trouble as trouble:
                memory.note(trouble)
                return

    def blocks(self, pool_name, struct_name):
        """(address of the first, bytes, size of one) of the blocks of a pool: chunk by chunk."""
        layout, memory = self.world.layout, self.world.memory
        of = layout.struct("edo_blocks")
        pool = self.address + layout.struct("edo_runtime").offset(pool_name)
        size, chunk = of.reader("block_size", "chunks").read(memory, pool)
        want = layout.struct(struct_name).size
        if not want <= size < want + 8:
            raise Trouble(
                "the pool of %s at %#x is broken: its blocks have %d bytes, a struct %s has %d"
                % (pool_name, pool, size, struct_name, want)
            )
        head = layout.constant("EDO_CHUNK_HEAD")
        reader = layout.struct("edo_chunk").reader("next", "size", "fresh", "end")
        seen = set()
        while chunk:
            if chunk in seen:
                raise Trouble("the pool of %s is broken: its list of chunks comes back to %#x" % (pool_name, chunk))
            seen.add(chunk)
            at = chunk
            chunk, whole, fresh, end = reader.read(memory, at)
            if not (at + head <= fresh <= end == at + whole) or (fresh - at - head) % size:
                trouble = Trouble(
                    "the pool of %s is broken: a chunk at %#x of %d bytes that is carved up to %#x of %#x"
                    % (pool_name, at, whole, fresh, end)
                )
                if end != at + whole:
                    raise trouble
                memory.note(trouble)
                fresh = end  # what was never carved is zero, and no task
            for begin, data in memory.read_parts(at + head, fresh - at - head, "blocks of %s" % pool_name):
                skip = -(begin - at - head) % size  # a piece may begin amid a block
                yield begin + skip, data[skip:], size

    def collect(self):
        """All tasks, with the scopes that they have opened."""
        layout, memory = self.world.layout, self.world.memory
        reader = layout.struct("edo_task").reader(
            "id", "flags", "wake", "stack", "context.sp", "fn", "argument", "handle", "home", "scope", "site", "name",
            "home_thread", "when_what", "when_deadline",
        )
        where = layout.struct("edo_task").offset("id")
        none = bytes(8)
        try:
            for begin, data, size in self.blocks("tasks", "edo_task"):
                for at in range(0, len(data) - size + 1, size):
                    if data[at + where : at + where + 8] == none:
                        continue
                    task = Task()
                    task.address = begin + at
                    (task.id, task.flags, task.wake, task.stack, task.sp, task.fn, task.argument, task.handle, task.home,
                     task.scope_address, task.site, task.name, task.home_thread, when, task.when_deadline
                     ) = reader.unpack(data, at)
                    # As edo_task_is_dormant: before its function has returned it has a stack, and may wait there for something else.
                    task.dormant = when != 0 and not task.stack
                    task.runtime, task.scopes, task.waits = self, [], []
                    task.state = task.thread = task.parent = None
                    task.until = FOREVER
                    self.tasks[task.address] = task
        except Trouble as trouble:
            memory.note(trouble)
        self.order = sorted(self.tasks.values(), key=lambda task: task.id)
        for task in self.order:
            self.world.by_id[task.id] = task
            if task.scope_address != task.home:
                self._chain(task)
        self._tree()
        return self

    def scope_at(self, address, owner):
        layout, memory = self.world.layout, self.world.memory
        if self.world.scope_reader is None:
            self.world.scope_reader = layout.struct("edo_scope_body").reader(
                "flags", "live", "spawned", "deadline", "name", "site", "cancel_site", "outer"
            )
        scope = Scope()
        scope.address, scope.owner, scope.children = address, owner, []
        (scope.flags, live, spawned, scope.deadline, scope.name, scope.site, scope.cancel_site,
         outer) = self.world.scope_reader.read(memory, address)
        scope.live = live + spawned
        return scope, outer

    def _chain(self, task):
        address, seen = task.scope_address, set()
        try:
            while address != task.home:
                if address in seen or not address or len(seen) > CHAIN_MOST:
                    raise Trouble(
                        "the scopes of task %d (at %#x) are broken: from %#x its chain does not lead to its home %#x"
                        % (task.id, task.address, address, task.home)
                    )
                seen.add(address)
                scope, address = self.scope_at(address, task)
                task.scopes.append(scope)
        except Trouble as trouble:
            self.world.memory.note(trouble)
        task.scopes.reverse()  # from outside in
        for scope in task.scopes:
            self.scopes[scope.address] = scope

    def _tree(self):
        for task in self.order:
            task.parent = self.scopes.get(task.home)
            if task.parent:
                task.parent.children.append(task)

    def innermost(self, task):
        """The scope whose deadline and cancellation are the task's; None: it was not seen."""
        return task.scopes[-1] if task.scopes else task.parent


class World:
    """The debugged program, at one command."""

    def __init__(self):
        if not gdb.selected_inferior().pid and not gdb.selected_inferior().threads():
            raise Missing("no process and no core file")
        self.layout = Layout()
        self.memory = Memory()
        self.scope_reader = None
        self.stack_pointers = None  # of threads; see frames.py
        self.symbols = {}
        self.sites = {}
        self.runtimes = []
        self.by_id = {}  # tasks, of all of them: a lock is held by whoever
        head = self.layout.address("edo_running")
        of = self.layout.struct("edo_runtime").offset("all")
        try:
            for link in self.memory.ring(head, self.layout.struct("edo_link").offset("next"), "the list of runtimes", 10000):
                try:
                    self.runtimes.append(Runtime(self, link - of))
                except Trouble as trouble:
                    self.memory.note(trouble)
        except Trouble as trouble:
            self.memory.note(trouble)

    def symbol(self, address):
        """A function by an address in it: "name" or "name+12"; None where there is none."""
        if address not in self.symbols:
            found = None
            try:
                pointer = gdb.Value(address).cast(gdb.lookup_type("char").pointer().pointer())
                text = pointer.format_string(symbols=True)
                if "<" in text:
                    found = text[text.index("<") + 1 : text.rindex(">")]
            except gdb.error:
                pass
            self.symbols[address] = found
        return self.symbols[address]

    def site(self, address):
        """(file, line, function) of a spawn site; None."""
        if not address:
            return None
        if address not in self.sites:
            try:
                file, function, line = (
                    self.layout.struct("edo_site").reader("file", "function", "line").read(self.memory, address)
                )
                self.sites[address] = (self.memory.text(file), line, self.memory.text(function))
            except Trouble:
                self.sites[address] = ("<unreadable: %#x>" % address, 0, None)
        return self.sites[address]

    def now(self, runtime):
        """(the time at which the program stopped, whether that is certain), on its own clock."""
        latest = 0
        worker = self.layout.struct("edo_worker")
        try:
            bits = self.layout.constant("EDO_WHEEL_TICK_BITS")
            for index in range(runtime.worker_count):
                at = runtime.workers_address + index * worker.size + worker.offset("wheel.position")
                latest = max(latest, int.from_bytes(self.memory.read(at, 8, "a wheel"), "little") << bits)
        except (Missing, Trouble) as trouble:
            self.memory.note(trouble)
        stopped = stop_clock.get(gdb.selected_inferior().num)
        if stopped and not runtime.hooks and is_native() and stopped >= latest:
            return stopped, True
        return latest, False


# When each inferior stopped the last time, for deadlines of a process on this machine.
stop_clock = {}


def note_stop(event):
    stop_clock[gdb.selected_inferior().num] = time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def is_native():
    connection = getattr(gdb.selected_inferior(), "connection", None)
    return connection is not None and connection.type == "native"
