#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2317 # the functions are called by check()
#
# Installs Edo into a directory of its own, then uses it there as its users do: find_package, pkg-config, subproject.
# Usage: check.sh <cmake> <source> <build> <work directory>   (reports in TAP)
set -u
cmake=$1
source=$2
build=$3
work=$4
prefix=$work/prefix
consumer=$source/tests/install/consumer
rm -rf "$work"
mkdir -p "$work"

n=0
status=0
# check <what must hold> <command>...
check() {
    n=$((n + 1))
    what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $n - $what"
    else
        echo "not ok $n - $what"
        sed 's/^/# /' "$work/log"
        status=1
    fi
}

installs() {
    "$cmake" --install "$build" --prefix "$prefix"
}
pc() {
    # Only what lies in the prefix: a system-wide Edo must not help.
    dir=$(dirname "$(find "$prefix" -name edo.pc)")
    PKG_CONFIG_LIBDIR=$dir pkg-config "$@"
}
libdir() {
    pc --variable=libdir edo
}
cmake_builds() {
    "$cmake" -S "$consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" &&
        "$cmake" --build "$work/consumer"
}
all_run() {
    for program in c-edo cxx-edo c-edo-static cxx-edo-static c-http c-http-static; do
        "$work/consumer/$program" || return 1
    done
}
has_console() { # <program>
    LD_LIBRARY_PATH=$(libdir) "$1" 2>&1 | grep '^edo: console at http://127.0.0.1:[0-9]*/$'
}
all_have_consoles() {
    has_console "$work/consumer/c-console" && has_console "$work/consumer/c-console-static" &&
        ! has_console "$work/consumer/c-http"
}
pc_console() { # also where the linker drops libraries of which nothing is named
    # shellcheck disable=SC2046
    cc -Wl,--as-needed "$consumer/console.c" -o "$work/pc-console" $(pc --cflags --libs edo-console) &&
        has_console "$work/pc-console" &&
        cc "$consumer/console.c" -o "$work/pc-console" -Wl,-Bstatic $(pc --static --cflags --libs edo-console) \
            -Wl,-Bdynamic &&
        ! ldd "$work/pc-console" | grep libedo && has_console "$work/pc-console"
}
static_is_alone() {
    ! ldd "$work/consumer/c-edo-static" | grep libedo
}
wrong_component_is_refused() {
    printf 'cmake_minimum_required(VERSION 3.16)\nproject(x C)\nfind_package(edo REQUIRED COMPONENTS %s)\n' \
        no-such-room >"$work/CMakeLists.txt"
    ! "$cmake" -S "$work" -B "$work/refused" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
}
pc_shared() { # <compiler> <source> <package>
    # shellcheck disable=SC2046 # pkg-config's words are words
    "$1" "$2" -o "$work/pc-shared" $(pc --cflags --libs "$3") &&
        LD_LIBRARY_PATH=$(libdir) "$work/pc-shared"
}
pc_static() { # <compiler> <source> <package>
    # shellcheck disable=SC2046
    "$1" "$2" -o "$work/pc-static" -Wl,-Bstatic $(pc --static --cflags --libs "$3") -Wl,-Bdynamic &&
        ! ldd "$work/pc-static" | grep libedo &&
        "$work/pc-static"
}
soname() {
    for library in edo edo-http edo-console; do
        major=$(pc --modversion "$library" | cut -d. -f1)
        readelf -d "$(libdir)/lib$library.so" | grep "SONAME.*\[lib$library\.so\.$major\]" || return 1
    done
}
version_agrees() {
    number=$("$work/consumer/c-edo")
    [ "$(pc --modversion edo | awk -F. '{ print "edo", $1 * 10000 + $2 * 100 + $3 }')" = "$number" ]
}
gdb_finds() { # what gdb does by itself for what is installed in /usr
    auto=$prefix/share/gdb/auto-load
    gdb -nx -batch -iex "add-auto-load-scripts-directory $auto" -iex "add-auto-load-safe-path $auto" -ex 'break main' -ex run \
        -ex 'edo tasks' -ex 'edo help' "$work/consumer/c-edo" >"$work/gdb" 2>&1 </dev/null
    cat "$work/gdb"
    grep -q '^edo: no runtime runs' "$work/gdb" && grep -q '^edo tasks ' "$work/gdb"
}
gdb_sources() {
    gdb -nx -batch -ex "source $(pc --variable=gdb edo)" -ex 'edo help' >"$work/gdb" 2>&1 </dev/null
    cat "$work/gdb"
    grep -q '^edo tasks ' "$work/gdb"
}
moves() {
    mv "$prefix" "$work/elsewhere" && prefix=$work/elsewhere && pc_shared cc "$consumer/consumer.c" edo
}
subproject() {
    "$cmake" -S "$source/tests/install/subproject" -B "$work/subproject" -G Ninja -DEDO_SOURCE="$source" &&
        "$cmake" --build "$work/subproject" --target consumer &&
        "$work/subproject/consumer"
}

echo 1..17
check "cmake --install fills a prefix" installs
check "find_package(edo COMPONENTS edo http console): C and C++17, shared and static" cmake_builds
check "the programs run" all_run
check "edo::console gives a program a console that names nothing of it" all_have_consoles
check "the static program needs no libedo.so" static_is_alone
check "find_package refuses a component that does not exist" wrong_component_is_refused
check "SONAME is the major version" soname
check "pkg-config, header and library have one version" version_agrees
check "pkg-config edo: C, shared" pc_shared cc "$consumer/consumer.c" edo
check "pkg-config edo: C++, shared" pc_shared c++ "$consumer/consumer.cpp" edo
check "pkg-config --static edo-http: C" pc_static cc "$consumer/consumer.c" edo-http
check "pkg-config edo-http: C, shared" pc_shared cc "$consumer/consumer.c" edo-http
check "pkg-config edo-console: shared and static" pc_console
if gdb -nx -batch -ex 'python print(1)' >/dev/null 2>&1; then
    check "gdb finds the commands for tasks with libedo.so" gdb_finds
    check "gdb sources them from where pkg-config says" gdb_sources
else
    echo "ok $((n + 1)) # SKIP gdb with Python is not installed (Debian: gdb)"
    echo "ok $((n + 2)) # SKIP gdb with Python is not installed (Debian: gdb)"
    n=$((n + 2))
fi
check "the prefix can be moved" moves
check "add_subdirectory: libraries only, flags untouched" subproject
exit $status
