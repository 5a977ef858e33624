# SPDX-License-Identifier: MIT
#
# Sourced by gdb where the program has stopped: when each task was spawned, as the commands find it in the program's memory and as the
# program's own function does, which is called for that.
import gdb
from edo_gdb import collect

looked = wrong = 0


def check(runtime, task, now):
    global wrong
    owner = "((struct edo_runtime *)%d)->workers" % runtime.address
    library = int(gdb.parse_and_eval("edo_ages_of(%s, %dul, %dl)" % (owner, task.id, now)))
    found = runtime.spawned(task, now)
    if (collect.FOREVER if found is None else found) != library:
        wrong += 1
        print("task %d at %d: found %s, but it is %d" % (task.id, now, found, library))


for runtime in collect.World().runtimes:
    runtime.collect()
    stopped = runtime.world.now(runtime)[0]
    times = sorted(time for _, times in runtime._marks() for time in times)
    for task in runtime.order:
        looked += 1
        last = task.id
        # Before all marks, between them, at the time of the stop; those that come next, who has no number of this runtime.
        for task.id in (last, last + 1, last + 1000, runtime.id_base, runtime.id_base + 1):
            for now in (times[0] - 1, times[0], times[len(times) // 2] + 1, times[-1], stopped):
                check(runtime, task, now)
        if stopped - runtime.spawned(task, stopped) <= 0:
            wrong += 1
            print("task %d has no age" % last)
print("ages: %d tasks, %d wrong" % (looked, wrong))
