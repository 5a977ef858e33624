#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each public header compiles by itself, twice included, as C11 and as C++17, without a warning, under gcc and clang.
# Usage: check.sh <include directory> <header>...   (reports in TAP)
set -u
include=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo "1..$((4 * $#))"
n=0
status=0
for header; do
    name=${header#"$include"/}
    for try in 'gcc c11' 'clang c11' 'g++ c++17' 'clang++ c++17'; do
        n=$((n + 1))
        compiler=${try% *}
        std=${try#* }
        case $std in c11) lang=c ;; *) lang=c++ ;; esac
        if ! command -v "$compiler" >/dev/null 2>&1; then
            echo "ok $n # SKIP $name as $std: no $compiler"
            continue
        fi
        # A program's own file, not the header itself: #pragma and include guards behave as for users.
        printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$name" "$name" >"$dir/use.$lang"
        if "$compiler" -x "$lang" -std="$std" -Wall -Wextra -Wpedantic -Werror -I"$include" -fsyntax-only \
            "$dir/use.$lang" >"$dir/log" 2>&1; then
            echo "ok $n - $name as $std with $compiler"
        else
            echo "not ok $n - $name as $std with $compiler"
            sed 's/^/# /' "$dir/log"
            status=1
        fi
    done
done
exit $status
