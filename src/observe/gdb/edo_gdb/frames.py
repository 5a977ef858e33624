# SPDX-License-Identifier: MIT
#
# gdb's own commands about frames (bt, up, frame N, info locals, ...) in a task that does not run, in a live process as in a
# core file, and without writing a register.
#
# gdb finds the caller of a frame by unwinders. While a task is looked at, one of ours speaks for the frame in which the
# selected thread stands: it says that this was called from where the task is suspended. So behind that frame come the task's
# own, which gdb unwinds as ever: the switch has CFI which is right for a suspended flow (runtime/context_*.S). The thread's
# frame itself is kept out of backtraces by a frame filter.
#
# A task that runs is looked at on its thread.
import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator  # noqa: F401  (older gdb wants it loaded before frame filters are used)

from .memory import Trouble


class Machine:
    """What gdb calls the registers, and which of them swapcontext keeps where (ucontext_t, in the order of the kernel's ABI)."""

    def __init__(self, name, sp, pc, ucontext):
        self.name, self.sp, self.pc, self.ucontext = name, sp, pc, ucontext


GREGS = "r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip".split()
MACHINES = {
    "i386:x86-64": Machine("x86-64", "rsp", "rip", [("uc_mcontext.gregs", i, r) for i, r in enumerate(GREGS)]),
    "aarch64": Machine(
        "aarch64", "sp", "pc",
        [("uc_mcontext.regs", i, "x%d" % i) for i in range(31)]
        + [("uc_mcontext.sp", None, "sp"), ("uc_mcontext.pc", None, "pc")],
    ),
}


def machine():
    try:
        name = gdb.selected_frame().architecture().name()
    except gdb.error:
        name = gdb.selected_inferior().architecture().name()
    if name not in MACHINES:
        raise Trouble("frames of tasks are known for x86-64 and aarch64, not for %s" % name)
    return MACHINES[name]


FRAMES_MOST = 200  # between the switch and the program's own code
# below which a task has no code of its own
BEGINNINGS = ("edo_task_call", "edo_task_run", "edo_task_serve", "edo_task_main", "edo_context_entry")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class TaskUnwinder(gdb.unwinder.Unwinder):
    def __init__(self):
        super().__init__("edo-task")
        self.registers = None  # of the task that is looked at, by their names; None: of none
        self.host = None  # (inferior, thread, sp, pc): the frame that stands for the thread

    def __call__(self, pending):
        if self.registers is None:
            return None
        thread = gdb.selected_thread()
        if thread is None or (thread.inferior.num, thread.num) != self.host[:2]:
            return None
        names = MACHINES.get(pending.architecture().name())
        if names is None:
            return None
        sp, pc = pending.read_register(names.sp), pending.read_register(names.pc)
        if (address_of(sp), address_of(pc)) != self.host[2:]:
            return None
        # Frames lie on stacks that grow down, so gdb wants this one to lie below the one that it says has called it.
        below = self.registers[names.sp] - 64
        unwind = pending.create_unwind_info(FrameId(gdb.Value(below).cast(sp.type), pc))
        for name, value in self.registers.items():
            unwind.add_saved_register(name, gdb.Value(value).cast(pending.read_register(name).type))
        return unwind


class TaskFilter:
    """Keeps the thread's own frame, and what is inlined there, out of a backtrace of a task."""

    def __init__(self):
        self.name, self.priority, self.enabled = "edo-task", 1000, True

    def filter(self, frames):
        if unwinder.registers is None:
            return frames
        return self._behind(frames)

    def _behind(self, frames):
        names = machine()
        inside = True
        for decorated in frames:
            if inside:
                frame = decorated.inferior_frame()
                inside = (register(frame, names.sp), register(frame, names.pc)) == unwinder.host[2:]
            if not inside:
                yield decorated


unwinder = TaskUnwinder()
frame_filter = TaskFilter()
past_main = None  # what the parameter was, while a task is looked at


def address_of(value):
    return int(value.cast(gdb.lookup_type("unsigned long")))


def register(inferior_frame, name):
    return address_of(inferior_frame.read_register(name))


def saved_registers(waits, task):
    """The registers with which the task's flow is suspended."""
    names = machine()
    low, high = waits.stack_bounds(task)
    if not low <= task.sp < high:
        raise Trouble(
            "task %d has its stack at %#x to %#x, and its stack pointer %#x elsewhere" % (task.id, low, high, task.sp)
        )
    try:
        with gdb.with_parameter("language", "c"):
            pc = int(gdb.parse_and_eval("(unsigned long)&edo_context_suspended"))
        return {names.sp: task.sp, names.pc: pc}
    except gdb.error:
        pass  # built to switch by ucontext, or without symbols
    try:
        value = gdb.Value(task.sp).cast(gdb.lookup_type("struct suspended").pointer()).dereference()["registers"]
        found = {}
        for path, index, name in names.ucontext:
            at = value
            for part in path.split("."):
                at = at[part]
            found[name] = address_of(at if index is None else at[index])
        return found
    except gdb.error as error:
        raise Trouble("no symbol edo_context_suspended, so it is not known where tasks are suspended (%s)" % error) from None


