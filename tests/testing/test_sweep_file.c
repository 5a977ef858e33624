/* SPDX-License-Identifier: MIT */
/*
 * Files and directories under the sweeps (rules C1, C2, F1): a call that was refused has done nothing, and nothing is
 * left, neither descriptors nor names.
 */
#include "testing/sweeps.h"

#include <edo/file.h>

#include <dirent.h>

static char directory[] = "/tmp/edo-test-sweep-XXXXXX";
static char one[64];
static char two[64];

/* Nothing but these two may be in the directory, and they go. */
static void sweep_out(void)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    CHECK(dir != NULL);
    while (dir && (entry = readdir(dir)))
        CHECK(entry->d_name[0] != '.' || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    if (dir)
        closedir(dir);
    unlink(one);
    unlink(two);
    rmdir(two);
}

/* --- Files -------------------------------------------------------------------------------------------------------- */

static int file_work(edo_file *file)
{
    struct stat status;
    char buffer[16] = "";
    ssize_t n = edo_file_write(file, "0123456789", 10);

    if (n == 10)
        n = edo_file_pwrite(file, "ab", 2, 4);
    if (n == 2)
        n = edo_file_pread(file, buffer, 4, 3);
    CHECK(n != 4 || memcmp(buffer, "3ab6", 4) == 0);
    if (n == 4)
        n = edo_file_read(file, buffer, sizeof buffer);
    CHECK(n <= 0); /* the position is at the end */
    if (n == 0)
        n = edo_file_truncate(file, 5);
    if (n == 0)
        n = edo_file_stat(&status, file);
    if (n == 0)
        CHECK_RC(status.st_size, 5);
    if (n == 0)
        n = edo_file_sync(file);
    return n < 0 ? (int)n : n > 0 ? -ENOSPC : 0;
}

static int row_file(void *argument)
{
    edo_file *file = NULL;
    int rc = edo_file_open(&file, one, O_RDWR | O_CREAT | O_TRUNC, 0600);

    (void)argument;
    CHECK((rc == 0) == (file != NULL));
    if (rc == 0)
        rc = file_work(file);
    edo_file_close(file);
    sweep_out();
    return rc;
}

static int row_whole(void *argument)
{
    char *data = NULL;
    size_t size = 0;
    int rc = edo_file_write_all(one, "old", 3, NULL);

    (void)argument;
    if (rc == 0)
        rc = edo_file_write_all(one, "newer", 5, NULL);
    if (rc == 0)
        rc = edo_file_read_all(&data, &size, one, 100);
    CHECK((rc == 0) == (data != NULL));
    if (rc == 0)
        CHECK(size == 5 && memcmp(data, "newer", 6) == 0);
    edo_release(data);
    sweep_out();
    return rc;
}

static int row_paths(void *argument)
{
    edo_dir *dir = NULL;
    edo_dir_entry entry;
    struct stat status;
    int found = 0;
    int rc = edo_file_write_all(one, "x", 1, EDO_OPTIONS(edo_file_write_options, .unsynced = true));

    (void)argument;
    if (rc == 0)
        rc = edo_path_rename(one, two);
    if (rc == 0)
        rc = edo_path_stat(&status, two);
    if (rc == 0)
        rc = edo_path_lstat(&status, two);
    if (rc == 0)
        rc = edo_path_unlink(two);
    if (rc == 0)
        rc = edo_path_mkdir(two, 0700);
    if (rc == 0)
        rc = edo_dir_sync(directory);
    if (rc == 0)
        rc = edo_dir_open(&dir, directory);
    while (rc == 0 && (rc = edo_dir_read(&entry, dir)) == 1) {
        found += entry.type == EDO_ENTRY_DIRECTORY;
        rc = 0;
    }
    edo_dir_close(dir);
    if (rc == 0) {
        CHECK_RC(found, 1);
        rc = edo_path_rmdir(two);
    }
    sweep_out();
    return rc;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

static const struct row rows[] = {
    {"edo_file_open edo_file_read edo_file_pread edo_file_write edo_file_pwrite edo_file_stat edo_file_truncate edo_file_sync",
     row_file, 8, false},
    {"edo_file_read_all edo_file_write_all", row_whole, 4, false},
    {"edo_path_rename edo_path_stat edo_path_lstat edo_path_unlink edo_path_mkdir edo_path_rmdir edo_dir_open edo_dir_read "
     "edo_dir_sync",
     row_paths, 10, false},
};

static void test_c1_c2_f1_every_call_bears_cancellation_and_failure_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDO_COUNT(rows); i++)
        sweep_row(&rows[i]);
}

static void test_every_function_that_waits_has_a_row(void **state)
{
    (void)state;
    assert_rows_are_complete("sweep_file", rows, EDO_COUNT(rows));
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(one, sizeof one, "%s/one", directory);
    snprintf(two, sizeof two, "%s/two", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_c2_f1_every_call_bears_cancellation_and_failure_everywhere),
        cmocka_unit_test(test_every_function_that_waits_has_a_row),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
