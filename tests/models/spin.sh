#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The protocols that are too large for the explorer, as Spin models: hand-off (handoff.pml) and the end of a runtime
# (shutdown.pml). Each is checked for safety (assertions, and that all processes come to their end) and for its claim under
# fairness; and each of its mutants must be found wrong.
# Usage: spin.sh <C compiler>   (reports in TAP)
set -u
cc=$1
models=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

if ! command -v spin >/dev/null; then
    echo "1..1"
    echo "ok 1 # SKIP spin is not installed (Debian: spin)"
    exit 0
fi

n=0
status=0
# verdict <ok or not> <what>: the output of the last check follows where it failed.
verdict() {
    n=$((n + 1))
    if [ "$1" = ok ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# /' out
        status=1
    fi
}

# check <pan's options> <compiler's options> <model> <spin's options>: leaves pan's words in out; false if it did not finish.
check() {
    pan_options=$1
    cc_options=$2
    model=$3
    shift 3
    rm -f pan pan.*
    # shellcheck disable=SC2086
    spin -a "$@" "$models/$model.pml" >out 2>&1 && "$cc" -O2 -w $cc_options -o pan pan.c >>out 2>&1 &&
        ./pan $pan_options -m100000 >out 2>&1 && grep -q 'errors: ' out && ! grep -q 'max search depth too small' out
}

# explored: how much, in a line of its own.
explored() {
    sed -n 's/^ *\([0-9.e+]*\) states, stored.*/# \1 states/p; s/^ *\([0-9.e+]*\) transitions.*/# \1 steps/p' out
}

# holds <model> <what> <pan's options> <compiler's options> <spin's options>
holds() {
    model=$1
    what=$2
    pan_options=$3
    cc_options=$4
    shift 4
    if check "$pan_options" "$cc_options" "$model" "$@" && grep -q 'errors: 0$' out; then
        verdict ok "$model: $what"
        explored
    else
        verdict wrong "$model: $what"
    fi
}

# rejects <model> <mutant>
rejects() {
    if check '' '-O0 -DNOCLAIM -DSAFETY' "$1" "-D$2" && grep -q 'errors: [1-9]' out; then
        verdict ok "$1: the mutant $2 is found: $(sed -n 's/^pan:1: //p' out)"
    else
        verdict wrong "$1: the mutant $2 is found"
    fi
}

holds handoff "no task is lost, no worker is shared, nobody sleeps for ever" '' '-DNOCLAIM -DSAFETY'
holds handoff "all tasks end" '-a -f' '-DNFAIR=3'
for mutant in RASH_EXPIRY SPLIT_ENTER NO_WANT LOST_TASK; do
    rejects handoff $mutant
done
holds shutdown "nobody sleeps for ever, nothing is touched after its end" '' '-DNOCLAIM -DSAFETY'
holds shutdown "the runtime ends" '-a -f' '-DNFAIR=3' -DSTRAYS=0
for mutant in NO_LOOK NO_SPARES EARLY_FREE RASH_EXPIRY; do
    rejects shutdown $mutant
done
echo "1..$n"
exit $status
