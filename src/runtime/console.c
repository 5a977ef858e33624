/* SPDX-License-Identifier: MIT */
/*
 * The console's place in a program: who serves it, and from when to when.
 *
 * It is another library's (src/console), which makes itself known before main. There is one in a process, from the
 * begin of the first outermost edo_run that asks for it to the end of the last: `users` counts those. The lock is held
 * while it is started and stopped, which may take a while, and while it is told of a stall: so it is there then, or
 * not. Its own threads never take this lock.
 */
#include "runtime/fork.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <stdio.h>

static pthread_mutex_t edo_console_lock = PTHREAD_MUTEX_INITIALIZER;
static edo_console_hooks edo_console; /* .start is NULL: nobody has registered */
static void *edo_console_running;     /* NULL: it does not */
static unsigned edo_console_users;

int edo_console_register(const edo_console_hooks *hooks)
{
    edo_console_hooks read;
    int rc = EDO_READ_OPTIONS(&read, hooks);

    if (rc == 0 && (!read.start || !read.stop || !read.stall))
        rc = -EINVAL;
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&edo_console_lock);
    if (edo_console.start)
        rc = -EBUSY;
    else
        edo_console = read;
    pthread_mutex_unlock(&edo_console_lock);
    return rc;
}

bool edo_console_begin(const edo_run_options *options)
{
    bool runs;

    if (!options->console || edo_in_forked_child())
        return false;
    pthread_mutex_lock(&edo_console_lock);
    if (!edo_console.start)
        fputs("edo: no console: the program is not linked with edo-console (CMake: edo::console; pkg-config: "
              "edo-console); it runs on\n",
              stderr);
    else if (!edo_console_running && edo_console.start(&edo_console_running, options->console) < 0)
        edo_console_running = NULL;
    runs = edo_console_running != NULL;
    edo_console_users += runs;
    pthread_mutex_unlock(&edo_console_lock);
    return runs;
}

void edo_console_end(void)
{
    pthread_mutex_lock(&edo_console_lock);
    if (--edo_console_users == 0) {
        edo_console.stop(edo_console_running);
        edo_console_running = NULL;
    }
    pthread_mutex_unlock(&edo_console_lock);
}

void edo_console_tell_stall(const struct edo_stall *stall)
{
    pthread_mutex_lock(&edo_console_lock);
    if (edo_console_running)
        edo_console.stall(edo_console_running, stall);
    pthread_mutex_unlock(&edo_console_lock);
}
