#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The pictures of docs/: a program (shop.c) in the console's page, the trace of another (kitchen.c) in Perfetto's.
Usage: screenshots.py DIRECTORY [NAME]...
"""
import os
import sys
import time
from pathlib import Path

from harness import HERE, PHONE, Shop, launch, wait_rows
from playwright.sync_api import sync_playwright
from traces import Viewers, record

DESKTOP = {"width": 1280, "height": 860}

# name, view, color scheme, size
PICTURES = [
    ("overview-light", "overview", "light", DESKTOP), ("overview-dark", "overview", "dark", DESKTOP), ("tasks-dark", "tasks?by=site", "dark", DESKTOP),
    ("tasks-light", "tasks?sort=wait", "light", {"width": 1200, "height": 700}), ("task-light", "task", "light", DESKTOP), ("stalls-dark", "stalls", "dark", DESKTOP),
    ("scopes-light", "scopes", "light", DESKTOP), ("scopes-dark", "scopes", "dark", DESKTOP), ("scopes-phone", "scopes", "light", PHONE),
    ("resources-light", "resources", "light", DESKTOP), ("overview-phone", "overview", "light", PHONE), ("tasks-phone", "tasks?sort=wait", "dark", PHONE),
]


def show(page, url, view):
    page.goto(url + ("#/tasks?filter=order" if view == "task" else "#/" + view))
    if view == "task":
        wait_rows(page, "rows.length === 9")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".frames li")


def show_trace(browser, file):
    viewers = Viewers(record())
    page = browser.new_context(viewport={"width": 1200, "height": 830}).new_page()
    ask = viewers.perfetto(page)
    turns = ask("""select turn.id from flow join slice wake on wake.id = slice_out join slice turn on turn.id = slice_in
                   where turn.name like 'cook%' and wake.name = 'wake' and turn.ts - wake.ts > 50000 order by turn.ts""")
    page.evaluate("id => { app.sidebar.toggleVisibility(); app.trace.selection.selectSqlEvent('slice', id); }", turns[0]["id"])
    page.evaluate("() => { return waitForPerfettoIdle(); }")
    page.screenshot(path=file, clip={"x": 0, "y": 114, "width": 1200, "height": 320})  # above what it tells of the chosen turn
    page.context.close()
    viewers.end()


def main():
    directory = Path(sys.argv[1])
    pictures = [picture for picture in PICTURES if len(sys.argv) < 3 or picture[0] in sys.argv[2:]]
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("FONTCONFIG_FILE", str(HERE / "fonts.conf"))
    if len(sys.argv) < 3 or "trace" in sys.argv[2:]:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            show_trace(browser, directory / "trace.png")
            browser.close()
    if not pictures:
        return
    shop = Shop("900")
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            pages = {name: browser.new_context(viewport=size, color_scheme=scheme).new_page() for name, _, scheme, size in pictures}
            for name, view, _, _ in pictures:  # those with charts first: they want something to show
                if view == "overview":
                    show(pages[name], shop.url, view)
            if any(view == "overview" for _, view, _, _ in pictures):
                time.sleep(60)
            for name, view, _, _ in pictures:
                page = pages[name]
                if view != "overview":
                    show(page, shop.url, view)
                    page.wait_for_timeout(1500)
                if view == "stalls":
                    page.wait_for_timeout(12000)
                    page.evaluate("""() => {
                        const all = [...document.querySelectorAll('.stall')];
                        const best = all.find(one => one.innerText.includes('nanosleep')) || all[0];
                        for (const one of all) one.open = one === best;
                        best.scrollIntoView({block: 'center'});
                    }""")
                page.screenshot(path=directory / f"console-{name}.png")
                page.context.close()
            browser.close()
    finally:
        shop.end()
    for file in sorted(directory.glob("console-*.png")):
        print(f"{file}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
