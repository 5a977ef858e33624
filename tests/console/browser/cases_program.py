# SPDX-License-Identifier: MIT
"""A program (shop.c) in the page: what is shown is what it does."""
import re

from harness import Shop, case, text, until, wait_rows


@case
def a_program_is_shown_as_it_is(bench):
    with bench.page(bench.shop("900").url) as page:
        until(page, "document.querySelector('.big')?.textContent.length > 2")
        assert text(page, "#program") == "shop"
        assert page.locator(".workers tbody tr").count() == 2
        until(page, "document.querySelector('.troubles').innerText.includes('deadlock')", 20000)
        until(page, "document.querySelector('.troubles').innerText.includes('reprice')")
        until(page, "document.querySelector('.histogram .bars').getAttribute('d')", 20000)
        until(page, "document.querySelector('.chart .line').getAttribute('d').includes('L')", 20000)


@case
def a_programs_tasks_are_found_and_looked_into(bench):
    with bench.page(bench.shop("900").url, "tasks") as page:
        wait_rows(page, "rows.length > 20")
        page.keyboard.press("/")
        page.keyboard.type("order")
        wait_rows(page, "rows.length === 9 && rows.every(row => row.innerText.includes('mutex'))")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        page.wait_for_selector(".panel.waits b")
        assert text(page, ".panel.waits b") == "mutex"
        until(page, "document.querySelector('.frames')?.innerText.includes('edo_mutex_lock')")
        assert "shop.c" in text(page, ".facts")
        page.click(".panel.waits a")
        until(page, "document.querySelector('h1 bdi')?.textContent === 'reprice'")
        assert "lock" in text(page, ".warnings")
        assert "edo_sleep" in text(page, ".frames")
        page.go_back()
        until(page, "document.querySelector('h1 bdi')?.textContent === 'order'")
        page.goto(page.url.split("#")[0] + "#/tasks?by=site")
        page.wait_for_selector(".sites td.site a")
        page.click(".sites tbody tr:nth-child(1) a")
        wait_rows(page, "rows.length > 20 && rows.every(row => row.innerText.includes('session'))")


@case
def a_programs_stalls_have_their_stacks(bench):
    with bench.page(bench.shop("900").url, "stalls") as page:
        until(page, "[...document.querySelectorAll('.stall')].some(one => one.innerText.includes('thumbnail') && !one.classList.contains('on'))", 30000)
        until(page, "[...document.querySelectorAll('.stall')].some(one => one.innerText.includes('clock_nanosleep'))", 30000)
        page.evaluate("() => { for (const one of document.querySelectorAll('.stall')) one.open = true; }")
        assert re.search(r"thumbnail|compute", page.inner_text(".stalls .frames >> nth=0") + page.inner_text(".stalls"))


@case
def a_programs_locks_and_rings_are_shown(bench):
    with bench.page(bench.shop("900").url, "resources") as page:
        until(page, "document.querySelector('.ring')?.innerText.includes('transfer there')")
        until(page, "[...document.querySelectorAll('.resources tbody tr')].some(row => row.innerText.includes('mutex') && row.querySelector('.count').innerText === '9')")


@case
def a_program_that_does_not_end_shows_which_task_keeps_it(bench):
    with bench.page(bench.shop("900").url, "overview") as page:
        until(page, "document.querySelector('.troubles').innerText.includes('not ending')", 30000)
        page.click(".troubles a >> text=sale")
        until(page, "document.querySelector('[aria-selected=true]')?.innerText.includes('cancelled: deadline at shop.c')")
        assert "sell" in text(page, "[aria-selected=true]")
        page.click(".box .row:has-text('charge card') >> nth=-1")
        until(page, "document.querySelector('h1 bdi')?.textContent === 'charge card'")
        until(page, "document.querySelector('.panel.scopes').innerText.includes('holds back cancellation')")
        page.click(".panel.scopes a >> text=sale")
        until(page, "document.querySelector('[aria-selected=true]')?.innerText.includes('its owner waits for its end')")
        page.goto(page.url.split("#")[0] + "#/task/" + page.locator("[aria-selected=true] .cell.by a").get_attribute("href").split("/")[-1])
        page.click(".panel.waits a >> text=sale")
        until(page, "document.querySelector('[aria-selected=true]')?.innerText.includes('sale')")


@case
def a_programs_hostile_names_are_text(bench):
    with bench.page(bench.shop("200", "hostile").url, "tasks?filter=hurt") as page:
        wait_rows(page, "rows.length > 20")
        assert "<script>window.hurt=1</script>" in page.inner_text(".box")
        assert page.evaluate("window.hurt === undefined && !document.querySelector('main img, main script')")
        page.goto(page.url.split("#")[0] + "#/tasks?filter=WWWW")
        wait_rows(page, "rows.some(row => row.innerText.includes('WWWW'))")
        assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")
        page.goto(page.url.split("#")[0] + "#/scopes")
        page.click(".box .row:has(bdi:text-is('shop')) .turn")
        until(page, "document.querySelector('[aria-selected=true]').ariaExpanded === 'false'")
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('[aria-selected=true]').ariaExpanded === 'true'")
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('.grid').ariaRowCount > 200")
        page.keyboard.press("End")
        until(page, "document.querySelector('.box')?.innerText.includes('<script>window.hurt=1</script>')")
        assert page.evaluate("window.hurt === undefined && !document.querySelector('main img, main script')")


@case
def a_killed_program_is_told(bench):
    shop = Shop("10", "calm")
    bench.mocks["killed"] = shop
    with bench.page(shop.url, allowed="Failed to load resource|ERR_") as page:
        until(page, "document.querySelector('.big')?.textContent.length > 1")
        shop.end()
        page.wait_for_selector("#banner:visible")
        assert "has ended" in text(page, "#banner")
