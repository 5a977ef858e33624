# SPDX-License-Identifier: MIT
#
# Reads tests/testing/cases/waits, then the table of cancellation, then the public headers, and prints what does not agree:
# every public function that may wait has one place in the table, the table names no other, and its header says what
# cancellation means for it, in the function's comment or at the top of the file.
FILENAME ~ /\/waits$/ {
    if ($2 != "-" && $1 !~ /_$/)
        waits[$1] = 1
    else
        others[$1] = 1
    next
}
FILENAME ~ /\.md$/ {
    if (!/^\| `/)
        next
    split($0, cell, "|")
    while (match(cell[2], /`edo_[a-z0-9_]+`/)) {
        name = substr(cell[2], RSTART + 1, RLENGTH - 2)
        cell[2] = substr(cell[2], RSTART + RLENGTH)
        if (name in rows)
            print FILENAME ":" FNR ": " name " stands in the table twice"
        rows[name] = 1
        if (name in others)
            print FILENAME ":" FNR ": " name " does not wait"
    }
    next
}
FNR == 1 {
    head = comment = ""
    inside = 0
}
/^\/\*/ {
    inside = 1
    comment = ""
}
inside {
    comment = comment $0 "\n"
    if (/\*\/[ \t]*$/) {
        inside = 0
        if (head == "" && comment !~ /SPDX/)
            head = comment
    }
    next
}
/EDO_API/ && match($0, /edo_[a-z0-9_]+\(/) {
    name = substr($0, RSTART, RLENGTH - 1)
    if (name in waits && (head comment) !~ /[Cc]ancel|ECANCELED/)
        print FILENAME ":" FNR ": what does cancellation mean for " name "?"
    declared[name] = 1
}
END {
    for (name in waits) {
        if (!(name in rows))
            print name " waits and is not in the table of cancellation"
        if (!(name in declared))
            print name " is declared in no header"
    }
}
