# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: MIT
#
# For check.sh and aarch64.sh, which have `n` and `status`: verdicts in TAP, and what is to be said of program.c.

# verdict <what must hold> <status> <file with what was said>
verdict() {
    n=$((n + 1))
    if [ "$2" = 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$3"
        status=1
    fi
}

# part <file> <number>: what was said between the marks of that number and the next.
part() {
    awk -v mark="-- $2" '/^-- [0-9]+$/ { inside = $0 == mark; next } inside' "$1" >part
}
# says <file> <regular expression>...: each stands in some line; those that do not are noted there.
says() {
    file=$1
    shift
    for line in "$@"; do
        grep -Eq -- "$line" "$file" || {
            echo "no line with: $line" >>"$file"
            return 1
        }
    done
    ! grep -Eq 'Traceback|own: |Python Exception' "$file"
}

# each_wait <file>
each_wait() {
    says "$1" '^edo: runtime 0, 1 worker, 38 tasks: 1 run, 2 ready, 35 wait$' \
        '^task 1 "root" runs on worker 0, thread [0-9]+$' \
        '^task 2 "word" \(program.c:[0-9]+\) waits on the word at 0x[0-9a-f]+ <word>$' \
        '^task 3 "waits" \(program.c:[0-9]+\) waits on the word' \
        '"word until" .* waits on the word at 0x[0-9a-f]+ <word>, until in (9[0-9]{2}|1000)\.[0-9]{3} s$' \
        '"read" .* waits to read descriptor [0-9]+' \
        '"duplex" .* waits to read a stream in memory$' \
        '"accept" .* waits to read descriptor [0-9]+' \
        '"join" .* waits for the end of task 2 "word"$' \
        '"sleep" .* waits for its time, until in (4[0-9]{2}|500)\.[0-9]{3} s$' \
        '"send" .* waits to send into the channel 0x[0-9a-f]+$' \
        '"recv" .* waits to receive from the channel 0x[0-9a-f]+$' \
        '"hear" .* waits to hear the broadcast 0x[0-9a-f]+$' \
        '"changed" .* waits for a change of the watch 0x[0-9a-f]+$' \
        '"select" .* waits to receive from the channel 0x[0-9a-f]+, until in (6[0-9]{2}|700)\.' \
        '"mutex" .* waits for the mutex at 0x[0-9a-f]+ <mutex>, held by task 1 "root"$' \
        '"mutex of a thread" .* waits for the mutex at 0x[0-9a-f]+ <of_thread>, held by (thread [0-9]+, which|a thread that) runs no task$' \
        '"rwlock" .* waits for the rwlock at 0x[0-9a-f]+ <rwlock>, held by task 1 "root"$' \
        '"semaphore" .* waits for the semaphore at 0x[0-9a-f]+ <semaphore>$' \
        '"notify" .* waits for the notify at 0x[0-9a-f]+ <notify>$' \
        '"barrier" .* waits at the barrier at 0x[0-9a-f]+ <barrier>$' \
        '"initialise" .* waits on the word at 0x[0-9a-f]+ <word>$' \
        '"once" .* waits for the once at 0x[0-9a-f]+ <once>, held by task [0-9]+ "initialise"$' \
        '"group" .* waits for the wait group at 0x[0-9a-f]+ <group>$' \
        '"job" .* waits for its blocking job a_job$' \
        '"abandonable" .* waits for a wake in edo_blocking.*, in wait_abandonable \(.*program.c:[0-9]+\)$' \
        '"dormant" .* dormant, waits to read descriptor .*, until in (5[0-9]|60)\.[0-9]{3} s$' \
        '"dormant time" .* dormant, waits for its time, until in (1[0-9]{2}|200)\.' \
        '"continued" \(program.c:[0-9]+\) dormant, waits to read a stream in memory$' \
        '"continues" \(program.c:[0-9]+\) waits on the word at 0x[0-9a-f]+ <word>$' \
        '"around" .* waits for the tasks of its scope inner, deadline in (8[0-9]|90)\.' \
        '"inmost" .* waits on the word .*, deadline in (8[0-9]|90)\.' \
        '"cancelled" .* waits for the tasks of its scope doomed, cancelled: cancelled by the program \(program.c:[0-9]+\)$' \
        '"shielded" .* waits on the word at 0x[0-9a-f]+ <word>$' \
        '"yielder" .* is ready$' \
        '"new" .* is ready, and has not run yet$' \
        '^deadlock: 2 tasks wait for each other$' \
        '^  task [0-9]+ "there" waits for the mutex at 0x[0-9a-f]+ <second>, held by task [0-9]+ "back"$' \
        '^  task [0-9]+ "back" waits for the mutex at 0x[0-9a-f]+ <first>, held by task [0-9]+ "there"$'
}
