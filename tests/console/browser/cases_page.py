# SPDX-License-Identifier: MIT
"""The page by itself, before a console without a program (mock.py)."""
import json
import re

from harness import DESKTOP, PHONE, Mock, case, rows, text, until, wait_rows


@case
def overview_shows_tasks_workers_load_and_trouble(bench):
    with bench.page(bench.mock("--tasks", "1000").url) as page:
        until(page, "document.querySelector('.big')?.textContent === '1,000'")
        until(page, "(document.querySelector('.chart .line')?.getAttribute('d') || '').includes('L')", timeout=15000)
        assert page.title() in ("shop – edo console", "● stall – shop – edo console"), page.title()
        assert page.locator(".workers tbody tr").count() == 4
        assert page.locator(".legend a").count() == 6
        assert re.match(r"\d", text(page, ".chart:nth-child(2) .value"))
        assert len(page.locator(".histogram .bars").first.get_attribute("d")) > 50
        assert "deadlock" in text(page, ".troubles")
        assert "live" in text(page, "#status")
        page.hover(".chart:nth-child(2) .plot", position={"x": 5, "y": 30})
        assert "ago" in text(page, ".chart:nth-child(2) .when"), "the pointer tells of the past"
        page.click(".legend a[data-state=dormant]")
        wait_rows(page)
        assert {row["state"] for row in rows(page)} == {"dormant"}


@case
def metrics_that_are_off_say_how_to_turn_them_on(bench):
    mock = bench.mock("--no-metrics")
    with bench.page(mock.url) as page:
        page.wait_for_selector(".panel.times .empty:visible")
        assert "EDO_METRICS=1" in text(page, ".panel.times .empty:visible")
        assert not page.locator(".histogram:visible").count()
        page.goto(mock.url + "#/tasks")
        wait_rows(page)
        assert not page.locator(".cell.busy:visible").count()
        page.goto(mock.url + "#/task/7")
        until(page, "document.querySelector('.panel.times')?.innerText.includes('EDO_METRICS=1')")


@case
def nothing_to_show_says_so(bench):
    mock = bench.mock("--empty", "--tasks", "0")
    with bench.page(mock.url) as page:
        until(page, "document.querySelector('.big')?.textContent === '0'")
        assert "Nothing is wrong" in text(page, ".panel.trouble")
        page.goto(mock.url + "#/tasks")
        page.wait_for_selector(".none:visible")
        assert "There is no task" in text(page, ".none")
        page.goto(mock.url + "#/scopes")
        page.wait_for_selector(".none:visible")
        assert "There is no scope" in text(page, ".none")
        page.goto(mock.url + "#/stalls")
        assert ".stall_after" in text(page, ".panel.all .empty")
        page.goto(mock.url + "#/resources")
        until(page, "document.querySelector('main').innerText.includes('Nobody waits')")


