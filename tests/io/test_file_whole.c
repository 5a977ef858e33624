/* SPDX-License-Identifier: MIT */
/* Whole files, and directories: read, replaced as one step and for good, whatever fails (F1, C2). */
#include "files.h"

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static char large[(1 << 20) - 17];

static int reads_all(void *argument)
{
    char *data;
    size_t size;

    (void)argument;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 >> 3);
    files_make(files_path("a"), large, sizeof large);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), sizeof large), 0);
    CHECK_EQUAL(size, sizeof large);
    CHECK(memcmp(data, large, size) == 0 && data[size] == 0);
    edo_release(data);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), sizeof large - 1), -EFBIG);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), 0), -EFBIG);
    files_make(files_path("a"), "", 0);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), 0), 0);
    CHECK_EQUAL(size, 0);
    CHECK_EQUAL(data[0], 0);
    edo_release(data);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("nothing"), 10), -ENOENT);
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_directory, 10000), -EISDIR);
    CHECK_EQUAL(edo_file_read_all(&data, &size, "/dev/zero", 100000), -EFBIG);    /* has no size, and no end */
    CHECK_EQUAL(edo_file_read_all(&data, &size, "/proc/self/status", 100000), 0); /* says that its size is 0 */
    CHECK(size > 100 && memcmp(data, "Name:", 5) == 0);
    edo_release(data);
    unlink(files_path("a"));
    return 0;
}

static void test_a_whole_file_is_read_up_to_a_limit(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, reads_all, NULL), 0);
}

static atomic_int parts_read;
static atomic_bool cancelled;

static ssize_t waiting_read(int fd, void *buffer, size_t size)
{
    if (size > 10000) { /* no other read is so large */
        CHECK(size <= 1 << 20);
        atomic_fetch_add(&parts_read, 1);
        while (!atomic_load(&cancelled))
            usleep(100);
    }
    return edo_platform_system.read(fd, buffer, size);
}

static int reads_in_vain(void *argument)
{
    char *data = NULL;
    size_t size;

    (void)argument;
    CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), SIZE_MAX), -ECANCELED);
    CHECK(data == NULL);
    return 0;
}

static int cancelled_between_parts(void *argument)
{
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "", 0);
    CHECK_EQUAL(truncate(files_path("a"), 3 << 20), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, reads_in_vain, NULL), 0);
        while (atomic_load(&parts_read) == 0)
            edo_yield();
        edo_scope_cancel(scope);
        atomic_store(&cancelled, true);
    }
    CHECK_EQUAL(atomic_load(&parts_read), 1);
    unlink(files_path("a"));
    return 0;
}

static void test_c2_a_cancelled_read_of_a_whole_file_keeps_nothing(void **state)
{
    (void)state;
    net_table.read = waiting_read;
    assert_int_equal(net_run(1, cancelled_between_parts, NULL), 0);
}

/* --- Replacing ---------------------------------------------------------------------------------------------------- */

