# SPDX-License-Identifier: MIT
#
# How Edo's own C is compiled: per target, so that a project that contains Edo keeps its own flags.
include(CheckCSourceCompiles)
include(CheckIncludeFile)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

check_include_file(valgrind/valgrind.h EDO_HAVE_VALGRIND_H)
check_include_file(sys/sdt.h EDO_HAVE_SDT_H)
if(NOT EDO_HAVE_SDT_H)
    message(STATUS "No sys/sdt.h (Debian: systemtap-sdt-dev): Edo is built without USDT probes")
endif()

# Rings are spoken to directly (src/runtime/uring.c): only the kernel's header is needed, which comes with libc's.
if(NOT EDO_IO_URING MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "EDO_IO_URING is AUTO, ON or OFF, not '${EDO_IO_URING}'")
endif()
if(NOT EDO_IO_URING STREQUAL "OFF")
    check_c_source_compiles("#include <linux/io_uring.h>
        int main(void) { return IORING_OP_MKDIRAT; }" EDO_HAVE_IO_URING_H)
    if(EDO_IO_URING STREQUAL "ON" AND NOT EDO_HAVE_IO_URING_H)
        message(FATAL_ERROR "EDO_IO_URING=ON needs linux/io_uring.h of Linux 5.15 or later (Debian: linux-libc-dev)")
    endif()
endif()
if(EDO_HAVE_IO_URING_H AND NOT EDO_IO_URING STREQUAL "OFF")
    set(EDO_WITH_IO_URING 1)
else()
    set(EDO_WITH_IO_URING 0)
endif()

# Sanitizers and coverage concern everything in a build, also what links the libraries.
if(EDO_SANITIZE)
    add_compile_options(-fsanitize=${EDO_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${EDO_SANITIZE})
endif()
if(EDO_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

set(EDO_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
    -Wwrite-strings -Wvla -Wno-overlength-strings)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    list(APPEND EDO_WARNINGS -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments) # the second: sys/sdt.h
endif()
if(EDO_WERROR)
    list(APPEND EDO_WARNINGS -Werror)
endif()

if(NOT EDO_CONTEXT MATCHES "^(auto|ucontext)$")
    message(FATAL_ERROR "EDO_CONTEXT is auto or ucontext, not '${EDO_CONTEXT}'")
endif()

# edo_compile(target): language, warnings and definitions of the house.
function(edo_compile target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_compile_definitions(${target} PRIVATE
        _GNU_SOURCE
        $<$<BOOL:${EDO_DEBUG_CHECKS}>:EDO_DEBUG_CHECKS=1>
        $<$<STREQUAL:${EDO_CONTEXT},ucontext>:EDO_CONTEXT_UCONTEXT=1>
        EDO_IO_URING=${EDO_WITH_IO_URING}
        EDO_USDT=$<BOOL:${EDO_HAVE_SDT_H}>
        $<$<BOOL:${EDO_HAVE_VALGRIND_H}>:EDO_VALGRIND=1>)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C>:${EDO_WARNINGS}>
        -fno-omit-frame-pointer
        $<$<AND:$<COMPILE_LANGUAGE:C>,$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>>:-mno-red-zone>) # context_x86_64.h
endfunction()
