// SPDX-License-Identifier: MIT
//
// What is known of the program, and the one stream that brings it. A view says which rows it wants (watch); everything else
// listens (on). A new wish is first asked for by itself; the stream follows once wishes have stopped changing, so that scrolling
// opens no stream for each step. It is opened again after a loss, with the same wishes; a program that was started anew begins
// with nothing. Paused, or in a tab that nobody sees, there is no stream, and the program pays nothing.

const listeners = {};
export function on(event, listener) {
  (listeners[event] ||= new Set()).add(listener);
  return () => listeners[event].delete(listener);
}
const emit = (event, value) => listeners[event]?.forEach(listener => listener(value));

const KEPT = 150; // samples
export const live = {
  status: "connecting", // live | paused | silent (connected, no news) | lost
  program: undefined,
  runtime: undefined,
  now: undefined, // the last `now`
  samples: [], // {t, tasks, ready, queue, busy, rates, workers, poll, delay}: what changed between two `now`
  stalls: [], // newest first
  heard: 0, // when something came last
  metrics: () => live.program?.runtimes.find(one => one.number === live.runtime)?.metrics ?? false,
};

const SETTLED = 400; // ms that wishes stay the same before the stream follows them

let source;
let query = "count=1"; // the wish
let following; // what the stream brings
let settle;
let asking = false;
let attempt = 0;
let retry;
let delay = 1000;

function status(next) {
  if (live.status === next) return;
  live.status = next;
  emit("status", next);
}

export async function get(path, parameters = {}) {
  const all = new URLSearchParams(parameters);
  if (live.runtime !== undefined) all.set("runtime", live.runtime);
  const response = await fetch("api/" + path + (all.size ? "?" + all : ""));
  const value = await response.json();
  if (!response.ok) throw Object.assign(new Error(value.error), {status: response.status});
  return value;
}

// The rows that come with "tasks" events from now on: parameters of /api/tasks.
export function watch(parameters) {
  const next = new URLSearchParams(parameters).toString();
  if (next === query && next === following && source) return;
  query = next;
  if (!live.program || live.status === "lost") return;
  clearTimeout(settle);
  if (live.status !== "paused") settle = setTimeout(open, SETTLED);
  if (query !== "count=1") ask();
}

// One question at a time: what was wished meanwhile is asked next.
async function ask() {
  if (asking) return;
  asking = true;
  let asked;
  do {
    asked = query;
    try {
      const {tasks, ...facts} = await get("tasks", new URLSearchParams(asked));
      if (asked === query) emit("tasks", {...facts, ids: tasks.map(row => row.id), rows: tasks});
    } catch { /* the stream tells of a loss */ }
  } while (asked !== query && query !== "count=1");
  asking = false;
}

function close() {
  clearTimeout(settle);
  source?.close();
  source = undefined;
}

function open() {
  close();
  const wish = (following = query);
  const mine = (source = new EventSource(`api/events?${query}&runtime=${live.runtime}`));
  const take = taker => event => {
    if (mine !== source) return;
    live.heard = Date.now();
    delay = 1000;
    status("live");
    taker(JSON.parse(event.data));
  };
  mine.addEventListener("now", take(takeNow));
  mine.addEventListener("tasks", take(tasks => wish === query && emit("tasks", tasks)));
  mine.addEventListener("stall", take(takeStall));
  mine.onopen = () => mine === source && loadStalls();
  mine.onerror = () => mine === source && lose();
}

// The stream tells of the stalls that change from now on; those before, and what changed between two streams, are asked for.
async function loadStalls() {
  try {
    const {stalls} = await get("stalls");
    const ended = new Map(live.stalls.filter(stall => stall.ended).map(stall => [stall.serial, stall]));
    live.stalls = stalls.map(stall => ended.get(stall.serial) ?? stall);
    emit("stall");
  } catch { /* the stream tells of a loss */ }
}

function lose() {
  close();
  status("lost");
  clearTimeout(retry);
  retry = setTimeout(connect, delay);
  delay = Math.min(5000, delay * 1.5);
}

export async function connect() {
  const mine = ++attempt; // a later attempt, or a pause, ends this one
  clearTimeout(retry);
  clearTimeout(settle);
  try {
    const program = await get("program");
    if (mine !== attempt) return;
    const old = live.program;
    if (!program.runtimes.some(one => one.number === live.runtime)) live.runtime = program.runtimes[0]?.number ?? 0;
    live.program = program;
    if (old && (old.pid !== program.pid || old.started_ms !== program.started_ms)) forget();
    emit("program", program);
    open();
  } catch {
    if (mine === attempt) lose();
  }
}

function forget() {
  live.now = undefined;
  live.samples = [];
  live.stalls = [];
}

export function choose(runtime) {
  live.runtime = runtime;
  forget();
  connect();
}

export function pause(yes) {
  if (yes) {
    attempt++;
    clearTimeout(retry);
    close();
    status("paused");
  } else {
    status("connecting");
    connect();
  }
}

// Nobody looks: after a while the stream ends, as the program works for it, and browsers have few connections to one server.
let unseen;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (live.status === "paused") return;
  if (document.hidden) unseen = setTimeout(() => {
    attempt++;
    clearTimeout(retry);
    close();
  }, 20e3);
  else if (!source) connect();
});

// Connected, but nothing comes: the process may be stopped, by a debugger for one.
setInterval(() => {
  if (live.status === "live" && source && Date.now() - live.heard > Math.max(6000, 4 * (live.now?.interval_ms ?? 0))) status("silent");
}, 1000);

const COUNTERS = ["polls", "steals", "handoffs", "stalls", "forced_yields", "spawned", "ended", "console_cpu_us"];

function takeNow(now) {
  const before = live.now;
  const seconds = before ? (now.time_ms - before.time_ms) / 1000 : 0;
  live.now = now;
  if (seconds > 0.05) {
    const rate = (value, old) => (value === undefined || old === undefined ? undefined : Math.max(0, value - old) / seconds);
    const rates = {};
    for (const name of COUNTERS) rates[name] = rate(now[name], before[name]);
    const workers = now.workers.map(worker => {
      const old = before.workers.find(one => one.index === worker.index);
      return {index: worker.index, busy: worker.busy, queue: worker.queue, polls: rate(worker.polls, old?.polls), steals: rate(worker.steals, old?.steals)};
    });
    const sum = name => workers.reduce((total, worker) => total + (worker[name] ?? 0), 0);
    live.samples.push({t: now.time_ms, seconds, tasks: now.tasks, ready: now.states.ready, queue: sum("queue"),
      busy: workers.some(worker => worker.busy !== undefined) ? sum("busy") : undefined, rates, workers, poll: before.poll, delay: before.delay});
    if (live.samples.length > KEPT) live.samples.shift();
  }
  emit("now", now);
}

function takeStall(stall) {
  const place = live.stalls.findIndex(one => one.serial === stall.serial);
  if (place >= 0) live.stalls[place] = stall;
  else live.stalls.unshift(stall);
  live.stalls.length = Math.min(live.stalls.length, 64);
  emit("stall", place >= 0 ? undefined : stall);
}

export const stalling = () => live.stalls.filter(stall => !stall.ended);
