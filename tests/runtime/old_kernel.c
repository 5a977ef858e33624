/* SPDX-License-Identifier: MIT */
/*
 * Runs a program as on a Linux before 6.13, which has no MADV_GUARD_INSTALL: madvise(2) refuses that advice. Guard
 * pages then are mprotect's, as many as vm.max_map_count has room for (rule K1). Usage: old-kernel PROGRAM [ARGUMENT
 * ...]
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <errno.h>
#include <unistd.h>

enum { GUARD_INSTALL = 102, SKIPPED = 125 };

/* The low half of an argument, on machines that are little-endian. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(__u64))

int main(int argc, char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GUARD_INSTALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (argc < 2)
        return fprintf(stderr, "usage: old-kernel PROGRAM [ARGUMENT ...]\n"), 2;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("old-kernel: no seccomp");
        return SKIPPED;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 2;
}
