/* SPDX-License-Identifier: MIT */
/* The table that refuses, as far as it is about descriptors, files and processes. See faults.h. */
#include "testing/faults_table.h"

/* --- Descriptors -------------------------------------------------------------------------------------------------- */

/* Whether it is one by which threads wake each other: its calls cannot fail, and nobody could bear it. */
static bool edo_faults_is_wake(int fd)
{
    return edo_left_kind(&edo_faults.left, fd) == edo_fault_name(EDO_CALL_EVENTFD);
}

static int edo_faulty_close(int fd)
{
    edo_left_closed(&edo_faults.left, fd); /* before: the number may be another's at once */
    return edo_faults.base.close(fd);
}

static ssize_t edo_faulty_read(int fd, void *buffer, size_t size)
{
    int rc = edo_faults_is_wake(fd) ? 0 : edo_faults_before(EDO_CALL_READ);

    return rc < 0 ? rc : edo_faults.base.read(fd, buffer, size);
}

static ssize_t edo_faulty_write(int fd, const void *buffer, size_t size)
{
    int rc = edo_faults_is_wake(fd) ? 0 : edo_faults_before(EDO_CALL_WRITE);

    return rc < 0 ? rc : edo_faults.base.write(fd, buffer, size);
}

static ssize_t edo_faulty_readv(int fd, const struct iovec *pieces, int count)
{
    int rc = edo_faults_before(EDO_CALL_READV);

    return rc < 0 ? rc : edo_faults.base.readv(fd, pieces, count);
}

static ssize_t edo_faulty_writev(int fd, const struct iovec *pieces, int count)
{
    int rc = edo_faults_before(EDO_CALL_WRITEV);

    return rc < 0 ? rc : edo_faults.base.writev(fd, pieces, count);
}

static ssize_t edo_faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
    int rc = edo_faults_before(EDO_CALL_PREAD);

    return rc < 0 ? rc : edo_faults.base.pread(fd, buffer, size, offset);
}

static int edo_faulty_open(const char *path, int flags, mode_t mode)
{
    int rc = edo_faults_before(EDO_CALL_OPEN);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_OPEN, edo_faults.base.open(path, flags, mode));
}

static int edo_faulty_fcntl(int fd, int command, long argument)
{
    int rc = edo_faults_before(EDO_CALL_FCNTL);

    return rc < 0 ? rc : edo_faults.base.fcntl(fd, command, argument);
}

static int edo_faulty_eventfd(unsigned initial, int flags)
{
    int rc = edo_faults_before(EDO_CALL_EVENTFD);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_EVENTFD, edo_faults.base.eventfd(initial, flags));
}

static int edo_faulty_epoll_create(int flags)
{
    int rc = edo_faults_before(EDO_CALL_EPOLL_CREATE);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_EPOLL_CREATE, edo_faults.base.epoll_create(flags));
}

static int edo_faulty_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int rc = operation == EPOLL_CTL_DEL ? 0 : edo_faults_before(EDO_CALL_EPOLL_CTL);

    if (rc == 0)
        rc = edo_faults.base.epoll_ctl(epoll, operation, fd, event);
    if (rc == 0)
        edo_left_watched(&edo_faults.left, fd, operation == EPOLL_CTL_DEL ? -1 : epoll, event);
    return rc;
}

static int edo_faulty_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t timeout)
{
    bool bounded = edo_faults.patience > 0 && (timeout < 0 || timeout > edo_faults.patience) &&
                   edo_faults.base.epoll_wait == edo_platform_system.epoll_wait;
    int rc = edo_faults_before(EDO_CALL_EPOLL_WAIT);

    if (rc < 0)
        return rc;
    rc = edo_faults.base.epoll_wait(epoll, events, count, bounded ? edo_faults.patience : timeout);
    if (rc == 0 && bounded && edo_faults.stuck)
        edo_faults.stuck();
    return rc;
}

/* --- Files and processes ------------------------------------------------------------------------------------------ */

static ssize_t edo_faulty_pipe_writev(int fd, const struct iovec *pieces, int count)
{
    int rc = edo_faults_before(EDO_CALL_WRITEV);

    return rc < 0 ? rc : edo_faults.base.pipe_writev(fd, pieces, count);
}

static int edo_faulty_openat(int directory, const char *path, int flags, mode_t mode)
{
    int rc = edo_faults_before(EDO_CALL_OPEN);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_OPEN, edo_faults.base.openat(directory, path, flags, mode));
}

