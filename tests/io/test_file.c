/* SPDX-License-Identifier: MIT */
/* Open files and paths: what each call does, refuses, survives, and leaves (C1, C2, S7, F1, F4). */
#include "files.h"

#include <edo/testing.h>

#include <sys/mman.h>
#include <sys/resource.h>

static const int once = O_RDWR | O_CREAT | O_EXCL;

/* --- What they do ------------------------------------------------------------------------------------------------- */

static int uses_a_file(void *argument)
{
    edo_file *file = NULL;
    struct stat status;
    char buffer[16];

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDWR, 0), -ENOENT);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0640), 0);
    CHECK_EQUAL(edo_file_write(file, "hello", 5), 5);
    CHECK_EQUAL(edo_file_pwrite(file, "y, world", 8, 4), 8);
    CHECK_EQUAL(edo_file_write(file, "", 0), 0);
    CHECK_EQUAL(edo_file_pread(file, buffer, 5, 7), 5);
    CHECK(memcmp(buffer, "world", 5) == 0);
    CHECK_EQUAL(edo_file_read(file, buffer, sizeof buffer), 7); /* the position did not move with pread and pwrite */
    CHECK(memcmp(buffer, ", world", 7) == 0);
    CHECK_EQUAL(edo_file_read(file, buffer, sizeof buffer), 0);
    CHECK_EQUAL(edo_file_pread(file, buffer, sizeof buffer, -1), -EINVAL);
    CHECK_EQUAL(edo_file_pwrite(file, buffer, 1, -1), -EINVAL);
    CHECK_EQUAL(edo_file_stat(&status, file), 0);
    CHECK_EQUAL(status.st_size, 12);
    CHECK_EQUAL(edo_file_truncate(file, 4), 0);
    CHECK_EQUAL(edo_file_sync(file), 0);
    CHECK(files_has(files_path("a"), "hell", 4));
    CHECK_EQUAL(fcntl(edo_file_fd(file), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    edo_file_close(file);
    edo_file_close(NULL);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_WRONLY | O_APPEND, 0), 0);
    CHECK_EQUAL(edo_file_write(file, "o", 1), 1);
    CHECK_EQUAL(edo_file_read(file, buffer, 1), -EBADF);
    edo_file_close(file);
    CHECK(files_has(files_path("a"), "hello", 5));
    CHECK_EQUAL(edo_file_open(&file, NULL, O_RDONLY, 0), -EINVAL);
    unlink(files_path("a"));
    return 0;
}

static int uses_paths(void *argument)
{
    struct stat status;

    (void)argument;
    CHECK_EQUAL(edo_path_mkdir(files_path("d"), 0700), 0);
    CHECK_EQUAL(edo_path_mkdir(files_path("d"), 0700), -EEXIST);
    files_make(files_path("d/f"), "x", 1);
    CHECK_EQUAL(edo_path_rmdir(files_path("d")), -ENOTEMPTY);
    CHECK_EQUAL(symlink("d/f", files_path("link")), 0);
    CHECK_EQUAL(edo_path_stat(&status, files_path("link")), 0);
    CHECK(S_ISREG(status.st_mode) && status.st_size == 1);
    CHECK_EQUAL(edo_path_lstat(&status, files_path("link")), 0);
    CHECK(S_ISLNK(status.st_mode));
    CHECK_EQUAL(edo_path_rename(files_path("d/f"), files_path("g")), 0);
    CHECK_EQUAL(edo_path_rename(files_path("d/f"), files_path("g")), -ENOENT);
    CHECK_EQUAL(edo_path_stat(&status, files_path("link")), -ENOENT);
    CHECK_EQUAL(edo_path_unlink(files_path("d")), -EISDIR);
    CHECK_EQUAL(edo_path_unlink(files_path("g")), 0);
    CHECK_EQUAL(edo_path_unlink(files_path("link")), 0);
    CHECK_EQUAL(edo_dir_sync(files_directory), 0);
    CHECK_EQUAL(edo_path_rmdir(files_path("d")), 0);
    CHECK_EQUAL(edo_path_stat(&status, files_path("d")), -ENOENT);
    return 0;
}

