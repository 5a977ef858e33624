// SPDX-License-Identifier: MIT
//
// Lines over time and histograms, as SVG: colours are the style sheet's, so light and dark need no drawing. Lines are drawn in
// a box of 100 × 100 that is stretched; whatever is to be read is HTML beside it.
import {compact, h, mark, say, span, svg} from "./console-dom.js";

export const WINDOW = 120e3; // ms that lines show at most

// Lines begin in a shorter window, until there is enough for the whole one.
const windowOf = samples => Math.min(WINDOW, Math.max(15e3, samples.length ? samples.at(-1).t - samples[0].t : 0));

function niceAbove(value) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15].find(step => step * size >= value * 1.02) * size;
}

// Draws pick(sample) of the samples into two paths; where samples are missing for long, the line has a gap.
function draw(line, area, samples, pick, most) {
  const end = samples.length ? samples[samples.length - 1].t : 0;
  const width = windowOf(samples);
  let stroke = "";
  let fill = "";
  let run = [];
  const flush = () => {
    if (run.length) {
      stroke += "M" + run.join("L") + (run.length === 1 ? "h.5" : "");
      fill += `M${run[0].split(" ")[0]} 100L${run.join("L")}V100Z`;
    }
    run = [];
  };
  let last;
  for (const sample of samples) {
    const value = pick(sample);
    if (value === undefined || end - sample.t > width) continue;
    if (last !== undefined && sample.t - last > 5000 + 4e3 * sample.seconds) flush();
    last = sample.t;
    run.push(`${(100 - ((end - sample.t) / width) * 100).toFixed(2)} ${(100 - Math.min(1, value / most) * 100).toFixed(1)}`);
  }
  flush();
  mark(line, "d", stroke);
  mark(area, "d", fill);
}