static ssize_t edo_faulty_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    int rc = edo_faults_before(EDO_CALL_WRITE);

    return rc < 0 ? rc : edo_faults.base.pwrite(fd, buffer, size, offset);
}

static int edo_faulty_fstat(int fd, struct stat *out)
{
    int rc = edo_faults_before(EDO_CALL_STAT);

    return rc < 0 ? rc : edo_faults.base.fstat(fd, out);
}

static int edo_faulty_fstatat(int directory, const char *path, struct stat *out, int flags)
{
    int rc = edo_faults_before(EDO_CALL_STAT);

    return rc < 0 ? rc : edo_faults.base.fstatat(directory, path, out, flags);
}

static int edo_faulty_fchmod(int fd, mode_t mode)
{
    int rc = edo_faults_before(EDO_CALL_CHANGE);

    return rc < 0 ? rc : edo_faults.base.fchmod(fd, mode);
}

static int edo_faulty_ftruncate(int fd, off_t size)
{
    int rc = edo_faults_before(EDO_CALL_CHANGE);

    return rc < 0 ? rc : edo_faults.base.ftruncate(fd, size);
}

static int edo_faulty_fsync(int fd)
{
    int rc = edo_faults_before(EDO_CALL_SYNC);

    return rc < 0 ? rc : edo_faults.base.fsync(fd);
}

static int edo_faulty_renameat(int directory, const char *from, int to_directory, const char *to)
{
    int rc = edo_faults_before(EDO_CALL_CHANGE);

    return rc < 0 ? rc : edo_faults.base.renameat(directory, from, to_directory, to);
}

static int edo_faulty_mkdirat(int directory, const char *path, mode_t mode)
{
    int rc = edo_faults_before(EDO_CALL_CHANGE);

    return rc < 0 ? rc : edo_faults.base.mkdirat(directory, path, mode);
}

static ssize_t edo_faulty_getdents(int fd, void *buffer, size_t size)
{
    int rc = edo_faults_before(EDO_CALL_READ);

    return rc < 0 ? rc : edo_faults.base.getdents(fd, buffer, size);
}

static int edo_faulty_process_start(pid_t *out, const struct edo_process_plan *plan)
{
    int rc = edo_faults_before(EDO_CALL_PROCESS_START);

    return rc < 0 ? rc : edo_faults.base.process_start(out, plan);
}

static int edo_faulty_pidfd_open(pid_t process)
{
    int rc = edo_faults_before(EDO_CALL_PIDFD_OPEN);

    return rc < 0 ? rc : edo_faults_opened(EDO_CALL_PIDFD_OPEN, edo_faults.base.pidfd_open(process));
}

static int edo_faulty_pipe(int ends[2], int flags)
{
    int rc = edo_faults_before(EDO_CALL_PIPE);

    if (rc == 0)
        rc = edo_faults.base.pipe(ends, flags);
    if (rc == 0)
        for (int i = 0; i < 2; i++)
            edo_faults_opened(EDO_CALL_PIPE, ends[i]);
    return rc;
}

void edo_faults_fill_descriptors(struct edo_platform *table)
{
    table->close = edo_faulty_close;
    table->read = edo_faulty_read;
    table->write = edo_faulty_write;
    table->readv = edo_faulty_readv;
    table->writev = edo_faulty_writev;
    table->pread = edo_faulty_pread;
    table->open = edo_faulty_open;
    table->fcntl = edo_faulty_fcntl;
    table->eventfd = edo_faulty_eventfd;
    table->epoll_create = edo_faulty_epoll_create;
    table->epoll_ctl = edo_faulty_epoll_ctl;
    table->epoll_wait = edo_faulty_epoll_wait;
    table->pipe_writev = edo_faulty_pipe_writev;
    table->openat = edo_faulty_openat;
    table->pwrite = edo_faulty_pwrite;
    table->fstat = edo_faulty_fstat;
    table->fstatat = edo_faulty_fstatat;
    table->fchmod = edo_faulty_fchmod;
    table->ftruncate = edo_faulty_ftruncate;
    table->fsync = edo_faulty_fsync;
    table->renameat = edo_faulty_renameat;
    table->mkdirat = edo_faulty_mkdirat;
    table->getdents = edo_faulty_getdents;
    table->process_start = edo_faulty_process_start;
    table->pidfd_open = edo_faulty_pidfd_open;
    table->pipe = edo_faulty_pipe;
}
