/* SPDX-License-Identifier: MIT */
/*
 * Files over io_uring: what goes over a ring, that no thread is kept meanwhile, and what is in flight when something
 * else happens (C1, C2, F1, F4, S2, S6, S8). That files do the same as by regions is told by the other programs here,
 * which ctest runs a second time so.
 *
 * A disk that takes its time is made by exchanging a read's descriptor, in the entry itself, for that of an empty pipe.
 */
#include "files.h"

#include "runtime/uring.h"

#include <edo/testing.h>

#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

#if EDO_IO_URING
#include <linux/io_uring.h>
#else
struct io_uring_params {
    uint32_t cq_entries;
};
#endif

static const int once = O_RDWR | O_CREAT | O_EXCL;

/* --- A kernel that does as it is told ----------------------------------------------------------------------------- */

static struct {
    atomic_int enters;
    atomic_int refused; /* io_uring_enter calls that are still to fail */
    atomic_int preads;
    struct io_uring_sqe *entries; /* of the ring that was made last */
    uint32_t completions;         /* room that a ring is to have; 0: as asked for */
    int slow[2];                  /* a pipe whose end reads are sent to */
    atomic_int slowly;            /* how many reads still are */
    bool hurried;                 /* those are not to wait: -EAGAIN */
    off_t cache;                  /* how much of a file is in memory; 0: as it is; -1: who knows */
    uint32_t shorter;             /* reads and writes do at most so much at a time; 0: all */
} kernel;

static int kernel_setup(unsigned entries, struct io_uring_params *params)
{
    if (kernel.completions)
        params->cq_entries = kernel.completions;
    return edo_platform_system.uring_setup(entries, params);
}

static int kernel_map_shared(void **out, size_t size, int fd, off_t offset)
{
    int rc = edo_platform_system.map_shared(out, size, fd, offset);

    if (rc == 0 && offset > 0)
        kernel.entries = *(struct io_uring_sqe **)out;
    return rc;
}

static int kernel_enter(int ring, unsigned submit, unsigned complete, unsigned flags)
{
    atomic_fetch_add(&kernel.enters, 1);
    if (atomic_load(&kernel.refused) > 0)
        return atomic_fetch_sub(&kernel.refused, 1) % 2 ? -EAGAIN : -EBUSY;
#if EDO_IO_URING
    if (atomic_load(&kernel.slowly) > 0 && kernel.entries->opcode == IORING_OP_READ) {
        atomic_fetch_sub(&kernel.slowly, 1);
        kernel.entries->fd = kernel.slow[0];
        kernel.entries->off = (uint64_t)-1;
        kernel.entries->rw_flags = kernel.hurried ? RWF_NOWAIT : 0;
    }
    if (kernel.shorter && kernel.entries->len > kernel.shorter)
        kernel.entries->len = kernel.shorter;
#endif
    return edo_platform_system.uring_enter(ring, submit, complete, flags);
}

static ssize_t kernel_pread_cached(int fd, void *buffer, size_t size, off_t offset)
{
    if (kernel.cache < 0)
        return -EOPNOTSUPP;
    if (kernel.cache > 0 && offset >= kernel.cache)
        return -EAGAIN;
    if (kernel.cache > 0 && offset + (off_t)size > kernel.cache)
        size = (size_t)(kernel.cache - offset);
    return edo_platform_system.pread_cached(fd, buffer, size, offset);
}

static ssize_t kernel_pread(int fd, void *buffer, size_t size, off_t offset)
{
    atomic_fetch_add(&kernel.preads, 1);
    return edo_platform_system.pread(fd, buffer, size, offset);
}

static edo_run_options *ring_options(int workers)
{
    static edo_run_options options;

    options = (edo_run_options){.size = sizeof options,
                                .workers = workers,
                                .signals = EDO_SIGNALS_IGNORE,
                                .stall_after = EDO_SEC(3600), /* only regions are taken */
                                .files = EDO_FILES_IO_URING};
    return &options;
}

static uint64_t rings(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    CHECK_EQUAL(edo_metrics_read(&metrics), 0);
    return metrics.file_rings;
}

static uint64_t handoffs(void)
{
    edo_metrics metrics = EDO_METRICS_INIT;

    CHECK_EQUAL(edo_metrics_read(&metrics), 0);
    return metrics.handoffs;
}

