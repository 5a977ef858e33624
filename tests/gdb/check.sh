#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gdb's commands for tasks (src/observe/gdb), as their users have them: gdb itself is run, on a live process, on a core file that it
# writes and on one that the kernel writes, optimised and not, and on a process in which structures are broken.
# Usage: [GDB=<another gdb>] check.sh <edo-gdb.py> <program> <the same without optimisation> <lean> [program with the shared library]
# (reports in TAP)
set -u
gdb=${GDB:-gdb}
script=$1
program=$2
plain=$3
lean=$4
shared=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
unset DEBUGINFOD_URLS
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

if ! "$gdb" -nx -batch -ex 'python print(1)' >out 2>&1 ||
    ! "$gdb" -nx -batch -ex 'break main' -ex run -ex 'print 6 * 7' "$program" 2>/dev/null | grep -q '= 42'; then
    echo "1..1"
    echo "ok 1 # SKIP gdb with Python is not installed (Debian: gdb), or may not trace programs here"
    exit 0
fi

# Tasks that ucontext switches wait in its function, and above their first one gdb sees another frame.
inner=edo_context_swap
outer=edo_context_entry
if nm "$program" | grep -q ' swapcontext'; then
    inner=swapcontext
    outer='0x0000000000000000 in'
fi

n=0
status=0
# shellcheck source=/dev/null
. "$here/common.sh"

# debug <file for what is said> <arguments of gdb, with a `do` before each command>...
debug() {
    out=$1
    shift
    timeout -k 5 120 "$gdb" -nx -batch -ex 'set print thread-events off' -ex 'set confirm off' -ex "source $script" \
        "$@" >"$out" 2>&1 </dev/null
    sed 's/^\(edo: .*\) (times from when a worker last looked at the clock)$/\1/; s/, age [0-9]*\.[0-9]\{3\} s$//' "$out" >"$out.same"
}

# --- A live process, and the same as a core file

debug live -ex 'break stop_here' -ex 'run waits' \
    -ex 'echo -- 1\n' -ex 'edo tasks' \
    -ex 'echo -- 2\n' -ex 'edo scopes' \
    -ex 'echo -- 3\n' -ex 'edo task deep bt' \
    -ex 'echo -- 4\n' -ex 'edo task read bt' \
    -ex 'echo -- 5\n' -ex 'edo task there' \
    -ex 'echo -- 6\n' -ex 'edo workers' \
    -ex 'echo -- 7\n' -ex 'edo tasks MUTEX held' \
    -ex 'echo -- 8\n' -ex 'edo task root bt' \
    -ex 'echo -- 9\n' -ex 'edo task dormant bt' -ex 'edo task new bt' -ex 'edo task nobody bt' -ex 'edo task' -ex 'edo nothing' \
    -ex 'echo -- 10\n' -ex 'edo task deep select' -ex 'frame function descend' -ex 'info locals' -ex 'edo thread' -ex 'bt 1' -ex 'edo thread' \
    -ex 'echo -- 11\n' -ex 'edo help' -ex 'edo' \
    -ex 'echo -- 12\n' -ex 'edo task all bt -1' \
    -ex 'echo -- 13\n' -ex 'edo gcore core.gdb' \
    -ex 'echo -- 14\n' -ex 'edo task joined' -ex 'edo task deep select' -ex 'next' -ex 'bt 1' -ex 'edo thread' "$program"

part live.same 1
each_wait part && says part '"accept" .* waits to read descriptor [0-9]+ \(tcp 127\.0\.0\.1:[0-9]+\)$' '"read" .* descriptor [0-9]+ \(a Unix socket\)$'
verdict "edo tasks tells of each wait with its object, holder and time" $? part

part live.same 2
says part '^task 1 "root" runs' '^  scope "detached", supervises$' '^  scope "root"$' '^  scope "all" \(program.c:[0-9]+\), supervises$' \
    '^    task 2 "word"' '^      scope "inner" \(program.c:[0-9]+\), deadline in ' '^        task [0-9]+ "inmost"' \
    '^      scope "doomed" .*, supervises, cancelled: cancelled by the program \(program.c' '^          shield \(program.c:[0-9]+\)$'
verdict "edo scopes is the tree" $? part

part live 3
says part '^#1 .*edo_context_swap' 'descend \(depth=' 'wait_deep \(' 'edo_context_entry' && [ "$(grep -c ' descend (' part)" = 51 ] &&
    ! grep -q stop_here part
verdict "edo task bt: a parked task's frames, however deep, and no others" $? part

