// SPDX-License-Identifier: MIT
//
// What one looks at first: how many tasks and what they do, whether something is wrong, how busy the workers are, how long
// tasks run and wait.
import {chart, histogram, since, sparkline, WINDOW} from "./console-charts.js";
import {cancelWords, clean, clock, compact, count, empty, h, keyed, mark, panel, percent, say, taskLink, us} from "./console-dom.js";
import {get, live, on, watch} from "./console-live.js";
import {ring} from "./console-resources.js";
import {scopeLink} from "./console-task.js";
import {STATES} from "./console-tasks.js";

const COUNTERS = [
  ["spawned", "tasks spawned", "rate"], ["ended", "tasks ended", "rate"], ["steals", "steals", "rate"], ["handoffs", "hand-offs", "rate"], ["forced_yields", "forced yields", "rate"],
  ["timers", "timers"], ["descriptors", "descriptors"], ["blocking_threads", "blocking threads"], ["blocking_busy", "of them busy"], ["blocking_queued", "jobs queued"],
  ["stacks_resident", "stacks resident"], ["stacks_cached", "stacks cached"],
];

// The states of all tasks as one bar, and the numbers, which lead to the tasks. Dormant is a part of waiting.
function statesPart() {
  const all = h("b.big");
  const bar = h("div.states", {"aria-hidden": "true"});
  const legend = h("div.legend");
  const parts = [...STATES.slice(0, 4), "waiting", "dormant"].map(state => {
    const part = h("i", {"data-state": state});
    const number = h("b");
    const link = h("a", {href: "#/tasks?state=" + state, "data-state": state}, h("span.sign", {"data-state": state}, state), number);
    bar.append(part);
    legend.append(link);
    return {state, part, number, link};
  });
  const flow = h("span.flow");
  return {
    element: [h("div.total", null, all, h("span.unit", null, "tasks"), flow), bar, legend],
    update(now) {
      say(all, count(now.tasks));
      for (const {state, part, number} of parts) {
        const n = state === "dormant" ? now.dormant : state === "waiting" ? now.states.waiting - now.dormant : now.states[state];
        part.style.flexGrow = n;
        part.hidden = !n;
        say(number, count(n));
      }
      const rates = live.samples.at(-1)?.rates;
      say(flow, rates ? `+ ${compact(rates.spawned)} − ${compact(rates.ended)} a second` : "");
    },
  };
}

// What is wrong, worst first: deadlocks, stalls that go on, scopes that are cancelled and do not end, warnings, stalls that were.
function troublePart() {
  const list = h("ul.troubles");
  const well = empty("Nothing is wrong: no deadlock, no warning, no stall.");
  let deadlocks = [];
  const names = new Map(); // of tasks in them
  let found = []; // scopes that are cancelled, and have tasks
  let ending = [];
  let warned = [];
  let turn = 0;
  let loading = false;
  async function load(now) {
    if (loading) return;
    loading = true;
    try {
      if (turn++ % 5 === 0) {
        deadlocks = ((await get("resources")).deadlocks || []).slice(0, 3);
        for (const id of deadlocks.flat().slice(0, 12)) if (!names.has(id)) names.set(id, (await get("task", {id})).name);
        // One that is about to end is no trouble: it has to be there for two looks.
        const before = found;
        found = (await get("tree", {count: 0})).ending || [];
        ending = found.filter(scope => before.some(one => one.key === scope.key));
      }
      warned = now.warned ? (await get("tasks", {state: "warned", count: 4})).tasks : [];
      draw();
    } catch { /* the stream tells of a loss */ }
    loading = false;
  }
  function draw() {
    const items = [
      ...deadlocks.map(ids => ({key: "deadlock " + ids, kind: "deadlock", make: () => h("ol.rings", null, ring(ids, names))})),
      ...live.stalls.filter(stall => !stall.ended).slice(0, 4).map(stall => ({key: "stall on " + stall.serial, kind: "stalling", make: () => [taskLink(stall.task, stall.name), h("span.dim", null, ` is ${stall.kind} since `), clock(stall.at_ms).slice(0, 8)]})),
      ...ending.slice(0, 3).map(scope => ({key: "ending " + scope.key + scope.tasks, kind: "not ending", make: () => ["scope ", scopeLink(scope.key, h("bdi", null, clean(scope.name, 80) || clean(scope.site, 80) || "scope")),
        h("span.dim", null, ` is ${clean(scope.cancelled, 40) === "deadline" ? "past its deadline" : cancelWords(scope.cancelled)}; `), `${count(scope.tasks)} ${scope.tasks === 1 ? "task goes" : "tasks go"} on`]})),
      ...warned.map(row => ({key: "warned " + row.id + row.warnings, kind: "warning", make: () => [taskLink(row.id, row.name), " ", h("bdi", null, (row.warnings || []).map(one => clean(one)).join(", "))]})),
      ...live.stalls.filter(stall => stall.ended).map(stall => ({key: "stall " + stall.serial, kind: "stalled", make: () => [taskLink(stall.task, stall.name), h("span.dim", null, ` ${stall.kind} for `), us(stall.duration_us), h("span.dim", null, " at "), clock(stall.at_ms).slice(0, 8)]})),
    ].slice(0, 6);
    well.hidden = items.length > 0;
    keyed(list, items, item => item.key, item => h("li", {"data-kind": item.kind}, h("span.kind", null, item.kind), h("span.text", null, item.make())), () => {});
  }
  draw();
  return {element: [well, list], load, draw};
}