static int has_rings(void *argument)
{
    (void)argument;
    return rings() > 0;
}

/* Skips the test where the kernel has no io_uring, or not for us. */
static void rings_or_skip(void)
{
    int there = edo_run(has_rings, NULL, ring_options(1));

    memset(&kernel, 0, sizeof kernel);
    net_table.uring_setup = kernel_setup;
    net_table.map_shared = kernel_map_shared;
    net_table.uring_enter = kernel_enter;
    net_table.pread = kernel_pread;
    net_table.pread_cached = kernel_pread_cached;
    if (!there)
        skip();
}

/* --- What goes over them ------------------------------------------------------------------------------------------ */

enum { RING_CALLS = 11 }; /* one each, and one that finds the end of the file */

/* How many system calls went over a ring. */
static int uses_a_file(void *argument)
{
    edo_file *file;
    char buffer[16];
    int before = atomic_load(&kernel.enters);

    (void)argument;
    kernel.cache = -1;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0640), 0);
    CHECK_EQUAL(edo_file_write(file, "hello", 5), 5);
    CHECK_EQUAL(edo_file_pwrite(file, "y, world", 8, 4), 8);
    CHECK_EQUAL(edo_file_pread(file, buffer, 5, 7), 5);
    CHECK_EQUAL(edo_file_read(file, buffer, sizeof buffer), 7);
    CHECK(memcmp(buffer, ", world", 7) == 0);
    CHECK_EQUAL(edo_file_sync(file), 0);
    CHECK_EQUAL(edo_path_mkdir(files_path("d"), 0700), 0);
    CHECK_EQUAL(edo_path_rename(files_path("a"), files_path("d/b")), 0);
    CHECK_EQUAL(edo_path_unlink(files_path("d/b")), 0);
    CHECK_EQUAL(edo_path_rmdir(files_path("d")), 0);
    edo_file_close(file);
    return atomic_load(&kernel.enters) - before;
}

static int knows_its_rings(void *argument)
{
    CHECK_EQUAL(rings(), 3);
    return uses_a_file(argument);
}

static void test_open_files_and_paths_go_over_the_workers_rings(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(knows_its_rings, NULL, ring_options(3)), RING_CALLS);
}

static int uses_a_file_nested(void *argument)
{
    CHECK_EQUAL(uses_a_file(argument), RING_CALLS);
    CHECK_EQUAL(edo_run(uses_a_file, argument, ring_options(2)), RING_CALLS);
    CHECK_EQUAL(edo_run(uses_a_file, argument, EDO_OPTIONS(edo_run_options, .workers = 1, .files = EDO_FILES_REGION)),
                0);
    return uses_a_file(argument);
}

static void test_s8_each_of_nested_runtimes_has_its_own_way(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(uses_a_file_nested, NULL, ring_options(1)), RING_CALLS);
}

static int in_a_job(void *argument)
{
    (void)argument;
    return edo_blocking(uses_a_file, NULL);
}

static void test_jobs_and_seeded_runs_leave_rings_alone(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(in_a_job, NULL, ring_options(1)), 0);
    setenv("EDO_FILES", "io_uring", 1);
    assert_int_equal(edo_test_run(uses_a_file, NULL, EDO_OPTIONS(edo_test_options, .seed = 1, .real_kernel = true)), 0);
    unsetenv("EDO_FILES");
}

static int reads_a_cached_file(void *argument)
{
    edo_metrics before = EDO_METRICS_INIT, after = EDO_METRICS_INIT;
    static char buffer[4096];
    edo_file *file;

    (void)argument;
    files_make(files_path("a"), buffer, sizeof buffer);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDONLY, 0), 0);
    atomic_store(&kernel.enters, 0);
    edo_metrics_read(&before);
    for (int i = 0; i < 100; i++)
        CHECK_EQUAL(edo_file_pread(file, buffer, 1024, i), 1024);
    edo_metrics_read(&after);
    CHECK_EQUAL(after.switches, before.switches);
    CHECK_EQUAL(atomic_load(&kernel.enters), 0);
    CHECK_EQUAL(atomic_load(&kernel.preads), 0);
    kernel.cache = 1000;
    CHECK_EQUAL(edo_file_pread(file, buffer, 1024, 500), 1024); /* half of it is */
    CHECK_EQUAL(atomic_load(&kernel.enters), 1);
    kernel.cache = -1; /* the ring finds it at once */
    edo_metrics_read(&before);
    for (int i = 0; i < 100; i++)
        CHECK_EQUAL(edo_file_pread(file, buffer, 1024, i), 1024);
    edo_metrics_read(&after);
    CHECK(after.switches - before.switches < 10); /* a turn for others, now and then */
    CHECK_EQUAL(atomic_load(&kernel.enters), 101);
    CHECK_EQUAL(atomic_load(&kernel.preads), 0);
    edo_file_close(file);
    unlink(files_path("a"));
    return 0;
}

