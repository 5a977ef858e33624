# SPDX-License-Identifier: MIT
"""
How soon the page answers, with a program of 100,000 tasks. Printed: no timing decides, but that there is an answer.
EDO_TEST_TURNS says how often each is tried.
"""
import os

from harness import case, wait_rows

# From the event to the frame after the change: what a person waits for.
ANSWER = """([event, answered]) => new Promise(done => {
    addEventListener(event, began => {
        const look = () => answered() ? requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => { window.took = performance.now() - began.timeStamp; };
            channel.port2.postMessage(0);
        }) : requestAnimationFrame(look);
        requestAnimationFrame(look);
    }, {capture: true, once: true});
    done();
})"""
FRESH = "!document.querySelector('.grid').classList.contains('stale')"
ROW = ".box .row:not([hidden])"


@case
def a_click_among_a_hundred_thousand_tasks_is_answered_at_once(bench):
    with bench.page(bench.shop("100000", "calm").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        results = {}

        def spent():
            return next(one["value"] for one in devtools.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration") * 1000

        def answer(name, act, answered, event="click"):
            page.evaluate("() => { window.took = undefined; }")
            page.evaluate(ANSWER.replace("answered()", f"({answered})"), [event, ""])
            before = spent()
            act()
            page.wait_for_function("() => window.took !== undefined")
            results.setdefault(name, []).append((page.evaluate("window.took"), spent() - before))
            page.wait_for_timeout(150)

        for turn in range(int(os.environ.get("EDO_TEST_TURNS", "2"))):
            answer("sort: its mark", lambda: page.click(".head .cell.name button"), "document.querySelector('.head .cell.name').ariaSort")
            answer("sort: its rows", lambda: page.click(".head .cell.state button"), FRESH + " && document.querySelector('.head .cell.state').ariaSort")
            answer("state: its rows", lambda: page.click(".chip[data-state=dormant]"), FRESH + " && document.querySelector('.chip[data-state=dormant]').ariaPressed === 'true'")
            page.click(".chip[data-state=dormant]")
            wait_rows(page, "rows.length > 20")
            answer("scroll: its rows", lambda: page.evaluate("top => { document.querySelector('.grid').scrollTop = top; }", 1000 + 250000 * turn),
                   f"[...document.querySelectorAll('{ROW}')].some(row => row.ariaRowIndex - 2 >= document.querySelector('.grid').scrollTop / 26)", "scroll")
            answer("row: its task", lambda: page.click(ROW + " .cell.name"), "document.querySelector('h1 bdi')?.textContent")
            answer("Esc: the table", lambda: page.keyboard.press("Escape"), f"document.querySelectorAll('{ROW}').length > 20", "keydown")
            answer("tab: its view", lambda: page.click("#tabs a[href='#/overview']"), "document.querySelector('.big')?.textContent")
            page.click("#tabs a[href='#/tasks']")
            wait_rows(page, "rows.length > 20")
            page.click("#tabs a[href='#/scopes']")
            more = page.locator(".box .row[data-row=more] >> nth=-1")
            more.wait_for()
            answer("scopes: all of one", more.click, "document.querySelector('.grid').ariaRowCount > 100000")
            answer("End: its last task", lambda: page.keyboard.press("End"), "[...document.querySelectorAll('.box .row:not([hidden])')].some(row => row.ariaRowIndex > 100000)", "keydown")
            answer("left: its scope", lambda: page.keyboard.press("ArrowLeft"), "document.querySelector('[aria-selected=true]')?.dataset.row === 'scope'", "keydown")
            page.keyboard.press("ArrowLeft")
            page.wait_for_function("() => document.querySelector('.grid').ariaRowCount < 100")
            page.click("#tabs a[href='#/tasks']")
            wait_rows(page, "rows.length > 20")
        for name, taken in results.items():
            times = sorted(time for time, _ in taken)
            cpu = sorted(time for _, time in taken)
            print(f"# {name:<16} median {times[len(times) // 2]:5.0f} ms, worst {times[-1]:5.0f} ms of {len(times)}; the page's thread works for {cpu[len(cpu) // 2]:4.0f} ms")
