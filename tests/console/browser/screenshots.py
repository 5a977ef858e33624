#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The pictures of docs/: a program (shop.c) in the console's page. Usage: screenshots.py DIRECTORY
"""
import os
import sys
from pathlib import Path

from harness import DESKTOP, HERE, PHONE, Shop, launch, until, wait_rows
from playwright.sync_api import sync_playwright

# name, view, color scheme, size
PICTURES = [
    ("overview-light", "overview", "light", DESKTOP), ("overview-dark", "overview", "dark", DESKTOP), ("tasks-dark", "tasks?sort=state", "dark", DESKTOP),
    ("tasks-light", "tasks?sort=wait", "light", DESKTOP), ("task-light", "task", "light", DESKTOP), ("stalls-dark", "stalls", "dark", DESKTOP),
    ("overview-phone", "overview", "light", PHONE), ("tasks-phone", "tasks?sort=wait", "dark", PHONE),
]


def take(browser, url, directory, name, view, scheme, size):
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    if view == "task":
        page.goto(url + "#/tasks?filter=order")
        wait_rows(page, "rows.length === 9")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".frames li")
    else:
        page.goto(url + "#/" + view)
    if view == "overview":
        page.wait_for_timeout(58000)
    elif view == "stalls":
        until(page, "document.querySelectorAll('.stall').length > 6", 60000)
        until(page, "[...document.querySelectorAll('.stall')].some(one => one.classList.contains('on'))", 60000)
    page.wait_for_timeout(1500 if view != "stalls" else 50)
    page.screenshot(path=directory / f"console-{name}.png")
    context.close()


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("FONTCONFIG_FILE", str(HERE / "fonts.conf"))
    shop = Shop("900")
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for picture in PICTURES:
                take(browser, shop.url, directory, *picture)
            browser.close()
    finally:
        shop.end()
    for file in sorted(directory.glob("console-*.png")):
        print(f"{file}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
