#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `edo top` in a real terminal, tmux's, against a stand-in for a console (mock.py). Usage: top.sh <edo> [<launcher>...]
# (reports in TAP). Nothing is decided by time: each step waits until the terminal shows what it has to, and only gives up after a minute.
set -u
here=$(cd "$(dirname "$0")" && pwd)
edo=$1
shift
launcher=$*
for tool in tmux python3; do
    command -v "$tool" >/dev/null || {
        echo "1..0 # SKIP $tool is not installed"
        exit 0
    }
done
dir=$(mktemp -d)
# A server of its own, on a socket of its own: the tmux around us is left alone.
unset TMUX TMUX_PANE
export LC_ALL=C.UTF-8
mocks=
session=0
pane() {
    tmux -S "$dir/tmux$session" -f /dev/null "$@"
}
# A fresh server each time: one that is being ended still answers for a moment.
fresh() {
    pane kill-server 2>/dev/null
    session=$((session + 1))
    pane new-session -d "$@"
}
# shellcheck disable=SC2317 # the trap calls it
finish() {
    pane kill-server 2>/dev/null
    for pid in $mocks; do kill "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap finish EXIT

n=0
status=0
# verdict <what must hold> <status>
verdict() {
    n=$((n + 1))
    if [ "$2" = 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        pane capture-pane -p 2>/dev/null | sed 's/^/# |/'
        sed 's/^/# /' "$dir/err" 2>/dev/null
        status=$((status + 1))
        [ $status -lt 8 ] || {
            echo "Bail out! too much is wrong"
            exit 1
        }
    fi
}

# mock <option>...: a console; its port is $port, its requests are in $dir/log
mock() {
    : >"$dir/log"
    : >"$dir/port"
    python3 "$here/mock.py" --log "$dir/log" "$@" >"$dir/port" 2>"$dir/mock.err" &
    mocks="$mocks $!"
    mock=$!
    until_true grep -q . "$dir/port"
    port=$(cat "$dir/port")
}
unmock() {
    kill "$mock"
    wait "$mock" 2>/dev/null
}

# until_true <command>...: for at most a minute
until_true() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt "${PATIENCE:-1200}" ] || return 1
        sleep 0.05
    done
}
shows() {
    pane capture-pane -p | grep -Eq -e "$1"
}
shows_not() {
    ! shows "$1"
}
# sees <what must hold> <pattern that the terminal has to show>
sees() {
    until_true shows "$2"
    verdict "$1" $?
}
keys() {
    pane send-keys "$@"
}

# top <columns> <rows> <argument>...: edo top in a fresh terminal, in a shell that tells how it ended
cat >"$dir/run" <<END
trap : INT QUIT # Ctrl-C is for edo
stty -g >"$dir/before"
sh -c 'echo \$\$ >"$dir/pid"; exec "\$@"' sh $launcher "$edo" top "\$@" 2>"$dir/err"
echo "ended with \$?"
stty -g >"$dir/after"
: >"$dir/ended"
exec sleep 1000
END
top() {
    columns=$1
    rows=$2
    shift 2
    rm -f "$dir/ended" "$dir/pid"
    : >"$dir/err"
    fresh -x "$columns" -y "$rows" ${term:+-e "TERM_AS=$term"} ${locale:+-e "LC_ALL=$locale"} \
        "${term:+env TERM=$term }sh $dir/run $*"
}
# The terminal is as it was: its modes, the ordinary screen, a cursor.
is_restored() {
    test -e "$dir/ended" && cmp -s "$dir/before" "$dir/after" &&
        [ "$(pane display -p '#{alternate_on} #{cursor_flag}')" = "0 1" ]
}
restored() {
    until_true is_restored
}
# Each line of a table has its columns where the others have theirs: <pattern of a row> <pattern of what begins there>
aligned() {
    pane capture-pane -p | python3 -c '
import re, sys, unicodedata
row, cell = sys.argv[1:]
def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
places = {columns(line[:re.search(cell, line).start()]) for line in sys.stdin if re.search(row, line)}
sys.exit(len(places) != 1)' "$1" "$2"
}
harmless() {
    ! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$1" && ! grep -Pq '[\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]' "$1"
}

# --- Every view, at every size ------------------------------------------------------------------------------------------------------

