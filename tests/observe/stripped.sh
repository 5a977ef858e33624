#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A program without symbols tells module and offset, from which addr2line finds the functions in the program that has them still.
# Usage: stripped.sh <program> <strip> <addr2line>   (reports in TAP)
set -u
program=$1
strip=$2
addr2line=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo 1..3
status=0
name=${program##*/}
"$strip" --strip-all -o "$dir/$name" "$program" || exit 1
EDO_STALLS=1 EDO_WORKERS=1 "$dir/$name" >"$dir/out" 2>&1 || { cat "$dir/out"; exit 1; }

# verdict <number> <what must hold>: by the status of the command before.
verdict() {
    if [ "$3" = 0 ]; then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        sed 's/^/# /' "$dir/out"
        status=1
    fi
}

grep -q 'sleeps_here' "$dir/out"
verdict 1 "the stripped program has no names" $((1 - $?))
sed -n "s/^  #[0-9]* .*($name+\(0x[0-9a-f]*\))\$/\1/p" "$dir/out" >"$dir/offsets"
# A return address stands behind its call: the byte before it is the call's.
while read -r offset; do
    "$addr2line" -f -e "$program" "$(printf '0x%x' $((offset - 1)))" | sed -n 1p
done <"$dir/offsets" >"$dir/functions"
cat "$dir/functions" >>"$dir/out"
[ "$(sed -n 1,2p "$dir/functions" | tr '\n' ' ')" = "sleeps_here root " ]
verdict 2 "addr2line finds them from the offsets" $?
grep -q '^  ?' "$dir/out"
verdict 3 "no frame is a guess" $((1 - $?))
exit $status