static void test_what_is_in_memory_is_read_without_a_switch(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(reads_a_cached_file, NULL, ring_options(1)), 0);
}

static int is_cancelled(void *argument)
{
    edo_file *file;
    char byte;
    int rc = 0;

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), O_RDWR, 0), 0);
    EDO_SCOPE (scope, &rc) {
        edo_scope_cancel(scope);
        atomic_store(&kernel.enters, 0);
        CHECK_EQUAL(edo_file_read(file, &byte, 1), -ECANCELED);
        CHECK_EQUAL(edo_file_pread(file, &byte, 1, 0), -ECANCELED);
        CHECK_EQUAL(edo_file_write(file, "x", 1), -ECANCELED);
        CHECK_EQUAL(edo_file_pwrite(file, "x", 1, 0), -ECANCELED);
        CHECK_EQUAL(edo_file_sync(file), -ECANCELED);
        CHECK_EQUAL(edo_file_truncate(file, 0), -ECANCELED);
        CHECK_EQUAL(edo_path_unlink(files_path("a")), -ECANCELED);
        CHECK_EQUAL(edo_path_mkdir(files_path("b"), 0700), -ECANCELED);
        CHECK_EQUAL(edo_path_rename(files_path("a"), files_path("b")), -ECANCELED);
        CHECK_EQUAL(atomic_load(&kernel.enters), 0);
    }
    edo_file_close(file);
    CHECK(files_has(files_path("a"), "content", 7));
    unlink(files_path("a"));
    return 0;
}

static void test_c1_a_cancelled_scope_submits_nothing(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(is_cancelled, NULL, ring_options(1)), 0);
}

/* --- A disk that takes its time ----------------------------------------------------------------------------------- */

static edo_file *slow_file;

static void disk_is_slow(int reads)
{
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(pipe2(kernel.slow, O_CLOEXEC), 0);
    CHECK_EQUAL(edo_file_open(&slow_file, files_path("a"), O_RDONLY, 0), 0);
    atomic_store(&kernel.slowly, reads);
    kernel.cache = -1;
}

static void disk_answers(void)
{
    CHECK_EQUAL(write(kernel.slow[1], "CONTENT", 7), 7);
}

static void disk_is_gone(void)
{
    close(kernel.slow[0]);
    close(kernel.slow[1]);
    unlink(files_path("a"));
}

static int reads_slowly(void *argument)
{
    char buffer[7];

    (void)argument;
    CHECK_EQUAL(edo_file_pread(slow_file, buffer, sizeof buffer, 0), 7);
    CHECK(memcmp(buffer, "CONTENT", 7) == 0);
    return edo_cancelled() ? -ECANCELED : 0;
}

static void until_it_reads(int left)
{
    while (atomic_load(&kernel.slowly) > left)
        edo_yield();
}

static int cancels_a_reader(void *argument)
{
    int rc = 0;

    (void)argument;
    disk_is_slow(1);
    EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
        edo_task *reader;
        int result = 0;

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL, .handle = &reader), 0);
        until_it_reads(0);
        edo_scope_cancel(scope);
        net_settle();
        CHECK(!edo_task_done(reader)); /* the kernel still has its buffer */
        disk_answers();
        EDO_SHIELD (EDO_SEC(30)) {
            CHECK_EQUAL(edo_join(&result, reader), 0);
        }
        CHECK_EQUAL(result, -ECANCELED);
    }
    CHECK_EQUAL(handoffs(), 0); /* one worker, one thread, and nobody waited */
    CHECK_EQUAL(atomic_load(&kernel.preads), 0);
    edo_file_close(slow_file);
    disk_is_gone();
    return 0;
}

