# SPDX-License-Identifier: MIT
#
# Lines about tasks and scopes, in the words of edo_dump (src/observe/dump_text.c).
import gdb

from . import sockets
from .collect import FOREVER, is_native
from .frames import gdb_thread_of, thread_of_pthread
from .waits import NEW, READY, REGION, RUNS

LINES = {
    "WORD": "on the word at", "MUTEX": "for the mutex at", "RWLOCK": "for the rwlock at",
    "SEMAPHORE": "for the semaphore at", "NOTIFY": "for the notify at", "BARRIER": "at the barrier at",
    "ONCE": "for the once at", "WAIT_GROUP": "for the wait group at",
}
REASONS = {
    "USER": "cancelled by the program", "DEADLINE": "deadline", "SIBLING": "a sibling failed", "LEFT": "scope left early",
    "SHUTDOWN": "shutdown", "CLOSING": "runtime closing",
}


def quote(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


class Text:
    def __init__(self, runtime):
        self.runtime = runtime
        self.world = runtime.world
        self.layout, self.memory = runtime.world.layout, runtime.world.memory
        self.now, self.certain = self.world.now(runtime)
        self.lines = {self.layout.kind("EDO_PARKED_" + name): text for name, text in LINES.items()}
        self.reasons = {self.layout.kind("EDO_REASON_" + name): text for name, text in REASONS.items()}
        self.broadcast = self.layout.kind("EDO_MEETING_BROADCAST")
        self.watch = self.layout.kind("EDO_MEETING_WATCH")
        self.cancelled = self.layout.constant("EDO_SCOPE_CANCELLED")
        self.supervise = self.layout.constant("EDO_SCOPE_SUPERVISE")
        self.shield = self.layout.constant("EDO_SCOPE_SHIELD")
        self.pinned = self.layout.constant("EDO_TASK_PINNED")
        self.descriptors = {}

    # --- Names and places

    def name(self, task):
        name = self.memory.text(task.name)
        if name is None:
            site = self.world.site(task.site)
            name = site[2] if site else None
        return name or "task"

    def site_text(self, address):
        site = self.world.site(address)
        return " (%s:%d)" % (site[0].rsplit("/", 1)[-1], site[1]) if site and site[0] else ""

    def task(self, number):
        """Who has that number: also a thread, which locks know by its pthread_t."""
        if number >> 63:
            thread = thread_of_pthread(number & ~(1 << 63))
            if thread is not None:
                return "thread %s, which runs no task" % thread.num
            return "a thread that runs no task"
        task = self.world.by_id.get(number)
        return "task %d%s" % (number, " " + quote(self.name(task)) if task else "")

    # --- What a task waits for

    def descriptor(self, number):
        """What the kernel says that it is, where that can be asked."""
        if number not in self.descriptors:
            text = sockets.read(gdb.selected_inferior().pid, number) if is_native() else ""
            self.descriptors[number] = text and " (%s)" % text
        return self.descriptors[number]

    def wait(self, wait):
        if wait.kind == "source":
            if wait.beneath:
                return "to %s %s" % ("write" if wait.writes else "read", wait.beneath)
            return "to %s descriptor %d%s" % ("write" if wait.writes else "read", wait.fd, self.descriptor(wait.fd))
        if wait.kind == "join":
            return "for the end of " + self.task(wait.other) if wait.other else "for the end of a task that has ended"
        if wait.kind == "line":
            held = ", held by " + self.task(wait.holder) if wait.holder else ""
            return "%s %#x%s%s" % (self.lines.get(wait.what, "at"), wait.address, self.variable(wait.address), held)
        if wait.kind == "meeting":
            what = (
                "to hear the broadcast" if wait.what == self.broadcast
                else "for a change of the watch" if wait.what == self.watch
                else "to send into the channel" if wait.sends
                else "to receive from the channel"
            )
            return "%s %#x" % (what, wait.address)
        if wait.kind == "time":
            return "for its time"
        if wait.kind == "job":
            queued = ", which is queued" if wait.queued else ""
            return "for its blocking job %s%s" % (self.world.symbol(wait.fn) or "%#x" % wait.fn, queued)
        if wait.kind == "scope":
            name = self.memory.text(wait.scope.name)
            return "for the tasks of its scope" + (" " + name if name else "")
        if wait.kind == "descriptor":
            return "for a free descriptor, to accept with"
        called, caller = wait.place
        return "for a wake%s%s" % (" in " + called if called else "", ", in " + caller if caller else "")

    def variable(self, address):
        """The name of a variable that is there, if that has one: " <lock>"."""
        name = self.world.symbol(address)
        return " <%s>" % name if name else ""

    def waits(self, task):
        return ", or ".join(self.wait(wait) for wait in task.waits)

    # --- Pieces of lines

    def time(self, what, when):
        if when == FOREVER:
            return ""
        left = when - self.now
        return ", %s %.3f s" % (what, left / 1e9) if left >= 0 else ", %s the past, since %.3f s" % (what, -left / 1e9)

    def age(self, task):
        spawned = self.runtime.spawned(task, self.now)
        return "" if spawned is None else ", age %.3f s" % ((self.now - spawned) / 1e9)

    def cancel(self, scope):
        if not scope or not scope.flags & self.cancelled:
            return ""
        reason = scope.flags & (self.cancelled - 1)
        return ", cancelled: %s%s" % (self.reasons.get(reason, "reason %d" % reason), self.site_text(scope.cancel_site))

    def state(self, task):
        if task.state in (RUNS, REGION):
            taken = task.thread.guard == self.layout.kind("EDO_GUARD_TAKEN")
            worker = None if taken else self.runtime.worker_index(task.thread.worker)
            found = gdb_thread_of(task.thread)
            return "%s%s%s" % (
                "runs" if task.state == RUNS else "is in a blocking region",
                ", its worker was handed on" if worker is None else " on worker %d" % worker,
                ", thread %d" % found.num if found else ", LWP %d" % task.thread.number,
            )
        if task.state == READY:
            return "is ready"
        if task.state == NEW:
            return "is ready, and has not run yet"
        return "waits " + self.waits(task)

    def line(self, task):
        scope = self.runtime.innermost(task)
        return "task %d %s%s%s%s %s%s%s%s%s" % (
            task.id, quote(self.name(task)), self.site_text(task.site),
            " dormant," if task.dormant else "", " pinned," if task.flags & self.pinned else "",
            self.state(task), self.time("until in", task.until),
            self.time("deadline in", scope.deadline) if scope else "", self.cancel(scope), self.age(task),
        )

    def scope(self, scope):
        name = self.memory.text(scope.name)
        return "%s%s%s%s%s%s" % (
            "shield" if scope.flags & self.shield else "scope", " " + quote(name) if name else "", self.site_text(scope.site),
            ", supervises" if scope.flags & self.supervise else "", self.time("deadline in", scope.deadline), self.cancel(scope),
        )

    def heading(self):
        states = [task.state for task in self.runtime.order]
        run, ready = states.count(RUNS) + states.count(REGION), states.count(READY) + states.count(NEW)
        return "edo: runtime %d, %d worker%s, %d task%s: %d run, %d ready, %d wait%s" % (
            self.runtime.number, self.runtime.worker_count, "s" * (self.runtime.worker_count != 1), len(states),
            "s" * (len(states) != 1), run, ready, len(states) - run - ready,
            "" if self.certain else " (times from when a worker last looked at the clock)",
        )

    def rings(self, rings):
        for ring in rings:
            yield "deadlock: %d task%s wait for each other" % (len(ring), "s" * (len(ring) != 1))
            for task, other in zip(ring, ring[1:] + ring[:1]):
                among = ", among them " + self.task(other.id) if task.waits[0].kind == "scope" else ""
                yield "  %s waits %s%s" % (self.task(task.id), self.waits(task), among)