@case
def ages_run_on_though_their_rows_are_not_sent_again(bench):
    with bench.page(bench.mock("--tasks", "40").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        before = {row["id"]: row["age"] for row in rows(page)}
        assert all(before.values())
        until(page, """(before => [...document.querySelectorAll('.box .row:not([hidden])')]
            .every(row => row.querySelector('.age').innerText.trim() !== before[row.querySelector('.id').innerText.trim()]))(%s)""" % json.dumps(before))


@case
def tasks_are_sorted_filtered_and_chosen_by_state(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "tasks") as page:
        wait_rows(page)
        ids = [int(row["id"]) for row in rows(page)]
        assert ids == sorted(ids) and len(ids) > 20
        page.click("[role=columnheader].id button")
        page.wait_for_selector("[aria-sort=descending]")
        wait_rows(page)
        ids = [int(row["id"]) for row in rows(page)]
        assert ids == sorted(ids, reverse=True), ids[:5]
        page.click("[role=columnheader].name button")
        wait_rows(page)
        names = [row["name"] for row in rows(page)]
        assert names == sorted(names), names[:5]
        assert "sort=name" in page.url
        page.keyboard.press("/")
        page.keyboard.type("FEED.c")
        wait_rows(page, "rows.length && rows.every(row => row.innerText.includes('feed.c'))")
        assert re.match(r"\d+ of 1,000 tasks", text(page, ".shown"))
        page.keyboard.press("Escape")
        wait_rows(page, "rows.some(row => !row.innerText.includes('feed.c'))")
        page.click(".chip[data-state=running]")
        wait_rows(page, "rows.length && rows.every(row => row.innerText.includes('running'))")
        assert page.get_attribute(".chip[data-state=running]", "aria-pressed") == "true"
        page.click(".chip[data-state=running]")
        wait_rows(page, "rows.length > 20")
        page.keyboard.press("/")
        page.keyboard.type("there is no such task")
        page.wait_for_selector(".none:visible")
        page.click(".none a")
        wait_rows(page, "rows.length > 20")


@case
def spawn_sites_lead_to_their_tasks(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "tasks?by=site") as page:
        page.wait_for_selector(".sites tbody tr")
        counts = [int(one.replace(",", "")) for one in page.locator(".sites td.count span").all_inner_texts()]
        assert counts == sorted(counts, reverse=True) and sum(counts) == 1000
        page.click(".sites th.site button")
        assert page.locator(".sites td.site").all_inner_texts() == sorted(page.locator(".sites td.site").all_inner_texts())
        page.click(".sites a >> text=feed.c:77")
        wait_rows(page, "rows.length && rows.every(row => row.innerText.includes('feed.c:77'))")
        page.click(".chip.chosen")
        wait_rows(page, "rows.some(row => !row.innerText.includes('feed.c:77'))")
        page.go_back()
        wait_rows(page, "rows.length && rows.every(row => row.innerText.includes('feed.c:77'))")
        page.go_back()
        page.wait_for_selector(".sites:visible")


@case
def a_hundred_thousand_rows_are_few_elements_that_stay(bench):
    with bench.page(bench.mock("--tasks", "100000").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        assert page.locator(".box .row").count() < 120
        assert page.evaluate("document.querySelector('.box').offsetHeight") == 2600000
        assert page.get_attribute(".grid", "aria-rowcount") == "100001"
        for share in (0.5, 0.9, 0.1, 1):
            page.evaluate("share => { const grid = document.querySelector('.grid'); grid.scrollTop = share * (grid.scrollHeight - grid.clientHeight); }", share)
            page.wait_for_function("""share => {
                const grid = document.querySelector('.grid');
                const middle = document.elementFromPoint(400, 500).closest('.row');
                return middle && Math.abs(middle.ariaRowIndex - 2 - (grid.scrollTop + 500 - grid.getBoundingClientRect().top - 28) / 26) < 2;
            }""", arg=share)
            assert page.locator(".box .row").count() < 120, page.locator(".box .row").count()
        assert rows(page)[-1]["index"] == 100001
        # In the middle, over some snapshots: the place stays, and each task keeps its element.
        page.evaluate("document.querySelector('.grid').scrollTop = 1300000")
        until(page, "document.elementFromPoint(400, 500).closest('.row')?.ariaRowIndex > 49000")
        page.evaluate("() => { for (const row of document.querySelectorAll('.box .row:not([hidden])')) row.was = row.id; }")
        ages = "Object.fromEntries([...document.querySelectorAll('.box .row:not([hidden])')].map(row => [row.id, row.querySelector('.age').textContent]))"
        before = page.evaluate(ages)
        page.wait_for_timeout(2500)
        after = page.evaluate(ages)
        stay = page.evaluate("[...document.querySelectorAll('.box .row:not([hidden])')].filter(row => row.was === row.id).length")
        both = [row for row in after if row in before]
        assert page.evaluate("document.querySelector('.grid').scrollTop") == 1300000
        assert len(both) > 10 and stay >= len(both) - 2, (len(both), stay)
        assert all(before[row] != after[row] for row in both), "they are brought up to date in place"


@case
def keys_lead_through_the_table_and_back(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("PageDown")
        until(page, "document.querySelector('.grid').scrollTop > 0")
        page.wait_for_selector("[aria-selected=true]")
        chosen = page.get_attribute("[aria-selected=true]", "id")
        assert page.get_attribute(".grid", "aria-activedescendant") == chosen
        top = page.evaluate("document.querySelector('.grid').scrollTop")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1 bdi")
        assert page.url.endswith("#/task/" + chosen.removeprefix("task-"))
        page.keyboard.press("Escape")
        page.wait_for_selector("[aria-selected=true]")
        assert page.get_attribute("[aria-selected=true]", "id") == chosen
        assert page.evaluate("document.querySelector('.grid').scrollTop") == top
        page.keyboard.press("End")
        wait_rows(page, "rows.some(row => row.ariaRowIndex === '1001')")
        page.keyboard.press("Home")
        wait_rows(page, "rows.some(row => row.ariaRowIndex === '2')")
        page.goto(page.url.split("#")[0] + "#/stalls")
        page.keyboard.press("/")
        until(page, "document.activeElement?.type === 'search'")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")


@case
def a_task_tells_what_it_waits_for_and_where(bench):
    mock = bench.mock("--tasks", "1000")
    with bench.page(mock.url, "task/7") as page:
        page.wait_for_selector("h1 bdi")
        assert "#7" in text(page, "h1")
        assert "/src/shop/" in text(page, ".facts")
        until(page, "document.querySelectorAll('.panel.scopes li').length === 3")
        assert page.locator(".frames li").count() == 4
        assert "edo_read" in text(page, ".frames")
        assert "0x32c" in text(page, ".frames")
        assert page.locator(".histogram:visible").count() == 2
        assert "park" in text(page, ".history")
        assert page.locator(".panel.scopes a").first.get_attribute("href") == "#/scopes?at=2.0"
        assert page.locator(".panel.scopes .note a").first.get_attribute("href") == "#/task/2"
        page.click(".panel.scopes .note a >> nth=0")
        until(page, "document.querySelector('h1')?.innerText.includes('#2')")
        page.go_back()
        until(page, "document.querySelector('h1')?.innerText.includes('#7')")
    with bench.page(mock.url, "task/99999999", allowed="404") as page:
        page.wait_for_selector(".gone:visible")
        assert text(page, ".gone") == "task 99999999 has ended."


@case
def stalls_appear_as_they_happen(bench):
    mock = Mock("--tasks", "50")
    bench.mocks["stalls"] = mock
    with bench.page(mock.url, "stalls") as page:
        page.wait_for_selector(".stall.on", timeout=20000)
        assert page.locator("#tabs a.alarm").count() == 1
        assert page.title().startswith("● stall")
        assert "going on" in text(page, ".stall.on .duration")
        page.wait_for_selector(".stall:not(.on)", timeout=20000)
        page.evaluate("() => { const last = [...document.querySelectorAll('.stall')].at(-1); last.open = true; last.kept = true; }")
        many = page.locator(".stall").count()
        until(page, f"document.querySelectorAll('.stall').length > {many}", timeout=30000)
        assert page.evaluate("[...document.querySelectorAll('.stall')].at(-1).kept"), "elements stay"
        assert "edo_http_serve" in page.evaluate("[...document.querySelectorAll('.stall')].at(-1).innerText")


@case
def resources_show_rings_holders_and_waiters(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "resources") as page:
        page.wait_for_selector(".resources tbody tr")
        assert page.locator(".ring a").count() == 3
        until(page, "document.querySelector('.ring').innerText.match(/[a-z]{3}/)")
        first = text(page, ".resources tbody tr")
        assert "mutex" in first and "33" in first and "and 13 more" in first, first
        assert "23 of 3,120" in text(page, ".panel.all .shown")


@case
def hostile_names_are_text(bench):
    mock = bench.mock("--tasks", "300", "--hostile")
    for size in (DESKTOP, PHONE):
        with bench.page(mock.url, "tasks", size, allowed="404") as page:
            for view in ("tasks", "tasks?by=site", "scopes", *(f"task/{n}" for n in range(20, 30)), "resources", "stalls", "overview"):
                page.goto(mock.url + "#/" + view)
                page.wait_for_timeout(1500 if view in ("overview", "resources") else 250)
                found = page.evaluate("""() => ({hurt: window.hurt, elements: document.querySelectorAll('main script, main img, main iframe, main object').length,
                    wide: document.documentElement.scrollWidth - innerWidth, widest: document.querySelector('main').scrollWidth - innerWidth,
                    long: Math.max(...[...document.querySelectorAll('main *')].filter(e => !e.children.length).map(e => e.textContent.length)),
                    turned: /[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.textContent), hidden: /\\u0000/.test(document.body.textContent)})""")
                assert found.get("hurt") is None and not found["elements"] and not found["turned"] and not found["hidden"], (view, found)
                assert found["wide"] <= 0 and found["widest"] <= 0 and found["long"] <= 1001, (view, found)
                if view in ("tasks", "scopes"):
                    wait_rows(page)
                    assert "<script>window.hurt=1</script>" in page.inner_text(".box")


def tree(page):
    """The rows of the tree that are visible, in order: depth and what stands in its first cell."""
    return page.evaluate("""() => [...document.querySelectorAll('.box .row:not([hidden])')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
        .map(row => row.ariaLevel + ' ' + row.querySelector('.cell.tree').innerText.replace(/[\\n\\s]+/g, ' ').trim())""")


def wait_tree(page, test, timeout=30000):
    """Until the rows' first words are so; `rows` are their elements by name."""
    until(page, """(() => { const rows = [...document.querySelectorAll('.box .row:not([hidden])')];
        const named = name => rows.find(row => row.dataset.row === 'scope' && row.querySelector('.cell.tree bdi').textContent === name); return %s; })()""" % test, timeout)


SCOPES = "[...document.querySelectorAll('.box .row:not([hidden])')].filter(row => row.dataset.row === 'scope')"


@case
def scopes_are_a_tree_with_some_of_their_tasks(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "scopes") as page:
        wait_tree(page, "named('clients')")
        seen = tree(page)
        assert [row.lstrip("0123456789 ▾") for row in seen[:5]] == ["#1 client", "detached", "root", "serve", "clients"] or seen[0].startswith("1 #1"), seen[:5]
        assert [row.split()[0] for row in seen[1:6]] == ["1", "2", "3", "4", "5"], seen[:6]
        assert "cancelled: timeout at server.c:61" in page.inner_text(".box")
        assert "its owner waits for its end" in page.inner_text(".box")
        assert "1,000 tasks" in text(page, ".bar .shown")
        assert page.get_attribute(".grid", "role") == "treegrid"
        # Shut, and opened again, by the triangle.
        before = page.get_attribute(".grid", "aria-rowcount")
        page.click(".box .row:has(bdi:text-is('clients')) .turn")
        wait_tree(page, "named('clients').ariaExpanded === 'false'")
        assert "request" not in page.inner_text(".box")
        assert "with those beneath" in page.inner_text(".box")
        assert int(page.get_attribute(".grid", "aria-rowcount")) < int(before)
        page.click(".box .row:has(bdi:text-is('clients')) .turn")
        wait_tree(page, "named('clients').ariaExpanded === 'true' && named('request')")
        # All the tasks of one, on demand; and they stay while time goes by.
        page.keyboard.press("ArrowRight")
        until(page, f"Number(document.querySelector('.grid').ariaRowCount) > {before} + 100")
        page.wait_for_timeout(1500)
        assert int(page.get_attribute(".grid", "aria-rowcount")) > int(before) + 100
        # A task's page, and back to where the tree was left.
        page.evaluate("document.querySelector('.grid').scrollTop = 1300")
        until(page, "document.elementFromPoint(900, 500)?.closest('.row')?.dataset.row === 'task'")
        page.mouse.click(900, 500)
        page.wait_for_selector("h1 bdi")
        page.keyboard.press("Escape")
        until(page, "document.querySelector('.grid')?.scrollTop === 1300")
        assert int(page.get_attribute(".grid", "aria-rowcount")) > int(before) + 100


@case
def keys_lead_through_the_tree(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "scopes") as page:
        wait_tree(page, "named('clients')")
        for _ in range(5):
            page.keyboard.press("ArrowDown")
        wait_tree(page, "named('clients').ariaSelected === 'true'")
        assert page.get_attribute(".grid", "aria-activedescendant") == page.get_attribute("[aria-selected=true]", "id")
        page.keyboard.press("ArrowLeft")
        wait_tree(page, "named('clients').ariaExpanded === 'false'")
        page.keyboard.press("ArrowLeft")
        wait_tree(page, "named('serve').ariaSelected === 'true'")
        page.keyboard.press("ArrowRight")  # all of it: its tasks are many
        until(page, "Number(document.querySelector('.grid').ariaRowCount) > 200")
        page.keyboard.press("End")
        until(page, "document.querySelector('[aria-selected=true]')?.dataset.row === 'task'")
        page.keyboard.press("ArrowLeft")  # its scope is far above
        wait_tree(page, "named('serve')?.ariaSelected === 'true'")
        page.keyboard.press("ArrowLeft")
        until(page, "Number(document.querySelector('.grid').ariaRowCount) < 20")
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('h1')?.innerText.includes('#1')")


@case
def a_task_leads_to_its_scope_whatever_is_shut_around_it(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "scopes") as page:
        wait_tree(page, "named('serve')")
        page.click(".box .row:has(bdi:text-is('root')) .turn >> nth=-1")
        wait_tree(page, "!named('serve')")
        page.goto(page.url.split("#")[0] + "#/task/7")
        page.click(".panel.scopes a >> text=clients")
        wait_tree(page, "named('clients')?.ariaSelected === 'true'")
        assert "at=2.0" in page.url
        page.click(".box .row:has(bdi:text-is('serve')) .turn")
        wait_tree(page, "named('serve').ariaExpanded === 'false'")
        page.goto(page.url.split("#")[0] + "#/scopes?at=nonsense%00")
        wait_tree(page, "named('serve')")


@case
def a_scope_of_a_hundred_thousand_tasks_is_few_elements(bench):
    with bench.page(bench.mock("--tasks", "100000").url, "scopes") as page:
        wait_tree(page, "named('clients')")
        page.click(".box .row:has(bdi:text-is('clients')) .turn")
        wait_tree(page, "named('clients').ariaExpanded === 'false'")
        page.click(".box .row[data-row=more]:not([hidden])")
        until(page, "Number(document.querySelector('.grid').ariaRowCount) > 25000", 30000)
        for share in (0.5, 0.1, 1, 0.9):
            page.evaluate("share => { const grid = document.querySelector('.grid'); grid.scrollTop = share * (grid.scrollHeight - grid.clientHeight); }", share)
            page.wait_for_function("""() => {
                const grid = document.querySelector('.grid');
                const middle = document.elementFromPoint(400, 500).closest('.row');
                return middle && Math.abs(middle.ariaRowIndex - 2 - (grid.scrollTop + 500 - grid.getBoundingClientRect().top - 28) / 26) < 2;
            }""")
            assert page.locator(".box .row").count() < 120
        page.keyboard.press("Home")
        wait_tree(page, "named('clients')")


# Text on text: elements with text of their own whose boxes share more than a sliver; and text that is cut without a sign.
OVERLAPS = """() => {
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
        if (!own.length || !element.checkVisibility() || element.closest('.unseen, .skip, svg, option, .heads')) continue;
        const range = document.createRange();
        range.selectNodeContents(own[0]);
        for (let box of range.getClientRects()) {
        let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
        for (let up = element; up !== document.body; up = up.parentElement) {
            if (getComputedStyle(up).overflow === 'visible') continue;
            box = up.getBoundingClientRect();
            [left, top, right, bottom] = [Math.max(left, box.left), Math.max(top, box.top), Math.min(right, box.right), Math.min(bottom, box.bottom)];
        }
        if (right - left > 1 && bottom - top > 1) found.push({element, left, top, right, bottom, text: own[0].data.slice(0, 30)});
        }
    }
    const wrong = [];
    found.forEach((a, i) => found.slice(i + 1).forEach(b => {
        if (a.element === b.element) return;
        const [x, y] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
        if (x > 1.5 && y > 3.5) wrong.push(`${a.text} / ${b.text} (${Math.round(x)} x ${Math.round(y)})`);
    }));
    return {wrong: wrong.slice(0, 5), seen: found.length};
}"""

# The least contrast of text that is seen, by WCAG's formula.
CONTRAST = """() => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    const over = colors => { pen.clearRect(0, 0, 1, 1); for (const color of colors) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); } return [...pen.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
    let least = {ratio: 99};
    for (const element of document.querySelectorAll('body *')) {
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !element.checkVisibility() || element.closest('.unseen, .skip, svg')) continue;
        const style = getComputedStyle(element);
        const behind = [];
        for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
        const [a, b] = [light(over([...behind, style.color])), light(over(behind))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < least.ratio) least = {ratio, text: element.textContent.slice(0, 30), kind: element.className, color: style.color};
    }
    return least;
}"""
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, [role=grid], [role=region]')]
    .filter(element => element.checkVisibility() && !element.ariaLabel && (/SELECT|INPUT/.test(element.tagName) || !/[\\p{L}\\d]/u.test(element.innerText))).map(element => element.outerHTML.slice(0, 80))"""


# What is there once a view has its data.
FILLED = {"overview": ".page:not([hidden]) .troubles li", "tasks": ".box .row", "tasks?by=site": ".sites td", "scopes": ".box .row", "task/7": ".frames li", "stalls": ".stall", "resources": ".resources td"}


@case
def every_view_fits_and_can_be_read(bench):
    mock = bench.mock("--tasks", "1000")
    least = 99
    for size, schemes in ((DESKTOP, ("light", "dark")), (PHONE, ("light", "dark")), ({"width": 800, "height": 600}, ("light",))):
        for scheme in schemes:
            with bench.page(mock.url, "overview", size, scheme) as page:
                for view in ("overview", "tasks", "tasks?by=site", "scopes", "task/7", "stalls", "resources"):
                    page.goto(mock.url + "#/" + view)
                    until(page, f"document.querySelector('{FILLED[view]}')")
                    where = (view, size["width"], scheme)
                    wide = page.evaluate("Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth) - innerWidth")
                    assert wide <= 0, (where, wide)
                    overlaps = page.evaluate(OVERLAPS)
                    assert not overlaps["wrong"] and overlaps["seen"] > 10, (where, overlaps)
                    contrast = page.evaluate(CONTRAST)
                    assert contrast["ratio"] >= 4.5, (where, contrast)
                    least = min(least, contrast["ratio"])
                    assert not page.evaluate(NAMELESS), (where, page.evaluate(NAMELESS))
    print(f"# least contrast of text: {least:.2f}")


@case
def the_theme_can_be_chosen_and_is_kept(bench):
    with bench.page(bench.mock("--tasks", "1000").url) as page:
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.click("#theme")
        assert page.evaluate(background) == light
        page.click("#theme")
        dark = page.evaluate(background)
        assert dark != light
        page.reload()
        page.wait_for_selector("#status")
        until(page, f"{background} === '{dark}'")


@case
def pause_freezes_and_costs_nothing(bench):
    with bench.page(bench.mock("--tasks", "1000").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        page.click("#pause")
        assert text(page, "#status") == "paused"
        before = page.inner_text("main")
        requests = []
        page.on("request", lambda request: "/api/" in request.url and requests.append(request.url))
        page.wait_for_timeout(2500)
        assert page.inner_text("main") == before and not requests
        page.click("[role=columnheader].id button")
        wait_rows(page, "rows.length > 20 && document.querySelector('[aria-sort=descending]')")
        ids = [int(row["id"]) for row in rows(page)]
        assert ids == sorted(ids, reverse=True)
        page.wait_for_timeout(1500)
        assert len(requests) == 1, requests
        page.click("#pause")
        until(page, "document.querySelector('#status').textContent === 'live'")
        before = page.inner_text("main")
        page.wait_for_function("before => document.querySelector('main').innerText !== before", arg=before)


@case
def a_program_that_ends_is_told_and_found_again(bench):
    mock = Mock("--tasks", "300", "--pid", "111")
    bench.mocks["first"] = mock
    port = mock.url.rstrip("/").rsplit(":", 1)[1]
    with bench.page(mock.url, allowed="Failed to load resource|ERR_") as page:
        until(page, "document.querySelector('#process').textContent.includes('pid 111')")
        mock.end()
        page.wait_for_selector("#banner:visible")
        assert "has ended" in text(page, "#banner") and text(page, "#status") == "no connection"
        assert text(page, ".big") == "300", "what was seen last stays"
        bench.mocks["second"] = Mock("--tasks", "200", "--pid", "222", "--port", port)
        page.wait_for_selector("#banner", state="hidden", timeout=15000)
        until(page, "document.querySelector('#process').textContent.includes('pid 222') && document.querySelector('.big').textContent === '200'")
        assert text(page, "#status") == "live"


@case
def a_program_that_falls_silent_is_told(bench):
    mock = Mock("--tasks", "300")
    bench.mocks["silent"] = mock
    with bench.page(mock.url) as page:
        until(page, "document.querySelector('.big')?.textContent === '300'")
        mock.silence()
        page.wait_for_selector("#banner:visible", timeout=20000)
        assert "stopped" in text(page, "#banner") and text(page, "#status") == "no news"
        mock.silence()
        page.wait_for_selector("#banner", state="hidden")
