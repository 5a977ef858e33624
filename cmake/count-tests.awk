# SPDX-License-Identifier: MIT
#
# Counts test cases in CTest's LastTest.log: prints passed, failed and skipped. Programs report in TAP; cases that were
# planned but never reported (a crash, a timeout) have failed, and so has a program that ended badly in any other way. A
# program without TAP is one case. What a test prints may stand before its verdict on the same line.
function flush_program() {
    if (!inside)
        return
    bad = planned - ok - skip
    if (bad < wrong)
        bad = wrong
    if (!planned && !ok && !wrong) # no TAP: the program itself is the case
        ok = 1
    passed += ok
    skipped += skip
    failed += bad
    inside = 0
}
/^[0-9]+\/[0-9]+ Testing: / {
    flush_program()
    inside = 1
    planned = ok = skip = wrong = output = 0
    next_case = 1
}
/^Command: ""$/ { wrong = 1 }
/^Output:$/ { output = 1; next }
/<end of output>$/ { output = 0 }
output && /^1\.\.[0-9]+$/ { # a plan stands before its verdicts, or behind them
    planned += substr($0, 4)
    next_case = 1
    next
}
output {
    if (match($0, "not ok " next_case " # SKIP")) { skip++; next_case++ }
    else if (match($0, "not ok " next_case " - ")) next_case++
    else if (match($0, "ok " next_case " # SKIP")) { skip++; next_case++ }
    else if (match($0, "ok " next_case " - ")) { ok++; next_case++ }
}
!output && /^Test Failed\.$/ { wrong = 1 }
END {
    flush_program()
    print passed + 0, failed + 0, skipped + 0
}
