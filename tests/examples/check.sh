#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The examples do what they say: each file beside this one tries one of them. Usage: check.sh <directory of the programs>
# (reports in TAP)
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # the files use it
programs=$1
export LC_ALL=C
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
status=0
# verdict <what must hold> <status> <file with what was said>
# shellcheck disable=SC2317 # the files call it
verdict() {
    n=$((n + 1))
    if [ "$2" = 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$3"
        status=1
    fi
}

for example in "$here"/*.sh; do
    # shellcheck source=/dev/null
    [ "$example" = "$here/check.sh" ] || . "$example"
done

echo "1..$n"
exit $status