static int replaces(void *argument)
{
    struct stat status;
    const mode_t mask = umask(027);

    (void)argument;
    CHECK_EQUAL(edo_file_write_all(files_path("a"), "first", 5, NULL), 0);
    CHECK(files_has(files_path("a"), "first", 5));
    CHECK(stat(files_path("a"), &status) == 0 && (status.st_mode & 07777) == 0640);
    CHECK_EQUAL(chmod(files_path("a"), 0604), 0);
    CHECK_EQUAL(edo_file_write_all(files_path("a"), large, sizeof large, NULL), 0);
    CHECK(files_has(files_path("a"), large, sizeof large));
    CHECK(stat(files_path("a"), &status) == 0 && (status.st_mode & 07777) == 0604); /* as the one before */
    CHECK_EQUAL(
        edo_file_write_all(files_path("a"), "", 0, EDO_OPTIONS(edo_file_write_options, .mode = 0600, .unsynced = true)),
        0);
    CHECK(files_has(files_path("a"), "", 0));
    CHECK(stat(files_path("a"), &status) == 0 && (status.st_mode & 07777) == 0600);
    umask(mask);

    CHECK_EQUAL(symlink("elsewhere", files_path("link")), 0);
    CHECK_EQUAL(edo_file_write_all(files_path("link"), "x", 1, NULL), 0);
    CHECK(lstat(files_path("link"), &status) == 0 && S_ISREG(status.st_mode));
    CHECK_EQUAL(files_count(), 2);
    unlink(files_path("link"));
    unlink(files_path("a"));

    CHECK_EQUAL(edo_file_write_all(files_path("nothing/a"), "x", 1, NULL), -ENOENT);
    CHECK_EQUAL(edo_file_write_all(files_directory, "x", 1, NULL), -EISDIR);
    CHECK_EQUAL(edo_file_write_all(files_path(""), "x", 1, NULL), -EISDIR);
    CHECK_EQUAL(edo_file_write_all("", "x", 1, NULL), -ENOENT);
    CHECK_EQUAL(edo_file_write_all(NULL, "x", 1, NULL), -EINVAL);
    CHECK_EQUAL(edo_file_write_all(files_path("a"), "x", 1, &(edo_file_write_options){.size = 3}), -EINVAL);
    CHECK_EQUAL(files_count(), 0);
    return 0;
}

static void test_a_file_is_replaced_with_its_mode(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, replaces, NULL), 0);
}

/*
 * What is called in which order: the content is durable before it gets the name, and the name before the call returns.
 */
static char steps[16];
static int steps_count;

static void step(char which)
{
    if (steps_count < (int)sizeof steps - 1)
        steps[steps_count++] = which;
}

static ssize_t step_write(int fd, const void *buffer, size_t size)
{
    if (files_is_file(fd))
        step('w');
    return edo_platform_system.write(fd, buffer, size);
}

static int step_fsync(int fd)
{
    struct stat status;

    CHECK_EQUAL(edo_platform_system.fstat(fd, &status), 0);
    step(S_ISDIR(status.st_mode) ? 'D' : 'F');
    return edo_platform_system.fsync(fd);
}

static int step_renameat(int directory, const char *from, int to_directory, const char *to)
{
    step('r');
    return edo_platform_system.renameat(directory, from, to_directory, to);
}

static int replaces_once(void *options)
{
    return edo_file_write_all(files_path("a"), "x", 1, options);
}

static void test_f1_content_is_durable_before_its_name_and_the_name_before_the_return(void **state)
{
    (void)state;
    net_table.write = step_write;
    net_table.fsync = step_fsync;
    net_table.renameat = step_renameat;
    memset(steps, 0, sizeof steps);
    steps_count = 0;
    assert_int_equal(net_run(1, replaces_once, NULL), 0);
    assert_string_equal(steps, "wFrD");
    memset(steps, 0, sizeof steps);
    steps_count = 0;
    assert_int_equal(net_run(1, replaces_once, EDO_OPTIONS(edo_file_write_options, .unsynced = true)), 0);
    assert_string_equal(steps, "wr");
    unlink(files_path("a"));
}

/* The nth call that can fail, does. */
static atomic_int calls_left;
static bool full;

static bool fails(void)
{
    return atomic_fetch_sub(&calls_left, 1) == 1;
}

static int failing_openat(int directory, const char *path, int flags, mode_t mode)
{
    return fails() ? -EMFILE : edo_platform_system.openat(directory, path, flags, mode);
}

static int failing_fstatat(int directory, const char *path, struct stat *out, int flags)
{
    return fails() ? -EIO : edo_platform_system.fstatat(directory, path, out, flags);
}

static int failing_fchmod(int fd, mode_t mode)
{
    return fails() ? -EPERM : edo_platform_system.fchmod(fd, mode);
}

static ssize_t failing_write(int fd, const void *buffer, size_t size)
{
    if (!files_is_file(fd))
        return edo_platform_system.write(fd, buffer, size);
    full |= fails();
    if (full)
        return -ENOSPC;
    return edo_platform_system.write(fd, buffer, size > 3 ? 3 : size);
}

static int failing_fsync(int fd)
{
    return fails() ? -EIO : edo_platform_system.fsync(fd);
}

