# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example workers counts in pieces, in order, and finishes what was begun.
workers=$programs/edo-example-workers

"$workers" 3 200000 >"$dir/got" 2>"$dir/progress"
code=$?
[ "$code" = 0 ] && [ "$(sed -n 1p "$dir/got")" = "1229 primes below 10000" ] &&
    [ "$(sed -n 20p "$dir/got")" = "17984 primes below 200000" ] &&
    [ "$(sed -n 21p "$dir/got")" = "20 pieces, 17984 primes" ]
verdict "workers counts in pieces and prints them in order" $? "$dir/got"

# There is more to do than anybody has time for. What was printed until then is complete, and the sum says so.
: >"$dir/got" # now, not when the one in the background begins
"$workers" 2 1000000000000 >"$dir/got" 2>"$dir/progress" &
pid=$!
until grep -q 'below 50000' "$dir/got"; do sleep 0.01; done
kill -TERM $pid
wait $pid
code=$?
[ "$code" = 0 ] && grep -q 'ended early' "$dir/progress" && awk '
    /below/ { if ($4 != 10000 * NR) exit 1; primes = $1; next }
    { done = $1 == NR - 1 && $3 == primes }
    END { exit !done }' "$dir/got"
verdict "workers, interrupted, finishes and counts what was begun" $? "$dir/got"
