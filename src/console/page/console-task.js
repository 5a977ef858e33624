// SPDX-License-Identifier: MIT
//
// One task: what is known of it, what it waits for, the scopes it is in, its stack, its times, what it did last. Asked for anew
// with every snapshot; once the task has ended the page stays as it was seen last, and says so.
import {cancelWords, clean, count, empty, frames, h, ms, panel, percent, say, taskLink, us} from "./console-dom.js";
import {histogram} from "./console-charts.js";
import {get, live, on, watch} from "./console-live.js";
import {chosen, stateOf} from "./console-tasks.js";

const mono = text => h("bdi.mono", null, clean(text, 400));
export const scopeLink = (key, ...words) => (key === undefined ? words : h("a", {href: "#/scopes?" + new URLSearchParams({at: key})}, words));
const tasksAt = site => h("a", {href: "#/tasks?" + new URLSearchParams({site})}, mono(site));

// One wait as the JSON of edo_dump tells it.
export function waitWords(wait, scopes = []) {
  const words = [h("b", null, clean(wait.for, 40))];
  const more = (...things) => words.push(" ", ...things);
  if (wait.local !== undefined) more(mono(wait.local));
  if (wait.remote !== undefined) more(h("span.dim", null, wait.for === "write" ? "to " : "from "), mono(wait.remote));
  if (wait.descriptor !== undefined) more(h("span.dim", null, `descriptor ${wait.descriptor}${wait.kind ? ", " + clean(wait.kind, 40) : ""}`));
  if (wait.address !== undefined) more(mono(wait.address));
  if (wait.function !== undefined) more(mono(wait.function));
  if (wait.in !== undefined) more(h("span.dim", null, "in "), mono(wait.in));
  if (wait.queued) more(h("span.dim", null, "queued: no thread has it yet"));
  if (wait.scope !== undefined) more(h("span.dim", null, "the tasks of "), scopeLink(wait.scope_key, h("bdi", null, clean(scopes.find(scope => scope.number === wait.scope)?.name) || "scope " + wait.scope)));
  if (wait.task !== undefined) more(taskLink(wait.task));
  if (wait.holder !== undefined) more(h("span.dim", null, "held by "), taskLink(wait.holder));
  return words;
}

const share = part => (part > 0 && part < 0.01 ? "< 1 %" : percent(part));

