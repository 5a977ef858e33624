/* SPDX-License-Identifier: MIT */
/* What tests do to the simulated network and its clock. See edo/testing.h. */
#include "io/stream.h"
#include "runtime/task.h"
#include "testing/sim_socket.h"

#include <edo/testing.h>

/* Whether the calling task is in a run with a simulated kernel. */
static bool edo_in_simulation(void)
{
    return edo_sim && edo_in_task();
}

int edo_test_latency(const char *a, const char *b, int64_t min, int64_t max)
{
    return edo_in_simulation() ? edo_sim_set_latency(a, b, min, max) : -EPERM;
}

int edo_test_partition(const char *a, const char *b)
{
    return edo_in_simulation() ? edo_sim_cut(a, b) : -EPERM;
}

int edo_test_heal(const char *a, const char *b)
{
    return edo_in_simulation() ? edo_sim_heal(a, b) : -EPERM;
}

int edo_test_reset(edo_stream *stream)
{
    struct edo_sim_file *file;
    int rc;

    if (!edo_in_simulation())
        return -EPERM;
    rc = edo_source_begin(&stream->source);
    if (rc < 0)
        return rc;
    file = edo_sim_file_of(stream->source.fd);
    if (!file || file->kind != &edo_sim_socket_kind)
        rc = -ENOTSUP;
    else if (edo_sim_socket_from(file)->state != EDO_SIM_CONNECTED || edo_sim_socket_from(file)->family == AF_UNIX)
        rc = -ENOTCONN;
    else
        edo_sim_stream_reset(edo_sim_socket_from(file));
    edo_source_end(&stream->source);
    return rc;
}

int edo_test_advance(int64_t duration)
{
    if (!edo_in_simulation())
        return -EPERM;
    if (duration < 0)
        return -EINVAL;
    if (edo_sim->options.impure)
        return -ENOTSUP;
    edo_sim_pass(duration);
    return 0;
}