function workersPart() {
  const body = h("tbody");
  const element = h("div.across.workers", {tabindex: 0, role: "region", "aria-label": "Workers"}, h("table", null, h("thead", null, h("tr", null,
    ["Worker", "Thread", "Busy", "", "Polls/s", "Steals/s", "Queue", "Runs"].map((name, i) => h("th", {scope: "col", class: ["number", "number thread", "", "number", "number", "number steals", "number", ""][i]}, name)))), body));
  return {
    element,
    update(now) {
      const last = live.samples.at(-1);
      const metrics = live.metrics();
      const most = Math.max(1, ...live.samples.flatMap(sample => sample.workers.map(worker => worker.polls ?? 0)));
      keyed(body, now.workers, worker => worker.index, () => {
        const spark = sparkline();
        const cells = {number: h("td.number"), thread: h("td.number.mono.dim.thread"), spark: h("td.line", null, spark.element), busy: h("td.number"), polls: h("td.number"), steals: h("td.number.steals"),
          queue: h("td.number"), runs: h("td.runs")};
        return Object.assign(h("tr", null, Object.values(cells)), {parts: cells, spark});
      }, (row, worker) => {
        const rates = last?.workers.find(one => one.index === worker.index);
        const pick = name => sample => sample.workers.find(one => one.index === worker.index)?.[name];
        say(row.parts.number, worker.index);
        say(row.parts.thread, worker.thread ?? "");
        row.spark.update(live.samples, pick(metrics ? "busy" : "polls"), metrics ? 1 : most);
        say(row.parts.busy, percent(worker.busy));
        say(row.parts.polls, compact(rates?.polls));
        say(row.parts.steals, compact(rates?.steals));
        say(row.parts.queue, worker.queue);
        const key = [worker.task, worker.parked, worker.stalled_ms].join();
        if (row.key === key) return;
        row.key = key;
        row.parts.runs.replaceChildren(...[worker.stalled_ms !== undefined ? h("span.stalled", null, `stalled ${us(worker.stalled_ms * 1e3)}`) : "",
          worker.task !== undefined ? taskLink(worker.task) : h("span.dim", null, worker.parked ? "sleeps" : "searches")].filter(Boolean));
      });
    },
  };
}

function countersPart() {
  const values = {};
  const element = h("dl.counters", null, COUNTERS.map(([name, title, rate]) => h("div", {"data-name": name}, h("dt", null, title), (values[name] = h("dd")), h("span.unit", null, rate ? "/s" : ""))));
  return {
    element,
    update(now) {
      const rates = live.samples.at(-1)?.rates;
      for (const [name, , rate] of COUNTERS) {
        values[name].parentNode.hidden = now[name] === undefined;
        say(values[name], rate ? compact(rates?.[name]) : compact(now[name]));
        if (rate) mark(values[name].parentNode, "title", count(now[name]) + " since the start");
      }
    },
  };
}

export function overviewView(root) {
  const states = statesPart();
  const trouble = troublePart();
  const workers = workersPart();
  const counters = countersPart();
  const workersNumber = () => live.now?.workers.length || 1;
  const charts = [
    chart("Busy", "workers", sample => sample.busy, {limit: workersNumber, fixed: true, format: n => (n === undefined ? "–" : n.toFixed(n % 1 ? 2 : 0))}),
    chart("Polls", "a second", sample => sample.rates.polls, {limit: 10}),
    chart("Ready, not yet running", "tasks", sample => sample.queue, {limit: 5}),
    chart("Tasks", "alive", sample => sample.tasks, {limit: 10}),
  ];
  const poll = histogram("Poll time", "how long a task keeps its worker");
  const delay = histogram("Schedule delay", "how long it waits for its turn");
  let recent = true;
  const range = h("button.chip", {type: "button", onclick: () => {
    recent = !recent;
    update();
  }});
  const noTimes = empty("Times are off, and cost nothing. Start the program with ", h("code", null, "EDO_METRICS=1"), " (or ", h("code", null, ".metrics = true"), " in edo_run_options) for histograms and for how busy workers are.");
  const pair = h("div.pair", null, poll.element, delay.element);
  const cost = h("span.shown");
  const waiting = empty("Waiting for the first numbers.");
  const page = h("div.page.overview", {hidden: true},
    panel("now", "Tasks by state", undefined, states.element), panel("trouble", "Attention", undefined, trouble.element),
    panel("lines", "Load", undefined, h("div.charts", null, charts.map(one => one.element))),
    panel("workers", "Workers", undefined, workers.element),
    panel("times", "Times", range, pair, noTimes),
    panel("counts", "Counters", cost, counters.element));
  root.append(waiting, page);

  function update() {
    const now = live.now;
    if (!now) return;
    waiting.hidden = true;
    page.hidden = false;
    states.update(now);
    workers.update(now);
    counters.update(now);
    charts.forEach(one => one.update(live.samples));
    charts[0].element.hidden = !live.metrics();
    const last = live.samples.at(-1);
    say(cost, last?.rates.console_cpu_us === undefined ? "" : `this console costs the program ${(last.rates.console_cpu_us / 1e4).toFixed(1)} % of a core, a snapshot every ${us(now.interval_ms * 1e3)}`);
    const measured = !!now.poll;
    pair.hidden = range.hidden = !measured;
    noTimes.hidden = measured;
    if (measured) {
      const old = recent ? live.samples.find(sample => sample.t > now.time_ms - WINDOW) : undefined;
      say(range, recent ? "last two minutes" : "since the start");
      range.setAttribute("aria-label", "Shown: " + range.textContent + ". Change");
      poll.update(since(now.poll, old?.poll));
      delay.update(since(now.delay, old?.delay));
    }
  }
  watch({count: 1});
  update();
  const offs = [on("now", now => {
    update();
    trouble.load(now);
  }), on("stall", trouble.draw)];
  if (live.now) trouble.load(live.now);
  return {end: () => offs.forEach(off => off()), show() {}};
}