mock
for size in 80x24 200x50 40x12; do
    top "${size%x*}" "${size#*x}" "$port"
    sees "$size: the head tells program and tasks" 'mock  pid 123  up'
    sees "$size: the table has tasks" '^ +1 client +running'
    sees "$size: workers have bars" '^(  0|workers) .*[▁▂▃▄▅▆▇█]'
    keys 2
    sees "$size: spawn sites" '^server.c:40.* 900'
    keys 3
    sees "$size: stalls" 'nanosleep|[0-9]+ms'
    sees "$size: and where they are" '(#0 +clock_nanosleep|no backtrace|where it)'
    keys 4
    sees "$size: resources" '^mutex at 0x'
    sees "$size: a deadlock" 'deadlock: tasks 3 7 9'
    keys 5
    sees "$size: times" 'to +8.0us +1,000'
    keys 6
    sees "$size: scopes" "^    ▾ hall"
    keys 5
    until_true shows 'to +8.0us +1,000'
    keys '?'
    sees "$size: help" 'edo top: what the tasks'
    keys Escape
    sees "$size: Esc leads back" 'to +8.0us +1,000'
    keys 1
    until_true shows '^ +1 client'
    keys Down Down Enter
    sees "$size: a task's page" '^task #3  timer'
    keys PageDown PageDown PageDown PageDown
    sees "$size: is scrolled to its end" 'history|12us ago +run, worker 0'
    keys q
    restored && shows 'ended with 0'
    verdict "$size: q ends, and the terminal is as it was" $?
done

# --- Keys ----------------------------------------------------------------------------------------------------------------------------

top 120 30 "$port"
until_true shows '^ +1 client'
keys '>'
sees "the next column sorts" 'name▲'
until_true grep -q 'sort=name&order=asc' "$dir/log"
verdict "and the console is asked for it" $?
keys '<' r
sees "the other way round" '^ +60 '
keys /
keys 'list'
sees "a filter, as it is typed" 'filter /list'
sees "and only what passes it" '^1-15 of 15 \(of 60\)'
keys BSpace BSpace BSpace BSpace Enter
sees "a filter that is taken away" 'of 60$'
keys f
sees "one state" 'state running'
keys Escape
until_true shows 'of 60$'
keys s
until_true shows '^server.c:42'
keys Down Down Enter
sees "tasks of a spawn site" 'of 12 \(of 60\)  site server.c:42'
keys Escape
until_true shows 'of 60$'
keys End
sees "the last task" '^ +1 client'
keys Home /
keys -l 'zä %&='
until_true grep -q 'filter=z%C3%A4%20%25%26%3D' "$dir/log"
verdict "what is typed reaches the console as it is" $?
keys q
sees "q is a letter while a filter is typed" 'filter /zä %&=q'
keys Escape q
restored
verdict "q ends" $?

# --- The tree of scopes ---------------------------------------------------------------------------------------------------------------

top 80 24 "$port"
until_true shows '^ +1 client'
keys 6
sees "scopes, what keeps them" '^      ▾ den +2 +cancelled: deadline, its owner'
sees "their tasks beneath" '^        #12 reader +ready'
keys Down Down Down Enter
sees "Enter shuts a scope" '^    ▸ hall +59'
until_true shows_not 'den'
verdict "with all that is in it" $?
keys Right
sees "right opens it" '^      ▾ den'
keys Right
until_true grep -q '/api/tree?.*open=1.2' "$dir/log"
verdict "and then all of it" $?
keys End
sees "to its last task" '^      #60 reader'
keys Left
sees "left goes out to its scope" '^    ▾ hall'
keys Left End
sees "and shows less of it" '^      54 tasks more'
keys Left
until_true shows '^    ▾ hall'
keys Left
sees "and then shuts it" '^    ▸ hall'
keys Left Left
sees "outwards" '^  ▸ root'
keys Enter
until_true shows '^    ▸ hall'
verdict "what was shut within stays so" $?
keys Home Enter
sees "Enter on a task is its page" '^task #1  client'
keys Escape
sees "and Esc leads back" '^    ▸ hall'
keys q
unmock