static int failing_close(int fd)
{
    bool regular = files_is_file(fd);
    int rc = edo_platform_system.close(fd);

    return regular && fails() ? -EIO : rc;
}

static int failing_renameat(int directory, const char *from, int to_directory, const char *to)
{
    return fails() ? -EXDEV : edo_platform_system.renameat(directory, from, to_directory, to);
}

static int replaces_in_vain(void *argument)
{
    int failed = 0;

    (void)argument;
    for (int nth = 1;; nth++) {
        int rc;

        files_make(files_path("a"), "before", 6);
        atomic_store(&calls_left, nth);
        full = false;
        rc = edo_file_write_all(files_path("a"), "afterwards", 10, NULL);
        CHECK_EQUAL(files_count(), 1);
        if (atomic_load(&calls_left) > 0) {
            CHECK_EQUAL(rc, 0);
            break;
        }
        failed++;
        CHECK(rc < 0);
        if (files_has(files_path("a"), "afterwards", 10))
            CHECK_EQUAL(rc, -EIO); /* the directory's fsync, the last of all */
        else
            CHECK(files_has(files_path("a"), "before", 6));
    }
    /* directory, file, mode twice, four writes, fsync, close, rename, fsync */
    CHECK_EQUAL(failed, 12);
    CHECK(files_has(files_path("a"), "afterwards", 10));
    unlink(files_path("a"));
    return 0;
}

static void test_f1_whatever_fails_the_file_is_the_old_or_the_new_one_and_nothing_is_left(void **state)
{
    (void)state;
    net_table.openat = failing_openat;
    net_table.fstatat = failing_fstatat;
    net_table.fchmod = failing_fchmod;
    net_table.write = failing_write;
    net_table.fsync = failing_fsync;
    net_table.close = failing_close;
    net_table.renameat = failing_renameat;
    atomic_store(&calls_left, 0);
    assert_int_equal(net_run(1, replaces_in_vain, NULL), 0);
}

/* Readers find one of two contents, whole. */
static atomic_bool replaced_enough;

static int keeps_replacing(void *argument)
{
    (void)argument;
    for (int i = 0; i < 60; i++)
        CHECK_EQUAL(edo_file_write_all(files_path("a"), large + (i & 1), sizeof large - (size_t)(i & 1) * 1000,
                                       EDO_OPTIONS(edo_file_write_options, .unsynced = true)),
                    0);
    atomic_store(&replaced_enough, true);
    return 0;
}

static int keeps_reading(void *argument)
{
    (void)argument;
    while (!atomic_load(&replaced_enough)) {
        char *data;
        size_t size;

        CHECK_EQUAL(edo_file_read_all(&data, &size, files_path("a"), SIZE_MAX), 0);
        CHECK(size == sizeof large || size == sizeof large - 1000);
        CHECK(memcmp(data, large + (size != sizeof large), size) == 0);
        edo_release(data);
    }
    return 0;
}

static int replaces_under_readers(void *argument)
{
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), large, sizeof large);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, keeps_reading, NULL), 0);
        CHECK_EQUAL(edo_spawn(scope, keeps_replacing, NULL), 0);
    }
    unlink(files_path("a"));
    return rc;
}

static void test_who_reads_finds_the_old_content_or_the_new_one_whole(void **state)
{
    (void)state;
    atomic_store(&replaced_enough, false);
    assert_int_equal(net_run(2, replaces_under_readers, NULL), 0);
}

/* --- Directories -------------------------------------------------------------------------------------------------- */

enum { MANY = 3000 };

