// SPDX-License-Identifier: MIT
//
// The tree of scopes and their tasks. The program makes rows of it, and sends those around what is to be seen (console-lines.js):
// of each scope the scopes beneath it, a few of its tasks, and how many more there are. What was opened and shut is
// remembered by the scopes' keys, which outlive a snapshot, for as long as the page is open.
import {cancelWords, clean, count, h, mark, ms, say} from "./console-dom.js";
import {Lines} from "./console-lines.js";
import {get, on, watch} from "./console-live.js";
import {go, parameters} from "./console-route.js";
import {notes, STATES, stateOf} from "./console-tasks.js";

const AROUND = 60; // rows asked for on either side of those that are visible
const KEYS = 1400; // characters of keys in a request
const COLUMNS = [["tree", "Scope, and its tasks"], ["count", "Tasks"], ["state", "State"], ["what", "Waits for, ends by"], ["by", "Opened by"], ["site", "At"]];

// Scopes that are not as they are at first, oldest first; and where the tree was left.
const opened = new Set();
const shut = new Set();
let left = 0;

const keyOf = row => row.row[0] + (row.row === "task" ? row.id : row.key);
const many = (n, word) => `${count(n)} ${n === 1 ? word : word + "s"}`;

// As many of the last as go into a request.
function list(keys) {
  const found = [];
  let size = 0;
  for (const key of [...keys].reverse()) if ((size += key.length + 3) <= KEYS) found.push(key);
  return found.join(",");
}

function makeRow() {
  const parts = {indent: h("i.indent"), turn: h("span.turn", {"aria-hidden": "true"}), name: h("bdi"), id: h("a.mono", {tabindex: -1}), warned: h("span.warned", {role: "img"}, "⚠"),
    more: h("button.more", {type: "button", tabindex: -1}), bad: h("b.bad"), text: h("bdi"), note: h("span.note"), site: h("bdi.mono")};
  const cells = {};
  for (const [name] of COLUMNS) cells[name] = h("div.cell." + name, {role: "gridcell"});
  cells.tree.append(parts.indent, parts.turn, parts.warned, parts.id, parts.name, parts.more);
  cells.what.append(parts.bad, parts.text, parts.note);
  cells.site.append(parts.site);
  return {element: h("div.row", {role: "row"}, Object.values(cells)), parts, cells, row: undefined, y: undefined};
}

// How many of its tasks are in which state, a sign for each.
function states(row) {
  const list = [...STATES.slice(0, 4), "waiting", "dormant"].map(state =>
    [state, state === "dormant" ? row.dormant : state === "waiting" ? row.states.waiting - row.dormant : row.states[state]]);
  return list.filter(([, n]) => n > 0).map(([state, n]) => h("span.sign", {"data-state": state}, `${count(n)} ${state}`));
}

// What keeps a scope, first; then what it is.
function scopeWords(row) {
  const why = row.cancelled === undefined ? "" : cancelWords(row.cancelled, row.cancelled_at);
  const facts = [];
  if (row.waited) facts.push("its owner waits for its end");
  if (row.deadline_ms !== undefined && (row.deadline_ms > 0 || !why)) facts.push(row.deadline_ms > 0 ? "deadline in " + ms(row.deadline_ms) : "deadline has passed");
  if (row.fold === "shut" && row.inside > row.tasks) facts.push(many(row.inside, "task") + " with those beneath");
  if (row.warned) facts.push(`${count(row.warned)} warned`);
  if (row.shield) facts.push("holds back cancellation");
  if (row.supervises) facts.push("supervises");
  return [why, facts.join(" · ")];
}

