#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes the picture of the guide: edo top beside examples/stall, which is asked for pages that stall it.

    screenshot.py EDO STALL OUT.svg      e.g. build/release/bin/edo build/release/examples/edo-example-stall docs/images/top.svg

The screen is tmux's; what it shows, with its colours, becomes an SVG of text.
"""
import html
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata

COLUMNS, ROWS = 100, 30
CELL, LINE = 8.4, 18
COLOURS = {"31": "#f2777a", "32": "#99cc99", "33": "#ffcc66", "36": "#66cccc"}
GROUND, INK, DIM = "#1e1f24", "#d3d7cf", "#8a8f98"


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    sys.exit("it did not come")


def port_in(path):
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", open(path).read())
    return found and int(found.group(1))


def request(port, path):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode())
    return connection


def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def svg(screen):
    width, height = COLUMNS * CELL + 24, ROWS * LINE + 24
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">' % ((width, height) * 2),
           "<title>edo top beside examples/stall</title>",
           '<rect width="100%%" height="100%%" rx="6" fill="%s"/>' % GROUND,
           '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">']
    style = set()
    for row, line in enumerate(screen.split("\n")[:ROWS]):
        column = 0
        for codes, text in re.findall(r"(?:\x1b\[([0-9;]*)m)|([^\x1b]+)", line):
            if not text:
                for code in (codes or "0").split(";"):
                    code = code.lstrip("0") or "0"
                    if code == "0":
                        style = set()
                    elif code == "39":
                        style -= set(COLOURS)
                    else:
                        style.add(code)
                continue
            ink = next((COLOURS[code] for code in style if code in COLOURS), DIM if "2" in style else INK)
            x, y, wide = 12 + column * CELL, 12 + row * LINE, columns(text) * CELL
            if "7" in style:
                out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>' % (x, y, wide, LINE, ink))
                ink = GROUND
            if "4" in style:
                out.append('<path d="M%.1f %.1fh%.1f" stroke="%s"/>' % (x, y + LINE - 1.5, wide, ink))
            for word in re.finditer(r"\S+", text):
                out.append('<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>' %
                           (x + columns(text[:word.start()]) * CELL, y + 13, columns(word[0]) * CELL, ink,
                            ' font-weight="bold"' if "1" in style else "", html.escape(word[0])))
            column += columns(text)
    return "\n".join(out + ["</g>", "</svg>", ""])


def main():
    edo, stall, picture = sys.argv[1:]
    work = tempfile.mkdtemp()
    errors, said = os.path.join(work, "errors"), os.path.join(work, "said")
    tmux = ["tmux", "-S", os.path.join(work, "tmux"), "-f", "/dev/null"]
    environment = dict(os.environ, EDO_CONSOLE="127.0.0.1:0", EDO_METRICS="1", EDO_WORKERS="2")
    program = subprocess.Popen([stall, "127.0.0.1:0"], stdout=open(said, "w"), stderr=open(errors, "w"), env=environment)
    try:
        console = wait_for(lambda: port_in(errors))
        server = wait_for(lambda: port_in(said))
        subprocess.check_call(tmux + ["new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS),
                                      "env LC_ALL=C.UTF-8 %s top %d" % (os.path.abspath(edo), console)])
        kept = [request(server, "/") for _ in range(12)]

        def filled():
            for path in ["/"] * 40 + ["/compute", "/block"]:
                kept.append(request(server, path))
                if len(kept) > 13:
                    kept.pop(12).close()
            screen = subprocess.run(tmux + ["capture-pane", "-e", "-p", "-N"], capture_output=True, text=True, check=True).stdout
            workers = [line for line in screen.split("\n") if re.search("^ *(\x1b\\[[0-9;]*m)* *[01] ", line)]
            long_ago = workers and len(re.findall("[▁-█]", workers[0])) >= 24
            return long_ago and re.search("(stalled|runs) ", screen) and screen

        open(picture, "w").write(svg(wait_for(filled, 120)))
    finally:
        subprocess.run(tmux + ["kill-server"], check=False)
        program.terminate()
        program.wait()
        shutil.rmtree(work)


main()
