#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The pictures of docs/: a program (shop.c) in the console's page. Usage: screenshots.py DIRECTORY
"""
import os
import sys
from pathlib import Path

from harness import HERE, PHONE, Shop, launch, wait_rows
from playwright.sync_api import sync_playwright

DESKTOP = {"width": 1280, "height": 860}

# name, view, color scheme, size
PICTURES = [
    ("overview-light", "overview", "light", DESKTOP), ("overview-dark", "overview", "dark", DESKTOP), ("tasks-dark", "tasks?by=site", "dark", DESKTOP),
    ("tasks-light", "tasks?sort=wait", "light", DESKTOP), ("task-light", "task", "light", DESKTOP), ("stalls-dark", "stalls", "dark", DESKTOP),
    ("overview-phone", "overview", "light", PHONE), ("tasks-phone", "tasks?sort=wait", "dark", PHONE),
]


def show(page, url, view):
    page.goto(url + ("#/tasks?filter=order" if view == "task" else "#/" + view))
    if view == "task":
        wait_rows(page, "rows.length === 9")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".frames li")


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("FONTCONFIG_FILE", str(HERE / "fonts.conf"))
    shop = Shop("900")
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            pages = {name: browser.new_context(viewport=size, color_scheme=scheme).new_page() for name, _, scheme, size in PICTURES}
            for name, view, _, _ in PICTURES: # those with charts first: they want something to show
                if view == "overview":
                    show(pages[name], shop.url, view)
            pages["overview-light"].wait_for_timeout(60000)
            for name, view, _, _ in PICTURES:
                page = pages[name]
                if view != "overview":
                    show(page, shop.url, view)
                    page.wait_for_timeout(1500)
                if view == "stalls":
                    page.wait_for_selector(".stall.on", timeout=30000)
                page.screenshot(path=directory / f"console-{name}.png")
                page.context.close()
            browser.close()
    finally:
        shop.end()
    for file in sorted(directory.glob("console-*.png")):
        print(f"{file}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
