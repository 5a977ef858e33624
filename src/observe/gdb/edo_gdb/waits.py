# SPDX-License-Identifier: MIT
#
# What tasks wait for, found out from the other side, as src/observe/dump_waits.c does it: whoever can be waited for knows its
# waiters. Nobody moves meanwhile, so times are read from the timing wheels themselves, and only blocking jobs are looked for on
# the waiting task's own stack.
#
# Then tasks that wait for each other in a ring (dump_cycles.c).
import gdb

from . import frames
from .collect import FOREVER
from .layout import Missing
from .memory import Trouble

RUNS, REGION, READY, NEW, WAITS = "runs", "region", "ready", "new", "waits"
PLACES_MOST = 100  # tasks of which gdb is asked for frames, where nothing else is known
STACK_MOST = 8192  # bytes of a stack in which a job is looked for: the call's own frames


class Wait:
    """`kind`: source, join, line, descriptor, meeting, time, job, scope, unknown; the rest as it takes."""

    def __init__(self, kind, **facts):
        self.kind = kind
        self.__dict__.update(facts)


class Waits:
    def __init__(self, runtime):
        self.runtime = runtime
        self.world = runtime.world
        self.layout = runtime.world.layout
        self.memory = runtime.world.memory
        self.places = 0  # that were looked for

    def take(self, all_of_it=True):
        """`all_of_it`: also what they wait for; else only who runs."""
        waited = (self._sources, self._joins, self._lines, self._meetings, self._wheels) if all_of_it else ()
        for step in (self._threads,) + waited:
            try:
                step()
            except (Trouble, Missing) as trouble:
                self.memory.note(trouble)
        for task in self.runtime.order if all_of_it else ():
            self._look_again(task)

    def _note(self, address, wait):
        task = self.runtime.tasks.get(address)
        if task:
            task.waits.append(wait)

    # --- Who runs

    def _threads(self):
        for thread in self.runtime.threads:
            task = self.runtime.tasks.get(thread.current)
            if task:
                task.thread = thread
                task.state = REGION if thread.region & 1 else RUNS

    # --- Sources

    def _sources(self):
        of = self.layout.struct("edo_source")
        reader = of.reader("waiter[0]", "waiter[1]", "fd", "beneath")
        begin, end = of.offset("waiter[0]"), of.offset("waiter[1]") + 8
        nobody = bytes(end - begin)
        out = self.layout.constant("EDO_OUT")
        for _, data, size in self.runtime.blocks("sources", "edo_source"):
            for at in range(0, len(data) - size + 1, size):
                if data[at + begin : at + end] == nobody:
                    continue
                fields = reader.unpack(data, at)
                for direction in (0, 1):
                    if fields[direction]:
                        wait = Wait("source", writes=direction == out, fd=fields[2], beneath=self._kind(fields[3]))
                        self._note(fields[direction], wait)

    def _kind(self, beneath):
        """What kind of stream lies beneath, if it is no socket."""
        if not beneath:
            return None
        try:
            (kind,) = self.layout.struct("edo_beneath").reader("kind").read(self.memory, beneath)
            (name,) = self.layout.struct("edo_source_kind").reader("name").read(self.memory, kind)
            return self.memory.text(name)
        except Trouble as trouble:
            self.memory.note(trouble)
            return None

    # --- Joins

    def _joins(self):
        of = self.layout.struct("edo_handle")
        reader = of.reader("joiner", "task")
        done, detached = self.layout.constant("EDO_HANDLE_DONE"), self.layout.constant("EDO_HANDLE_DETACHED")
        where, none = of.offset("joiner"), bytes(8)
        for _, data, size in self.runtime.blocks("handles", "edo_handle"):
            for at in range(0, len(data) - size + 1, size):
                if data[at + where : at + where + 8] == none:
                    continue
                joiner, other = reader.unpack(data, at)
                if joiner > detached and not joiner & (1 | done):
                    task = self.runtime.tasks.get(other)
                    self._note(joiner, Wait("join", other=task.id if task else 0))

    # --- Lines: the parking table

    def _lines(self):
        if not self.layout.linked("edo_buckets"):
            return
        address, kind = self.layout.variable("edo_buckets")
        bucket = self.layout.struct("edo_bucket")
        parked = self.layout.struct("edo_parked")
        reader = bucket.reader("lines")
        next_at = self.layout.struct("edo_link").offset("next")
        owned = (("MUTEX", "edo_mutex"), ("RWLOCK", "edo_rwlock"), ("ONCE", "edo_once"))
        self.owned = {self.layout.kind("EDO_PARKED_" + name): of for name, of in owned}
        data = self.memory.read(address, kind.sizeof, "the parking table")
        for at in range(0, len(data), bucket.size):
            (line,) = reader.unpack(data, at)
            if not line:
                continue
            what = "the parking table's bucket %d at %#x" % (at // bucket.size, address + at)
            try:
                for first in self._whole_ring(line, next_at, what):
                    first -= parked.offset("lines")
                    for link in self._whole_ring(first + parked.offset("link"), next_at, "a line of " + what):
                        self._parked(link - parked.offset("link"))
            except Trouble as trouble:
                self.memory.note(trouble)

    def _whole_ring(self, first, next_at, what):
        """Of a ring without a head."""
        yield first
        yield from self.memory.ring(first, next_at, what)

    def _parked(self, waiter):
        address, task, kind = self.layout.struct("edo_parked").reader("address", "task", "kind").read(self.memory, waiter)
        if task not in self.runtime.tasks:
            return
        if address == self.runtime.fd_released:
            self._note(task, Wait("descriptor"))
            return
        wait = Wait("line", what=kind, address=address, holder=0)
        if kind in self.owned:
            at = self.layout.struct(self.owned[kind]).offset("owner_")
            wait.holder = int.from_bytes(self.memory.read(address + at, 8, "the owner of a lock"), "little")
        self._note(task, wait)

    # --- Channels and the like

    def _meetings(self):
        if not self.layout.linked("edo_meetings"):
            return
        address, kind = self.layout.variable("edo_meetings")
        shard = kind.target().strip_typedefs()
        list_at = [field.bitpos // 8 for field in shard.fields() if field.name == "list"][0]
        next_at = self.layout.struct("edo_link").offset("next")
        meeting = self.layout.struct("edo_meeting")
        for at in range(address, address + kind.sizeof, shard.sizeof):
            head = at + list_at
            if not int.from_bytes(self.memory.read(head + next_at, 8, "a list of channels"), "little"):
                continue  # none was ever made
            try:
                for link in self.memory.ring(head, next_at, "a list of channels"):
                    self._meeting(link - meeting.offset("all"), next_at)
            except Trouble as trouble:
                self.memory.note(trouble)

    def _meeting(self, address, next_at):
        (kind,) = self.layout.struct("edo_meeting").reader("kind").read(self.memory, address)
        if kind == self.layout.kind("EDO_MEETING_CHANNEL"):
            channel, lists = self.layout.struct("edo_channel"), ("senders", "receivers")
        else:
            channel, lists = self.layout.struct("edo_broadcast"), ("listeners",)
        base = address - channel.offset("meeting")
        place = self.layout.struct("edo_place")
        for name in lists:
            what = "the list of %s of the channel at %#x" % (name, address)
            try:
                for link in self.memory.ring(base + channel.offset(name), next_at, what):
                    waiter, send = place.reader("waiter", "send").read(self.memory, link - place.offset("link"))
                    (task,) = self.layout.struct("edo_waiter").reader("task").read(self.memory, waiter)
                    self._note(task, Wait("meeting", what=kind, sends=name == "senders", address=address))
            except Trouble as trouble:
                self.memory.note(trouble)

    # --- Times: the wheels

    def _wheels(self):
        if not self.layout.linked("edo_sleeper_fire"):
            return
        wheel = self.layout.struct("edo_wheel")
        node = self.layout.struct("edo_wheel_node")
        alarm = self.layout.struct("edo_alarm")
        sleeper = self.layout.struct("edo_sleeper")
        size, slots = node.size, wheel.members["slots"]
        next_at = node.offset("next")
        fire_at = self.layout.address("edo_sleeper_fire")
        worker = self.layout.struct("edo_worker")
        reader = alarm.reader("node.next", "node.deadline", "fire")
        task_of = sleeper.reader("task")
        for index in range(self.runtime.worker_count):
            base = self.runtime.workers_address + index * worker.size + worker.offset("wheel") + slots[0]
            data = self.memory.read(base, slots[1].sizeof, "the timing wheel of worker %d" % index)
            for at in range(0, len(data), size):
                head = base + at
                link = int.from_bytes(data[at + next_at : at + next_at + 8], "little")
                if link in (0, head):
                    continue
                seen = set()
                try:
                    while link != head:
                        if link in seen or not link:
                            raise Trouble("the wheel of worker %d is broken: its list at %#x does not end" % (index, head))
                        seen.add(link)
                        alarm_at = link - alarm.offset("node")
                        link, deadline, fire = reader.read(self.memory, alarm_at)
                        if fire == fire_at:
                            (task,) = task_of.read(self.memory, alarm_at - sleeper.offset("alarm"))
                            self._sleeps(task, deadline)
                except Trouble as trouble:
                    self.memory.note(trouble)

    def _sleeps(self, address, deadline):
        task = self.runtime.tasks.get(address)
        if task:
            task.until = min(task.until, deadline)

    # --- Each task's last look

    def _look_again(self, task):
        layout = self.layout
        if task.state is None and task.wake == layout.constant("EDO_WAKE_PARKED"):
            task.state = WAITS
            if task.dormant and 0 < task.when_deadline < 1 << 63:
                task.until = task.when_deadline
            if not task.waits:
                task.waits.append(self._guess(task))
        elif task.state is None:
            task.state = READY if task.stack or task.dormant else NEW
        if task.state != WAITS:
            task.waits, task.until = [], FOREVER

    def _guess(self, task):
        if task.until != FOREVER:
            return Wait("time")
        if not task.dormant:
            job = self._job(task)
            if job:
                return job
        for scope in reversed(task.scopes):
            if scope.live > 0:
                return Wait("scope", scope=scope)
        return Wait("unknown", place=(None, None) if task.dormant else self._place(task))

    def stack_bounds(self, task):
        low, size = self.layout.struct("edo_stack").reader("low", "size").read(self.memory, task.stack)
        return low, low + size

    def _suspended(self, task, most):
        """The lowest bytes of its stack in use; None: it has none, or its sp is not on it."""
        if not task.stack:
            return None
        low, high = self.stack_bounds(task)
        if not low <= task.sp < high:
            raise Trouble(
                "task %d (at %#x) is broken: its stack is %#x to %#x, its stack pointer %#x"
                % (task.id, task.address, low, high, task.sp)
            )
        return self.memory.read(task.sp, min(most, high - task.sp), "the stack of task %d" % task.id)

    def _job(self, task):
        """A blocking job on its stack is known by its task and itself, as dump_waits.c has it."""
        of = self.layout.struct("edo_job")
        try:
            data = self._suspended(task, STACK_MOST)
        except Trouble as trouble:
            self.memory.note(trouble)
            return None
        reader, shift = of.reader("fn", "argument", "pool", "self", "state"), of.offset("task")
        queued, running = self.layout.constant("EDO_JOB_QUEUED"), self.layout.constant("EDO_JOB_RUNNING")
        word, at = task.address.to_bytes(8, "little"), -1
        while data:
            at = data.find(word, at + 1)
            if at < 0:
                break
            if at % 8 or at < shift or at - shift + of.size > len(data):
                continue
            fn, argument, pool, itself, state = reader.unpack(data, at - shift)
            if itself != task.sp + at - shift or not fn or state not in (queued, running):
                continue
            if pool and pool in (self.runtime.blocking, self.runtime.resolving):
                return Wait("job", fn=fn, argument=argument, queued=state == queued)
        return None

    def _place(self, task):
        """Where it waits, as gdb unwinds it: (function of Edo's, from where). Not for all of very many."""
        self.places += 1
        if not task.stack or self.places > PLACES_MOST:
            return None, None
        try:
            with frames.Looking(frames.saved_registers(self, task)):
                return frames.place()
        except (Trouble, gdb.error):
            return None, None


def rings(world):
    """Lists of tasks in which each waits for the next, and the last for the first, with nothing that would end that."""
    done, found = set(), []

    def steps(task):
        if task.state != WAITS or len(task.waits) != 1 or task.until != FOREVER:
            return []
        wait = task.waits[0]
        if wait.kind == "scope":
            return wait.scope.children
        other = wait.other if wait.kind == "join" else wait.holder if wait.kind == "line" else 0
        return [world.by_id[other]] if other in world.by_id else []

    for start in [task for runtime in world.runtimes for task in runtime.order]:
        if start.address in done:
            continue
        path, at, places = [start], [iter(steps(start))], {start.address: 0}
        while path:
            other = next(at[-1], None)
            if other is None:
                done.add(path[-1].address)
                del places[path.pop().address]
                at.pop()
            elif other.address in done:
                continue
            elif other.address in places:
                found.append(path[places[other.address] :])
                at[-1] = iter(())
                for task in path[places[other.address] :]:  # no task is in two rings that are told
                    done.add(task.address)
            else:
                places[other.address] = len(path)
                path.append(other)
                at.append(iter(steps(other)))
    return found
