// SPDX-License-Identifier: MIT
//
// The table of tasks: sorted and filtered by the program, which sends a window of rows around what is to be seen and then only
// what changes. In the document are the rows that are visible and a few more, whatever the number of tasks (console-lines.js);
// a row's element follows its task through the table.
import {cancelWords, clean, compact, count, h, keyed, mark, ms, say, us} from "./console-dom.js";
import {Lines} from "./console-lines.js";
import {get, live, on, watch} from "./console-live.js";
import {go, parameters} from "./console-route.js";

const AROUND = 100; // rows asked for on either side of those that are visible

export const STATES = ["running", "region", "ready", "new", "waiting"];
const CHIPS = [...STATES, "dormant", "cancelled", "warned"];
const COLUMNS = [
  ["id", "ID"], ["name", "Name"], ["state", "State"], ["wait", "Waits for"], ["site", "Spawned at"], ["age", "Age", "number"],
  ["polls", "Polls", "number"], ["busy", "Busy", "number"], ["worker", "Worker", "number"],
];
const DOWN_FIRST = new Set(["age", "polls", "busy"]);

export function stateOf(row) {
  return row.state === "waiting" && row.dormant ? "dormant" : row.state;
}

// What a row says beside what it waits for.
export function notes(row) {
  const found = [];
  if (row.until_ms !== undefined) found.push(row.until_ms > 0 ? ms(row.until_ms) + " left" : "due");
  if (row.deadline_ms !== undefined) found.push(row.deadline_ms > 0 ? "deadline in " + ms(row.deadline_ms) : "deadline has passed");
  if (row.cancelled !== undefined) found.push(cancelWords(row.cancelled));
  return found.join(" · ");
}

// A row as it is `passed` ms later, if nothing happens to its task: such rows are not sent again.
function later(row, passed) {
  if (row.age_ms === undefined && row.until_ms === undefined && row.deadline_ms === undefined) return row;
  const next = {...row};
  if (row.age_ms !== undefined) next.age_ms = Math.max(0, row.age_ms + passed);
  if (row.until_ms !== undefined) next.until_ms = Math.max(0, row.until_ms - passed);
  if (row.deadline_ms !== undefined) next.deadline_ms = Math.max(0, row.deadline_ms - passed);
  return next;
}

function makeRow() {
  const link = h("a.mono", {tabindex: -1});
  const name = h("bdi");
  const warned = h("span.warned", {hidden: true, role: "img"}, "⚠");
  const wait = h("bdi");
  const note = h("span.note");
  const cells = {};
  const cell = (column, ...children) => (cells[column] = h("div.cell." + column, {role: "gridcell"}, children));
  const element = h("div.row", {role: "row"}, cell("id", link), cell("name", warned, name), cell("state", h("span.sign")), cell("wait", wait, note),
    cell("site", h("bdi.mono")), cell("age"), cell("polls"), cell("busy"), cell("worker"));
  return {element, link, name, warned, wait, note, cells, state: cells.state.firstChild, site: cells.site.firstChild, row: undefined, y: undefined};
}

function fill(item, row, index) {
  if (item.index !== index) mark(item.element, "aria-rowindex", (item.index = index) + 2);
  if (item.row === row) return;
  item.row = row;
  mark(item.element, "id", "task-" + row.id);
  mark(item.link, "href", "#/task/" + encodeURIComponent(row.id));
  say(item.link, clean(row.id, 24));
  say(item.name, clean(row.name) || "(no name)");
  item.warned.hidden = !row.warnings;
  if (row.warnings) {
    mark(item.warned, "title", row.warnings.map(one => clean(one)).join("\n"));
    mark(item.warned, "aria-label", "warned: " + row.warnings.map(one => clean(one)).join(", "));
  }
  const state = stateOf(row);
  say(item.state, state);
  mark(item.state, "data-state", state);
  say(item.wait, row.wait === undefined ? "" : clean(row.wait));
  say(item.note, notes(row));
  say(item.site, clean(row.site));
  say(item.cells.age, row.age_ms === undefined ? "" : ms(row.age_ms));
  say(item.cells.polls, row.polls === undefined ? "" : compact(row.polls));
  say(item.cells.busy, row.busy_us === undefined ? "" : us(row.busy_us));
  say(item.cells.worker, row.worker === undefined ? "" : row.worker);
}

let left; // the table when it was left: what "back" comes back to, at once
export const chosen = {row: undefined}; // the last row that was opened: what a task's page shows until it knows more