def first_frame():
    """The innermost frame of the task that is looked at."""
    frame, names = gdb.newest_frame(), machine()
    while frame is not None and (register(frame, names.sp), register(frame, names.pc)) == unwinder.host[2:]:
        frame = frame.older()
    return frame


def place():
    """Where the selected task, or thread, stands: (the function of Edo's that was called, from where); None each if unknown."""
    frame = first_frame() if unwinder.registers else gdb.newest_frame()
    called = None
    for _ in range(FRAMES_MOST):
        if frame is None:
            break
        name, sal = frame.name(), frame.find_sal()
        if name and not name.startswith("edo_"):
            if sal.symtab is None:
                return called, name
            return called, "%s (%s:%d)" % (name, sal.symtab.filename, sal.line)
        called = None if name in BEGINNINGS else name or called
        frame = frame.older()
    return called, None


def look(registers):
    """From now on the selected thread's frames are the task's."""
    global past_main

    leave()
    thread = gdb.selected_thread()
    if thread is None:
        raise Trouble("no thread is selected")
    frame, names = gdb.newest_frame(), machine()
    unwinder.host = (thread.inferior.num, thread.num, register(frame, names.sp), register(frame, names.pc))
    unwinder.registers = registers
    past_main = gdb.parameter("backtrace past-main")
    if not past_main:
        gdb.execute("set backtrace past-main on", to_string=True)  # the thread may stand in main itself
    gdb.invalidate_cached_frames()
    first = first_frame()
    if first is None:
        leave()
        raise Trouble("gdb cannot unwind from the thread's frame to the task")
    first.select()


def leave():
    """Frames are the threads' again. True if they were not."""
    if unwinder.registers is None:
        return False
    unwinder.registers = None
    if not past_main:
        gdb.execute("set backtrace past-main off", to_string=True)
    gdb.invalidate_cached_frames()
    return True


class Looking:
    """with Looking(registers): a task's frames, and afterwards those that were before."""

    def __init__(self, registers):
        self.registers = registers

    def __enter__(self):
        self.before = (unwinder.registers, unwinder.host)
        self.thread = gdb.selected_thread()
        self.level = level_of_selected()
        look(self.registers)

    def __exit__(self, *_):
        leave()
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
        if self.before[0] is not None:
            look(self.before[0])
        select_level(self.level)


class OnThread:
    """with OnThread(thread): that thread is selected."""

    def __init__(self, thread):
        self.other = thread

    def __enter__(self):
        self.before = (unwinder.registers, unwinder.host)
        self.thread = gdb.selected_thread()
        self.level = level_of_selected()
        leave()
        self.other.switch()

    def __exit__(self, *_):
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
        if self.before[0] is not None:
            look(self.before[0])
        select_level(self.level)


def level_of_selected():
    try:
        return gdb.selected_frame().level()
    except gdb.error:
        return 0


def select_level(level):
    try:
        frame = gdb.newest_frame()
        while frame.level() < level and frame.older() is not None:
            frame = frame.older()
        frame.select()
    except gdb.error:
        pass


# --- Threads

def thread_of_pthread(number):
    """gdb's thread for a pthread_t; None also where gdb does not know of those."""
    for candidate in gdb.selected_inferior().threads():
        try:
            if int.from_bytes(candidate.handle(), "little") == number:
                return candidate
        except (gdb.error, RuntimeError):
            break
    return None


def gdb_thread_of(thread):
    """gdb's thread for one of a runtime's."""
    found = thread_of_pthread(thread.pthread)
    if found is not None:
        return found
    for candidate in gdb.selected_inferior().threads():
        if candidate.ptid[1] == thread.number:
            return candidate
    return None


def thread_on_stack(waits, task):
    """The thread that stands on the task's stack, whatever the runtime says of it."""
    if not task.stack:
        return None
    low, high = waits.stack_bounds(task)
    if waits.world.stack_pointers is None:
        waits.world.stack_pointers = stack_pointers()
    for sp, thread in waits.world.stack_pointers:
        if low <= sp < high:
            return thread
    return None


def stack_pointers():
    """(stack pointer, thread) of all of the inferior's that stand still."""
    names, found = machine(), []
    before, level, looked = gdb.selected_thread(), level_of_selected(), unwinder.registers
    leave()
    for thread in gdb.selected_inferior().threads():
        try:
            thread.switch()
            found.append((register(gdb.newest_frame(), names.sp), thread))
        except gdb.error:
            continue  # it runs
    if before is not None and before.is_valid():
        before.switch()
    if looked is not None:
        look(looked)
    select_level(level)
    return found


def load():
    gdb.unwinder.register_unwinder(None, unwinder, replace=True)
    gdb.frame_filters[frame_filter.name] = frame_filter
    gdb.events.cont.connect(on_continue)
    gdb.events.exited.connect(on_continue)


def unload():
    leave()
    gdb.frame_filters.pop(frame_filter.name, None)
    for event in (gdb.events.cont, gdb.events.exited):
        try:
            event.disconnect(on_continue)
        except ValueError:
            pass


def on_continue(event):
    leave()  # what runs has no frames to look at