static void test_c2_a_read_in_flight_is_waited_for_and_keeps_no_thread(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(cancels_a_reader, NULL, ring_options(1)), 0);
}

static int closes_under_a_reader(void *argument)
{
    int rc = 0;

    (void)argument;
    disk_is_slow(1);
    EDO_SCOPE (scope, &rc) {
        int before = atomic_load(&net_calls[NET_CLOSE]);

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL), 0);
        until_it_reads(0);
        edo_file_close(slow_file);
        CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), before);
        disk_answers();
        edo_scope_join(scope);
        CHECK_EQUAL(atomic_load(&net_calls[NET_CLOSE]), before + 1);
    }
    disk_is_gone();
    return rc;
}

static void test_a_close_leaves_the_descriptor_to_a_read_in_flight(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(closes_under_a_reader, NULL, ring_options(1)), 0);
}

static atomic_bool hog_may_end;

static int hogs_its_thread(void *argument)
{
    (void)argument;
    CHECK_EQUAL(edo_blocking_begin(), 0);
    while (!atomic_load(&hog_may_end))
        usleep(100);
    edo_blocking_end();
    return 0;
}

static int loses_its_worker(void *argument)
{
    int rc = 0;

    (void)argument;
    disk_is_slow(1);
    atomic_store(&hog_may_end, false);
    EDO_SCOPE (scope, &rc) {
        edo_task *reader;

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL, .handle = &reader), 0);
        until_it_reads(0);
        CHECK_EQUAL(edo_spawn(scope, hogs_its_thread, NULL), 0);
        while (handoffs() == 0)
            edo_yield();
        disk_answers();
        CHECK_EQUAL(edo_join(NULL, reader), 0); /* what submitted it is still in the hog's hands */
        atomic_store(&hog_may_end, true);
    }
    edo_file_close(slow_file);
    disk_is_gone();
    return rc;
}

static void test_s6_calls_in_flight_go_with_the_worker(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(loses_its_worker, NULL, ring_options(1)), 0);
}

static int fills_the_ring(void *argument)
{
    int rc = 0;

    (void)argument;
    disk_is_slow(2);
    EDO_SCOPE (scope, &rc) {
        char buffer[7];

        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL), 0);
        CHECK_EQUAL(edo_spawn(scope, reads_slowly, NULL), 0);
        until_it_reads(0);
        CHECK_EQUAL(edo_file_pread(slow_file, buffer, 7, 0), 7); /* there is room for two completions: by a region */
        CHECK(memcmp(buffer, "content", 7) == 0);
        CHECK_EQUAL(atomic_load(&kernel.preads), 1);
        disk_answers();
        disk_answers();
        edo_scope_join(scope);
        CHECK_EQUAL(edo_file_pread(slow_file, buffer, 7, 0), 7);
        CHECK_EQUAL(atomic_load(&kernel.preads), 1);
    }
    edo_file_close(slow_file);
    disk_is_gone();
    return rc;
}

static void test_no_more_is_in_flight_than_completions_have_room(void **state)
{
    (void)state;
    rings_or_skip();
    kernel.completions = 2;
    assert_int_equal(net_run_with(fills_the_ring, NULL, ring_options(1)), 0);
}

static int reads_in_turn(void *argument)
{
    char buffer[7];

    (void)argument;
    CHECK_EQUAL(edo_file_read(slow_file, buffer, sizeof buffer), 7);
    return 0;
}

static int forks_meanwhile(void *argument)
{
    int rc = 0;

    (void)argument;
    disk_is_slow(1);
    EDO_SCOPE (scope, &rc) {
        int status = -1;
        pid_t child;

        CHECK_EQUAL(edo_spawn(scope, reads_in_turn, NULL), 0);
        until_it_reads(0);
        child = fork();
        if (child == 0) {
            unsigned before = alarm(20 * EDO_TEST_SCALE); /* the parent's reader has the position for good here */
            char byte;
            bool refused = edo_file_pread(slow_file, &byte, 1, 0) == -EPERM &&
                           edo_file_read(slow_file, &byte, 1) == -EPERM && edo_path_unlink(files_path("a")) == -EPERM;

            edo_file_close(slow_file);
            _exit(refused && before == 0 ? 0 : 1);
        }
        CHECK_EQUAL(waitpid(child, &status, 0), child);
        CHECK_EQUAL(status, 0);
        disk_answers();
    }
    edo_file_close(slow_file);
    disk_is_gone();
    return rc;
}