static void test_files_and_paths_do_what_their_system_calls_do(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, uses_a_file, NULL), 0);
    assert_int_equal(net_run(2, uses_paths, NULL), 0);
}

static int in_a_job(void *argument)
{
    (void)argument;
    CHECK_EQUAL(edo_blocking(uses_a_file, NULL), 0);
    CHECK_EQUAL(edo_blocking(uses_paths, NULL), 0);
    return 0;
}

static void test_threads_without_tasks_use_files_too(void **state)
{
    (void)state;
    uses_a_file(NULL);
    uses_paths(NULL);
    assert_int_equal(net_run(1, in_a_job, NULL), 0);
}

static int no_thread(pthread_t *out, size_t stack_size, void *(*main_)(void *), void *argument)
{
    (void)out, (void)stack_size, (void)main_, (void)argument;
    return -EAGAIN;
}

static void test_t2_in_a_seeded_run_files_are_used_in_place(void **state)
{
    (void)state;
    net_table.thread_start = no_thread;
    assert_int_equal(edo_test_run(uses_a_file, NULL, EDO_OPTIONS(edo_test_options, .seed = 1, .real_kernel = true)), 0);
    assert_int_equal(edo_test_run(uses_paths, NULL, EDO_OPTIONS(edo_test_options, .seed = 2, .real_kernel = true)), 0);
}

/* --- Cancellation ------------------------------------------------------------------------------------------------- */

static atomic_int file_calls;

static int counted_openat(int directory, const char *path, int flags, mode_t mode)
{
    atomic_fetch_add(&file_calls, 1);
    return edo_platform_system.openat(directory, path, flags, mode);
}

static ssize_t counted_pread(int fd, void *buffer, size_t size, off_t offset)
{
    atomic_fetch_add(&file_calls, 1);
    return edo_platform_system.pread(fd, buffer, size, offset);
}

static int counted_fsync(int fd)
{
    atomic_fetch_add(&file_calls, 1);
    return edo_platform_system.fsync(fd);
}

static int is_cancelled(void *argument)
{
    edo_file *file;
    edo_dir *dir;
    edo_dir_entry entry;
    struct stat status;
    const char *other;
    char *data;
    size_t size;
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDWR, 0), 0);
    files_make(files_path("b"), "content", 7);
    CHECK_EQUAL(edo_dir_open(&dir, files_directory), 0);
    CHECK_EQUAL(edo_dir_read(&entry, dir), 1);
    other = entry.name[0] == 'a' ? "b" : "a";
    EDO_SCOPE (scope, &rc) {
        char byte = 'x';

        edo_scope_cancel(scope);
        atomic_store(&file_calls, 0);
        CHECK_EQUAL(edo_file_open(&file, files_path("c"), once, 0600), -ECANCELED);
        CHECK_EQUAL(edo_file_read(file, &byte, 1), -ECANCELED);
        CHECK_EQUAL(edo_file_pread(file, &byte, 1, 0), -ECANCELED);
        CHECK_EQUAL(edo_file_write(file, &byte, 1), -ECANCELED);
        CHECK_EQUAL(edo_file_pwrite(file, &byte, 1, 0), -ECANCELED);
        CHECK_EQUAL(edo_file_stat(&status, file), -ECANCELED);
        CHECK_EQUAL(edo_file_truncate(file, 0), -ECANCELED);
        CHECK_EQUAL(edo_file_sync(file), -ECANCELED);
        CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), 100), -ECANCELED);
        CHECK_EQUAL(edo_file_write_all(files_path("a"), "", 0, NULL), -ECANCELED);
        CHECK_EQUAL(edo_path_stat(&status, files_path("a")), -ECANCELED);
        CHECK_EQUAL(edo_path_lstat(&status, files_path("a")), -ECANCELED);
        CHECK_EQUAL(edo_path_rename(files_path("a"), files_path("c")), -ECANCELED);
        CHECK_EQUAL(edo_path_unlink(files_path("a")), -ECANCELED);
        CHECK_EQUAL(edo_path_mkdir(files_path("c"), 0700), -ECANCELED);
        CHECK_EQUAL(edo_path_rmdir(files_path("c")), -ECANCELED);
        CHECK_EQUAL(edo_dir_open(&dir, files_directory), -ECANCELED);
        CHECK_EQUAL(edo_dir_read(&entry, dir), -ECANCELED);
        CHECK_EQUAL(edo_dir_sync(files_directory), -ECANCELED);
        CHECK_EQUAL(atomic_load(&file_calls), 0);
        edo_file_close(file); /* closes all the same */
    }
    CHECK(files_has(files_path("a"), "content", 7));
    CHECK_EQUAL(files_count(), 2);
    CHECK_EQUAL(edo_dir_read(&entry, dir), 1); /* the one that was not passed over */
    CHECK(strcmp(entry.name, other) == 0);
    edo_dir_close(dir);
    unlink(files_path("a"));
    unlink(files_path("b"));
    return 0;
}

