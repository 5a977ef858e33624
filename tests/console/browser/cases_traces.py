# SPDX-License-Identifier: MIT
"""A trace of a program (kitchen.c) in the viewers it is written for: they find in it what the program did, and nothing to complain of."""
import contextlib
import json

from harness import DESKTOP, case
from traces import Viewers, record

COOK = 'cook "à la carte"'


@contextlib.contextmanager
def shown(bench, text):
    viewers = Viewers(text)
    context = bench.browser.new_context(viewport=DESKTOP)
    try:
        yield viewers, context.new_page()
    finally:
        context.close()
        viewers.end()


@case
def perfetto_shows_a_trace_as_it_was(bench):
    text = record()
    with shown(bench, text) as (viewers, page):
        ask = viewers.perfetto(page)
        assert ask("select name, value from stats where value > 0 and severity != 'info'") == []
        tracks = [one["name"] for one in ask("select name from thread where name is not null order by tid")]
        assert tracks[:3] == ["worker 0", "worker 1", "other threads"], tracks
        assert all(name.startswith("thread ") and name.endswith(", no worker") for name in tracks[3:]), tracks
        assert ask("select name from process where name is not null") == [{"name": "runtime 0"}]
        assert ask("select 1 from thread where is_main_thread and name is not null") == []
        # Turns lie beside each other.
        assert ask("select max(depth) as depth from slice where category in ('run', 'sleep')") == [{"depth": 0}]
        # 12 orders, each computed for 1 ms in a turn of a cook's.
        turns = ask(f"select dur from slice where name = '{COOK}' and category = 'run'")
        assert 3 <= len(turns) and sum(turn["dur"] for turn in turns) >= 12 * 1e6
        # What lost its worker is on a track of its thread; what the file says of turns and instants is what is understood.
        for event in json.loads(text):
            if event["ph"] == "X" and event["name"] == "wash up" and event["dur"] > 15000:
                at, = ask("select ts, dur, extract_arg(arg_set_id, 'args.task') as task from slice where name = 'wash up' and dur > 15e6")
                assert abs(at["ts"] - event["ts"] * 1000) < 1000 and abs(at["dur"] - event["dur"] * 1000) < 1000 and at["task"] == event["args"]["task"]
                break
        else:
            raise AssertionError("nobody has washed up")
        for kind in ("stall", "hand-off", "steal", "wake", "spawn"):
            assert ask(f"select count(*) as n from slice where name = '{kind}'")[0]["n"] == sum(event["ph"] == "i" and event["name"] == kind for event in json.loads(text)), kind
        # Arrows: of each that ends in the file one is there, from a wake or spawn to a turn, and not back in time.
        arrows = ask("""select a.name as begin, b.category as ending, b.ts - a.ts as time from flow join slice a on a.id = slice_out join slice b on b.id = slice_in""")
        assert len(arrows) == sum(event["ph"] == "f" for event in json.loads(text)) >= 10, arrows
        assert all(arrow["begin"] in ("wake", "spawn") and arrow["ending"] == "run" and arrow["time"] >= 0 for arrow in arrows)
        assert {one["name"] for one in ask("select distinct name from counter_track")} == {"tasks ready", "tasks others"}


@case
def the_viewer_of_chrome_shows_it_too(bench):
    text = record()
    with shown(bench, text) as (viewers, page):
        found = viewers.catapult(page)
        assert found["warnings"] == [], found["warnings"]
        assert found["arrows"] > 5, found
        runtime, = found["runtimes"]
        assert runtime["name"] == "runtime 0" and runtime["counters"] == [["tasks", 2]]
        tracks = dict(runtime["tracks"])
        assert {"worker 0", "worker 1"} <= set(tracks) and COOK in tracks["worker 0"] + tracks["worker 1"]
        assert any("wash up" in titles for titles in tracks.values())


@case
def a_trace_that_was_cut_off_is_shown(bench):
    text = record(kill_after=200000)
    assert len(json.loads(text)) > 1000
    with shown(bench, text[:len(text) * 2 // 3]) as (viewers, page):  # as of a descriptor, which has its end at the end
        ask = viewers.perfetto(page)
        assert ask("select name, value from stats where value > 0 and severity != 'info'") == []
        assert ask("select count(*) as n from slice where category = 'run'")[0]["n"] > 100
