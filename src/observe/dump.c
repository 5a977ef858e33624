/* SPDX-License-Identifier: MIT */
/*
 * edo_dump: of which runtimes, and where to. See edo/dump.h for what it promises, dump_collect.c and dump_waits.c for
 * how.
 *
 * A task's runtime lives as long as the task, so its dump needs no lock. From other threads the runtimes are looked at
 * under the lock of their list, each for as long as its picture is taken; what is printed is printed afterwards.
 */
#include "observe/dump_out.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/options.h"

#include <errno.h>
#include <sys/mman.h>

/* What is dumped of one runtime, mapped. */
struct edo_dumped {
    struct edo_dump dump;
    struct edo_dumped *next;
};

/* A dump that is being made. */
struct edo_dumping {
    const struct edo_platform *platform;
    struct edo_dumped *first;
    struct edo_dumped **last;
    int rc;
    bool backtraces;
};

const struct edo_platform *edo_dump_platform(void)
{
    return edo_thread_self() ? edo_platform : &edo_platform_system;
}

static void edo_dumping_take(void *context, struct edo_runtime *runtime)
{
    struct edo_dumping *dumping = (struct edo_dumping *)context;
    bool foreign = edo_thread_self() == NULL;
    struct edo_dumped *dumped;
    struct edo_dump *dump;
    void *memory;

    if (dumping->rc == 0 &&
        dumping->platform->map(&memory, sizeof *dumped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS) < 0)
        dumping->rc = -ENOMEM;
    if (dumping->rc < 0)
        return;
    dumped = (struct edo_dumped *)memory;
    *dumping->last = dumped;
    dumping->last = &dumped->next;
    dump = &dumped->dump;
    dump->id_mask = UINT64_MAX;
    dump->backtraces = dumping->backtraces;
    dump->addresses = !(foreign && runtime->hooks && runtime->hooks->simulated); /* that kernel is its thread's alone */
    dumping->rc = edo_dump_take(dump, runtime);
}

static void edo_dumping_print(struct edo_out *out, struct edo_dumping *dumping)
{
    if (out->json)
        edo_out_put(out, "{\"runtimes\":[");
    for (struct edo_dumped *dumped = dumping->first; dumped; dumped = dumped->next) {
        if (out->json && dumped != dumping->first)
            edo_out_put(out, ",\n");
        if (out->json)
            edo_out_dump_json(out, &dumped->dump);
        else
            edo_out_dump_text(out, &dumped->dump);
    }
    if (out->json)
        edo_out_put(out, "]}\n");
    else if (!dumping->first)
        edo_out_put(out, "edo: no runtime\n");
}

int edo_dump_options_check(edo_dump_options *options, const edo_dump_options *given)
{
    int rc = EDO_READ_OPTIONS(options, given);

    if (rc == 0 && edo_in_forked_child())
        rc = -EPERM;
    if (rc == 0 && (options->format < EDO_DUMP_TEXT || options->format > EDO_DUMP_JSON))
        rc = -EINVAL;
    return rc;
}

int edo_dump(int fd, const edo_dump_options *given)
{
    struct edo_task *task = edo_task_self();
    struct edo_dumping dumping = {.platform = edo_dump_platform()};
    edo_dump_options options;
    struct edo_out *out;
    int rc = edo_dump_options_check(&options, given);

    if (rc == 0)
        rc = edo_out_begin(&out, fd, &options);
    if (rc != 0)
        return rc;
    dumping.last = &dumping.first;
    dumping.backtraces = options.backtraces;
    if (task)
        edo_dumping_take(&dumping, task->home->runtime);
    else
        edo_runtimes_each(edo_dumping_take, &dumping);
    if (dumping.rc == 0)
        edo_dumping_print(out, &dumping);
    else
        out->rc = dumping.rc;
    for (struct edo_dumped *dumped = dumping.first, *next; dumped; dumped = next) {
        next = dumped->next;
        if (dumped->dump.rc < 0 && out->rc == 0)
            out->rc = dumped->dump.rc;
        edo_dump_finish(&dumped->dump);
        dumping.platform->unmap(dumped, sizeof *dumped);
    }
    return edo_out_end(out);
}
