# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example hasher hashes the files of a tree, and tells what it cannot read.
# FNV-1a, 64 bits.
hasher=$programs/edo-example-hasher

mkdir -p "$dir/tree/deep/er" "$dir/tree/empty"
printf '' >"$dir/tree/nothing"
printf 'a' >"$dir/tree/deep/a"
printf 'foobar' >"$dir/tree/deep/er/foobar"
head -c 300000 /dev/zero >"$dir/tree/zeros"
cat >"$dir/wanted" <<END
af63dc4c8601ec8c  tree/deep/a
85944171f73967e8  tree/deep/er/foobar
cbf29ce484222325  tree/nothing
END
(cd "$dir" && "$hasher" tree) >"$dir/got" 2>&1
code=$?
[ "$code" = 0 ] && [ "$(wc -l <"$dir/got")" = 4 ] && grep -v zeros "$dir/got" | cmp -s - "$dir/wanted"
verdict "hasher hashes the files of a tree, in order" $? "$dir/got"

if "$hasher" "$dir/nowhere" >"$dir/got" 2>&1; then false; else grep -q 'no such file' "$dir/got"; fi
verdict "hasher tells what it cannot read" $? "$dir/got"
