/* SPDX-License-Identifier: MIT */
/*
 * edo_dump: of which runtimes, and where to. See edo/dump.h for what it promises, dump_collect.c and dump_waits.c for how.
 *
 * A task's runtime lives as long as the task, so its dump needs no lock. From other threads the runtimes are looked at under the
 * lock of their list, each for as long as its picture is taken; what is printed is printed afterwards.
 */
#include "observe/dump_out.h"
#include "platform/platform.h"
#include "runtime/fork.h"
#include "runtime/hooks.h"
#include "runtime/options.h"

#include <errno.h>

enum { EDO_DUMP_RUNTIMES = 16 }; /* at once; of more the first */

/* A dump that is being made. */
struct edo_dumping {
    struct edo_dump dumps[EDO_DUMP_RUNTIMES];
    size_t count;
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
    struct edo_dump *dump;

    if (dumping->count == EDO_COUNT(dumping->dumps) || dumping->rc < 0)
        return;
    dump = &dumping->dumps[dumping->count++];
    *dump = (struct edo_dump){.id_mask = UINT64_MAX, .backtraces = dumping->backtraces};
    dump->addresses = !(foreign && runtime->hooks && runtime->hooks->simulated); /* that kernel is its thread's alone */
    dumping->rc = edo_dump_take(dump, runtime);
}

static void edo_dumping_print(struct edo_out *out, struct edo_dumping *dumping)
{
    if (out->json)
        edo_out_put(out, "{\"runtimes\":[");
    for (size_t i = 0; i < dumping->count; i++) {
        if (out->json && i > 0)
            edo_out_put(out, ",\n");
        if (out->json)
            edo_out_dump_json(out, &dumping->dumps[i]);
        else
            edo_out_dump_text(out, &dumping->dumps[i]);
    }
    if (out->json)
        edo_out_put(out, "]}\n");
    else if (dumping->count == 0)
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
    struct edo_dumping dumping = {.count = 0};
    edo_dump_options options;
    struct edo_out *out;
    int rc = edo_dump_options_check(&options, given);

    if (rc == 0)
        rc = edo_out_begin(&out, fd, &options);
    if (rc != 0)
        return rc;
    dumping.backtraces = options.backtraces;
    if (task)
        edo_dumping_take(&dumping, task->home->runtime);
    else
        edo_runtimes_each(edo_dumping_take, &dumping);
    if (dumping.rc == 0)
        edo_dumping_print(out, &dumping);
    else
        out->rc = dumping.rc;
    for (size_t i = 0; i < dumping.count; i++) {
        if (dumping.dumps[i].rc < 0 && out->rc == 0)
            out->rc = dumping.dumps[i].rc;
        edo_dump_finish(&dumping.dumps[i]);
    }
    return edo_out_end(out);
}