static int reads_a_directory(void *argument)
{
    static bool seen[MANY];
    edo_dir *dir;
    edo_dir_entry entry;
    char name[100];
    int count = 0;
    int rc;

    (void)argument;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%04d-with-a-name-that-is-long-enough-for-several-buffers", i);
        files_make(files_path(name), "", 0);
    }
    CHECK_EQUAL(edo_dir_open(&dir, files_directory), 0);
    while ((rc = edo_dir_read(&entry, dir)) > 0) {
        int number = atoi(entry.name);

        CHECK(number >= 0 && number < MANY && !seen[number]);
        CHECK_EQUAL(entry.type, EDO_ENTRY_FILE);
        CHECK(entry.inode != 0);
        seen[number] = true;
        count++;
        CHECK_EQUAL(edo_path_unlink(files_path(entry.name)), 0);
    }
    CHECK_EQUAL(rc, 0);
    CHECK_EQUAL(edo_dir_read(&entry, dir), 0);
    CHECK_EQUAL(count, MANY);
    edo_dir_close(dir);
    edo_dir_close(NULL);
    return 0;
}

static int reads_types(void *argument)
{
    edo_dir *dir;
    edo_dir_entry entry;

    (void)argument;
    CHECK_EQUAL(mkdir(files_path("d"), 0700), 0);
    CHECK_EQUAL(symlink("x", files_path("l")), 0);
    CHECK_EQUAL(mkfifo(files_path("o"), 0600), 0);
    CHECK_EQUAL(edo_dir_open(&dir, files_directory), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(edo_dir_read(&entry, dir), 1);
        CHECK_EQUAL(entry.type, entry.name[0] == 'd'   ? EDO_ENTRY_DIRECTORY
                                : entry.name[0] == 'l' ? EDO_ENTRY_LINK
                                                       : EDO_ENTRY_OTHER);
    }
    CHECK_EQUAL(edo_dir_read(&entry, dir), 0);
    edo_dir_close(dir);
    unlink(files_path("l"));
    unlink(files_path("o"));
    CHECK_EQUAL(edo_dir_open(&dir, files_path("o")), -ENOENT);
    files_make(files_path("f"), "", 0);
    CHECK_EQUAL(edo_dir_open(&dir, files_path("f")), -ENOTDIR);
    CHECK_EQUAL(edo_dir_sync(files_path("f")), -ENOTDIR);
    unlink(files_path("f"));

    CHECK_EQUAL(edo_dir_open(&dir, files_path("d")), 0);
    rmdir(files_path("d"));
    CHECK_EQUAL(edo_dir_read(&entry, dir), -ENOENT); /* it has vanished */
    edo_dir_close(dir);
    return 0;
}

static void test_directories_are_read_whole_whatever_vanishes(void **state)
{
    (void)state;
    assert_int_equal(net_run(1, reads_a_directory, NULL), 0);
    assert_int_equal(net_run(1, reads_types, NULL), 0);
}

static ssize_t failing_getdents(int fd, void *buffer, size_t size)
{
    static int calls;

    if (calls++ < 2)
        return -EINTR;
    return calls == 3 ? -EIO : edo_platform_system.getdents(fd, buffer, size);
}

static int reads_a_bad_directory(void *argument)
{
    edo_dir *dir;
    edo_dir_entry entry;

    (void)argument;
    CHECK_EQUAL(edo_dir_open(&dir, files_directory), 0);
    CHECK_EQUAL(edo_dir_read(&entry, dir), -EIO);
    CHECK_EQUAL(edo_dir_read(&entry, dir), 0);
    edo_dir_close(dir);
    return 0;
}

static void test_f1_errors_of_reading_a_directory_come_through(void **state)
{
    (void)state;
    net_table.getdents = failing_getdents;
    assert_int_equal(net_run(1, reads_a_bad_directory, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_a_whole_file_is_read_up_to_a_limit),
        FILES_TEST(test_c2_a_cancelled_read_of_a_whole_file_keeps_nothing),
        FILES_TEST(test_a_file_is_replaced_with_its_mode),
        FILES_TEST(test_f1_content_is_durable_before_its_name_and_the_name_before_the_return),
        FILES_TEST(test_f1_whatever_fails_the_file_is_the_old_or_the_new_one_and_nothing_is_left),
        FILES_TEST(test_who_reads_finds_the_old_content_or_the_new_one_whole),
        FILES_TEST(test_directories_are_read_whole_whatever_vanishes),
        FILES_TEST(test_f1_errors_of_reading_a_directory_come_through),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