static void test_c1_a_cancelled_scope_touches_no_file(void **state)
{
    (void)state;
    net_table.openat = counted_openat;
    net_table.pread = counted_pread;
    net_table.fsync = counted_fsync;
    assert_int_equal(net_run(1, is_cancelled, NULL), 0);
}

/* --- Slow disks --------------------------------------------------------------------------------------------------- */

static struct {
    atomic_int reading;
    atomic_bool go_on;
    edo_file *file;
    edo_scope *scope;
} slow;

static ssize_t slow_pread(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t n;

    atomic_fetch_add(&slow.reading, 1);
    while (!atomic_load(&slow.go_on))
        usleep(100);
    n = edo_platform_system.pread(fd, buffer, size, offset);
    return n;
}

static int reads_slowly(void *argument)
{
    char buffer[8];

    (void)argument;
    CHECK_EQUAL(edo_file_pread(slow.file, buffer, sizeof buffer, 0), 7);
    CHECK(memcmp(buffer, "content", 7) == 0);
    return edo_cancelled() ? -ECANCELED : 0;
}

static int cancels_a_reader(void *argument)
{
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&slow.file, files_path("a"), O_RDONLY, 0), 0);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_task *reader;
        int result = 0;

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL, .handle = &reader), 0);
        while (atomic_load(&slow.reading) == 0) /* on one worker: only because it is taken from the reader */
            edo_yield();
        edo_scope_cancel(scope);
        atomic_store(&slow.go_on, true);
        EDO_SHIELD (EDO_SEC(30)) {
            CHECK_EQUAL(edo_join(&result, reader), 0);
        }
        CHECK_EQUAL(result, -ECANCELED); /* it saw the cancellation, after a read that succeeded */
    }
    edo_file_close(slow.file);
    unlink(files_path("a"));
    return 0;
}

static void test_c2_a_read_that_has_begun_ends_and_is_reported(void **state)
{
    (void)state;
    memset(&slow, 0, sizeof slow);
    net_table.pread = slow_pread;
    assert_int_equal(net_run_with(cancels_a_reader, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                              .stall_after = EDO_SEC(3600))),
                     0);
}

static int counts_up(void *argument)
{
    (void)argument;
    while (atomic_load(&slow.reading) == 0)
        edo_yield();
    atomic_store(&slow.go_on, true);
    return 0;
}

static int holds_nobody_up(void *argument)
{
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&slow.file, files_path("a"), O_RDONLY, 0), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL), 0);
        CHECK_EQUAL(edo_spawn(scope, counts_up, NULL), 0);
    }
    edo_file_close(slow.file);
    unlink(files_path("a"));
    return rc;
}

/* Only a region is taken here: the threshold for other stalls is an hour. */
static void test_s7_a_slow_read_holds_nobody_up(void **state)
{
    (void)state;
    memset(&slow, 0, sizeof slow);
    net_table.pread = slow_pread;
    assert_int_equal(net_run_with(holds_nobody_up, NULL,
                                  EDO_OPTIONS(edo_run_options, .workers = 1, .signals = EDO_SIGNALS_IGNORE,
                                              .stall_after = EDO_SEC(3600))),
                     0);
}

