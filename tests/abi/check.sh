#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A library exports exactly what its headers declare with EDO_API, and its version script says the same.
# Usage: check.sh <shared library> <static library> <version script> <public header>...   (reports in TAP)
set -u
shared=$1
static=$2
map=$3
shift 3
here=$(dirname "$0")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C

: >"$dir/declared"
[ $# -eq 0 ] || awk -f "$here/declared.awk" "$@" | sort -u >"$dir/declared"
sed -n 's/^ *\(edo_[a-z0-9_]*\);.*/\1/p' "$map" >"$dir/listed"
sort -u "$dir/listed" >"$dir/mapped"
nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$dir/exported"

n=0
status=0
# verdict <what must hold> <file that names what breaks it>
verdict() {
    n=$((n + 1))
    if [ -s "$2" ]; then
        echo "not ok $n - $1"
        sed 's/^/# /' "$2"
        status=1
    else
        echo "ok $n - $1"
    fi
}

map=${map##*/}
echo 1..7
comm -23 "$dir/declared" "$dir/mapped" >"$dir/wrong"
verdict "every EDO_API declaration has its line in $map" "$dir/wrong"
comm -13 "$dir/declared" "$dir/mapped" >"$dir/wrong"
verdict "every line of $map is declared with EDO_API in a public header" "$dir/wrong"
comm -13 "$dir/exported" "$dir/mapped" >"$dir/wrong"
verdict "every line of $map is defined in the library" "$dir/wrong"
comm -23 "$dir/exported" "$dir/mapped" >"$dir/wrong"
verdict "the shared library exports nothing else" "$dir/wrong"
diff "$dir/listed" "$dir/mapped" >"$dir/wrong"
verdict "the lines of $map are sorted" "$dir/wrong"
# _.stapsdt.base is sys/sdt.h's, hidden and weak: what probes' places are told by.
nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 && $3 !~ /^edo_/ && $3 != "_.stapsdt.base" { print $3 }' >"$dir/wrong"
verdict "no name of the static library lacks the edo_ prefix" "$dir/wrong"
readelf -lW "$shared" | awk '/GNU_STACK/ && /RWE/' >"$dir/wrong"
verdict "the library does not ask for an executable stack" "$dir/wrong"
exit $status