static void test_f4_a_child_of_fork_has_no_ring_and_leaves_the_parents_alone(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(forks_meanwhile, NULL, ring_options(1)), 0);
}

/* --- One position ------------------------------------------------------------------------------------------------- */

enum { WRITERS = 8, LINES = 50, LINE = 16 };

static int writes_lines(void *argument)
{
    edo_file *file = (edo_file *)argument;

    for (int i = 0; i < LINES; i++)
        CHECK_EQUAL(edo_file_write(file, "0123456789abcde\n", LINE), LINE);
    return 0;
}

static int writes_together(void *argument)
{
    struct stat status;
    edo_file *file;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), 0);
    EDO_SCOPE (scope, &rc)
        for (int i = 0; i < WRITERS; i++)
            CHECK_EQUAL(edo_spawn(scope, writes_lines, file), 0);
    CHECK_EQUAL(edo_file_stat(&status, file), 0);
    CHECK_EQUAL(status.st_size, WRITERS * LINES * LINE);
    CHECK_EQUAL(lseek(edo_file_fd(file), 0, SEEK_CUR), WRITERS * LINES * LINE);
    edo_file_close(file);
    unlink(files_path("a"));
    return rc;
}

static void test_writers_at_one_position_do_not_overwrite_each_other(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(writes_together, NULL, ring_options(2)), 0);
}

/* --- What the kernel may do by halves, or not --------------------------------------------------------------------- */

static int meets_a_short_kernel(void *argument)
{
    char buffer[10];
    edo_file *file;

    (void)argument;
    CHECK_EQUAL(edo_file_open(&file, files_path("a"), once, 0600), 0);
    kernel.shorter = 3;
    kernel.cache = -1;
    CHECK_EQUAL(edo_file_write(file, "0123456789", 10), 10);
    CHECK_EQUAL(edo_file_pwrite(file, "abcdef", 6, 2), 6);
    CHECK_EQUAL(edo_file_pread(file, buffer, 10, 0), 10);
    CHECK(memcmp(buffer, "01abcdef89", 10) == 0);
    CHECK_EQUAL(edo_file_pread(file, buffer, 10, 4), 6);
    kernel.shorter = 0;
    edo_file_close(file);
    unlink(files_path("a"));
    return 0;
}

static void test_f1_short_transfers_are_completed(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(meets_a_short_kernel, NULL, ring_options(1)), 0);
}

static int reads_a_byte(void *file)
{
    char byte;

    return edo_file_read((edo_file *)file, &byte, 1) == 1 && byte == 'x' ? 0 : -EIO;
}

static int talks_to_itself(void *argument)
{
    edo_file *file;
    int rc = 0;

    (void)argument;
    CHECK_EQUAL(mkfifo(files_path("f"), 0600), 0);
    CHECK_EQUAL(edo_file_open(&file, files_path("f"), O_RDWR, 0), 0);
    EDO_SCOPE (scope, &rc) {
        CHECK_EQUAL(edo_spawn(scope, reads_a_byte, file), 0);
        net_settle();
        CHECK_EQUAL(edo_file_write(file, "x", 1), 1);
    }
    edo_file_close(file);
    unlink(files_path("f"));
    return rc;
}

static void test_what_is_no_file_is_read_and_written_at_once(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(talks_to_itself, NULL, ring_options(1)), 0);
}

static int is_refused_now_and_then(void *argument)
{
    char buffer[7];

    (void)argument;
    files_make(files_path("a"), "content", 7);
    CHECK_EQUAL(edo_file_open(&slow_file, files_path("a"), O_RDONLY, 0), 0);
    kernel.cache = -1;
    for (int i = 0; i < 10; i++) {
        atomic_store(&kernel.refused, i % 3);
        CHECK_EQUAL(edo_file_pread(slow_file, buffer, 7 - i % 3, i % 3), 7 - i % 3);
        CHECK(memcmp(buffer, &"content"[i % 3], 7 - (size_t)(i % 3)) == 0);
        atomic_store(&kernel.refused, 0);
    }
    CHECK_EQUAL(atomic_load(&kernel.preads), 6);

    CHECK_EQUAL(pipe2(kernel.slow, O_CLOEXEC), 0);
    kernel.hurried = true;
    atomic_store(&kernel.slowly, 1);
    CHECK_EQUAL(edo_file_pread(slow_file, buffer, 7, 0), 7);
    CHECK(memcmp(buffer, "content", 7) == 0);
    CHECK_EQUAL(atomic_load(&kernel.preads), 7);
    edo_file_close(slow_file);
    disk_is_gone();
    return 0;
}