export function taskView(root, id) {
  const title = h("h1");
  const state = h("span.sign.badge");
  const gone = h("p.gone", {hidden: true, role: "status"});
  const warnings = h("ul.warnings", {hidden: true});
  const facts = h("dl.facts");
  const waits = h("ul.waits");
  const scopes = h("ol.scopes");
  const stack = h("div");
  const past = h("div");
  const poll = histogram("Poll time", "how long it keeps its worker at a time");
  const delay = histogram("Schedule delay", "how long it waits for its turn");
  const noTimes = empty("Times are off. Start the program with ", h("code", null, "EDO_METRICS=1"), " (or ", h("code", null, ".metrics = true"), ") for histograms and busy time.");
  const times = h("div.pair", null, poll.element, delay.element);
  const body = h("div.task", null, h("a.back", {href: "#/tasks"}, "← All tasks"), h("div.heading", null, title, state), gone, warnings,
    h("div.columns", null,
      h("div", null, panel("is", "Facts", undefined, facts), panel("waits", "Waits for", undefined, waits), panel("scopes", "Scopes, innermost first", undefined, scopes)),
      h("div", null, panel("stack", "Stack", undefined, stack), panel("times", "Times", undefined, times, noTimes), panel("past", "History, newest first", undefined, past))));
  root.append(body);

  let loading = false;
  let ended = false;
  let shown = "";
  async function load() {
    if (loading || ended) return;
    loading = true;
    try {
      show(await get("task", {id}));
    } catch (error) {
      if (error.status) {
        ended = error.status === 404;
        gone.hidden = false;
        say(gone, clean(error.message) + (shown ? ". Below is what was seen last." : "."));
        body.classList.toggle("over", true);
        if (!shown) say(title, "Task " + clean(id, 24));
      }
    }
    loading = false;
  }

  // Rebuilds `parent` only if what it is made of has changed: a selection and the focus then stay.
  function renew(parent, from, make) {
    const key = JSON.stringify(from) ?? "";
    if (parent.from === key) return;
    parent.from = key;
    parent.replaceChildren(...[make()].flat());
  }

  // What the table knows of a task, too.
  function head(task) {
    const name = clean(task.name, 1000) || "(no name)";
    document.title = clean(task.name, 40) + " – edo";
    if (title.from !== name) title.replaceChildren(h("span.mono", null, "#" + clean(id, 24)), " ", h("bdi", null, name));
    title.from = name;
    say(state, stateOf(task) + (task.worker !== undefined ? " on worker " + task.worker : ""));
    state.dataset.state = stateOf(task);
    warnings.hidden = !task.warnings?.length;
    renew(warnings, task.warnings, () => (task.warnings || []).map(text => h("li", null, h("bdi", null, clean(text)))));

    const list = [
      ["spawned at", task.site === undefined ? undefined : h("span", null, tasksAt(task.site), task.function ? [h("span.dim", null, " in "), mono(task.function)] : "")],
      ["file", task.site_file === undefined ? undefined : mono(task.site_file + ":" + task.site_line)],
      ["age", task.age_ms === undefined ? undefined : ms(task.age_ms)],
      ["polls", task.polls === undefined ? undefined : count(task.polls)],
      ["busy", task.busy_us === undefined ? undefined : us(task.busy_us) + (task.age_ms ? `, ${share(task.busy_us / 1e3 / task.age_ms)} of its age` : "")],
      ["wait ends in", task.until_ms === undefined ? undefined : task.until_ms > 0 ? ms(task.until_ms) : "0: it is due"],
      ["deadline in", task.deadline_ms === undefined ? undefined : task.deadline_ms > 0 ? ms(task.deadline_ms) : "it has passed"],
      ["cancelled", task.cancelled === undefined ? undefined : clean(task.cancelled).replace(/^cancelled /, "")],
    ].filter(([, value]) => value !== undefined);
    renew(facts, list.map(([name, value]) => name + (value.textContent ?? value)), () => list.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
  }

  function show(task) {
    shown = task.id;
    head(task);
    renew(waits, [task.waits, task.wait, task.state], () => task.waits?.length ? task.waits.map(wait => h("li", null, waitWords(wait, task.scopes)))
      : h("li", null, task.state === "waiting" ? (task.wait ? h("bdi", null, clean(task.wait)) : "something that is not known") : h("span.dim", null, "nothing: it is " + task.state)));
    renew(scopes, task.scopes, () => (task.scopes || []).map(scope => h("li", null, scopeLink(scope.key, h("bdi", null, clean(scope.name) || (scope.shield ? "shield" : "scope"))), scope.site ? [" ", h("span.dim", null, mono(scope.site))] : "",
      h("div.note", null, [
        scope.live !== undefined ? `${count(scope.live)} ${scope.live === 1 ? "task" : "tasks"}` : "",
        scope.deadline_ms === undefined ? "" : scope.deadline_ms > 0 ? "deadline in " + ms(scope.deadline_ms) : "deadline has passed",
        scope.supervises ? "supervises" : "",
        scope.shield ? "holds back cancellation" : "",
        scope.cancelled !== undefined ? cancelWords(scope.cancelled, scope.cancelled_at) : "",
      ].filter(Boolean).join(" · "), scope.owner !== undefined && scope.owner !== shown ? [" · opened by ", taskLink(scope.owner)] : ""))));
    renew(stack, [task.frames, task.dormant, task.state], () => task.frames?.length ? frames(task.frames)
      : empty(task.dormant ? "A dormant task has no stack: that is what makes it cheap." : task.state === "running" ? "It runs: its stack changes too fast to be read. A stall report has one." : "No frames were found. Build with -fno-omit-frame-pointer."));
    const measured = task.poll || task.delay;
    times.hidden = !measured;
    noTimes.hidden = !!measured || live.metrics();
    noTimes.parentNode.hidden = !measured && live.metrics();
    if (measured) {
      poll.update(task.poll);
      delay.update(task.delay);
    }
    const history = task.history || [];
    past.parentNode.hidden = task.history === undefined;
    renew(past, history, () => history.length ? h("table.history", null, h("thead", null, h("tr", null, ["Ago", "Event", "For", "Worker"].map((name, i) => h("th", {scope: "col", class: i === 1 ? undefined : "number"}, name)))),
      h("tbody", null, history.map((event, i) => h("tr", null, h("td.number", null, us(event.ago_us)), h("td", null, clean(event.event, 40)),
        h("td.number", null, us(event.ago_us - (i ? history[i - 1].ago_us : 0))), h("td.number", null, event.worker ?? ""))))) : empty("Nothing is known of what it did last."));
  }

  watch({count: 1});
  if (chosen.row?.id === id) head(chosen.row);
  load();
  const off = on("now", load);
  return {end: off, show() {}};
}
