#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gdb's commands for tasks on a core file of an aarch64 program, which qemu writes when the program aborts.
# Usage: aarch64.sh <edo-gdb.py> <program> <qemu-aarch64 and its options>...   (reports in TAP)
set -u
script=$1
program=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
unset DEBUGINFOD_URLS
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
# shellcheck disable=SC2034 # common.sh has them
n=0 status=0
# shellcheck source=/dev/null
. "$here/common.sh"

echo 1..2
sh -c 'ulimit -c unlimited && ABORT=1 "$@" waits; :' sh "$@" "$program" >out 2>&1
core=$(find . -name 'qemu_*.core' | head -n 1)
if [ -z "$core" ] || ! gdb-multiarch -nx -batch -ex 'python print(1)' >/dev/null 2>&1; then
    for what in 1 2; do
        echo "ok $what # SKIP qemu wrote no core file, or gdb-multiarch is not installed (Debian: gdb-multiarch)"
    done
    exit 0
fi
gdb-multiarch -nx -batch -ex 'set sysroot /usr/aarch64-linux-gnu' -ex "source $script" -ex "file $program" -ex "core-file $core" \
    -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'echo -- 2\n' -ex 'edo task deep bt' -ex 'edo task read bt' >dead 2>&1 </dev/null
sed 's/ (times from when a worker last looked at the clock)$//; s/, age [0-9]*\.[0-9]\{3\} s$//' dead >dead.same
part dead.same 1
each_wait part
verdict "a core file from aarch64: edo tasks" $? part
part dead 2
says part 'descend \(depth=' 'wait_deep \(' 'edo_context_entry' ' edo_read(_more)? \(' ' wait_read \(' && [ "$(grep -c ' descend (' part)" = 51 ]
verdict "a core file from aarch64: frames" $? part
exit "$status"
