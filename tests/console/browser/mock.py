#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
A console's server without a program behind it: the page's tests show with it what no program does on demand: 100,000 tasks of
every state, hostile names, a program without metrics, one that falls silent. It speaks the page's side of docs/guide/console.md.

Usage: mock.py [--port N] [--tasks N] [--hostile] [--no-metrics] [--empty] [--pid N]. The first line of stdout has the address.
SIGUSR1 silences it, or has it speak again.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = pathlib.Path(__file__).resolve().parents[3] / "src/console/page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
HOSTILE = [
    "<script>window.hurt=1</script>", "<img src=x onerror=window.hurt=1>", "\u202egnp.exe\u202c", "שלום עולם مرحبا بالعالم",
    "W" * 10240, "a\nb\tc\x00d\x1b[31m", "\"'><svg/onload=window.hurt=1>", "javascript:window.hurt=1", "", "𝕏 e\u0301\u0301\u0301\u0301 漢字",
]
LIMITS = [64] + [2 ** octave * (4 + quarter) // 4 for octave in range(6, 36) for quarter in (1, 2, 3, 4)]
SITES = [
    ("server.c:41", "serve", "client", "read"), ("server.c:58", "serve", "request", "ready"), ("pool.c:112", "pool_get", "db", "mutex"),
    ("feed.c:77", "feed_all", "subscriber", "receive"), ("cron.c:19", "main", "tick", "time"), ("resize.c:203", "thumbnail", "resize", "job"),
    ("proxy.c:310", "forward", "upstream", "write"), ("server.c:29", "main", "accept", "accept"),
]


def histogram(rng, count, center, spread):
    buckets = {}
    total = 0
    for _ in range(count):
        ns = max(40, int(rng.lognormvariate(center, spread)))
        total += ns
        limit = next((one for one in LIMITS if one >= ns), LIMITS[-1])
        buckets[limit] = buckets.get(limit, 0) + 1
    return {"count": count, "sum_us": total // 1000, "buckets": [{"to_ns": k, "count": buckets[k]} for k in sorted(buckets)]}


class Program:
    """What the mock pretends to be; changed by one thread, once a second."""

    def __init__(self, options):
        self.options = options
        self.rng = random.Random(1)
        self.changed = threading.Condition()
        self.silent = False
        self.snapshot = 1
        self.started = time.time()
        self.rows = {}
        self.next = 1
        self.counters = dict.fromkeys(("spawned", "ended", "polls", "steals", "handoffs", "stalls", "forced_yields"), 0)
        self.worker_polls = [0] * 4
        self.stalls = []
        self.orders = {}
        self.scopes_of = None
        self.poll = histogram(self.rng, 4000, 9.2, 1.1)
        self.delay = histogram(self.rng, 4000, 7.4, 1.3)
        if not options.empty:
            for _ in range(options.tasks):
                self.spawn()
        self.now = self.count()

    def spawn(self):
        rng = self.rng
        pick = rng.random()
        site, function, name, wait = SITES[0 if pick < 0.7 else int(pick * 997) % len(SITES)]
        number = self.next
        self.next += 1
        self.counters["spawned"] += 1
        row = {"id": str(number), "name": name, "site": site, "function": function, "state": "waiting", "age_ms": rng.randrange(900000), "scope": 3}
        if self.options.hostile:
            row["name"] = HOSTILE[number % len(HOSTILE)]
            row["site"] = HOSTILE[(number + 3) % len(HOSTILE)][:300] + ".c:1"
        port = rng.randrange(32768, 61000)
        row["wait"] = {
            "read": f"read 127.0.0.1:4000 from 127.0.0.1:{port}", "write": f"write 10.0.4.17:443 to 10.0.0.2:{port}", "mutex": "mutex 0x7f10bda6fc80, held by task 7",
            "receive": "receive 0x7f10bdb01400", "time": "time", "job": "job resize_now", "accept": "accept 0.0.0.0:4000", "ready": "join task 12",
        }[wait]
        if self.options.hostile:
            row["wait"] = HOSTILE[(number + 5) % len(HOSTILE)]
        if wait == "read" and rng.random() < 0.9:
            row["dormant"] = True
        if wait == "time":
            row["until_ms"] = rng.randrange(1000)
        if rng.random() < 0.02:
            row["deadline_ms"] = rng.randrange(5000)
        if rng.random() < 0.001:
            row["cancelled"] = "timeout"
        if not self.options.no_metrics:
            row["polls"] = rng.randrange(2000)
            row["busy_us"] = row["polls"] * rng.randrange(3, 90)
        if rng.random() < 0.0005:
            row["warnings"] = [rng.choice(["holds a mutex while it waits", "wakes itself again and again", "runs without ever waiting"])]
        self.rows[row["id"]] = row

    def count(self):
        states = {"running": 0, "region": 0, "ready": 0, "new": 0, "waiting": 0}
        dormant = cancelled = warned = 0
        for row in self.rows.values():
            states[row["state"]] += 1
            dormant += "dormant" in row
            cancelled += "cancelled" in row
            warned += "warnings" in row
        running = [row["id"] for row in self.rows.values() if row["state"] == "running"]
        now = {"time_ms": int(time.time() * 1000), "tasks": len(self.rows), "states": states, "dormant": dormant, "cancelled": cancelled, "warned": warned,
               **self.counters, "timers": states["new"] + 40, "descriptors": len(self.rows) // 2, "blocking_threads": 4, "blocking_busy": states["region"],
               "blocking_queued": 0, "stacks_resident": len(self.rows) - dormant, "stacks_cached": 12, "snapshot": self.snapshot, "interval_ms": 1000,
               "console_cpu_us": self.snapshot * 21000, "workers": []}
        for index in range(4):
            worker = {"index": index, "thread": self.options.pid + 1 + index, "polls": self.worker_polls[index], "steals": self.counters["steals"] // 4,
                      "queue": self.rng.randrange(4) if not self.options.empty else 0, "parked": index == 3 or index >= len(running)}
            if not self.options.no_metrics:
                worker["busy"] = 0 if self.options.empty else round(min(1, max(0, self.rng.gauss(0.55 - index * 0.13, 0.08))), 3)
            if index < len(running) and index != 3:
                worker["task"] = running[index]
            if self.stalls and not self.stalls[0]["ended"] and index == 1:
                worker["stalled_ms"] = 40
                worker["parked"] = False
            now["workers"].append(worker)
        if not self.options.no_metrics:
            now["poll"] = self.poll
            now["delay"] = self.delay
        return now

    def stall(self):
        rng = self.rng
        serial = len(self.stalls) + 1
        computing = rng.random() < 0.5
        stall = {"serial": serial, "ended": False, "kind": "computing" if computing else "blocked", "task": "2", "name": "thumbnail" if computing else "request",
                 "site": "resize.c:203" if computing else "server.c:58", "at_ms": int(time.time() * 1000), "duration_us": 12000, "suppressed": rng.randrange(3), "frames": [
                     {"function": "compute" if computing else "clock_nanosleep", "offset": 61, "module": "stall" if computing else "libc.so.6", "module_offset": 5165},
                     {"function": "answer", "offset": 128, "module": "stall", "module_offset": 5400}, {"module": "libedo-http.so.0", "module_offset": 41234},
                     {"function": "edo_http_serve", "offset": 420, "module": "libedo-http.so.0", "module_offset": 43210}]}
        if not computing:
            stall["syscall"] = "clock_nanosleep"
            stall["wait_channel"] = "hrtimer_nanosleep"
        self.stalls.insert(0, stall)
        self.counters["stalls"] += 1

    def tick(self):
        rng = self.rng
        with self.changed:
            self.snapshot += 1
            if not self.options.empty:
                ids = list(self.rows)
                for _ in range(min(len(ids) // 20, 2000)):
                    row = self.rows[rng.choice(ids)]
                    if row["id"] == "1":
                        continue
                    row["state"] = rng.choices(["waiting", "ready", "region"], [95, 4, 1])[0]
                    if row["state"] != "waiting":
                        row.pop("dormant", None)
                    if "polls" in row:
                        row["polls"] += 1
                        row["busy_us"] += rng.randrange(2000)
                for row in [row for row in self.rows.values() if row["state"] == "running"]:
                    row["state"] = "waiting"
                    row.pop("worker", None)
                for worker in range(min(3, len(ids))):
                    row = self.rows[rng.choice(ids)]
                    row["state"] = "running"
                    row.pop("dormant", None)
                    row["worker"] = worker
                for row in self.rows.values():
                    row["age_ms"] += 1000
                for _ in range(rng.randrange(5, 30) if len(ids) > 100 else 0):
                    del self.rows[rng.choice(ids[60:])]
                    ids = list(self.rows)
                    self.counters["ended"] += 1
                    self.spawn()
                for worker in range(4):
                    polls = max(0, int(rng.gauss(60000 - 14000 * worker, 6000)))
                    self.worker_polls[worker] += polls
                    self.counters["polls"] += polls
                self.counters["steals"] += rng.randrange(900)
                self.counters["handoffs"] += rng.random() < 0.2
                self.counters["forced_yields"] += rng.randrange(20)
                if self.stalls and not self.stalls[0]["ended"]:
                    self.stalls[0].update(ended=True, duration_us=rng.randrange(20000, 900000))
                elif rng.random() < 0.3 and len(self.stalls) < 30 or not self.stalls:
                    self.stall()
                self.poll = histogram(rng, 1500, 9.2, 1.1) if self.snapshot % 9 else self.poll
                for name, center in (("poll", 9.2), ("delay", 7.4)):
                    new = histogram(rng, 300, center, 1.2)
                    old = getattr(self, name)
                    merged = {bucket["to_ns"]: bucket["count"] for bucket in old["buckets"]}
                    for bucket in new["buckets"]:
                        merged[bucket["to_ns"]] = merged.get(bucket["to_ns"], 0) + bucket["count"]
                    setattr(self, name, {"count": old["count"] + 300, "sum_us": old["sum_us"] + new["sum_us"],
                                         "buckets": [{"to_ns": k, "count": merged[k]} for k in sorted(merged)]})
            self.orders.clear()
            self.now = self.count()
            self.changed.notify_all()

    def window(self, query):
        value = lambda name, usual: query.get(name, [usual])[0]
        key = tuple(value(name, "") for name in ("sort", "order", "filter", "state", "site"))
        with self.changed:
            found = self.orders.get(key)
            if found is None:
                sort, order, text, state, site = key
                text = text.lower()
                found = [row for row in self.rows.values()
                         if (not state or row["state"] == state or state == "dormant" and "dormant" in row or state == "cancelled" and "cancelled" in row
                             or state == "warned" and "warnings" in row) and (not site or row["site"] == site)
                         and (not text or any(text in row.get(name, "").lower() for name in ("name", "site", "function", "wait")))]
                name = {"": "id", "age": "age_ms", "busy": "busy_us"}.get(sort, sort)
                find = (lambda row: int(row["id"])) if name == "id" else (lambda row: row.get(name, -1 if name in ("age_ms", "busy_us", "polls", "worker") else ""))
                found.sort(key=find, reverse=order == "desc")
                self.orders[key] = found
            first = int(value("from", "0"))
            rows = found[first:first + min(1000, int(value("count", "100")))]
            return {"snapshot": self.snapshot, "uptime_ms": 1000 * self.snapshot, "total": len(self.rows), "matching": len(found), "from": first}, [dict(row) for row in rows]

    def task(self, number):
        row = self.rows.get(number)
        if not row:
            return None
        facts = dict(row, site_file="/src/shop/" + row["site"].split(":")[0], site_line=41, waits=[], scopes=[
            {"number": 3, "key": "2.0", "name": "clients", "site": "server.c:44", "deadline_ms": 1800, "owner": "2", "live": 1},
            {"number": 2, "key": "1.2", "name": "serve", "site": "server.c:20", "owner": "1", "live": len(self.rows)}, {"number": 1, "key": "1.1", "name": "root"}],
            frames=[{"function": "edo_park", "offset": 97, "module": "libedo.so.0", "module_offset": 70097}, {"function": "edo_read", "offset": 12, "module": "libedo.so.0", "module_offset": 1234},
                    {"function": "serve", "offset": 220, "module": "shop", "module_offset": 8220}, {"module": "shop", "module_offset": 812}],
            history=[{"ago_us": ago, "event": event, "worker": ago % 3} for ago, event in ((12, "park"), (90, "run"), (130, "wake"), (402110, "park"), (402340, "run"), (402350, "wake"), (5402110, "spawn"))])
        if row["state"] == "waiting":
            facts["waits"] = [{"for": "read", "descriptor": 9, "kind": "stream", "local": "127.0.0.1:4000", "remote": "127.0.0.1:51234"}, {"for": "mutex", "address": "0x7f10bda6fc80", "holder": 7}]
        if not self.options.no_metrics:
            facts["poll"] = histogram(random.Random(int(number)), 200, 9.2, 0.8)
            facts["delay"] = histogram(random.Random(int(number) + 1), 200, 7.4, 1)
        return facts

    def scopes(self):
        """The tree: the first task has opened three scopes, one in the other; one task in fifty a scope for the next one."""
        if self.scopes_of == self.snapshot:
            return self.nodes
        self.scopes_of = self.snapshot
        nodes = {}

        def add(key, parent, name, site, **facts):
            node = {"key": key, "number": len(nodes), "owner": key.split(".")[0], "name": name, "rows": [], "children": [], "depth": nodes[parent]["depth"] + 1 if parent else 0, **facts}
            if site:
                node["site"] = site
            nodes[key] = node
            if parent:
                nodes[parent]["children"].append(node)

        if "1" in self.rows:
            add("1.0", None, "detached", None, supervises=True)
            add("1.1", "1.0", "root", None)
            add("1.2", "1.1", "serve", "server.c:20", supervises=True)
        if "2" in self.rows:
            add("2.0", "1.2", "clients", "server.c:44", supervises=True)
        names = HOSTILE if self.options.hostile else ["request"]
        for number in self.rows:
            if int(number) % 50 == 0 and "2.0" in nodes:
                add(number + ".0", "2.0", names[int(number) // 50 % len(names)], "server.c:61", deadline_ms=int(number) * 7 % 5000)
        if "50.0" in nodes:
            nodes["50.0"].update(cancelled="timeout", cancelled_at="server.c:61", deadline_ms=0, waited=True)
        for number, row in self.rows.items():
            home = nodes.get(f"{int(number) - 1}.0") if int(number) % 50 == 1 else None
            if number == "1" or not nodes:
                continue
            (home or nodes.get("2.0" if int(number) % 10 < 7 and number != "2" else "1.2") or nodes["1.2"])["rows"].append(row)
        for node in reversed(nodes.values()):
            node["inside"] = len(node["rows"]) + sum(child["inside"] for child in node["children"])
        self.nodes = nodes
        return nodes

    def tree(self, query):
        with self.changed:
            nodes = self.scopes()
            keys = {name: set(query.get(name, [""])[0].split(",")) for name in ("open", "shut", "at")}
            path = set()
            at = next(iter(keys["at"]))
            if at in nodes:
                path = {key for key, node in nodes.items() if any(child["key"] == at or child["key"] in path for child in node["children"])}
                for _ in range(3):
                    path |= {key for key, node in nodes.items() if any(child["key"] in path for child in node["children"])}
            found = []
            place = None

            def walk(node, around):
                nonlocal place
                here = len(found)
                fold = "all" if node["key"] in keys["open"] else "shut" if node["key"] in keys["shut"] and node["key"] not in path else "some"
                if node["key"] == at:
                    place = len(found)
                found.append((dict(node, **around), fold))
                if fold == "shut":
                    return
                most = 100 if fold == "some" and node["key"] not in path else len(node["children"])
                for child in node["children"][:most]:
                    walk(child, {"around": here})
                tasks = node["rows"][:5] if fold == "some" else node["rows"]
                found.extend((row, (node["depth"] + 1, here)) for row in tasks)
                if len(node["rows"]) > len(tasks) or len(node["children"]) > most:
                    found.append(({"row": "more", "around": here, "depth": node["depth"] + 1, "key": node["key"], "tasks": len(node["rows"]) - len(tasks), "scopes": max(0, len(node["children"]) - most)}, None))

            if "1" in self.rows:
                found.append((self.rows["1"], (0, None)))
            for node in nodes.values():
                if node["depth"] == 0:
                    walk(node, {})

            def tell(one, more):
                if more is None:
                    return one
                if isinstance(more, tuple):
                    return dict(one, row="task", depth=more[0], **({} if more[1] is None else {"around": more[1]}))
                row = {key: value for key, value in one.items() if key not in ("rows", "children")}
                states = dict.fromkeys(("running", "region", "ready", "new", "waiting"), 0)
                for task in one["rows"]:
                    states[task["state"]] += 1
                return dict(row, row="scope", fold=more, tasks=len(one["rows"]), scopes=len(one["children"]), states=states, live=len(one["rows"]), owner_name=self.rows[one["owner"]]["name"],
                            dormant=sum("dormant" in task for task in one["rows"]), warned=sum("warnings" in task for task in one["rows"]))

            first = int(query.get("from", ["0"])[0])
            tree = {"snapshot": self.snapshot, "uptime_ms": 1000 * self.snapshot, "scopes": len(nodes), "tasks": len(self.rows), "total": len(found), "from": first,
                    "ending": [dict(key=node["key"], name=node["name"], tasks=len(node["rows"]), cancelled=node["cancelled"]) for node in nodes.values() if "cancelled" in node and node["rows"]],
                    "rows": [tell(*one) for one in found[first:first + min(1000, int(query.get("count", ["100"])[0]))]]}
            return tree if place is None else dict(tree, at=place)

    def sites(self):
        sites = {}
        for row in self.rows.values():
            site = sites.setdefault(row["site"], {"site": row["site"], "function": row["function"], "count": 0, "running": 0, "region": 0, "ready": 0, "new": 0, "waiting": 0, "dormant": 0, "warned": 0})
            site["count"] += 1
            site[row["state"]] += 1
            site["dormant"] += "dormant" in row
            site["warned"] += "warnings" in row
            if "busy_us" in row:
                site["busy_us"] = site.get("busy_us", 0) + row["busy_us"]
        return sorted(sites.values(), key=lambda site: -site["count"])

    def resources(self):
        ids = list(self.rows)[:60]
        if len(ids) < 60:
            return {"resources": [], "deadlocks": [], "all": 0}
        return {"all": 3120, "deadlocks": [ids[2:5]], "resources": [
            {"kind": "mutex", "address": "0x7f10bda6fc80", "holder": ids[6], "count": 33, "waiters": ids[10:30]},
            {"kind": "receive", "address": "0x7f10bdb01400", "count": 4, "waiters": ids[30:34]},
            {"kind": "mutex", "address": "0x7f10bda6fca0", "holder": ids[3], "count": 1, "waiters": [ids[2]]},
            *({"kind": "read", "descriptor": 9 + n, "local": "127.0.0.1:4000", "remote": f"127.0.0.1:{51000 + n}", "count": 1, "waiters": [ids[34 + n]]} for n in range(20))]}


def lasting(row):
    """What of a row changes only if something happens to its task."""
    return {key: value for key, value in row.items() if key not in ("age_ms", "until_ms", "deadline_ms")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def head(self, status, kind, size=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        if size is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def json(self, value, status=200):
        body = json.dumps(value).encode()
        self.head(status, "application/json", len(body))
        self.wfile.write(body)

    def do_GET(self):
        program = self.server.program
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        name = url.path
        while program.silent:
            time.sleep(0.1)
        if name == "/api/program":
            self.json({"program": "shop", "pid": program.options.pid, "version": "0.1.0", "started_ms": int(program.started * 1000),
                       "runtimes": [{"number": 0, "workers": 4, "metrics": not program.options.no_metrics}]})
        elif name == "/api/now":
            self.json(program.now)
        elif name == "/api/tasks":
            facts, rows = program.window(query)
            self.json(dict(facts, tasks=rows))
        elif name == "/api/task":
            task = program.task(query["id"][0])
            self.json(task or {"error": f"task {query['id'][0]} has ended"}, 200 if task else 404)
        elif name == "/api/sites":
            self.json({"snapshot": program.snapshot, "sites": program.sites()})
        elif name == "/api/tree":
            self.json(program.tree(query))
        elif name == "/api/resources":
            self.json(dict(program.resources(), snapshot=program.snapshot))
        elif name == "/api/stalls":
            self.json({"stalls": program.stalls[:64]})
        elif name == "/api/events":
            self.events(program, query)
        else:
            file = PAGE / ("index.html" if name == "/" else name[1:])
            if file.parent != PAGE or not file.is_file():
                self.json({"error": "there is no such page"}, 404)
                return
            body = file.read_bytes()
            self.head(200, TYPES[file.suffix], len(body))
            self.wfile.write(body)

    def events(self, program, query):
        self.close_connection = True
        self.head(200, "text/event-stream")
        sent = {}
        stalls = {stall["serial"]: stall["ended"] for stall in program.stalls}
        snapshot = 0
        try:
            while True:
                with program.changed:
                    while program.snapshot == snapshot or program.silent:
                        program.changed.wait(0.5)
                    snapshot = program.snapshot
                    now = program.now
                self.event("now", now)
                facts, rows = program.window(query)
                new = {row["id"]: row for row in rows}
                self.event("tasks", dict(facts, ids=list(new), rows=[row for number, row in new.items() if sent.get(number) != lasting(row)]))
                sent = {number: lasting(row) for number, row in new.items()}
                for stall in program.stalls[:3]:
                    if stalls.get(stall["serial"]) != stall["ended"]:
                        stalls[stall["serial"]] = stall["ended"]
                        self.event("stall", stall)
        except OSError:
            pass

    def event(self, name, value):
        self.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--pid", type=int, default=os.getpid())
    for flag in ("--hostile", "--no-metrics", "--empty"):
        parser.add_argument(flag, action="store_true")
    program = Program(parser.parse_args())
    server = Server(("127.0.0.1", program.options.port), Handler)
    server.program = program

    def silence(*_):
        program.silent = not program.silent

    signal.signal(signal.SIGUSR1, silence)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    while True:
        time.sleep(1)
        if not program.silent:
            program.tick()


if __name__ == "__main__":
    sys.exit(main())