# Optimised, edo_read ends by going on in edo_read_more (io/stream_usual.c): a tail call leaves no frame.
part live 4
says part ' edo_read(_more)? \(' ' wait_read \(.*program.c:[0-9]+' ' edo_context_entry '
verdict "edo task bt: from the user's function through the call that waits" $? part

part live 5
says part '^task [0-9]+ "there" \(program.c' '^  function +lock_both, argument 0x' '^  spawned +in waits \(.*program.c:[0-9]+\)' \
    '^  stack +0x[0-9a-f]+ to 0x[0-9a-f]+ \([0-9]+ KiB\), [0-9]+ bytes in use' '^  holds up +task [0-9]+ "back", which waits for the mutex' \
    '^  child of +scope "all" .* of task 1 "root"$'
verdict "edo task: facts, and whom it holds up" $? part

part live 6
says part '^  global queue: 0 ready$' '^  worker 0: runs task 1 "root" \(thread [0-9]+, in the program\), 2 ready, [0-9]+ timers, 3 descriptors at epoll [0-9]+$'
verdict "edo workers: what each runs, and what waits for it" $? part

part live 7
says part '"mutex"' '"there"' && [ "$(grep -c '^task ' part)" = 4 ] && ! grep -q rwlock part && ! grep -q deadlock part
verdict "edo tasks WORD: lines with all the words, in any case" $? part

part live 8
says part '^#0 +stop_here \(what=' ' waits \(' ' edo_context_entry '
verdict "edo task bt: one that runs, on its thread" $? part

part live 9
says part '^edo: task [0-9]+ is dormant: it has no stack while it waits, and will go on in go_on$' \
    '^edo: task [0-9]+ has not run yet: it has no stack, and will begin in wait_word$' '^edo: there is no task nobody' \
    '^edo: which task' '^edo: there is no .edo nothing.'
verdict "who has no frames is told so, and who has mistyped" $? part

part live 10
says part '^\[frames are those of task [0-9]+ until' '^#[0-9]+ .* descend \(' '^here = ' '^#0 +stop_here' '^edo: no task is selected$'
verdict "edo task select: frames and locals are the task's, until edo thread" $? part

part live 11
says part '^edo tasks \[WORD' '^edo task WHICH select' '^edo gcore' && [ "$(grep -c '^edo scopes' part)" = 2 ]
verdict "edo help" $? part

part live 12
[ "$(grep -c '^task ' part)" = 38 ] && [ "$(grep -c "^#[0-9]* .*$outer" part)" = 34 ] && [ "$(grep -c 'it has no stack' part)" = 4 ]
verdict "edo task all bt" $? part

part live 14
says part '^task 2 "word"' '^  joined by +task [0-9]+ "join"' '^stop_here \(|^[0-9]+' '^#0 +stop_here' '^edo: no task is selected$'
verdict "a task by its handle; a selection ends when the program goes on" $? part

debug values -ex 'break stop_here' -ex 'run waits' -ex 'echo -- 1\n' -ex 'print values.text' -ex 'print values.hostile_text' -ex 'print values.no_text' \
    -ex 'print values.ip4' -ex 'print values.ip6' -ex 'print values.path' -ex 'print values.name' -ex 'print values.no_address' \
    -ex 'print values.mutex' -ex 'print mutex' -ex 'print of_thread' -ex 'print *values.channel' -ex 'print *full' -ex 'print *empty' \
    -ex 'print/r values.text' -ex 'set var values.text.data = 3' -ex 'print values.text' \
    -ex 'set var values.ip4.at_.any.sa_family = 77' -ex 'print values.ip4' "$program"
part values 1
cat >wanted <<'END'
$1 = "GET /" (5 bytes)
$2 = "\"\x1b[2J\xff\"" (7 bytes)
$3 = "" (0 bytes)
$4 = 127.0.0.1:80
$5 = [fe80::1%2]:443
$6 = unix:\x40run/\x5cit.sock
$7 = @it
$8 = no address
$9 = free
$10 = held by task 1, waited for
$11 = held by a thread that runs no task, waited for
$12 = 1 value of 4 bytes, room for any number, closed
$13 = 0 values of 4 bytes, room for 0, 1 waits to send
$14 = 0 values of 4 bytes, room for 1, 2 wait to receive
END
# shellcheck disable=SC2016 # gdb's own
head -n 14 part | diff wanted - >differ && says part '^\$15 = \{data = 0x[0-9a-f]+ "GET /", size = 5\}$' '^\$16 = <unreadable: 0x3> \(5 bytes\)$' \
    '^\$17 = \{size_ = 16, .*sa_family = 77'
verdict "print shows texts, addresses, mutexes and channels, and members of what is broken" $? values
rm -f differ wanted

# same <core file>: it says of the tasks what the process said, but for what only a process has, and times.
same() {
    debug dead -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'echo -- 2\n' -ex 'edo scopes' -ex 'echo -- 3\n' -ex 'edo task deep bt' \
        -ex 'echo -- 4\n' -ex 'edo task read bt' -ex 'echo -- 10\n' -ex 'edo task deep select' -ex 'frame function descend' -ex 'info locals' \
        -ex 'edo thread' -ex 'bt 1' -ex 'edo thread' "$program" "$1"
}
same core.gdb
part dead.same 1
each_wait part
verdict "a core file of edo gcore: edo tasks" $? part
for i in 2 3 4 10; do
    part live.same $i
    sed 's/ in [0-9.]* s//g; s/ (tcp [^)]*)//; s/ (a Unix socket)//' part >before
    part dead.same $i
    sed 's/ in [0-9.]* s//g' part >after
    cmp -s before after || diff before after >differ
done
[ ! -e differ ]
verdict "a core file of edo gcore: the tree, frames, locals are those of the process" $? differ

# The kernel's, where it writes them here.
case $(cat /proc/sys/kernel/core_pattern) in
*[!a-z]* | '') kernel= ;;
*) kernel=$(cat /proc/sys/kernel/core_pattern) ;;
esac
sh -c 'ulimit -c unlimited && ABORT=1 "$1" waits; :' sh "$program" >out 2>&1
kernel=$(find . -name "${kernel:-none}*" ! -name core.gdb | head -n 1)
if [ -n "$kernel" ]; then
    same "$kernel"
    part dead.same 1
    each_wait part
    verdict "a core file of the kernel: edo tasks" $? part
    part dead 3
    says part 'descend \(depth=' 'wait_deep \(' 'edo_context_entry' && [ "$(grep -c ' descend (' part)" = 51 ]
    verdict "a core file of the kernel: frames" $? part
    rm -f "$kernel"