static int closes_under_a_reader(void *argument)
{
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&slow.file, files_path("a"), O_RDONLY, 0), 0);
    EDO_SCOPE (scope, &rc) {
        int before = atomic_load(&net_calls[NET_CLOSE]);

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL), 0);
        while (atomic_load(&slow.reading) == 0)
            edo_yield();
        edo_file_close(slow.file);
        CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), before); /* the number is still the reader's */
        atomic_store(&slow.go_on, true);
        edo_scope_join(scope);
        CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), before + 1);
    }
    unlink(files_path("a"));
    return rc;
}

static void test_a_close_that_races_a_read_leaves_close_to_the_reader(void **state)
{
    (void)state;
    memset(&slow, 0, sizeof slow);
    net_table.pread = slow_pread;
    assert_int_equal(net_run(1, closes_under_a_reader, NULL), 0);
}

/* --- What the world does ------------------------------------------------------------------------------------------ */

static struct {
    int interrupts;
    ssize_t most;  /* bytes a call moves */
    ssize_t space; /* bytes until the disk is full; -1: it is not */
} disk;

static ssize_t moody_write(int fd, const void *buffer, size_t size)
{
    if (!files_is_file(fd))
        return edo_platform_system.write(fd, buffer, size);
    if (disk.interrupts-- > 0)
        return -EINTR;
    if (disk.space == 0)
        return -ENOSPC;
    if (disk.most && size > (size_t)disk.most)
        size = (size_t)disk.most;
    if (disk.space > 0 && size > (size_t)disk.space)
        size = (size_t)disk.space;
    disk.space -= disk.space > 0 ? (ssize_t)size : 0;
    return edo_platform_system.write(fd, buffer, size);
}

static ssize_t moody_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    if (disk.interrupts-- > 0)
        return -EINTR;
    if (disk.most && size > (size_t)disk.most)
        size = (size_t)disk.most;
    return edo_platform_system.pwrite(fd, buffer, size, offset);
}

static ssize_t moody_read(int fd, void *buffer, size_t size)
{
    return disk.interrupts-- > 0 ? -EINTR : edo_platform_system.read(fd, buffer, size);
}

static ssize_t moody_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return disk.interrupts-- > 0 ? -EINTR : edo_platform_system.pread(fd, buffer, size, offset);
}

static int moody_fsync(int fd)
{
    (void)fd;
    return disk.interrupts-- > 0 ? -EINTR : -EIO;
}

static int meets_a_moody_disk(void *argument)
{
    edo_file *file;
    char buffer[16];

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), 0);
    disk.interrupts = 2;
    disk.most = 3;
    disk.space = -1;
    CHECK_EQUAL(edo_file_write(file, "0123456789", 10), 10); /* in four short steps */
    disk.interrupts = 2;
    CHECK_EQUAL(edo_file_pwrite(file, "abcdefgh", 8, 1), 8);
    disk.space = 4;
    CHECK_EQUAL(edo_file_write(file, "VWXYZ", 5), 4); /* so much was written, and the next call tells why */
    CHECK_EQUAL(edo_file_write(file, "Z", 1), -ENOSPC);
    disk.interrupts = 2;
    CHECK_EQUAL(edo_file_pread(file, buffer, 16, 0), 14);
    CHECK(memcmp(buffer, "0abcdefgh9VWXY", 14) == 0);
    disk.interrupts = 2;
    CHECK_EQUAL(edo_file_read(file, buffer, 16), 0);
    disk.interrupts = 2;
    CHECK_EQUAL(edo_file_sync(file), -EIO);
    edo_file_close(file);
    unlink(files_path("a"));
    return 0;
}

static void test_f1_interrupts_short_writes_and_a_full_disk_are_told_as_they_are(void **state)
{
    (void)state;
    net_table.write = moody_write;
    net_table.pwrite = moody_pwrite;
    net_table.read = moody_read;
    net_table.pread = moody_pread;
    net_table.fsync = moody_fsync;
    assert_int_equal(net_run(1, meets_a_moody_disk, NULL), 0);
}

/* --- A large file ------------------------------------------------------------------------------------------------- */

static const size_t large = (size_t)3 << 30;
static size_t large_position;