# A console that looks once is asked once, however often is drawn.
mock --interval 1000000
top 80 24 "$port"
until_true shows '^ +1 client'
for view in 2 6 4; do
    keys $view
    until_true shows '(spawned at|scope, and its|resource)'
    for _ in 1 2 3 4 5 6 7 8; do keys Down; done
done
keys 1
until_true shows '^ +1 client'
[ "$(grep -c -e '/api/sites' -e '/api/tree' -e '/api/resources' "$dir/log")" -le 4 ]
verdict "nothing is asked for again before there is something new" $?
keys q
unmock
mock

# --- Resizing ------------------------------------------------------------------------------------------------------------------------

top 80 24 "$port"
until_true shows '^ +1 client'
pane resize-window -x 150 -y 40
sees "a larger terminal shows more columns" 'worker +site|site +worker'
sees "and more rows" '^ +20 reader'
pane resize-window -x 20 -y 6
sees "a small one still has tasks" '^ +1 '
pane resize-window -x 2 -y 1
pane resize-window -x 80 -y 24
sees "whatever was in between" '^ +1 client +running'

# --- Endings -------------------------------------------------------------------------------------------------------------------------

for signal in TERM INT HUP QUIT; do
    [ $signal = TERM ] || top 80 24 "$port"
    until_true shows '^ +1 client'
    kill -$signal "$(cat "$dir/pid")"
    restored && shows 'ended with 0'
    verdict "SIG$signal gives the terminal back" $?
done
top 80 24 "$port"
until_true shows '^ +1 client'
keys C-c
restored && shows 'ended with 0'
verdict "so does Ctrl-C" $?

fresh -x 80 -y 24 "env PS1='ready> ' sh -i"
until_true shows 'ready>'
keys "$launcher $edo top $port" Enter
until_true shows '^ +1 client'
keys C-z
sees "Ctrl-Z gives the terminal back for a while" 'ready>.*$'
keys "echo in bet''ween" Enter
until_true shows 'in between'
keys fg Enter
sees "and fg takes it again" '^ +1 client'
until_true shows_not 'in between'
verdict "all of it" $?
keys q
until_true shows 'in between'
verdict "and back" $?
unmock

# --- The other end -------------------------------------------------------------------------------------------------------------------

mock
top 80 24 "$port"
until_true shows '^ +1 client'
unmock
sees "a lost connection is told" 'connection lost, trying again'
shows '^ +1 client'
verdict "what was known stays" $?
mock --port "$port" --tasks 7
sees "and it connects again by itself" ' of 7$'
until_true shows_not 'trying again'
verdict "and says so no more" $?
unmock
mock --mode silent --interval 10
top 80 24 "$port"
until_true shows '^ +1 client'
sees "a console that says nothing more is lost" 'connection lost, trying again: no answer'
unmock
for mode in garbage page nojson deep endless badchunk; do
    mock --mode $mode
    top 80 24 "$port"
    sees "what is no console ($mode) is told" 'trying again: what answers there is no Edo console'
    keys q
    restored
    verdict "and left ($mode)" $?
    unmock
done
mock --mode refuse
top 80 24 "$port"
sees "a refusal is told in the console's words, harmlessly" 'trying again: call it by number\\x1b\[2J!'
keys q
unmock
mock --mode gone
top 80 24 "$port"
until_true shows '^ +1 client'
keys Enter
sees "a task that has ended" 'task 1 has ended'
keys Escape
sees "is left" '^ +1 client'
keys q
unmock
mock --mode plain
top 80 24 "$port"
sees "without metrics: workers' polls" '^  1 .* 10.0k/s'
# Nothing happens to its tasks, so no row is told again.
until_true shows '^ +2 listener'
row=$(pane capture-pane -p | grep '^ *2 listener')
until_true shows '^ +2 listener' && until_true shows_not "$row"
verdict "ages run on by themselves" $?
keys 5
sees "and no times" 'does not measure times'
keys q
unmock
top 80 24 "$port"
sees "nobody there: it waits for one" 'no connection yet, trying again: connection refused'
keys q
restored
verdict "or for q" $?

# --- Names that mean harm ------------------------------------------------------------------------------------------------------------

