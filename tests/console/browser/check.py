#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The console's page in a real Chromium, driven by Playwright: what is shown, what keys and clicks do, what hostile names do not. And traces in
the viewers that they are for.
An error of the browser's console or a breach of the content security policy fails the case in which it happens.

Usage: check.py [PATTERN]: the cases whose name matches (TAP on stdout, "N passed, M failed" last).
"""
import re
import sys
import time
import traceback

import cases_page  # noqa: F401 their cases
import cases_program  # noqa: F401
import cases_speed  # noqa: F401
import cases_traces  # noqa: F401
from harness import CASES, Bench, launch
from playwright.sync_api import sync_playwright


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else "."
    chosen = [function for function in CASES if re.search(pattern, function.__name__)]
    passed = failed = 0
    print(f"1..{len(chosen)}", flush=True)
    with sync_playwright() as playwright:
        bench = Bench(launch(playwright))
        try:
            for number, function in enumerate(chosen, 1):
                begun = time.monotonic()
                bench.wrong.clear()
                try:
                    function(bench)
                    assert not bench.wrong, "the browser's console: " + "; ".join(bench.wrong[:5])
                    passed += 1
                    print(f"ok {number} - {function.__name__} # {time.monotonic() - begun:.1f} s", flush=True)
                except Exception:
                    failed += 1
                    print(f"not ok {number} - {function.__name__}")
                    print("\n".join("# " + line for line in (traceback.format_exc() + "\n".join(bench.wrong[:5])).splitlines()), flush=True)
        finally:
            bench.end()
            bench.browser.close()
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
