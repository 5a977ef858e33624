/* SPDX-License-Identifier: MIT */
/*
 * Children: fork, pipes, lines, and the end. The child waits at a gate until its counter is open, so that
 * threads it starts are counted too.
 */
#include "process.h"

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *bench_program(char *path, size_t size, const char *name)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    if (length < 0)
        length = 0;
    path[length] = '\0';
    slash = strrchr(path, '/');
    snprintf(slash ? slash + 1 : path, size - (size_t)(slash ? slash + 1 - path : 0), "%s", name);
    return path;
}

static void child(const char *const argv[], int in, int out, int gate, pid_t parent)
{
    char open;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (read(gate, &open, 1) == 1)
        execv(argv[0], (char *const *)(size_t)argv); /* execv changes nothing; its type is historical */
    _exit(127);
}

int bench_process_start(struct bench_process *process, const char *const argv[], struct bench_counter *counter)
{
    pid_t parent = getpid();
    int in[2], out[2], gate[2], rc = 0;

    memset(process, 0, sizeof *process);
    process->in = process->out = -1;
    if (access(argv[0], X_OK) != 0)
        return -ENOENT;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(gate, O_CLOEXEC) != 0)
        return -errno;
    fflush(NULL);
    process->pid = process->kill = fork();
    if (process->pid == 0)
        child(argv, in[0], out[1], gate[0], parent);
    if (process->pid > 0 && counter && (rc = bench_counter_open(counter, process->pid)) == 0)
        process->counter = counter;
    close(in[0]);
    close(out[1]);
    close(gate[0]);
    process->in = in[1];
    process->out = out[0];
    if (process->pid < 0)
        rc = -EAGAIN;
    else if (rc == 0 && write(gate[1], "", 1) != 1)
        rc = -EIO;
    close(gate[1]);
    if (rc < 0)
        bench_process_end(process, 0);
    return rc;
}

int bench_process_line(struct bench_process *process, char *line, size_t size, double timeout_seconds)
{
    double deadline = bench_now() + timeout_seconds * 1e9;

    for (;;) {
        char *end = memchr(process->pending, '\n', process->used);
        struct pollfd readable = {.fd = process->out, .events = POLLIN};
        double left = (deadline - bench_now()) / 1e6;
        ssize_t n;

        if (end || process->used == sizeof process->pending) {
            size_t length = end ? (size_t)(end - process->pending) : process->used;
            size_t kept = length < size ? length : size - 1;

            memcpy(line, process->pending, kept);
            line[kept] = '\0';
            length += end ? 1 : 0;
            process->used -= length;
            memmove(process->pending, process->pending + length, process->used);
            return 1;
        }
        if (left <= 0 || poll(&readable, 1, (int)left + 1) == 0)
            return -ETIMEDOUT;
        n = read(process->out, process->pending + process->used, sizeof process->pending - process->used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        process->used += (size_t)n;
    }
}

int bench_process_say(struct bench_process *process, const char *line)
{
    char text[256];
    int size = snprintf(text, sizeof text, "%s\n", line);

    return write(process->in, text, (size_t)size) == size ? 0 : -EPIPE;
}

static double nanoseconds(struct timeval time)
{
    return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

int bench_process_end(struct bench_process *process, double patience_seconds)
{
    double deadline = bench_now() + patience_seconds * 1e9;
    struct timespec pause = {.tv_nsec = 2000000};
    struct rusage usage = {0};
    int status = 0;

    if (process->counter)
        bench_counter_close(process->counter);
    if (process->in >= 0)
        close(process->in);
    if (process->out >= 0)
        close(process->out);
    process->counter = NULL;
    process->in = process->out = -1;
    while (process->pid > 0 && wait4(process->pid, &status, WNOHANG, &usage) == 0) {
        if (bench_now() >= deadline) {
            kill(process->kill, SIGKILL);
            kill(process->pid, SIGKILL);
            wait4(process->pid, &status, 0, &usage);
            break;
        }
        nanosleep(&pause, NULL);
    }
    process->pid = process->kill = 0;
    process->user_ns = nanoseconds(usage.ru_utime);
    process->system_ns = nanoseconds(usage.ru_stime);
    return status;
}

int bench_process_stop(struct bench_process *process, double patience_seconds)
{
    if (process->pid > 0)
        kill(process->kill, SIGTERM);
    return bench_process_end(process, patience_seconds);
}