static void test_f1_what_a_ring_does_not_take_or_gives_back_goes_by_a_region(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(is_refused_now_and_then, NULL, ring_options(1)), 0);
}

/* --- All together ------------------------------------------------------------------------------------------------- */

enum { BLOCKS = 256, BLOCK = 4096, READERS = 64 };

static int reads_blocks(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;

    for (int i = 0; i < 40; i++) {
        char buffer[BLOCK];
        int block;
        ssize_t n;

        random = random * 6364136223846793005u + 1442695040888963407u;
        block = (int)(random >> 40) % BLOCKS;
        if (i % 10 == 0)
            posix_fadvise(edo_file_fd(slow_file), 0, 0, POSIX_FADV_DONTNEED);
        n = edo_file_pread(slow_file, buffer, BLOCK, (int64_t)block * BLOCK);
        if (n == -ECANCELED)
            return 0;
        CHECK_EQUAL(n, BLOCK);
        for (int j = 0; j < BLOCK; j++)
            CHECK_EQUAL((unsigned char)buffer[j], block);
    }
    return 0;
}

static int reads_at_random(void *argument)
{
    static char content[BLOCKS * BLOCK];
    int rc = 0;

    (void)argument;
    for (int i = 0; i < BLOCKS; i++)
        memset(content + i * BLOCK, i, BLOCK);
    files_make(files_path("a"), content, sizeof content);
    CHECK_EQUAL(edo_file_open(&slow_file, files_path("a"), O_RDWR, 0), 0);
    CHECK_EQUAL(edo_file_sync(slow_file), 0);
    for (int round = 0; round < 3; round++)
        EDO_SCOPE (scope, &rc, .policy = EDO_SUPERVISE) {
            for (uintptr_t i = 1; i <= READERS; i++)
                CHECK_EQUAL(edo_spawn(scope, reads_blocks, (void *)i), 0);
            if (round == 2) {
                net_settle();
                edo_scope_cancel(scope);
            }
        }
    edo_file_close(slow_file);
    unlink(files_path("a"));
    return 0;
}

static void test_s2_every_reader_gets_its_block_whoever_reaps_it(void **state)
{
    (void)state;
    rings_or_skip();
    assert_int_equal(net_run_with(reads_at_random, NULL, ring_options(4)), 0);
    kernel.completions = 4;
    assert_int_equal(net_run_with(reads_at_random, NULL, ring_options(2)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_jobs_and_seeded_runs_leave_rings_alone),
        FILES_TEST(test_open_files_and_paths_go_over_the_workers_rings),
        FILES_TEST(test_s8_each_of_nested_runtimes_has_its_own_way),
        FILES_TEST(test_what_is_in_memory_is_read_without_a_switch),
        FILES_TEST(test_c1_a_cancelled_scope_submits_nothing),
        FILES_TEST(test_c2_a_read_in_flight_is_waited_for_and_keeps_no_thread),
        FILES_TEST(test_a_close_leaves_the_descriptor_to_a_read_in_flight),
        FILES_TEST(test_s6_calls_in_flight_go_with_the_worker),
        FILES_TEST(test_no_more_is_in_flight_than_completions_have_room),
        FILES_TEST(test_f4_a_child_of_fork_has_no_ring_and_leaves_the_parents_alone),
        FILES_TEST(test_writers_at_one_position_do_not_overwrite_each_other),
        FILES_TEST(test_what_is_no_file_is_read_and_written_at_once),
        FILES_TEST(test_f1_short_transfers_are_completed),
        FILES_TEST(test_f1_what_a_ring_does_not_take_or_gives_back_goes_by_a_region),
        FILES_TEST(test_s2_every_reader_gets_its_block_whoever_reaps_it),
    };

    cmocka_set_test_filter(getenv("EDO_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