export function tasksView(root) {
  let wish = {};
  let total = 0;
  let ids = []; // of the window
  let from = 0;
  let rows = new Map(); // id → row, as of `uptime`
  let uptime;
  let asked = {from: 0, count: 0};
  let active; // id of the row with the mark
  let activeIndex = -1;
  let timer = 0;
  let askedAt = 0;

  const filter = h("input", {type: "search", placeholder: "Filter by name, site, wait", "aria-label": "Filter by name, site, function or wait", autocomplete: "off",
    spellcheck: "false", maxlength: 200, "aria-keyshortcuts": "/"});
  const chips = [undefined, ...CHIPS].map(state => {
    const number = h("span.number");
    const chip = h("button.chip", {type: "button", "data-state": state, onclick: () => change({state: wish.state === state ? undefined : state}, true)}, state || "all", " ", number);
    return {state, chip, number};
  });
  const bySite = h("button.chip", {type: "button", onclick: () => change({by: wish.by === "site" ? undefined : "site"}, true)}, "by spawn site");
  const site = h("button.chip.chosen", {type: "button", hidden: true, onclick: () => change({site: undefined}, true)});
  const order = h("select", {"aria-label": "Sort by", onchange: () => change({sort: order.value, order: DOWN_FIRST.has(order.value) ? "desc" : undefined})},
    COLUMNS.map(([key, title]) => h("option", {value: key}, title)));
  const turn = h("button", {type: "button", "aria-label": "Turn the order round", onclick: () => change({order: wish.order === "desc" ? undefined : "desc"})}, "↑");
  const shown = h("span.shown", {role: "status"});
  const head = h("div.row.head", {role: "row", "aria-rowindex": 1}, COLUMNS.map(([key, title, kind]) =>
    h("div.cell." + key, {role: "columnheader"}, h("button", {type: "button", tabindex: -1, class: kind, onclick: () => sort(key)}, title))));
  const box = h("div.box", {role: "rowgroup"});
  const grid = h("div.grid", {role: "grid", tabindex: 0, "aria-label": "Tasks", id: "tasks"}, h("div", {role: "rowgroup", class: "heads"}, head), box);
  const lines = new Lines(grid, head.parentNode, box, makeRow, (item, row, index, id) => {
    fill(item, row, index);
    if (id === active) activeIndex = index;
    mark(item.element, "aria-selected", id === active ? "true" : undefined);
  });
  const none = h("div.none", {hidden: true});
  const sites = h("div.sites", {hidden: true, tabindex: 0});
  root.append(h("div.tasks", null,
    h("div.bar", null, h("div.search", null, filter, h("kbd", {"aria-hidden": "true"}, "/")), h("div.order", null, order, turn),
      h("div.chips", {role: "group", "aria-label": "Which tasks"}, bySite, h("i.between"), site, chips.map(one => one.chip)), shown), grid, none, sites));

  function sort(key) {
    const same = (wish.sort || "id") === key;
    const down = same ? wish.order !== "desc" : DOWN_FIRST.has(key);
    change({sort: key === "id" ? undefined : key, order: down ? "desc" : undefined});
  }
  function change(what, stays) {
    const next = {...wish, ...what};
    go("tasks", undefined, Object.fromEntries(Object.entries(next).filter(([, value]) => value)), !stays);
  }

  // --- what the address says

  const KEYS = ["sort", "order", "filter", "state", "site"];
  function show() {
    const next = parameters();
    if (!COLUMNS.some(([key]) => key === next.sort)) delete next.sort;
    if (!CHIPS.includes(next.state)) delete next.state;
    if (next.order !== "desc") delete next.order;
    const fresh = JSON.stringify(next) !== JSON.stringify(wish) || !asked.count;
    wish = next;
    if (document.activeElement !== filter) filter.value = wish.filter || "";
    for (const {state, chip} of chips) mark(chip, "aria-pressed", wish.state === state);
    mark(bySite, "aria-pressed", wish.by === "site");
    site.hidden = !wish.site;
    if (wish.site) {
      site.replaceChildren("at ", h("bdi.mono", null, clean(wish.site, 60)), " ×");
      site.setAttribute("aria-label", "Tasks spawned at " + clean(wish.site, 60) + ": remove");
    }
    order.value = wish.sort || "id";
    say(turn, wish.order === "desc" ? "↓" : "↑");
    [...head.children].forEach((cell, i) =>
      mark(cell, "aria-sort", COLUMNS[i][0] === (wish.sort || "id") ? (wish.order === "desc" ? "descending" : "ascending") : undefined));
    const grouped = wish.by === "site";
    grid.hidden = grouped;
    sites.hidden = !grouped;
    if (grouped) {
      none.hidden = true;
      watch({count: 1});
      asked = {from: 0, count: 0};
      loadSites();
      return;
    }
    if (!fresh) return;
    const back = left && left.key === location.hash ? left : undefined;
    active = back?.active;
    activeIndex = -1;
    left = undefined;
    grid.classList.add("stale"); // the old rows stay until the new ones are there
    if (back) {
      ({total, ids, from, rows, uptime} = back);
      lines.resize(total);
      grid.className = back.classes;
    }
    grid.scrollTop = back ? back.top : 0;
    asked = {from: 0, count: 0};
    if (back) draw();
    ask(true);
  }

  // --- which rows

  // Asks for other rows if those that are visible, or soon will be, are not among those asked for.
  function ask(now) {
    const start = Math.max(0, Math.floor(lines.first()));
    const end = start + lines.many();
    const near = AROUND / 2;
    const inside = asked.count && (asked.from === 0 || start - near >= asked.from) && (asked.from + asked.count >= Math.max(total, 1) || end + near <= asked.from + asked.count);
    if (inside) return;
    const wait = now ? 0 : Math.max(0, askedAt + 100 - performance.now());
    clearTimeout(timer);
    if (wait) {
      timer = setTimeout(() => ask(true), wait);
      return;
    }
    askedAt = performance.now();
    asked = {from: Math.max(0, start - AROUND), count: Math.min(1000, lines.many() + 2 * AROUND)};
    const wanted = {};
    for (const key of KEYS) if (wish[key]) wanted[key] = wish[key];
    watch({...wanted, ...asked});
  }

  const onTasks = on("tasks", tasks => {
    if (wish.by === "site" || tasks.from !== asked.from) return;
    total = tasks.matching;
    ids = tasks.ids;
    from = tasks.from;
    const passed = tasks.uptime_ms - uptime; // NaN: one of them is not known
    if (passed) for (const [id, row] of rows) rows.set(id, later(row, passed));
    uptime = tasks.uptime_ms;
    for (const row of tasks.rows) rows.set(row.id, row);
    // What the program does not know of any task has no column.
    grid.classList.toggle("ages", ids.some(id => rows.get(id)?.age_ms !== undefined));
    grid.classList.toggle("turns", ids.some(id => rows.get(id)?.polls !== undefined));
    if (rows.size > ids.length) rows = new Map(ids.filter(id => rows.has(id)).map(id => [id, rows.get(id)]));
    grid.classList.remove("stale");
    lines.resize(total);
    mark(grid, "aria-rowcount", total + 1);
    shown.classList.toggle("some", total !== tasks.total);
    say(shown, total === tasks.total ? count(total) + " tasks" : `${count(total)} of ${count(tasks.total)} tasks`);
    none.hidden = total > 0;
    if (!total) {
      const wished = KEYS.slice(2).some(key => wish[key]);
      none.replaceChildren(h("p.empty", null, wished ? "No task is like that now. " : "There is no task.", wished ? h("a", {href: "#/tasks"}, "Show all") : ""));
    }
    paint();
    ask();
  });

  // --- drawing

  const paint = () => lines.soon(draw);

  function draw() {
    lines.draw(index => {
      const id = ids[index - from];
      return rows.has(id) ? [id, rows.get(id)] : undefined;
    });
    mark(grid, "aria-activedescendant", active !== undefined && lines.items.has(active) ? "task-" + active : undefined);
  }

  grid.addEventListener("scroll", () => {
    paint();
    ask();
  }, {passive: true});

  function step(to) {
    if (!total) return;
    activeIndex = Math.max(0, Math.min(total - 1, to));
    active = ids[activeIndex - from];
    lines.reveal(activeIndex);
    paint();
  }

  function key(event) {
    const page = lines.many() - 1;
    const base = activeIndex < 0 ? Math.floor(lines.first()) - 1 : activeIndex;
    const steps = {ArrowDown: base + 1, ArrowUp: Math.max(0, base - 1), PageDown: base + page, PageUp: base - page, Home: 0, End: total - 1};
    if (event.key === "Enter" && active !== undefined) open(active);
    else if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) step(steps[event.key]);
    else return;
    if (document.activeElement !== grid) grid.focus({preventScroll: true});
    event.preventDefault();
  }
  box.addEventListener("click", event => {
    const row = event.target.closest(".row");
    if (!row || event.target.closest("a") || event.ctrlKey || event.metaKey || String(getSelection())) return;
    open(row.id.slice(5));
  });
  function open(id) {
    active = id;
    chosen.row = rows.get(id);
    go("task", id);
  }
  filter.addEventListener("keydown", event => {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      grid.hidden ? sites.focus() : grid.focus();
      if (!grid.hidden) step(Math.floor(lines.first()));
      event.preventDefault();
    } else if (event.key === "Escape") {
      if (filter.value) {
        filter.value = "";
        change({filter: undefined});
      } else grid.focus();
      event.preventDefault();
      event.stopPropagation();
    }
  });
  let typing = 0;
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({filter: filter.value.trim()}), 120);
  });

  // --- by spawn site

  const SITE_COLUMNS = [["site", "Spawned at"], ["function", "In"], ["count", "Tasks"], ...[...STATES, "dormant", "warned"].map(state => [state, state[0].toUpperCase() + state.slice(1)]), ["busy_us", "Busy"]];
  let siteSort = {key: "count", down: true};
  let loading = false;
  let known = [];
  const siteHeads = SITE_COLUMNS.map(([key, title]) => h("th", {scope: "col", class: key}, h("button", {type: "button", onclick: () => {
    siteSort = {key, down: siteSort.key === key ? !siteSort.down : key !== "site" && key !== "function"};
    drawSites();
  }}, title)));
  const siteBody = h("tbody");
  sites.append(h("table", null, h("thead", null, h("tr", null, siteHeads)), siteBody));

  async function loadSites() {
    if (loading) return;
    loading = true;
    try {
      known = (await get("sites")).sites;
      drawSites();
    } catch { /* the stream tells of a loss */ }
    loading = false;
  }
  function drawSites() {
    const {key, down} = siteSort;
    const text = (wish.filter || "").toLowerCase();
    const found = known.filter(one => !wish.state || one[wish.state] !== 0)
      .filter(one => !text || ((one.site || "") + " " + (one.function || "")).toLowerCase().includes(text));
    found.sort((a, b) => {
      const [x, y] = [a[key] ?? "", b[key] ?? ""];
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) || ((a.site ?? "") < (b.site ?? "") ? -1 : 1);
    });
    siteHeads.forEach((head, i) => mark(head, "aria-sort", SITE_COLUMNS[i][0] === key ? (down ? "descending" : "ascending") : undefined));
    const most = Math.max(1, ...found.map(one => one.count));
    say(shown, count(found.length) + (found.length === 1 ? " site" : " sites"));
    keyed(siteBody, found.slice(0, 500), one => one.site, one => {
      const cells = {};
      const bar = h("i.share");
      const link = one.site === undefined ? h("span.dim", null, "not known")
        : h("a", {href: "#/tasks?" + new URLSearchParams({site: one.site})}, h("bdi.mono", null, clean(one.site, 100)));
      const row = h("tr", null, SITE_COLUMNS.map(([key]) => (cells[key] = h("td", {class: key}))));
      cells.site.append(link);
      cells.count.append((cells.number = h("span")), bar);
      return Object.assign(row, {parts: cells, bar});
    }, (row, one) => {
      say(row.parts.function, clean(one.function, 60));
      say(row.parts.number, count(one.count));
      row.bar.style.width = one.count > most / 50 ? (one.count / most) * 100 + "%" : 0; // less is a dot
      for (const state of [...STATES, "dormant", "warned"]) say(row.parts[state], one[state] ? count(one[state]) : "");
      say(row.parts.busy_us, one.busy_us === undefined ? "" : us(one.busy_us));
    });
  }

  // --- what changes about it all

  const onNow = on("now", now => {
    for (const {state, number} of chips) say(number, compact(state === undefined ? now.tasks : now.states[state] ?? now[state]));
    if (wish.by === "site") loadSites();
  });
  lines.follow(() => {
    paint();
    if (wish.by !== "site" && asked.count) ask();
  });
  show();
  if (live.now) for (const {state, number} of chips) say(number, compact(state === undefined ? live.now.tasks : live.now.states[state] ?? live.now[state]));

  return {
    show,
    // A key that nobody else wants: with the focus on the table or on nothing.
    key(event) {
      if (!grid.hidden && (event.target === grid || event.target === document.body || event.target === root)) key(event);
    },
    search: () => {
      filter.focus();
      filter.select();
    },
    end(hash) {
      left = {key: hash, top: grid.scrollTop, total, ids, from, rows, uptime, active, classes: grid.className};
      lines.end();
      clearTimeout(timer);
      clearTimeout(typing);
      onTasks();
      onNow();
    },
  };
}
