# SPDX-License-Identifier: MIT
#
# Cross-building for aarch64 on another Debian machine; programs run under qemu-user (./dev test-aarch64).
#
# They run with the C library of libc6:arm64, which comes with libcmocka-dev:arm64: no -L /usr/aarch64-linux-gnu, since a
# loader of one build of glibc and a libc.so.6 of another hang in pthread_create.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
