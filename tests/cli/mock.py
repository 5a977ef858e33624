#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stand-in for a program's console, with canned facts: as many tasks as you like, names that mean harm, and all the ways in
which what answers on a port may be no console at all.

    mock.py [--port N] [--tasks N] [--workers N] [--interval MS] [--mode MODE] [--log FILE]

prints its port and serves until it is killed. --log has a line for each request. Modes: normal, hostile (names), plain (no metrics),
garbage (no HTTP), page (HTTP, but a web page), nojson, deep (JSON), endless (a line without an end), badchunk, silent (after the
first event), refuse (status 403), gone (404 for every task).
"""
import argparse
import json
import socket
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

HOSTILE = [
    "\x1b[2J\x1b[31mred", "bell\x07\x08\x7f", "tab\there\nand line", "\u202eright-to-left", "\u4e2d\u6587\u540d\u5b57\u5f88\u957f\u5f88\u957f\u5f88\u957f\u5f88\u957f",
    "e\u0301\u0301\u0301\u0301\u0301accents", "zero\u200bwidth\ufeff", "\u009b31mC1", "\U0001f600 smile", "\u0300mark first", "x" * 3000,
    "\x1b]0;title\x07", "%s%n%s%n", "\U000e0041tag", "\ud7ff\ue000 private", "",
]
STATES = ["running", "waiting", "waiting", "ready", "waiting", "new", "waiting", "region"]


def name_of(i, options):
    return HOSTILE[i % len(HOSTILE)] if options.mode == "hostile" else ("client", "listener", "timer", "reader")[i % 4]


def row(i, turn, options):
    state = STATES[i % len(STATES)]
    r = {"id": str(i + 1), "name": name_of(i, options), "site": "server.c:%d" % (40 + i % 5), "function": "serve", "state": state,
         "age_ms": 1000 * (i + 1) + turn * options.interval, "scope": 3}
    if options.mode == "hostile":
        r["site"] = "\x1b[1mevil.c\x9b:%d" % i
        r["wait"] = "read \x1b]52;c;AAAA\x07"
    if state == "waiting":
        r.setdefault("wait", "read 127.0.0.1:4000 from 127.0.0.1:%d" % (50000 + i % 9999))
        r["dormant"] = i % 8 == 2
    if state == "running":
        r["worker"] = i % options.workers
    if options.mode != "plain":
        r["polls"] = 12 * i + turn
        r["busy_us"] = 340 * i + turn
    if i % 10 == 3:
        r["warnings"] = ["holds a mutex while it waits"]
    if i % 10 == 7:
        r["cancelled"] = "timeout"
    return r


HISTOGRAM = {"count": 1234, "sum_us": 5000, "buckets": [{"to_ns": 1000, "count": 200}, {"to_ns": 8000, "count": 1000},
                                                       {"to_ns": 64000, "count": 34}]}


def now(turn, options):
    n = options.tasks
    workers = []
    for w in range(options.workers):
        worker = {"index": w, "thread": 1000 + w, "polls": 1000 * turn * (w + 1), "steals": turn, "queue": w, "parked": w % 2 == 1}
        if options.mode != "plain":
            worker["busy"] = ((turn + w * 3) % 10) / 10
        if w == 0:
            worker["task"] = "1"
        if w == 2:
            worker["stalled_ms"] = 40
        workers.append(worker)
    facts = {"time_ms": 1700000000000 + turn * options.interval, "tasks": n,
             "states": {"running": 2, "region": 1, "ready": 3, "new": 0, "waiting": n - 6 if n > 6 else 0},
             "dormant": n // 8, "cancelled": n // 10, "warned": n // 10, "spawned": n + turn * 5, "ended": turn * 5,
             "polls": 12000 * turn, "steals": 7 * turn, "handoffs": turn, "stalls": 3, "forced_yields": turn, "timers": 12,
             "descriptors": 34, "blocking_threads": 4, "blocking_busy": 1, "blocking_queued": 0, "stacks_resident": 50,
             "stacks_cached": 7, "workers": workers, "snapshot": turn, "interval_ms": options.interval, "console_cpu_us": 100}
    if options.mode != "plain":
        facts["poll"] = facts["delay"] = HISTOGRAM
    return facts


def stall(serial, ended, options):
    s = {"serial": serial, "ended": ended, "kind": "blocked" if serial % 2 else "computing", "task": str(serial),
         "name": name_of(serial, options), "site": "server.c:71", "at_ms": 1700000000000 + serial * 1000,
         "duration_us": 200000 if ended else 10200, "suppressed": serial % 3}
    if serial % 2:
        s["syscall"] = "nanosleep"
        s["wait_channel"] = "hrtimer_nanosleep"
    if not ended:
        s["frames"] = [{"function": f, "offset": 12 + k, "module": "libedo.so.0", "module_offset": 1234 + k}
                       for k, f in enumerate(("clock_nanosleep", "block", "answer"))]
    return s


def window(query, turn, options):
    first = int(query.get("from", ["0"])[0])
    count = int(query.get("count", ["100"])[0])
    wanted = query.get("filter", [""])[0].lower()
    state = query.get("state", [""])[0]
    site = query.get("site", [""])[0]
    if wanted or state or site:
        order = [i for i in range(options.tasks) if matches(row(i, turn, options), wanted, state, site)]
    else:
        order = range(options.tasks)
    if query.get("order", ["asc"])[0] == "desc":
        order = order[::-1]
    return {"snapshot": turn, "uptime_ms": turn * options.interval, "total": options.tasks, "matching": len(order), "from": first}, [row(i, turn, options) for i in
                                                                                               order[first:first + count]]


def matches(r, wanted, state, site):
    if state and r["state"] != state and not (state == "dormant" and r.get("dormant")) and not (state == "cancelled" and "cancelled" in r) \
            and not (state == "warned" and "warnings" in r):
        return False
    return (not site or r["site"] == site) and wanted in (r["name"] + r["site"] + r["function"] + r.get("wait", "")).lower()


def tree(query, turn, options):
    """root: detached { root { hall { all tasks, den (cancelled) { 2 } } } }"""
    opened, shut = query.get("open", [""])[0].split(","), query.get("shut", [""])[0].split(",")
    names = HOSTILE if options.mode == "hostile" else ["den"]
    rows = [dict(row(0, turn, options), row="task", depth=0)]

    places = {}

    def around(depth):
        return {"around": places[depth - 1]} if depth else {}

    def scope(key, depth, name, tasks, scopes, **facts):
        places[depth] = len(rows)
        fold = "all" if key in opened else "shut" if key in shut else "some"
        rows.append({"row": "scope", "key": key, "number": len(rows), "depth": depth, **around(depth), "owner": key.split(".")[0], "owner_name": "x", "name": name, "live": tasks, "tasks": tasks,
                     "scopes": scopes, "inside": tasks, "states": {"running": 0, "region": 0, "ready": 0, "new": 0, "waiting": tasks}, "dormant": 0, "warned": 0, "fold": fold, **facts})
        return fold

    def tasks(key, depth, first, count, fold):
        shown = min(count, 5) if fold == "some" else count
        rows.extend((first + i, depth, around(depth)) for i in range(shown))
        if shown < count:
            rows.append({"row": "more", "depth": depth, **around(depth), "key": key, "tasks": count - shown, "scopes": 0})

    if scope("1.0", 0, "detached", 0, 1, supervises=True) != "shut" and scope("1.1", 1, "root", 0, 1) != "shut":
        hall = scope("1.2", 2, "hall", options.tasks - 1, 3, site="server.c:20", deadline_ms=120000)
        if hall != "shut":
            for k in range(3):
                name = names[(k + turn) % len(names)] if options.mode == "hostile" else "den"
                fold = scope("%d.0" % (k + 2), 3, name, 2, 0, site="server.c:30", **({"cancelled": "deadline", "waited": True, "deadline_ms": 0} if k == 0 else {}))
                if fold != "shut":
                    tasks("%d.0" % (k + 2), 4, 10 + 2 * k, 2, fold)
            tasks("1.2", 3, 1, options.tasks - 1, hall)
    first, count = int(query.get("from", ["0"])[0]), int(query.get("count", ["100"])[0])
    window = [dict(row(r[0], turn, options), row="task", depth=r[1], **r[2]) if isinstance(r, tuple) else r for r in rows[first:first + count]]
    return {"snapshot": turn, "scopes": 6, "tasks": options.tasks, "from": first, "rows": window, "total": len(rows)}


def answer(path, query, turn, options):
    if path == "/api/program":
        return {"program": "mock\x1b[5m" if options.mode == "hostile" else "mock", "pid": 123, "version": "0.1.0", "started_ms": 1699999940000,
                "runtimes": [{"number": 0, "workers": options.workers, "metrics": True}]}
    if path == "/api/now":
        return now(turn, options)
    if path == "/api/tasks":
        head, rows = window(query, turn, options)
        return dict(head, tasks=rows)
    if path == "/api/stalls":
        return {"stalls": [stall(2, False, options), stall(1, True, options)]}
    if path == "/api/sites":
        return {"snapshot": turn, "sites": [{"site": "server.c:%d" % (40 + k), "function": "serve", "count": 900 - k, "running": 1, "region": 0,
                                             "ready": 2, "new": 0, "waiting": 897, "dormant": 800, "warned": k, "busy_us": 1234567}
                                            for k in range(5)]}
    if path == "/api/tree":
        return tree(query, turn, options)
    if path == "/api/resources":
        return {"snapshot": turn, "all": 2, "deadlocks": [["3", "7", "9"]],
                "resources": [{"kind": "mutex", "address": "0x7f0012345678", "holder": "12", "count": 3, "waiters": ["13", "14", "15"]},
                              {"kind": "read", "descriptor": 9, "local": "127.0.0.1:4000", "remote": "127.0.0.1:51234", "count": 1,
                               "waiters": ["7"]}]}
    if path == "/api/task" and options.mode != "gone":
        i = int(query["id"][0]) - 1
        r = row(i, turn, options)
        r.update({"site_file": "/src/server.c", "site_line": 41, "until_ms": 500, "deadline_ms": 2000,
                  "waits": [{"for": "mutex", "address": "0x7f0012345678", "holder": 12}, {"for": "time"}],
                  "scopes": [{"number": 3, "name": "clients", "site": "server.c:30", "deadline_ms": 2000, "owner": "1", "live": 3},
                             {"number": 1, "name": "root", "owner": "1", "live": 9}],
                  "frames": [{"function": "edo_read", "offset": 12, "module": "libedo.so.0", "module_offset": 1234},
                             {"function": "serve_client", "offset": 99, "module": "server", "module_offset": 4321}],
                  "poll": HISTOGRAM, "delay": HISTOGRAM, "history": [{"ago_us": 12, "event": "run", "worker": 0}]})
        return r
    return None


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(kind, value):
    return chunk(("event: %s\ndata: %s\n\n" % (kind, json.dumps(value))).encode())


def lasting(r):
    """What of a row changes only if something happens to its task."""
    return {key: value for key, value in r.items() if key not in ("age_ms", "until_ms", "deadline_ms")}


def stream(connection, query, options):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    if options.mode == "nojson":
        connection.sendall(chunk(b"event: now\ndata: {\"tasks\": nonsense\x1b[2J\n\n"))
    if options.mode == "deep":
        connection.sendall(chunk(b"event: now\ndata: " + b"[" * 100000 + b"\n\n"))
    if options.mode == "badchunk":
        connection.sendall(b"zz\r\n")
    while options.mode == "endless":
        connection.sendall(chunk(b"x" * 65536))
    known = {}
    while True:
        turn = options.turn()
        head, rows = window(query, turn, options)
        fresh = [r for r in rows if known.get(r["id"]) != lasting(r)]
        known = {r["id"]: lasting(r) for r in rows}
        connection.sendall(event("now", now(turn, options)) +
                           event("tasks", dict(head, ids=[r["id"] for r in rows], rows=fresh)))
        if turn % 3 == 0:
            connection.sendall(event("stall", stall(turn, False, options)) + event("stall", stall(turn, True, options)))
        if options.mode == "silent":
            time.sleep(3600)
        time.sleep(options.interval / 1000)


def serve(connection, options):
    try:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                return
            head += piece
        target = head.split()[1].decode()
        if options.log:
            with open(options.log, "a") as log:
                log.write(target + "\n")
        parts = urlsplit(target)
        query = parse_qs(parts.query, encoding="utf-8")
        if options.mode == "garbage":
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\x1b[2J\r\n" + bytes(range(256)) * 64)
        elif options.mode == "page":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
        elif options.mode == "refuse":
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\n\r\n" + b'{"error":"call it by number\\u001b[2J!"}  ')
        elif parts.path == "/api/events":
            stream(connection, query, options)
        else:
            found = answer(parts.path, query, options.turn(), options)
            status = b"200 OK" if found else b"404 Not Found"
            body = json.dumps(found or {"error": "task %s has ended" % query.get("id", ["?"])[0]}).encode()
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
    except OSError:
        pass
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--interval", type=int, default=200)
    parser.add_argument("--mode", default="normal")
    parser.add_argument("--log")
    options = parser.parse_args()
    began = time.monotonic()
    options.turn = lambda: 1 + int((time.monotonic() - began) * 1000 / options.interval)
    listener = socket.create_server(("127.0.0.1", options.port))
    print(listener.getsockname()[1])
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, options), daemon=True).start()


main()
