#!/bin/sh
# SPDX-License-Identifier: MIT
#
# house.sh finds each breach it knows of in a small tree made for it, and nothing in a clean one. (Reports in TAP.)
set -u
here=$(dirname "$0")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
spdx='/* SPDX-License-Identifier: MIT */'
top='/* An idea. */'
n=0
status=0

# A tree without a breach.
clean() {
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree/src/base" "$dir/tree/src/io" "$dir/tree/src/observe" "$dir/tree/include/edo" \
        "$dir/tree/tests/io"
    cd "$dir/tree" || exit 1
    printf '%s\n' 'edo_add_library(edo SOURCES' '    base/list.c' '    io/stream.c' '    HEADERS' '    base.h)' \
        >src/CMakeLists.txt
    printf '%s\n' 'edo_add_test(io/stream)' >tests/CMakeLists.txt
    printf '%s\n' "$spdx" "$top" '#include <edo/base.h>' 'char name[] = "/tmp/x-XXXXXX";' >src/base/list.c
    printf '%s\n' "$spdx" "$top" '#include "base/list.h"' '#include <stdio.h>' >src/io/stream.c
    printf '%s\n' "$spdx" "$top" '#include "io/stream.h"' >tests/io/test_stream.c
    printf '%s\n' "$spdx" "$top" '#define EDO_ONE 1' '' '/* One' ' * and two. */' 'EDO_API int edo_one(void);' \
        'EDO_API int edo_two(void);' >include/edo/base.h
    cd - >/dev/null || exit 1
}

# expect <what> <line that house.sh must print; empty: none at all>
expect() {
    n=$((n + 1))
    out=$(sh "$here/house.sh" "$dir/tree")
    rc=$?
    if [ -z "$2" ] && [ $rc -eq 0 ] && [ -z "$out" ]; then
        echo "ok $n - $1"
    elif [ -n "$2" ] && [ $rc -eq 1 ] && [ "$(echo "$out" | cut -d: -f1,2)" = "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "# exit $rc, expected '$2': $out"
        status=1
    fi
}

# breach <what> <line expected> <file> <line appended to it>
breach() {
    clean
    printf '%s\n' "$4" >>"$dir/tree/$3"
    expect "$1" "$2"
}

echo 1..17
clean
expect "a clean tree" ""
breach "a room looks into one below it" src/base/list.c:5 src/base/list.c '#include "io/stream.h"'
breach "a room looks into one below it by a public header" src/base/list.c:5 src/base/list.c '#include <edo/stream.h>'
breach "the core looks into observe" src/io/stream.c:5 src/io/stream.c '#include "observe/dump.h"'
breach "a public header nobody answers for" src/io/stream.c:5 src/io/stream.c '#include <edo/nobody.h>'
breach "a note to self" src/io/stream.c:5 src/io/stream.c "/* TO""DO: later */"
breach "a comment that is too wide" src/io/stream.c:5 src/io/stream.c "/* $(printf '%0115d' 0) */"
clean
printf '%s\n' "/* $(printf '%0113d' 0)é */" >>"$dir/tree/src/io/stream.c"
expect "a comment as wide as may be, in more bytes" ""
breach "a source file nobody builds" src/io/pipe.c:1 src/io/pipe.c "$spdx
$top"
breach "a list's longer path is not this file" src/observe/list.c:1 src/observe/list.c "$spdx
$top"
breach "a test nobody runs" tests/io/test_pipe.c:1 tests/io/test_pipe.c "$spdx
$top"
breach "a public header nobody installs" include/edo/extra.h:1 include/edo/extra.h "$spdx
$top"
breach "a declaration without a comment" include/edo/base.h:10 include/edo/base.h "
EDO_API int edo_three(void);"
breach "a macro without the prefix" include/edo/base.h:9 include/edo/base.h '#define THREE 3'
breach "a file without its licence" src/io/stream.h:1 src/io/stream.h "$top
$top"
breach "a file without its idea" src/io/stream.h:2 src/io/stream.h "$spdx
int x;"
breach "a file of too many lines" src/io/stream.c:605 src/io/stream.c "$(seq 601)"
exit $status
