/* SPDX-License-Identifier: MIT */
/*
 * The examples of docs/guide/files.md, word for word (docs/check.sh compares), and a main that runs them.
 */
#include <edo/edo.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Raises the number in a file by one. Whatever happens, the file has the old number or the new one. */
static int count_up(const char *path)
{
    char text[32];
    char *data;
    size_t size;
    long number = 0;
    int rc = edo_file_read_all(&data, &size, path, 31);

    if (rc == 0) {
        number = strtol(data, NULL, 10); /* a zero byte stands behind the content */
        edo_release(data);
    } else if (rc != -ENOENT) {
        return rc;
    }
    snprintf(text, sizeof text, "%ld\n", number + 1);
    return edo_file_write_all(path, text, strlen(text), NULL);
}

/* How many bytes the files of a directory have, without what lies deeper. */
static int64_t bytes_in(const char *path)
{
    edo_dir *dir EDO_AUTO(edo_dir_close) = NULL;
    edo_dir_entry entry;
    int64_t sum = 0;
    int rc = edo_dir_open(&dir, path);

    while (rc >= 0 && (rc = edo_dir_read(&entry, dir)) > 0) {
        struct stat status;
        char name[4096];

        snprintf(name, sizeof name, "%s/%s", path, entry.name);
        if (entry.type == EDO_ENTRY_FILE && edo_path_stat(&status, name) == 0)
            sum += status.st_size;
    }
    return rc < 0 ? rc : sum;
}

/* What a program prints, at most `size` bytes of it. The count, or why there is none. */
static ssize_t output_of(char *text, size_t size, const char *const *argv)
{
    edo_process *process EDO_AUTO(edo_process_close) = NULL;
    edo_stream *out EDO_AUTO(edo_close) = NULL;
    size_t done = 0;
    ssize_t n = 1;
    int status;
    int rc = edo_process_spawn(&process, argv,
                               EDO_OPTIONS(edo_process_options, .in = EDO_STDIO_NULL, .out = EDO_STDIO_PIPE,
                                           .kill_on_close = SIGKILL)); /* if we are cancelled */

    if (rc < 0)
        return rc;
    out = edo_process_take_stream(process, EDO_STDOUT);
    while (n > 0 && done < size)
        if ((n = edo_read(out, text + done, size - done)) > 0)
            done += (size_t)n;
    if (n < 0)
        return n;
    edo_close(EDO_TAKE(out));
    rc = edo_process_wait(&status, process);
    return rc < 0 ? rc : status == 0 ? (ssize_t)done : -EIO;
}

/* Ends a process: asks it, and after a while does not ask any more. */
static int stop(int *status, edo_process *process)
{
    int rc = 0;

    EDO_SHIELD (EDO_SEC(5)) { /* also when we are cancelled, which is when one does this */
        edo_process_kill(process, SIGTERM);
        EDO_TIMEOUT (EDO_SEC(2), &rc) {
            rc = edo_process_wait(status, process);
        }
        if (rc == -ETIMEDOUT) {
            edo_process_kill(process, SIGKILL);
            rc = edo_process_wait(status, process);
        }
    }
    return rc;
}

/* Reads its settings anew whenever SIGHUP comes, which otherwise would end the process. */
static int reloads(void *settings)
{
    static const int wanted[] = {SIGHUP};
    edo_signal *signals EDO_AUTO(edo_signal_close) = NULL;
    int number;
    int rc = edo_signal_open(&signals, wanted, EDO_COUNT(wanted));

    while (rc == 0 && (rc = edo_signal_wait(&number, signals)) == 0)
        ++*(int *)settings;
    return rc;
}

static int expect(const char *what, int64_t got, int64_t wanted)
{
    if (got != wanted)
        fprintf(stderr, "%s: %lld instead of %lld\n", what, (long long)got, (long long)wanted);
    return got == wanted ? 0 : -EIO;
}

static int try_files(const char *directory)
{
    char path[100];
    int rc;

    snprintf(path, sizeof path, "%s/count", directory);
    rc = count_up(path);
    if (rc == 0)
        rc = count_up(path);
    if (rc == 0)
        rc = expect("bytes_in", bytes_in(directory), 2);
    edo_path_unlink(path);
    return rc;
}

static int try_processes(void)
{
    static const char *const echo[] = {"echo", "hello", NULL};
    static const char *const sleeper[] = {"sleep", "1000", NULL};
    edo_process *process EDO_AUTO(edo_process_close) = NULL;
    char text[100];
    int status = 0;
    int rc = expect("output_of", output_of(text, sizeof text, echo), 6);

    if (rc == 0)
        rc = edo_process_spawn(&process, sleeper, NULL);
    if (rc == 0)
        rc = stop(&status, process);
    return rc == 0 ? expect("stop", status, -SIGTERM) : rc;
}

static int try_signals(void)
{
    int settings = 0;
    int rc = 0;

    EDO_SCOPE (scope, &rc) {
        rc = edo_spawn(scope, reloads, &settings);
        while (rc == 0 && settings == 0) {
            rc = edo_sleep(EDO_MS(1)); /* it has opened the signal by then */
            if (rc == 0)
                raise(SIGHUP);
        }
        edo_scope_cancel(scope);
    }
    return rc == -ECANCELED ? 0 : rc;
}

static int run(void *argument)
{
    char directory[] = "/tmp/edo-guide-XXXXXX";
    int rc;

    (void)argument;
    signal(SIGHUP, SIG_IGN); /* one may come before it is waited for */
    if (!mkdtemp(directory))
        return -EIO;
    rc = try_files(directory);
    edo_path_rmdir(directory);
    if (rc == 0)
        rc = try_processes();
    if (rc == 0)
        rc = try_signals();
    return rc;
}

/* Runs the program with files over io_uring, where the kernel allows it. */
static int run_with_rings(edo_task_fn fn, void *argument)
{
    return edo_run(fn, argument, EDO_OPTIONS(edo_run_options, .files = EDO_FILES_IO_URING));
}

int main(void)
{
    int rc = edo_run(run, NULL, EDO_OPTIONS(edo_run_options, .workers = 1));

    if (rc == 0)
        rc = run_with_rings(run, NULL);
    if (rc < 0)
        fprintf(stderr, "files: %s\n", edo_strerror(rc));
    return rc < 0;
}