const canvas = (...children) => svg("svg", {viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true"}, ...children);

export function sparkline() {
  const area = svg("path", {class: "area"});
  const line = svg("path", {class: "line"});
  const element = h("span.spark", null, canvas(area, line));
  return {element, update: (samples, pick, most) => draw(line, area, samples, pick, most)};
}

// A chart with its value now, or where the pointer is. limit: what the axis ends at at least (a number or function).
export function chart(title, unit, pick, {format = compact, limit = 1, fixed = false} = {}) {
  const area = svg("path", {class: "area"});
  const line = svg("path", {class: "line"});
  const value = h("b.value");
  const when = h("span.when");
  const top = h("span.top");
  const begin = h("span");
  const pointer = h("i.pointer", {hidden: true});
  const plot = h("div.plot", null, canvas(area, line), top, pointer);
  const element = h("figure.chart", null, h("figcaption", null, h("span.name", null, title), when, h("span.now", null, value, h("span.unit", null, unit))), plot,
    h("div.axis", {"aria-hidden": "true"}, begin, h("span", null, "now")));
  let samples = [];
  let at; // 0…1 where the pointer is

  function tell() {
    let sample = samples[samples.length - 1];
    if (at !== undefined && sample) {
      const t = sample.t - (1 - at) * windowOf(samples);
      const end = sample.t;
      sample = samples.reduce((best, one) => (Math.abs(one.t - t) < Math.abs(best.t - t) ? one : best));
      pointer.style.left = 100 - ((end - sample.t) / windowOf(samples)) * 100 + "%";
      say(when, sample.t === end ? "now" : Math.round((end - sample.t) / 1000) + " s ago");
    } else say(when, "");
    pointer.hidden = at === undefined || !sample;
    say(value, format(sample ? pick(sample) : undefined));
  }
  plot.addEventListener("pointermove", event => {
    const box = plot.getBoundingClientRect();
    at = (event.clientX - box.left) / box.width;
    tell();
  });
  plot.addEventListener("pointerleave", () => {
    at = undefined;
    tell();
  });
  return {
    element,
    update(next) {
      samples = next;
      const least = typeof limit === "function" ? limit() : limit;
      const most = fixed ? least : niceAbove(Math.max(least, ...samples.map(sample => pick(sample) ?? 0)));
      draw(line, area, samples, pick, most);
      say(top, format(most));
      const width = windowOf(samples);
      say(begin, width < WINDOW ? `${Math.round(width / 1e3)} s ago` : "2 min ago");
      tell();
    },
  };
}

// Four buckets for each doubling from 64 ns on (edo_histogram_limit): which one ends at this time.
function place(ns) {
  if (!(ns < 7e10)) return 121;
  if (ns <= 64) return 0;
  const octave = Math.floor(Math.log2(ns - 1));
  return (octave - 6) * 4 + Math.round(((ns - 2 ** octave) / 2 ** octave) * 4);
}

export function percentileOf(histogram, part) {
  let left = histogram.count * part;
  for (const bucket of histogram.buckets) if ((left -= bucket.count) <= 0) return bucket.to_ns;
  return histogram.buckets.at(-1)?.to_ns;
}

// What came to `now` since `old`.
export function since(now, old) {
  if (!now || !old) return now;
  const before = new Map(old.buckets.map(bucket => [bucket.to_ns, bucket.count]));
  const buckets = now.buckets.map(bucket => ({to_ns: bucket.to_ns, count: bucket.count - (before.get(bucket.to_ns) ?? 0)})).filter(bucket => bucket.count > 0);
  return {count: buckets.reduce((sum, bucket) => sum + bucket.count, 0), sum_us: now.sum_us - old.sum_us, buckets};
}

const MARKS = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

export function histogram(title, what) {
  const bars = svg("path", {class: "bars"});
  const facts = h("dl.percentiles");
  const axis = h("div.decades", {"aria-hidden": "true"});
  const none = h("p.empty", null, "Nothing was measured yet.");
  const samples = h("span.samples");
  const plot = h("div.plot", {role: "img"}, canvas(bars), samples);
  const element = h("figure.histogram", null, h("figcaption", null, h("span.name", null, title), h("span.what", null, what)), facts, plot, axis, none);
  const values = ["p50", "p90", "p99", "longest"].map(name => {
    const value = h("dd");
    facts.append(h("div", null, h("dt", null, name), value));
    return value;
  });
  return {
    element,
    update(data) {
      const any = data && data.count > 0;
      facts.hidden = plot.hidden = axis.hidden = !any;
      none.hidden = any;
      if (!any) return;
      const found = [percentileOf(data, 0.5), percentileOf(data, 0.9), percentileOf(data, 0.99), data.buckets.at(-1).to_ns];
      found.forEach((ns, i) => say(values[i], ns > 7e10 ? "> 68 s" : "≤ " + span(ns)));
      say(samples, compact(data.count) + " samples");
      mark(plot, "aria-label", `${title}: half up to ${span(found[0])}, 99 % up to ${span(found[2])}`);
      // The axis: whole powers of ten around what there is.
      const low = Math.min(place(1e3), ...data.buckets.map(bucket => place(bucket.to_ns))) - 1;
      const high = Math.max(place(1e6), ...data.buckets.map(bucket => place(bucket.to_ns))) + 1;
      const most = Math.max(...data.buckets.map(bucket => bucket.count));
      const x = index => ((index - low) / (high - low)) * 100;
      let path = "";
      for (const bucket of data.buckets) {
        const index = place(bucket.to_ns);
        const height = Math.max(1.5, (bucket.count / most) * 100);
        path += `M${x(index - 1).toFixed(2)} 100v-${height.toFixed(1)}h${(x(1) - x(0)).toFixed(2) * 0.86}v${height.toFixed(1)}z`;
      }
      mark(bars, "d", path);
      const key = low + " " + high;
      if (axis.key !== key) {
        axis.key = key;
        axis.replaceChildren(...MARKS.flatMap(ns => {
          const octave = Math.floor(Math.log2(ns));
          const at = x((octave - 6) * 4 + (ns / 2 ** octave - 1) * 4);
          if (at < 4 || at > 96) return []; // it would stand out at the side
          const label = h("span", null, span(ns));
          label.style.left = at + "%";
          return [label];
        }));
      }
    },
  };
}
