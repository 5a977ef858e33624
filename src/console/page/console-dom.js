// SPDX-License-Identifier: MIT
//
// Elements and words. All that a program says (names, sites, waits) is hostile text: it reaches the document as text nodes
// only, through here, isolated from the direction of what stands beside it.

// h("td.number", {title: "…", onclick: f}, "text", element, [elements])
export function h(what, facts, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(facts || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== undefined && child !== null && child !== false));
  return element;
}

export function svg(tag, facts, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts || {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Sets text where it has changed: an element that stays as it is costs the browser nothing.
export function say(element, text) {
  if (element.said !== text) element.textContent = element.said = text;
}

export function mark(element, name, value) {
  if (value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Control characters as signs that can be seen; marks that turn or hide text as U+FFFD. Cut: nobody reads 10 KB in a cell.
export function clean(text, most = 200) {
  text = String(text ?? "");
  if (text.length > most) text = text.slice(0, most) + "…";
  return text
    .replace(/[\u0000-\u001f]/g, c => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, "\ufffd");
}

export const taskLink = (id, name) =>
  h("a", {href: "#/task/" + encodeURIComponent(id)}, h("span.mono", null, "#" + clean(id, 24)), name ? " " : "", name ? h("bdi", null, clean(name, 80)) : "");

// Why something is cancelled: "cancelled by the program", "cancelled: deadline at server.c:12".
export const cancelWords = (reason, at) => (String(reason).startsWith("cancelled") ? "" : "cancelled: ") + clean(reason, 40) + (at === undefined ? "" : " at " + clean(at, 80));

// Numbers, in the same shape on every machine.
const whole = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});
export const count = n => (n === undefined ? "–" : whole.format(n));

export function compact(n) {
  if (n === undefined || !isFinite(n)) return "–";
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (n >= size) {
      const value = n / (unit === "k" ? 1e3 : size);
      return value.toFixed(value >= 100 ? 0 : 1) + " " + unit;
    }
  return n >= 10 || n === Math.round(n) ? whole.format(n) : n.toFixed(1);
}

export const percent = part => (part === undefined || !isFinite(part) ? "–" : Math.round(part * 100) + " %");

// "340 ns", "12.3 µs", "850 ms", "12.3 s", "4 m 05 s", "2 h 05 m", "3 d 4 h"
export function span(ns) {
  if (ns === undefined || !isFinite(ns)) return "–";
  const pad = n => String(n).padStart(2, "0");
  for (const [size, unit] of [[1e3, "ns"], [1e6, "µs"], [1e9, "ms"], [6e10, "s"]])
    if (ns < size) {
      const value = (ns / size) * (unit === "s" ? 60 : 1e3);
      return (value >= 100 || value === Math.round(value) ? Math.round(value) : value.toFixed(1)) + " " + unit;
    }
  const s = Math.round(ns / 1e9);
  if (s < 3600) return `${Math.floor(s / 60)} m ${pad(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${pad(Math.floor(s / 60) % 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
export const ms = n => span(n === undefined ? n : n * 1e6);
export const us = n => span(n === undefined ? n : n * 1e3);

export function clock(at) {
  const date = new Date(at);
  const pad = (n, size = 2) => String(n).padStart(size, "0");
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

// A panel with a heading; `more` stands at the heading's right.
export const panel = (name, title, more, ...children) =>
  h("section.panel." + name, {"aria-label": title}, h("div.title", null, h("h2", null, title), more), children);

export const empty = (...words) => h("p.empty", null, words);

// The functions of a stack, innermost first.
export function frames(list) {
  if (!list || !list.length) return empty("No stack could be read.");
  return h("ol.frames.mono", null, list.map(frame =>
    h("li", null, frame.function
      ? [h("bdi.function", null, clean(frame.function)), h("span.dim", null, "+" + frame.offset), " ", h("bdi.module", null, clean(frame.module)),
          frame.guessed ? h("span.dim", {title: "Found on the stack, not by following it: it may have returned already"}, " ?") : ""]
      : [h("bdi.function", null, clean(frame.module || "?")), h("span.dim", null, "+0x" + Number(frame.module_offset || 0).toString(16))])));
}

// What an event source or a fetch brings, in order of the keys: rebuilds `list` so that the same key keeps its element.
export function keyed(parent, items, key, make, update) {
  const old = parent.keyed || new Map();
  const next = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    const element = old.get(name) || make(item);
    update(element, item);
    next.set(name, element);
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  for (const [name, element] of old) if (next.get(name) !== element) element.remove();
  parent.keyed = next;
}
