// SPDX-License-Identifier: MIT
//
// The page's frame: which view is shown, what stands above it, the keys that hold everywhere.
import {clean, clock, compact, h, mark, ms, say} from "./console-dom.js";
import {choose, connect, live, on, pause, stalling} from "./console-live.js";
import {overviewView} from "./console-overview.js";
import {resourcesView} from "./console-resources.js";
import {go, route} from "./console-route.js";
import {scopesView} from "./console-scopes.js";
import {stallsView} from "./console-stalls.js";
import {taskView} from "./console-task.js";
import {tasksView} from "./console-tasks.js";

const $ = id => document.getElementById(id);
const VIEWS = {overview: ["Overview", overviewView], tasks: ["Tasks", tasksView], scopes: ["Scopes", scopesView], stalls: ["Stalls", stallsView], resources: ["Resources", resourcesView], task: [undefined, taskView]};

// --- views

let current; // {view, id, hash, handle}
const tabs = {};
for (const [view, [title]] of Object.entries(VIEWS)) {
  if (!title) continue;
  const badge = h("span.count", {hidden: true});
  tabs[view] = {link: h("a", {href: "#/" + view}, title, badge), badge};
  $("tabs").append(tabs[view].link);
}

function show() {
  const {view, id} = route();
  if (!(view in VIEWS) || (view === "task") !== (id !== undefined)) {
    go("overview", undefined, {}, true);
    return;
  }
  if (current && current.view === view && current.id === id) {
    current.hash = location.hash;
    current.handle.show();
    return;
  }
  const before = current;
  before?.handle.end(before.hash);
  $("main").replaceChildren();
  $("main").scrollTop = 0;
  $("main").dataset.view = view;
  document.body.dataset.view = view;
  for (const [name, tab] of Object.entries(tabs)) mark(tab.link, "aria-current", name === view || (view === "task" && name === "tasks") ? "page" : undefined);
  current = {view, id, hash: location.hash, before: before?.view, handle: undefined};
  title();
  current.handle = VIEWS[view][1]($("main"), id);
  if (before && view !== "tasks") $("main").focus({preventScroll: true});
}
addEventListener("hashchange", show);

// --- what stands above

function title() {
  const on = stalling().length;
  if (current?.view !== "task") document.title = (on ? "● stall – " : "") + (live.program ? clean(live.program.program, 40) : "edo") + " – edo console";
}

function tell() {
  const words = {connecting: "connecting", live: "live", paused: "paused", silent: "no news", lost: "no connection"};
  say($("status"), words[live.status]);
  document.body.dataset.status = live.status;
  const paused = live.status === "paused";
  mark($("pause"), "aria-pressed", paused);
  say($("pause"), paused ? "Resume" : "Pause");
  const last = live.heard ? `What you see is of ${clock(live.heard).slice(0, 8)}. ` : "";
  const why = {
    lost: `The program has ended, or its console cannot be reached. ${last}This page tries again by itself.`,
    silent: `The program is connected, but silent: it may be stopped, in a debugger or by SIGSTOP. ${last}`,
  }[live.status];
  $("banner").hidden = !why;
  say($("banner"), why || "");
}
on("status", tell);

on("program", program => {
  say($("program"), clean(program.program, 40));
  const select = $("runtime");
  select.hidden = program.runtimes.length < 2;
  select.replaceChildren(...program.runtimes.map(one => h("option", {value: one.number, selected: one.number === live.runtime}, `runtime ${one.number} (${one.workers} ${one.workers === 1 ? "worker" : "workers"})`)));
  title();
});
$("runtime").addEventListener("change", () => choose(Number($("runtime").value)));

on("now", now => {
  say($("process"), `pid ${live.program.pid} · up ${ms(now.time_ms - live.program.started_ms)}`);
  tabs.tasks.badge.hidden = false;
  say(tabs.tasks.badge, compact(now.tasks));
});

on("stall", stall => {
  const {badge, link} = tabs.stalls;
  const going = stalling().length;
  badge.hidden = !live.stalls.length;
  say(badge, going ? `${going} on` : live.stalls.length);
  link.classList.toggle("alarm", going > 0);
  if (stall && !stall.ended) say($("said"), `Task ${clean(stall.name, 60)} stalls`);
  title();
});

$("pause").addEventListener("click", () => pause(live.status !== "paused"));

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  mark(document.documentElement, "data-theme", name === "auto" ? undefined : name);
  say($("theme"), "Theme: " + name);
}
let chosen = "auto";
try {
  chosen = localStorage.getItem("edo-theme") || "auto";
} catch { /* no storage: as the system has it */ }
theme(chosen);
$("theme").addEventListener("click", () => {
  chosen = THEMES[(THEMES.indexOf(chosen) + 1) % 3];
  theme(chosen);
  try {
    localStorage.setItem("edo-theme", chosen);
  } catch { /* as above */ }
});

// --- keys: / searches, Esc goes back to where the task was found

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !inField) {
    if (current.view !== "tasks") go("tasks");
    // The view of a new address is there once its event is.
    setTimeout(() => current.handle.search?.(), 0);
    event.preventDefault();
  } else if (event.key === "Escape" && current.view === "task") {
    if (current.before) history.back();
    else go("tasks");
  } else if (!inField) current.handle.key?.(event);
});

document.querySelector("a.skip").addEventListener("click", event => {
  $("main").focus();
  event.preventDefault();
});

tell();
show();
connect();
