/* SPDX-License-Identifier: MIT */
/*
 * Building with cargo, to exactly the versions of Cargo.lock. EDO_BENCH_PEERS is the directory of the sources. One
 * thread.
 */
#include "peer.h"

#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { PATIENCE = 150 /* s; what was built by then is kept for the next time */ };

int bench_peer_cargo(char *path, size_t size, const char *name, char *reason, size_t reason_size)
{
    static const char script[] =
        "command -v cargo >/dev/null || { echo 'error: cargo is not installed'; exit 1; }\n"
        "CARGO_TARGET_DIR=\"$1\" exec cargo build --release --locked --quiet --manifest-path \"$2\" 2>&1\n";
    static struct bench_process process;
    char target[2048], manifest[2048], line[256];
    const char *words[] = {"/bin/sh", "-c", script, "cargo", target, manifest, NULL};
    int rc, status;

    bench_program(target, sizeof target, "peers");
    snprintf(manifest, sizeof manifest, "%s/%s/Cargo.toml", EDO_BENCH_PEERS, name);
    snprintf(path, size, "%s/release/%s", target, name);
    snprintf(reason, reason_size, "cargo did not come to an end within %d s", PATIENCE);
    if ((rc = bench_process_start(&process, words, NULL)) < 0)
        return rc;
    while ((rc = bench_process_line(&process, line, sizeof line, PATIENCE)) > 0)
        if (strncmp(line, "error", 5) == 0 && strncmp(reason, "error", 5) != 0) /* the first one tells most */
            snprintf(reason, reason_size, "%s", line);
    status = bench_process_end(&process, rc == 0 ? 10 : 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}
