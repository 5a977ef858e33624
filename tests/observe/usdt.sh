#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The USDT probes of the library: that they are there, with their arguments, and that each is one nop. Where gdb is, that it finds
# them, stops a program at them, and reads their arguments. Usage: usdt.sh <shared library> <built with them: 1 or 0> [tests/gdb's program]
# (reports in TAP)
set -u
library=$1
with=$2
program=${3:-}
export LC_ALL=C

if [ "$with" = 0 ]; then
    echo "1..0 # SKIP built without sys/sdt.h"
    exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# name <tab> arguments <tab> place of each
readelf -n "$library" | awk '
    /Provider: edo$/ { ours = 1 }
    ours && /Name:/ { name = $2 }
    ours && /Location:/ { place = $2; sub(/,$/, "", place) }
    ours && /Arguments:/ { sub(/.*Arguments: */, ""); print name "\t" $0 "\t" place; ours = 0 }' >"$dir/probes"

n=0
status=0
verdict() { # <what must hold> <file that names what breaks it>
    n=$((n + 1))
    if [ -s "$2" ]; then
        echo "not ok $n - $1"
        sed 's/^/# /' "$2"
        status=1
    else
        echo "ok $n - $1"
    fi
}

echo 1..5
cat >"$dir/wanted" <<END
region_begin 1
region_end 1
task_end 2
task_park 1
task_run 3
task_spawn 4
task_wake 1
task_yield 1
worker_handoff 2
worker_sleep 2
worker_stall 3
worker_steal 3
worker_wake 1
END
awk -F '\t' '{ print $1, split($2, a, "@") - 1 }' "$dir/probes" | sort -u >"$dir/there"
diff "$dir/wanted" "$dir/there" >"$dir/wrong"
verdict "the probes of docs/guide/traces.md are there, with as many arguments" "$dir/wrong"

# A number in a register, or a place in memory: SIZE@%REG, SIZE@OFFSET(%REG), SIZE@[REG, OFFSET], SIZE@\$N.
awk -F '\t' '{ m = split($2, a, " "); for (i = 1; i <= m; i++) if (a[i] !~ /^-?[1248]@/ && a[i] !~ /\]$/) print $1 ": " a[i] }' \
    "$dir/probes" >"$dir/wrong"
verdict "their arguments are registers and places in memory" "$dir/wrong"

objdump -d --no-show-raw-insn "$library" | awk '$2 == "nop" { sub(/:$/, "", $1); print $1 }' | sort >"$dir/nops"
cut -f 3 "$dir/probes" | sed 's/^0x0*//' | sort -u | comm -23 - "$dir/nops" >"$dir/wrong"
verdict "each is a nop" "$dir/wrong"

: >"$dir/wrong"
if command -v gdb >/dev/null; then
    gdb -q -batch -ex 'info probes stap edo' "$library" >"$dir/gdb" 2>&1
    cut -d ' ' -f 1 "$dir/wanted" | while read -r name; do
        grep -q "stap *edo *$name " "$dir/gdb" || echo "gdb does not see $name"
    done >"$dir/wrong"
fi
verdict "gdb sees them (where there is gdb)" "$dir/wrong"

# Two tasks of the program, which it spawns in its root: "word", and one that has no name.
: >"$dir/wrong"
# shellcheck disable=SC2016 # gdb's own
if [ -n "$program" ] && gdb -nx -batch -ex 'break main' -ex run "$program" 2>/dev/null | grep -q '^Breakpoint 1, '; then
    gdb -nx -q -batch -ex 'set breakpoint pending on' -ex 'break -probe-stap edo:task_spawn' -ex 'run waits' \
        -ex 'printf "spawn: %d, task %lu %s by %lu\n", $_probe_argc, $_probe_arg0, (char *)$_probe_arg1, $_probe_arg3' -ex continue \
        -ex 'printf "spawn: %d, task %lu %lu by %lu\n", $_probe_argc, $_probe_arg0, $_probe_arg1, $_probe_arg3' -ex delete \
        -ex 'break -probe-stap edo:task_run' -ex continue -ex 'printf "run: task %lu\n", $_probe_arg0' -ex delete \
        -ex 'break -probe-stap edo:task_park' -ex continue -ex 'printf "park: %d, task %lu\n", $_probe_argc, $_probe_arg0' \
        "$program" >"$dir/stopped" 2>&1 </dev/null
    for line in '^spawn: 4, task 2 word by 1$' '^spawn: 4, task 3 0 by 1$' '^run: task [1-9]' '^park: 1, task [1-9]'; do
        grep -q "$line" "$dir/stopped" || { echo "no line with $line in:" && cat "$dir/stopped"; } >>"$dir/wrong"
    done
fi
verdict "gdb stops at them and reads their arguments (where it may)" "$dir/wrong"
exit $status