else
    echo "ok $((n + 1)) # SKIP the kernel writes no core files here"
    echo "ok $((n + 2)) # SKIP the kernel writes no core files here"
    n=$((n + 2))
fi

# --- Without optimisation; shared

# shellcheck disable=SC2016 # gdb's own
debug live -ex 'break stop_here' -ex 'run waits' -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'echo -- 2\n' -ex 'edo task deep frame function descend' \
    -ex 'edo task deep bt' -ex 'edo task deep info symbol $pc' "$plain"
part live.same 1
each_wait part
verdict "a program without optimisation: edo tasks" $? part
part live 2
says part 'descend \(depth=0, sum=0x[0-9a-f]+\) at' 'descend \(depth=50, sum=0x' 'wait_deep \(argument=0x[0-9a-f]+.*\) at' '^edo_context_s.* in section .text'
verdict "a program without optimisation: frames with their arguments" $? part

if [ -n "$shared" ]; then
    debug live -ex 'edo tasks' -ex 'break stop_here' -ex 'run waits' -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'echo -- 2\n' -ex 'edo task deep bt' "$shared"
    part live.same 1
    each_wait part
    verdict "with libedo.so: edo tasks" $? part
    part live 2
    says part 'descend \(depth=' 'wait_deep \(' 'edo_context_entry'
    verdict "with libedo.so: frames" $? part
fi

# --- Two runtimes; in the middle of a switch

debug live -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'break main' -ex 'run two' -ex 'edo tasks' -ex 'edo task 1 bt' -ex 'delete' \
    -ex 'break stop_here' -ex continue -ex 'echo -- 2\n' -ex 'edo tasks' -ex 'echo -- 3\n' -ex 'edo task 281474976710657 bt' \
    -ex 'delete' -ex 'tbreak edo_context_swap' -ex 'continue' -ex 'set scheduler-locking on' \
    -ex 'echo -- 5\n' -ex 'edo task 1 bt 1' -ex 'echo -- 4\n' -ex 'edo task all bt -1' \
    -ex 'stepi' -ex 'stepi' -ex 'stepi' -ex 'stepi' -ex 'edo task all bt -1' \
    -ex 'stepi' -ex 'stepi' -ex 'edo task all bt -1' -ex 'stepi' -ex 'stepi' -ex 'edo task all bt -1' \
    -ex 'stepi' -ex 'edo task all bt -1' -ex 'stepi' -ex 'edo task all bt -1' \
    -ex 'echo -- 6\n' -ex 'edo task mutex bt 1' "$program"