mock --mode hostile --interval 1000
top 100 40 "$port"
sees "a name with escapes is shown as text" '\\x1b\[2J\\x1b\[3'
sees "so is one that turns the direction" '\\u\{202e\}right'
sees "wide characters are whole" '中文名字'
aligned '^.{1,3} +[0-9]+ .*(running|waiting|dormant|ready|new|region) ' '(running|waiting|dormant|ready|new|region) '
verdict "and every column is where it is in the other rows" $?
pane capture-pane -p >"$dir/seen"
harmless "$dir/seen"
verdict "nothing reaches the terminal as a command" $?
[ "$(pane display -p '#{pane_title}')" != title ]
verdict "not even its title" $?
COLUMNS=250 $launcher "$edo" top --once --rows 40 "$port" >"$dir/once" 2>"$dir/err" && grep -q 'right-to-left' "$dir/once" && harmless "$dir/once"
verdict "--once is as careful" $?
keys q
unmock

# --- Many tasks ----------------------------------------------------------------------------------------------------------------------

mock --tasks 100000 --workers 64
top 80 24 "$port"
sees "100,000 tasks" ' of 100,000$'
keys End
sees "the last of them" '^ +100000 '
keys Home
until_true shows '^ +1 client'
for _ in 1 2 3 4 5 6; do keys PageDown PageDown PageDown; done
sees "in between" '^[x!]? +2[0-9][0-9] '
awk -F'count=' '/events/ { sub(/&.*/, "", $2); if ($2 > 3 * 24) exit 1 }' "$dir/log"
verdict "only what is about to be seen is asked for" $?
memory=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$dir/pid")/status")
echo "# resident at most: $memory kB"
case $launcher$(nm "$edo" 2>/dev/null | grep -c '__[at]san_init') in
0) [ "${memory:-99999}" -lt 32768 ] ;;
esac
verdict "and kept: less than 32 MiB" $?
keys q
unmock

# --- Terminals -----------------------------------------------------------------------------------------------------------------------

mock
term=dumb top 80 24 "$port"
until_true test -e "$dir/ended"
grep -q 'cannot be drawn on.*--once' "$dir/err"
verdict "TERM=dumb is told about --once" $?
term=vt100 top 80 24 "$port"
sees "a terminal without colours" '^ +1 client'
keys q
restored
verdict "is given back too" $?
locale=C top 80 24 "$port"
sees "one without UTF-8 has bars of signs" '^  0 .*[.:=+*#@-]'
keys q
top 80 24 --no-colour "$port"
until_true shows '^ +1 client'
pane capture-pane -e -p | grep -q "$(printf '\033')"'\[3[1-7]m'
[ $? = 1 ]
verdict "--no-colour has none" $?
keys q
until_true test -e "$dir/ended"
top 80 24 "$port"
until_true shows '^ +1 client'
pane capture-pane -e -p | grep -q "$(printf '\033')"'\[3[1-7]m'
verdict "without it there are some" $?
keys q

$launcher "$edo" top "$port" >"$dir/out" 2>"$dir/err" </dev/null
[ $? = 1 ] && grep -q 'no terminal.*--once' "$dir/err"
verdict "no terminal is told about --once" $?
COLUMNS=80 $launcher "$edo" top --once --rows 3 "127.0.0.1:$port" >"$dir/out" 2>"$dir/err" &&
    grep -q '^tasks 60 ' "$dir/out" && grep -q '^ *3 timer' "$dir/out" && ! grep -q '^ *4 ' "$dir/out" && [ ! -s "$dir/err" ]
verdict "--once is one look" $?
TERM=dumb $launcher "$edo" top --once "$port" 2>"$dir/err" | grep -q '^ *1 client'
verdict "on any terminal, and in pipes" $?
unmock
$launcher "$edo" top --once "$port" >"$dir/out" 2>"$dir/err"
[ $? = 1 ] && grep -q "^edo top: 127.0.0.1:$port: connection refused" "$dir/err"
verdict "--once without a console fails" $?

$launcher "$edo" >"$dir/out" 2>&1 && grep -q 'edo top' "$dir/out"
verdict "edo alone tells what it can" $?
$launcher "$edo" tpo >"$dir/out" 2>"$dir/err"
[ $? = 2 ] && grep -q 'no command tpo' "$dir/err"
verdict "a command that there is not" $?

echo "1..$n"
[ $status = 0 ]