function fill(item, row, index) {
  if (item.index !== index) mark(item.element, "aria-rowindex", (item.index = index) + 2);
  if (item.row === row) return;
  item.row = row;
  const {parts, cells, element} = item;
  const [scope, task, more] = ["scope", "task", "more"].map(kind => row.row === kind);
  const hollow = scope && !row.tasks && !row.scopes;
  mark(element, "id", "row-" + keyOf(row));
  mark(element, "data-row", row.row);
  mark(element, "aria-level", row.depth + 1);
  mark(element, "aria-expanded", scope && !hollow ? String(row.fold !== "shut") : undefined);
  element.style.setProperty("--depth", row.depth);
  say(parts.turn, !scope || hollow ? "" : row.fold === "shut" ? "▸" : "▾");
  parts.id.hidden = !task;
  parts.more.hidden = !more;
  parts.name.hidden = more;
  parts.warned.hidden = !task || !row.warnings;
  if (task) {
    mark(parts.id, "href", "#/task/" + encodeURIComponent(row.id));
    say(parts.id, "#" + clean(row.id, 24));
    if (row.warnings) mark(parts.warned, "aria-label", "warned: " + row.warnings.map(one => clean(one)).join(", "));
    if (row.warnings) mark(parts.warned, "title", row.warnings.map(one => clean(one)).join("\n"));
  }
  say(parts.name, more ? "" : scope ? clean(row.name) || (row.shield ? "shield" : "scope") : clean(row.name) || "(no name)");
  if (more) say(parts.more, `Show ${[row.scopes ? many(row.scopes, "more scope") : "", row.tasks ? many(row.tasks, "more task") : ""].filter(Boolean).join(" and ")}`);
  say(cells.count, scope ? count(row.tasks) : "");
  const state = scope ? JSON.stringify([row.states, row.dormant]) : task ? stateOf(row) : "";
  if (cells.state.key !== state) {
    cells.state.key = state;
    cells.state.replaceChildren(...(scope ? states(row) : task ? [h("span.sign", {"data-state": state}, state)] : []));
  }
  const [bad, note] = scope ? scopeWords(row) : ["", task ? notes(row) : ""];
  say(parts.bad, bad);
  say(parts.text, task && row.wait !== undefined ? clean(row.wait) : "");
  say(parts.note, note);
  const by = scope ? row.owner + " " + row.owner_name : "";
  if (cells.by.key !== by) {
    cells.by.key = by;
    cells.by.replaceChildren(...(scope ? [h("a", {href: "#/task/" + encodeURIComponent(row.owner), tabindex: -1, title: "Task #" + clean(row.owner, 24)}, h("bdi", null, clean(row.owner_name, 80) || "(no name)"))] : []));
  }
  say(parts.site, more ? "" : clean(row.site));
}

