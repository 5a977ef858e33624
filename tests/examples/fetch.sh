# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example fetch gets URLs in parallel, and tells why one failed.
# From the site, and from who only echoes, so that no answer ever ends.
fetch=$programs/edo-example-fetch
site=$programs/edo-example-site
echo=$programs/edo-example-echo

HOST=127.0.0.1 PORT=0 "$site" >"$dir/site" 2>&1 &
site_pid=$!
echo_port=$((20000 + $$ % 10000))
: >"$dir/echo"
until grep -q 'listening' "$dir/echo"; do # on the first port that is free
    echo_port=$((echo_port + 1))
    "$echo" "127.0.0.1:$echo_port" >"$dir/echo" 2>&1 &
    echo_pid=$!
    until [ -s "$dir/echo" ]; do sleep 0.01; done
done
until grep -q 'http://.*/$' "$dir/site"; do sleep 0.01; done
port=$(sed -n 's|^http://.*:\([0-9]*\)/$|\1|p' "$dir/site")
"$fetch" -t 60 "http://127.0.0.1:$port/files/hello.txt" "http://localhost:$port/nowhere?a=b" >"$dir/got" 2>&1
code=$?
[ "$code" = 0 ] && grep -Eq "^200  http://127.0.0.1:$port/files/hello.txt: 19 bytes, [0-9]+ ms$" "$dir/got" &&
    grep -Eq "^404  http://localhost:$port/nowhere\?a=b: [0-9]+ bytes, [0-9]+ ms$" "$dir/got" &&
    tail -n 1 "$dir/got" | grep -Eq '^2 of 2 fetched, [0-9]+ ms$'
verdict "fetch tells status and size, of a host by its name too" $? "$dir/got"

# What is waited for in vain comes last; with one turn for all nobody else has one.
"$fetch" -t 1 "http://127.0.0.1:$echo_port/" "ftp://127.0.0.1/" "http://127.0.0.1:1/" "http://127.1:$port/" \
    "http://127.0.0.1:$port/files/hello.txt" >"$dir/got" 2>&1
code=$?
[ "$code" = 1 ] && grep -q "^---  ftp://127.0.0.1/: not a URL" "$dir/got" &&
    grep -q "^---  http://127.0.0.1:1/: connection refused$" "$dir/got" &&
    grep -q "^---  http://127.1:$port/: not a URL" "$dir/got" && grep -q '^200 ' "$dir/got" &&
    [ "$(tail -n 2 "$dir/got" | head -n 1)" = "---  http://127.0.0.1:$echo_port/: timed out" ] &&
    tail -n 1 "$dir/got" | grep -q '^1 of 5 fetched, '
verdict "fetch tells of each URL why it failed, and ends at its deadline" $? "$dir/got"

"$fetch" -n 1 -t 1 "http://127.0.0.1:$echo_port/" "http://127.0.0.1:$echo_port/second" >"$dir/got" 2>&1
[ "$(grep -c ': timed out$' "$dir/got")" = 2 ]
verdict "fetch gives up who had no turn as well" $? "$dir/got"
kill -TERM "$site_pid" "$echo_pid"
wait "$site_pid" "$echo_pid"
