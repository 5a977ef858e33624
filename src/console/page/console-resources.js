// SPDX-License-Identifier: MIT
//
// What tasks wait for, most waiters first, who holds it, and rings of tasks that wait for each other.
import {clean, count, empty, h, keyed, panel, say, taskLink} from "./console-dom.js";
import {get, on, watch} from "./console-live.js";
import {scopeLink} from "./console-task.js";

export function ring(ids, names) {
  return h("li.ring", null, ids.map((id, i) => [i ? h("span.arrow", {"aria-label": "waits for"}, " → ") : "", taskLink(id, names?.get(id))]), h("span.arrow", {"aria-label": "waits for"}, " → "),
    h("span.mono.dim", null, "#" + clean(ids[0], 24)));
}

function make() {
  const parts = {what: h("td.what"), kind: h("td.kind"), holder: h("td.holder"), number: h("span"), bar: h("i.share"), waiters: h("td.waiters")};
  return Object.assign(h("tr", null, parts.kind, parts.what, parts.holder, h("td.count", null, parts.number, parts.bar), parts.waiters), {parts});
}

export function resourcesView(root) {
  const rings = h("ol.rings");
  const locked = panel("deadlocks", "Deadlocks", h("span.shown", null, "tasks that wait for each other, for ever"), rings);
  locked.hidden = true;
  const body = h("tbody");
  const shown = h("span.shown", {role: "status"});
  const table = h("table.resources", null, h("thead", null, h("tr", null, ["Kind", "What", "Held by", "Waiters", "Who waits"].map(name => h("th", {scope: "col"}, name)))), body);
  const none = empty("Nobody waits for anything.");
  none.hidden = true;
  root.append(h("div.page", null, locked, panel("all", "What tasks wait for", shown, h("div.across", {tabindex: 0, role: "region", "aria-label": "Resources"}, table), none)));

  const names = new Map(); // of tasks in rings
  let loading = false;
  async function load() {
    if (loading) return;
    loading = true;
    try {
      draw(await get("resources"));
    } catch { /* the stream tells of a loss */ }
    loading = false;
  }

  function draw(found) {
    const list = found.resources;
    const deadlocks = found.deadlocks || [];
    locked.hidden = !deadlocks.length;
    for (const id of deadlocks.flat().slice(0, 30))
      if (!names.has(id)) {
        names.set(id, "");
        get("task", {id}).then(task => {
          names.set(id, task.name);
          rings.key = "";
        }, () => {});
      }
    const key = JSON.stringify(deadlocks);
    if (rings.key !== key) {
      rings.key = key;
      rings.replaceChildren(...deadlocks.map(ids => ring(ids, names)));
    }
    table.hidden = !list.length;
    none.hidden = list.length > 0;
    say(shown, list.length ? (found.all > list.length ? `${count(list.length)} of ${count(found.all)}, most waiters first` : "most waiters first") : "");
    const most = Math.max(1, ...list.map(one => one.count));
    keyed(body, list, one => [one.kind, one.address, one.descriptor, one.task, one.scope, one.local, one.remote].join(" "), make, (row, one) => {
      const key = JSON.stringify(one);
      row.parts.bar.style.width = one.count > 1 ? (one.count / most) * 100 + "%" : 0;
      if (row.key === key) return;
      row.key = key;
      const {kind, what, holder, number, waiters} = row.parts;
      say(kind, clean(one.kind, 40));
      what.replaceChildren(...[
        one.address !== undefined ? h("bdi.mono", null, clean(one.address, 60)) : "",
        one.local !== undefined ? h("bdi.mono", null, clean(one.local, 80)) : "",
        one.remote !== undefined ? [h("span.dim", null, " ↔ "), h("bdi.mono", null, clean(one.remote, 80))] : "",
        one.descriptor !== undefined ? h("span.dim", null, " descriptor " + one.descriptor) : "",
        one.task !== undefined ? taskLink(one.task) : "",
        one.scope !== undefined ? scopeLink(one.scope_key, "scope " + one.scope) : "",
        one.function !== undefined ? h("bdi.mono", null, clean(one.function, 80)) : "",
      ].flat().filter(Boolean));
      holder.replaceChildren(...(one.holder !== undefined ? [taskLink(one.holder)] : []));
      say(number, count(one.count));
      waiters.replaceChildren(...one.waiters.flatMap((id, i) => [i ? " " : "", taskLink(id)]), one.count > one.waiters.length ? ` and ${count(one.count - one.waiters.length)} more` : "");
    });
  }

  watch({count: 1});
  load();
  const off = on("now", load);
  return {end: off, show() {}};
}