export function scopesView(root) {
  let rows = []; // of the window
  let from = 0;
  let asked = {from: 0, count: 0};
  let seek; // key of the scope that the address asks for; until something is opened or shut
  let found = true; // it was scrolled to
  let active; // key of the row with the mark
  let activeIndex = -1;
  let loading = false;
  let again = false;

  const shown = h("span.shown", {role: "status"});
  const head = h("div.row.head", {role: "row", "aria-rowindex": 1}, COLUMNS.map(([name, title]) => h("div.cell." + name, {role: "columnheader"}, title)));
  const box = h("div.box", {role: "rowgroup"});
  const grid = h("div.grid.tree", {role: "treegrid", tabindex: 0, "aria-label": "Scopes and tasks"}, h("div.heads", {role: "rowgroup"}, head), box);
  const none = h("div.none", {hidden: true}, h("p.empty", null, "There is no scope."));
  const lines = new Lines(grid, head.parentNode, box, makeRow, (item, row, index, key) => {
    fill(item, row, index);
    if (key === active) activeIndex = index;
    mark(item.element, "aria-selected", key === active ? "true" : undefined);
  });
  root.append(h("div.tasks", null, h("div.bar", null,
    h("p.dim.hint", null, "A scope owns tasks, and ends only when all of them have ended. One that is cancelled, or waited for, and does not end has a task that does not return."), shown), grid, none));

  // --- which rows

  function show() {
    const {at} = parameters();
    if (at === seek && asked.count) return;
    seek = at;
    found = at === undefined;
    load();
  }

  // One request at a time: what was wished meanwhile is asked next.
  async function load() {
    again = true;
    if (loading) return;
    loading = true;
    while (again) {
      again = false;
      const first = Math.max(0, Math.floor(lines.first()));
      const wish = {from: Math.max(0, first - AROUND), count: Math.min(1000, lines.many() + 2 * AROUND)};
      const about = {...wish};
      const overruled = seek === undefined ? [] : [...shut]; // if they are open all the same
      if (opened.size) about.open = list(opened);
      if (shut.size) about.shut = list(shut);
      if (seek !== undefined) about.at = seek;
      try {
        take(await get("tree", about), wish, overruled);
      } catch (error) {
        if (error.status === 400 && seek !== undefined) [seek, again] = [undefined, true];
        // The stream tells of a loss.
      }
    }
    loading = false;
  }

  function take(tree, wish, overruled) {
    rows = tree.rows;
    from = tree.from;
    asked = wish;
    for (const row of rows) if (row.row === "scope" && row.fold !== "shut" && overruled.includes(row.key)) shut.delete(row.key);
    lines.resize(tree.total);
    mark(grid, "aria-rowcount", tree.total + 1);
    say(shown, `${many(tree.scopes, "scope")}, ${many(tree.tasks, "task")}`);
    none.hidden = tree.total > 0;
    if (left) {
      if (found) grid.scrollTop = left;
      left = 0;
    }
    if (!found && tree.at !== undefined) {
      active = "s" + seek;
      activeIndex = tree.at;
      lines.reveal(Math.max(0, tree.at - 2));
      lines.reveal(Math.min(tree.total - 1, tree.at + 8));
      lines.reveal(tree.at);
    }
    found = true;
    if (active === undefined && activeIndex >= 0 && rowAt(activeIndex)) active = keyOf(rowAt(activeIndex));
    draw();
    ask();
  }

  // Asks for other rows if those that are visible, or soon will be, are not among those asked for.
  function ask() {
    const start = Math.max(0, Math.floor(lines.first()));
    const end = start + lines.many();
    const near = AROUND / 2;
    if ((asked.from > 0 && start - near < asked.from) || (asked.from + asked.count < lines.total && end + near > asked.from + asked.count)) load();
  }

  // --- drawing

  const paint = () => lines.soon(draw);

  function draw() {
    lines.draw(index => rowAt(index) && [keyOf(rowAt(index)), rowAt(index)]);
    mark(grid, "aria-activedescendant", active !== undefined && lines.items.has(active) ? "row-" + active : undefined);
  }

  grid.addEventListener("scroll", () => {
    paint();
    ask();
  }, {passive: true});

  // --- what is opened and shut

  const rowAt = index => rows[index - from];
  function fold(key, as) {
    opened.delete(key);
    shut.delete(key);
    if (as === "all") opened.add(key);
    if (as === "shut") shut.add(key);
    seek = undefined;
    load();
  }
  function act(row) {
    if (row.row === "task") go("task", row.id);
    else if (row.row === "more") fold(row.key, "all");
    else if (row.tasks || row.scopes) fold(row.key, row.fold === "shut" ? "some" : "shut");
  }

  function step(to) {
    if (!lines.total) return;
    activeIndex = Math.max(0, Math.min(lines.total - 1, to));
    lines.reveal(activeIndex);
    active = rowAt(activeIndex) && keyOf(rowAt(activeIndex)); // else: once it is there
    paint();
  }

  // Right opens, and then goes in; left shuts, and then goes out.
  function sideways(right) {
    const row = rowAt(activeIndex);
    if (!row) return;
    if (right && row.row === "scope" && row.fold !== "all" && (row.tasks || row.scopes)) fold(row.key, row.fold === "shut" ? "some" : "all");
    else if (right) step(activeIndex + 1);
    else if (row.row === "scope" && row.fold !== "shut" && (row.tasks || row.scopes)) fold(row.key, row.fold === "all" ? "some" : "shut");
    else if (row.around !== undefined) step(row.around);
  }

  function key(event) {
    const page = lines.many() - 1;
    const base = activeIndex < 0 ? Math.floor(lines.first()) - 1 : activeIndex;
    const steps = {ArrowDown: base + 1, ArrowUp: Math.max(0, base - 1), PageDown: base + page, PageUp: base - page, Home: 0, End: lines.total - 1};
    if ((event.key === "Enter" || event.key === " ") && rowAt(activeIndex)) act(rowAt(activeIndex));
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") sideways(event.key === "ArrowRight");
    else if (event.key in steps) step(steps[event.key]);
    else return;
    if (document.activeElement !== grid) grid.focus({preventScroll: true});
    event.preventDefault();
  }

  box.addEventListener("click", event => {
    const element = event.target.closest(".row");
    const item = element && [...lines.items.values()].find(one => one.element === element);
    if (!item || event.target.closest("a") || event.ctrlKey || event.metaKey || String(getSelection())) return;
    active = keyOf(item.row);
    activeIndex = item.index;
    grid.focus({preventScroll: true});
    act(item.row);
    paint();
  });

  // --- what changes about it all

  watch({count: 1});
  lines.follow(() => {
    paint();
    if (asked.count) ask();
  });
  show();
  const off = on("now", load);

  return {
    show,
    key(event) {
      if (event.target === grid || event.target === document.body || event.target === root) key(event);
    },
    end() {
      left = grid.scrollTop;
      lines.end();
      off();
    },
  };
}
