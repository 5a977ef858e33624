# SPDX-License-Identifier: MIT
"""What the cases share: a browser whose complaints fail a case, consoles to look at, questions to a page."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = Path(os.environ.get("EDO_PROGRAMS", HERE.parents[2] / "build/release/tests/console"))
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
CASES = []


def case(function):
    CASES.append(function)
    return function


class Mock:
    """A console without a program (mock.py), in a process of its own."""

    def __init__(self, *options):
        self.process = subprocess.Popen([sys.executable, HERE / "mock.py", *options], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def silence(self):
        self.process.send_signal(signal.SIGUSR1)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Shop:
    """A program with a console (shop.c)."""

    def __init__(self, *arguments, **environment):
        self.process = subprocess.Popen([PROGRAMS / "shop", *arguments], stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, EDO_CONSOLE="127.0.0.1:0", EDO_METRICS="1", EDO_WORKERS="2", **environment))
        self.url = self.process.stderr.readline().split(" at ")[1].strip()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def launch(playwright):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=chromium, args=["--disable-lcd-text"] + (["--no-sandbox"] if os.geteuid() == 0 else []))


class Bench:
    """What the cases share: the browser, and one mock for all that do not break theirs."""

    def __init__(self, browser):
        self.browser = browser
        self.mocks = {}
        self.wrong = []

    def mock(self, *options):
        if options not in self.mocks:
            self.mocks[options] = Mock(*options)
        return self.mocks[options]

    def shop(self, *arguments):
        if ("shop", *arguments) not in self.mocks:
            self.mocks["shop", *arguments] = Shop(*arguments)
        return self.mocks["shop", *arguments]

    @contextlib.contextmanager
    def page(self, url, at="overview", size=None, scheme="light", allowed=None):
        context = self.browser.new_context(viewport=size or DESKTOP, color_scheme=scheme, has_touch=size == PHONE)
        context.add_init_script("addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI))")
        page = context.new_page()
        page.set_default_timeout(10000)
        page.on("console", lambda message: message.type in ("error", "warning") and not (allowed and re.search(allowed, message.text)) and self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.goto(url + "#/" + at)
        try:
            yield page
        finally:
            context.close()

    def end(self):
        for mock in self.mocks.values():
            mock.end()


def rows(page):
    """The rows that are visible, in order: id, name, state, wait, site as they are shown."""
    return page.evaluate("""() => {
        const grid = document.querySelector('.grid').getBoundingClientRect();
        return [...document.querySelectorAll('.box .row:not([hidden])')]
            .filter(row => { const box = row.getBoundingClientRect(); return box.bottom > grid.top + 28 && box.top < grid.bottom; })
            .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
            .map(row => Object.fromEntries([...row.children].map(cell => [cell.className.split(' ')[1], cell.innerText.trim()]).concat([['index', Number(row.ariaRowIndex)]])));
    }""")


def wait_rows(page, test="rows.length > 0"):
    page.wait_for_function("""() => {
        const rows = [...document.querySelectorAll('.box .row:not([hidden])')];
        return !document.querySelector('.grid').classList.contains('stale') && (%s);
    }""" % test)


def until(page, expression, timeout=10000):
    page.wait_for_function(f"() => ({expression})", timeout=timeout)  # a function: the page's policy forbids eval


def text(page, selector):
    return page.locator(selector).first.inner_text()
