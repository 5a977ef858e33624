# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example supervisor starts again what failed, and ends them all.
supervisor=$programs/edo-example-supervisor

"$supervisor" "exit 0" "[ -e $dir/again ] || { touch $dir/again; exit 3; }" >"$dir/got" 2>&1
code=$?
[ "$code" = 0 ] && [ "$(grep -c 'exited with 3' "$dir/got")" = 1 ] && [ "$(grep -c 'exited with 0' "$dir/got")" = 2 ]
verdict "supervisor starts again what failed, and ends when all is well" $? "$dir/got"

# The commands say when they run, by a file; what they started holds a FIFO open, whose end tells that all are gone.
mkfifo "$dir/held"
"$supervisor" "sleep 1000 & touch $dir/up; wait" "trap '' TERM; touch $dir/deaf; while :; do sleep 1; done" \
    >"$dir/got" 2>&1 3>"$dir/held" &
pid=$!
exec 4<"$dir/held"
while [ ! -e "$dir/up" ] || [ ! -e "$dir/deaf" ]; do sleep 0.01; done
kill -HUP $pid
until grep -q 'ended by signal 15' "$dir/got"; do sleep 0.01; done
until [ "$(grep -c 'sleep 1000' "$dir/got")" = 2 ]; do sleep 0.01; done
kill -TERM $pid
wait $pid
code=$?
cat <&4 >/dev/null # waits until nobody holds the other end
[ "$code" = 0 ]
verdict "supervisor restarts by SIGHUP, and by SIGTERM ends them all, also who does not listen" $? "$dir/got"
