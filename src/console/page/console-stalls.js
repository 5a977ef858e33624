// SPDX-License-Identifier: MIT
//
// Stalls as they happen, newest first: who kept a worker, computing or blocked, for how long, and where.
import {clean, clock, count, empty, frames, h, keyed, mark, panel, say, taskLink, us} from "./console-dom.js";
import {live, on, stalling, watch} from "./console-live.js";

// A short bar for a time: from 1 ms to 10 s, a quarter for each factor of ten.
const share = duration => Math.max(2, Math.min(100, (Math.log10(Math.max(1e3, duration)) - 3) * 25));

function make(stall) {
  const parts = {duration: h("span.duration"), bar: h("i"), kind: h("span.kind"), call: h("span.call.mono"), body: h("div.body")};
  const element = h("details.stall", {name: undefined}, h("summary", null, h("span.at.mono", null, clock(stall.at_ms)), parts.kind, h("bdi.name", null, clean(stall.name) || "(no name)"),
    h("bdi.site.mono", null, clean(stall.site)), parts.call, parts.duration, h("span.bar", {"aria-hidden": "true"}, parts.bar)), parts.body);
  return Object.assign(element, {parts});
}

function update(element, stall) {
  const {parts} = element;
  const key = JSON.stringify(stall);
  if (element.key === key) return;
  element.key = key;
  element.classList.toggle("on", !stall.ended);
  say(parts.kind, stall.kind);
  mark(parts.kind, "data-kind", stall.kind);
  say(parts.call, stall.syscall ? clean(stall.syscall, 60) : stall.kind === "blocked" ? "no system call" : "");
  say(parts.duration, stall.ended ? us(stall.duration_us) : "going on, " + us(stall.duration_us));
  parts.bar.style.width = share(stall.duration_us) + "%";
  const starved = stall.kind === "starved";
  const fault = stall.kind === "blocked" && !stall.syscall;
  parts.body.replaceChildren(h("p", null, "Task ", taskLink(stall.task, stall.name), stall.kind === "computing" ? " computes without a pause" : starved ? " would run, but hardly gets a processor" : " blocks its thread",
    stall.syscall ? [" in the system call ", h("bdi.mono", null, clean(stall.syscall, 60))] : "", stall.wait_channel ? [", the kernel waits in ", h("bdi.mono", null, clean(stall.wait_channel, 60))] : "", ". ",
    starved ? "Other threads or programs have them: it is not the task's fault." : fault ? "It is in no system call: the kernel makes its memory ready." : stall.kind === "blocked" ? "Move the call into edo_blocking, or a region." : "Put edo_checkpoint into the loop, or move it into edo_blocking.",
    stall.suppressed ? ` Not reported before this one: ${count(stall.suppressed)}.` : ""), frames(stall.frames));
}

export function stallsView(root) {
  const list = h("div.stalls");
  const none = empty("No task has kept its worker for long. One that computes or blocks for more than ", h("code", null, ".stall_after"), " (10 ms) is reported here, with the stack on which it does.");
  const shown = h("span.shown", {role: "status"});
  root.append(h("div.page", null, panel("all", "Stalls", shown, none, list)));
  let first = true;

  function draw() {
    none.hidden = live.stalls.length > 0;
    const going = stalling().length;
    say(shown, live.stalls.length ? `${going ? going + " going on, " : ""}the last ${live.stalls.length}` : "");
    keyed(list, live.stalls, stall => stall.serial, make, update);
    if (first && list.firstChild) {
      list.firstChild.open = true;
      first = false;
    }
  }
  watch({count: 1});
  draw();
  const off = on("stall", draw);
  return {end: off, show: draw};
}
