/* SPDX-License-Identifier: MIT */
/*
 * The report of a deadlock: all tasks of a runtime wait, and nothing is left that could wake one. Each has a line, with
 * the place where it was spawned and what it waits for; and rings of tasks that wait for each other are told.
 *
 * It is a dump (src/observe), with the tasks' numbers as those of their run.
 */
#include "observe/dump_out.h"
#include "testing/seeded.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void edo_report_task(struct edo_out *out, const struct edo_dump *dump, const struct edo_dump_task *task)
{
    const struct edo_dump_scope *scope = edo_dump_innermost(dump, task);
    const struct edo_out_site *site;

    edo_out_printf(out, "edo:   task %" PRIu64 " ", task->id & dump->id_mask);
    edo_out_quote(out, edo_out_name(out, task));
    site = edo_out_site(out, task->site);
    if (site)
        edo_out_printf(out, " (spawned at %s:%d)", site->file, site->line);
    if (scope && scope->flags & EDO_SCOPE_CANCELLED)
        edo_out_put(out, ", cancelled,");
    if (task->flags & EDO_TASK_DORMANT)
        edo_out_put(out, ", dormant,");
    edo_out_put(out, " waits ");
    edo_out_waits(out, dump, task);
    edo_out_put(out, "\n");
}

void edo_deadlock_report(struct edo_runtime *runtime)
{
    struct edo_dump dump = {.id_mask = (UINT64_C(1) << 48) - 1, .addresses = true};
    const edo_dump_options options = {.size = sizeof options};
    struct edo_out *out;
    size_t count = 0;

    if (edo_dump_take(&dump, runtime) == 0 && edo_out_begin(&out, STDERR_FILENO, &options) == 0) {
        for (size_t i = 0; i < dump.tasks.count; i++)
            count += edo_dump_nth(&dump, i)->state == EDO_DUMP_WAITS;
        edo_out_printf(out, "edo: deadlock: %zu %s for ever\n", count, count == 1 ? "task waits" : "tasks wait");
        for (size_t i = 0; i < dump.tasks.count; i++)
            if (edo_dump_nth(&dump, i)->state == EDO_DUMP_WAITS)
                edo_report_task(out, &dump, edo_dump_nth(&dump, i));
        edo_out_cycles(out, &dump, "edo:   ");
        edo_out_end(out);
    } else {
        fputs("edo: deadlock: all tasks wait for ever, and there is no memory to tell for what\n", stderr);
    }
    edo_dump_finish(&dump);
}
