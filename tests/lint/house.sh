#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The rules of the house that no compiler knows. Prints `file:line: what is wrong` for each breach; exits 1 if any.
# Usage: house.sh [root]
#
#   rooms     a file of src/<room>/ includes only its own room and those above it in tests/lint/rooms
#   files     C files begin with the SPDX line and a comment that says what idea they hold; at most 600 lines,
#             800 where they are tests; comments wrap at 120 columns
#   lists     every source file stands in the CMakeLists.txt that builds it
#   headers   every EDO_API declaration has a comment before it; macros of public headers begin with EDO_ or edo_
#   words     no notes-to-self: they belong in the issue tracker
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}"

found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Every file that is ours, in a stable order: sources() <find expressions>
sources() {
    find . \( -path ./build -o -path ./.git -o -path ./.cache \) -prune -o -type f \( "$@" \) -print |
        sed 's|^\./||' | LC_ALL=C sort
}

c_files=$(sources -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.S')
in_src=$(echo "$c_files" | grep '^src/' || true)
public=$(echo "$c_files" | grep '^include/' || true)

# The files' names hold no spaces: they are words.
# shellcheck disable=SC2086
{
    # --- rooms
    [ -z "$in_src" ] || awk '
        FILENAME ~ /(^|\/)rooms$/ {
            if ($0 !~ /^#/ && NF) {
                rank[$1] = ++rooms
                for (i = 2; i <= NF; i++)
                    answers[$i] = $1
            }
            next
        }
        FNR == 1 {
            split(FILENAME, path, "/")
            room = path[2]
            if (!(room in rank))
                print FILENAME ":1: src/" room " is no room of tests/lint/rooms"
        }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            name = $0
            sub(/^[^"<]*["<]/, "", name)
            sub(/[">].*/, "", name)
            if ($0 ~ /</ && name !~ /^edo\//)
                next
            split(name, path, "/")
            other = path[1]
            if (other == "edo") {
                other = path[2]
                sub(/\.h$/, "", other)
                header = other
                sub(/_.*/, "", other)
                other = header in answers ? answers[header] : other in answers ? answers[other] : other
            }
            if (!(other in rank))
                print FILENAME ":" FNR ": no room of tests/lint/rooms answers for " name
            else if (room in rank && rank[other] > rank[room])
                print FILENAME ":" FNR ": " room " may not look into " other " (" name ")"
        }' "$here/rooms" $in_src

    # --- files
    [ -z "$c_files" ] || awk '
        function ended() {
            most = file ~ /^tests\// ? 800 : 600
            if (file != "" && lines > most)
                print file ":" lines ": more than " most " lines are usually two ideas"
        }
        FNR == 1 {
            ended()
            file = FILENAME
            if ($0 != "/* SPDX-License-Identifier: MIT */")
                print FILENAME ":1: the first line is /* SPDX-License-Identifier: MIT */"
        }
        FNR == 2 && $0 !~ /^\/\*/ { print FILENAME ":2: a comment says here what idea the file holds" }
        { lines = FNR }
        END { ended() }' $c_files

    # In columns, not bytes. Examples are shown in the guide as they are.
    [ -z "$c_files" ] || LC_ALL=C.UTF-8 grep -nE '^[ \t]*(/\*|\*[ /]).*$' $c_files |
        grep -v '^examples/' | LC_ALL=C.UTF-8 grep -E '^[^:]*:[^:]*:.{121,}$' |
        sed 's/^\([^:]*:[^:]*\):.*/\1: a comment of more than 120 columns/' || true

    # --- lists
    for file in $c_files; do
        case $file in
        *.h | *.cpp) continue ;;
        src/* | bench/* | fuzz/* | examples/*) list=${file%%/*}/CMakeLists.txt entry=${file#*/} ;;
        tests/models/test_*.c)
            list=tests/CMakeLists.txt entry="edo_add_model($(basename "${file##*/test_}" .c)"
            ;;
        tests/*/test_*.c)
            list=tests/CMakeLists.txt entry=${file#tests/}
            entry="edo_add_test(${entry%%/*}/$(basename "${file##*/test_}" .c)"
            ;;
        tests/*/stress_*.c) list=tests/CMakeLists.txt entry=${file#tests/} ;;
        *) continue ;;
        esac
        # A whole word of the list, not the end of a longer path.
        if ! awk -v entry="$entry" '
            BEGIN { gsub(/[.(+]/, "[&]", entry) }
            { sub(/#.*/, "") }
            $0 ~ "(^|[ \t(;\"])" entry "([ \t);\"]|$)" { yes = 1 }
            END { exit !yes }' "$list" 2>/dev/null; then
            echo "$file:1: is not in $list"
        fi
    done
    for file in $public; do
        grep -q "^ *${file#include/edo/}[) ]*\$" src/CMakeLists.txt 2>/dev/null ||
            echo "$file:1: is not among the HEADERS of src/CMakeLists.txt"
    done

    # --- headers
    [ -z "$public" ] || awk '
        FNR == 1 { told = 0; comment = 0; directive = 0 }
        comment { if (/\*\//) { comment = 0; told = 1 } next }
        /^[ \t]*$/ { told = 0; next }
        /^[ \t]*\/\*/ { told = 1; if (!/\*\//) comment = 1; next }
        directive || /^[ \t]*#/ {
            if (!directive && match($0, /^[ \t]*#[ \t]*define[ \t]+/)) {
                macro = substr($0, RLENGTH + 1)
                sub(/[^A-Za-z0-9_].*/, "", macro)
                if (macro !~ /^(EDO_|edo_)/)
                    print FILENAME ":" FNR ": the macro " macro " is not called EDO_ something"
            }
            directive = /\\$/
            next
        }
        /^EDO_API/ && !told { print FILENAME ":" FNR ": no comment before this declaration" }' $public

    # --- words (put together so that this file may be looked at too)
    words="TO""DO|FIX""ME|XX""X"
    sources ! -name '*.png' ! -name '*.ico' ! -name '*.bin' | grep -v '^fuzz/corpus/' |
        xargs grep -InE "(^|[^A-Za-z0-9_])($words)([^A-Za-z0-9_]|\$)" /dev/null |
        sed -E 's/^([^:]*:[0-9]+):.*/\1: a note to self: write an issue instead/' || true
} >"$found"

[ ! -s "$found" ] || {
    cat "$found"
    exit 1
}
