/* SPDX-License-Identifier: MIT */
/* Naming addresses (src/observe/symbols.h), reading what may be gone (peek.h). */
#include "observe/peek.h"
#include "observe/symbols.h"

#include <edo/base.h>

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

__attribute__((noinline)) static int a_static_function(int n)
{
    __asm__ volatile("");
    return n + 1;
}

static void test_a_static_function_has_its_name(void **state)
{
    char text[EDO_SYMBOL_NAME_SIZE + 32];
    struct edo_symbol symbol;

    (void)state;
    edo_symbol_find(&symbol, (uintptr_t)a_static_function, 0);
    assert_string_equal(symbol.function, "a_static_function");
    assert_int_equal(symbol.offset, 0);
    edo_symbol_find(&symbol, (uintptr_t)a_static_function + 1, 0);
    assert_string_equal(edo_symbol_text(text, sizeof text, &symbol), "a_static_function+0x1");
}

static void test_a_return_address_at_the_end_belongs_to_the_caller(void **state)
{
    struct edo_symbol symbol;

    (void)state;
    edo_symbol_find(&symbol, (uintptr_t)a_static_function + 1, 1);
    assert_string_equal(symbol.function, "a_static_function");
    assert_int_equal(symbol.offset, 1);
    edo_symbol_find(&symbol, (uintptr_t)a_static_function, 1); /* the byte before it is another's, or nobody's */
    assert_string_not_equal(symbol.function, "a_static_function");
}

static void test_functions_of_libraries_have_names(void **state)
{
    struct edo_symbol symbol;

    (void)state;
    edo_symbol_find(&symbol, (uintptr_t)_cmocka_run_group_tests, 0);
    assert_string_equal(symbol.function, "_cmocka_run_group_tests");
    assert_non_null(strstr(symbol.module, "cmocka"));
}

static void test_an_address_of_no_module_stays_a_number(void **state)
{
    char text[64];
    struct edo_symbol symbol;

    (void)state;
    edo_symbol_find(&symbol, 0x1234, 0);
    assert_string_equal(symbol.module, "");
    assert_string_equal(edo_symbol_text(text, sizeof text, &symbol), "0x1234");
}

static void test_without_a_name_there_is_the_module(void **state)
{
    char text[64];
    struct edo_symbol symbol = {.module = "/usr/lib/libx.so.1", .offset = 16, .module_offset = 16};

    (void)state;
    assert_string_equal(edo_symbol_text(text, sizeof text, &symbol), "libx.so.1+0x10");
}

static void test_what_is_not_there_is_not_copied(void **state)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char copy[8];

    (void)state;
    assert_true(pages != MAP_FAILED);
    memcpy(pages + 4088, "12345678", 8);
    munmap(pages + 4096, 4096);
    assert_true(edo_peek(copy, pages + 4088, 8));
    assert_memory_equal(copy, "12345678", 8);
    assert_false(edo_peek(copy, pages + 4092, 8));
    assert_false(edo_peek(copy, NULL, 8));
    edo_peek_text(copy, sizeof copy, pages + 4092);
    assert_string_equal(copy, "5678");
    edo_peek_text(copy, sizeof copy, pages + 4096);
    assert_string_equal(copy, "");
    edo_peek_text(copy, sizeof copy, "longer than there is room for");
    assert_string_equal(copy, "longer ");
    munmap(pages, 4096);
}

/*
 * What stays of a process whose filter forbids process_vm_readv: it looks whether pages are there before it reads them.
 */
static void test_where_the_kernel_may_not_copy_what_is_not_there_is_not_read_either(void **state)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {EDO_COUNT(filter), filter};
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        char copy[16];
        char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
            _exit(77);
        memcpy(pages + 4088, "12345678", 8);
        munmap(pages + 4096, 4096);
        if (syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) != -1 || errno != EPERM)
            _exit(1);
        if (!edo_peek(copy, pages + 4088, 8) || memcmp(copy, "12345678", 8) != 0)
            _exit(2);
        if (edo_peek(copy, pages + 4092, 8) || edo_peek(copy, NULL, 8) ||
            edo_peek(copy, (void *)(UINTPTR_MAX - 100), 8))
            _exit(3);
        if (edo_peek_most(copy, pages + 4090, 16) != 6)
            _exit(4);
        edo_peek_text(copy, sizeof copy, pages + 4092);
        _exit(strcmp(copy, "5678") == 0 ? 0 : 5);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); /* no filters are to be had */
}

static void test_functions_of_the_vdso_have_names(void **state)
{
    void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    struct edo_symbol symbol;
    void *function;

    (void)state;
    if (!vdso)
        skip();
#if defined(__aarch64__)
    function = dlsym(vdso, "__kernel_clock_gettime");
#else
    function = dlsym(vdso, "__vdso_clock_gettime");
#endif
    assert_non_null(function);
    edo_symbol_find(&symbol, (uintptr_t)function, 0);
    assert_string_equal(symbol.module, "[vdso]");
    assert_non_null(strstr(symbol.function, "clock_gettime"));
    assert_int_equal(symbol.offset, 0);
    dlclose(vdso);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_static_function_has_its_name),
        cmocka_unit_test(test_a_return_address_at_the_end_belongs_to_the_caller),
        cmocka_unit_test(test_functions_of_libraries_have_names),
        cmocka_unit_test(test_an_address_of_no_module_stays_a_number),
        cmocka_unit_test(test_without_a_name_there_is_the_module),
        cmocka_unit_test(test_what_is_not_there_is_not_copied),
        cmocka_unit_test(test_where_the_kernel_may_not_copy_what_is_not_there_is_not_read_either),
        cmocka_unit_test(test_functions_of_the_vdso_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