part live 1
says part '^edo: no process and no core file$' '^edo: no runtime runs$' '^edo: there is no task 1 '
verdict "before the program, and before the runtime" $? part
part live 2
says part '^edo: runtime 0, 1 worker, 2 tasks: 1 run, 0 ready, 1 wait$' '^edo: runtime 1, 1 worker, 1 task: 0 run, 0 ready, 1 wait$' \
    '^task 281474976710657 "root" waits for the mutex at 0x[0-9a-f]+ <mutex>, held by task 1 "root", age [0-9]+\.[0-9]{3} s$'
verdict "two runtimes: each has its tasks, and a lock's holder is found in the other" $? part
part live 3
says part ' other_root \(' ' edo_mutex_lock'
verdict "two runtimes: frames in the second" $? part
part live 4
if [ "$inner" = swapcontext ]; then
    n=$((n + 1))
    echo "ok $n # SKIP the instructions of libc's switch are not Edo's matter"
else
    says part '.' && [ "$(grep -c '^#[0-9]* .*edo_context_entry' part)" = 18 ]
    verdict "at any instruction of a switch each task has whole frames" $? part
fi
part live 5
says part "^#0 .*$inner" && part live 6 && says part "^#0 .*$inner"
verdict "a task that leaves its thread, or comes, is looked at where it stands" $? part

# --- Little of the library; the selected thread in main

debug live -ex "break lean.c:$(grep -n 'gdb stops here' "$here/lean.c" | cut -d: -f1)" -ex run -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'edo scopes' \
    -ex 'echo -- 2\n' -ex 'edo task word bt' -ex 'show backtrace past-main' -ex 'echo -- 3\n' -ex 'edo task region bt' \
    -ex 'echo -- 4\n' -ex 'edo workers' "$lean"
part live.same 1
says part '^edo: runtime 0, 1 worker, 3 tasks: 1 run, 0 ready, 2 wait$' '^task 1 "root" waits for the tasks of its scope$' \
    '^task 2 "word" .* waits on the word at 0x[0-9a-f]+ <word>$' '^task 3 "region" .* is in a blocking region' && ! grep -q 'debug information' part
verdict "a program with little of libedo.a: what is not linked is not missed" $? part
part live 2
says part '^#1 .*edo_context_swap' ' wait_word \(' ' edo_context_entry ' 'past "main" is off'
verdict "frames of a task, seen from a thread that stands in main" $? part
part live 3
says part '^#0 ' ' stay_in_region \(' ' edo_context_entry '
verdict "frames of a task in a blocking region" $? part
part live 4
says part '^  global queue: ' '^  worker 0: '
verdict "edo workers with little of libedo.a" $? part

# --- What is not there; what is broken

strip -g -o stripped "$program" 2>out && debug live -ex starti -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'edo task 1 bt' ./stripped
part live 1
says part '^edo: .*/stripped has Edo in it, but no debug information'
verdict "a program without debug information is told so" $? live
debug live -ex starti -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'edo scopes' -ex 'edo workers' -ex 'edo task 1' /bin/true
part live 1
[ "$(grep -c '^edo: no Edo is to be seen' part)" = 4 ]
verdict "and so is one without Edo" $? live

debug live -ex 'break stop_here' -ex 'run waits' -ex "source $here/broken.py" "$program"
grep -q '^broken: [0-9]* looked at, 0 wrong$' live && ! grep -q 'Traceback\|own: ' live
verdict "broken structures: a sentence with the address, and the rest is told all the same" $? live

debug live -ex 'break stop_here' -ex 'run two' -ex 'set scheduler-locking on' -ex "source $here/ages.py" "$program"
grep -q '^ages: 3 tasks, 0 wrong$' live && ! grep -q 'Traceback' live
verdict "a task's age is what the library finds" $? live

# --- Many

debug live -ex 'break stop_here' -ex 'run crowd 8000' -ex 'echo -- 1\n' -ex 'edo tasks' -ex 'echo -- 2\n' -ex 'edo tasks sleeper' "$program"
part live 1
[ "$(grep -c '^task ' part)" = 8001 ] && [ "$(grep -c 'waits for the mutex at .*, held by task 1 "root"' part)" = 2000 ] &&
    [ "$(grep -c '"sleeper" .* waits for its time, until in ' part)" = 2000 ] && [ "$(grep -c '"receiver" .* waits to receive' part)" = 2000 ]
head -n 20 part >some
verdict "8,000 tasks" $? some

echo "1..$n"
exit "$status"
