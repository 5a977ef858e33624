#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the documents show is true: every C example of README.md and docs/guide stands word for word in a program under
# examples/, the programs of examples/readme run, links between documents lead somewhere, and every name in the
# documents that looks like a function, a macro or a test of Edo's exists; and the table of cancellation is complete.
# Usage: check.sh <source> [directory of the examples' programs]   (reports in TAP)
set -u
cd "$1" || exit 1
examples=${2:-}
export LC_ALL=C
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

documents="README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md $(find docs -name '*.md' | sort)"
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

# The names hold no spaces: they are words.
# shellcheck disable=SC2046,SC2086
awk '
    FILENAME ~ /\.c$/ { source[FILENAME] = source[FILENAME] $0 "\n"; next }
    FNR == 1 { block = ""; inside = 0 }
    /^```c$/ { inside = 1; block = ""; at = FNR; next }
    inside && /^```$/ {
        inside = found = 0
        for (file in source)
            if (index("\n" source[file], "\n" block))
                found = 1
        if (!found)
            print FILENAME ":" at ": this example stands in no program under examples/"
        next
    }
    inside { block = block $0 "\n" }' $(find examples -name '*.c') README.md $(find docs -name '*.md' | sort) >"$dir/examples"
verdict "the C examples of the documents are compiled" "$dir/examples"

: >"$dir/links"
for document in $documents; do
    grep -o '](\([^)#:]*\)[^):]*)' "$document" | sed 's/^](//; s/[#)].*//' | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$document")/$link" ] || echo "$document: $link does not exist"
    done
done >>"$dir/links"
verdict "the links between the documents lead somewhere" "$dir/links"

# CONTRIBUTING.md speaks of things that might be.
# shellcheck disable=SC2046
grep -ohE '\b(edo|EDO|test)_[A-Za-z0-9_]*[A-Za-z0-9]\b' $(echo "$documents" | sed 's/CONTRIBUTING.md//') | sort -u >"$dir/named"
{
    grep -rohE '\b(edo|EDO|test)_[A-Za-z0-9_]*[A-Za-z0-9]\b' include src cmake tests bench fuzz examples CMakeLists.txt \
        CMakePresets.json dev
    find src tests bench examples include \( -name '*edo_*' -o -name 'test_*' \) -exec basename {} \; | sed 's/\..*//'
} | sort -u >"$dir/known"
comm -23 "$dir/named" "$dir/known" >"$dir/unknown"
verdict "the names in the documents exist" "$dir/unknown"

awk -f tests/docs/cancellation.awk tests/testing/cases/waits docs/guide/cancellation-table.md include/edo/*.h |
    sort >"$dir/cancellation"
verdict "the table of cancellation names what waits, and the headers say what it means" "$dir/cancellation"

for program in ${examples:+"$examples"/edo-example-guide* "$examples"/edo-example-readme "$examples"/edo-example-sweeps \
    "$examples"/edo-example-testing "$examples"/edo-example-foreign "$examples"/edo-example-names}; do
    [ -e "$program" ] || continue # what it needs is not installed here
    : >"$dir/failed"
    "$program" >"$dir/output" 2>&1 </dev/null || cat "$dir/output" - >"$dir/failed" <<END
$program failed
END
    verdict "${program##*/} runs" "$dir/failed"
done
echo "1..$n"
exit $status