/* As the kernel, which moves at most so much at a time. Nothing is written: there is no memory behind the buffer. */
static ssize_t large_get(size_t size, size_t position)
{
    enum { MOST = 0x7ffff000 };
    size_t left = position < large ? large - position : 0;

    size = size < left ? size : left;
    return size < MOST ? (ssize_t)size : MOST;
}

static ssize_t large_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return files_is_file(fd) ? large_get(size, (size_t)offset) : edo_platform_system.pread(fd, buffer, size, offset);
}

static ssize_t large_read(int fd, void *buffer, size_t size)
{
    ssize_t n;

    if (!files_is_file(fd))
        return edo_platform_system.read(fd, buffer, size);
    n = large_get(size, large_position);
    large_position += (size_t)n;
    return n;
}

static int reads_a_large_file(void *argument)
{
    char *buffer = (char *)mmap(NULL, large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    edo_file *file;

    (void)argument;
    CHECK(buffer != MAP_FAILED);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), 0);
    CHECK_EQUAL(edo_file_pread(file, buffer, large, 0), (ssize_t)large);
    CHECK_EQUAL(edo_file_pread(file, buffer, large, 1), (ssize_t)large - 1);
    CHECK_EQUAL(edo_file_read(file, buffer, large), (ssize_t)large);
    edo_file_close(file);
    unlink(files_path("a"));
    munmap(buffer, large);
    return 0;
}

static void test_a_read_is_short_only_at_the_end_whatever_a_system_call_moves_at_most(void **state)
{
    (void)state;
    large_position = 0;
    net_table.read = large_read;
    net_table.pread = large_pread;
    net_table.pread_cached = large_pread;
    assert_int_equal(net_run(1, reads_a_large_file, NULL), 0);
}

static int meets_limits(void *argument)
{
    struct rlimit before, limit;
    edo_file *file;

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, "/dev/full", O_WRONLY, 0), 0);
    CHECK_EQUAL(edo_file_write(file, "x", 1), -ENOSPC);
    edo_file_close(file);

    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), 0);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 10;
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK_EQUAL(edo_file_write(file, "0123456789abc", 13), 10);
    CHECK_EQUAL(edo_file_write(file, "abc", 3), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    edo_file_close(file);
    CHECK(files_has(files_path("a"), "0123456789", 10));

    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDONLY, 0), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    unlink(files_path("a"));
    CHECK_EQUAL(files_count(), 0);
    return 0;
}

static void test_f1_limits_of_the_process_and_the_disk(void **state)
{
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);

    (void)state;
    assert_int_equal(net_run(1, meets_limits, NULL), 0);
    signal(SIGXFSZ, before);
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static int meets_no_memory(void *argument)
{
    edo_file *file;
    edo_dir *dir;
    char *data;
    size_t size;

    (void)argument;
    net_table.allocate = no_memory;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), -ENOMEM);
    CHECK_EQUAL(edo_dir_open(&dir, files_directory), -ENOMEM);
    CHECK_EQUAL(edo_file_read_all(&data, &size, "/dev/null", 1), -ENOMEM);
    net_table.allocate = edo_platform_system.allocate;
    CHECK_EQUAL(files_count(), 0);
    return 0;
}

static void test_f1_without_memory_nothing_is_created(void **state)
{
    (void)state;
    assert_int_equal(net_run_alone(meets_no_memory, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_t2_in_a_seeded_run_files_are_used_in_place), /* it swaps the table: before there are threads */
        FILES_TEST(test_files_and_paths_do_what_their_system_calls_do),
        FILES_TEST(test_threads_without_tasks_use_files_too),
        FILES_TEST(test_c1_a_cancelled_scope_touches_no_file),
        FILES_TEST(test_c2_a_read_that_has_begun_ends_and_is_reported),
        FILES_TEST(test_s7_a_slow_read_holds_nobody_up),
        FILES_TEST(test_a_close_that_races_a_read_leaves_close_to_the_reader),
        FILES_TEST(test_f1_interrupts_short_writes_and_a_full_disk_are_told_as_they_are),
        FILES_TEST(test_a_read_is_short_only_at_the_end_whatever_a_system_call_moves_at_most),
        FILES_TEST(test_f1_limits_of_the_process_and_the_disk),
        FILES_TEST(test_f1_without_memory_nothing_is_created),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
