// SPDX-License-Identifier: MIT
//
// Very many lines, all of one height, in a box that is scrolled: in the document are those that are to be seen and a few more.
// The box is as high as all of them would be; past TALLEST, where browsers give up, it grows no more, and scrolling goes by
// share.
const TALLEST = 15e6; // px
const MARGIN = 8; // lines drawn on either side

export class Lines {
  // make() is an item for a line, with its .element; fill(item, what, index, key) shows in it what a line is.
  constructor(grid, heads, box, make, fill) {
    Object.assign(this, {grid, heads, box, make, fill, height: 26, total: 0, items: new Map(), spare: [], frame: 0});
  }
  resize(total = this.total) {
    this.total = total;
    const size = Math.min(TALLEST, total * this.height) + "px";
    if (this.box.style.height !== size) this.box.style.height = size;
  }
  seen() {
    return this.grid.clientHeight - this.heads.offsetHeight;
  }
  many() {
    return Math.max(1, Math.ceil(this.seen() / this.height));
  }
  // The first line that is seen; a part of it may be hidden.
  first() {
    if (this.total * this.height <= TALLEST) return this.grid.scrollTop / this.height;
    return (this.grid.scrollTop / Math.max(1, TALLEST - this.seen())) * (this.total - this.seen() / this.height);
  }
  // Where a line stands in the box, when first() was `start`.
  yOf(index, start) {
    return this.total * this.height <= TALLEST ? index * this.height : this.grid.scrollTop + (index - start) * this.height;
  }
  // Scrolls until it is seen, beneath the head.
  reveal(index) {
    const [grid, height, seen] = [this.grid, this.height, this.seen()];
    if (this.total * height > TALLEST) {
      const start = this.first();
      if (index < start || index > start + seen / height - 1) grid.scrollTop = (index / this.total) * (TALLEST - seen);
    } else if (index * height < grid.scrollTop) grid.scrollTop = index * height;
    else if ((index + 1) * height > grid.scrollTop + seen) grid.scrollTop = (index + 1) * height - seen;
  }

  // --- drawing

  // The lines that are seen, in items that are used again; an item follows its line. at(index): the key of a line and what it is,
  // or nothing, where that is not known. Then .items has those that are drawn, by their keys.
  draw(at) {
    const start = this.first();
    const end = Math.min(this.total, Math.ceil(start) + this.many() + MARGIN);
    const next = new Map();
    for (let index = Math.max(0, Math.floor(start) - MARGIN); index < end; index++) {
      const line = at(index);
      if (line) next.set(line[0], [line[1], index]);
    }
    for (const [key, item] of this.items)
      if (!next.has(key)) {
        this.items.delete(key);
        item.element.hidden = true;
        this.spare.push(item);
      }
    for (const [key, [what, index]] of next) {
      let item = this.items.get(key);
      if (!item) {
        item = this.spare.pop() || this.make();
        if (!item.element.parentNode) this.box.append(item.element);
        item.element.hidden = false;
        this.items.set(key, item);
      }
      this.fill(item, what, index, key);
      const y = this.yOf(index, start);
      if (item.y !== y) item.element.style.transform = `translateY(${(item.y = y)}px)`;
    }
  }
  // Once for all that comes until the next frame.
  soon(draw) {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(draw);
  }
  // Calls `changed`, now and whenever lines are of another height, or the box of another size, from then on until end().
  follow(changed) {
    const narrow = matchMedia("(max-width: 760px)");
    const measure = () => {
      this.height = narrow.matches ? 50 : 26;
      this.resize();
      for (const item of this.items.values()) item.y = undefined;
      changed();
    };
    const resized = new ResizeObserver(measure);
    narrow.addEventListener("change", measure);
    resized.observe(this.grid);
    measure();
    this.end = () => {
      cancelAnimationFrame(this.frame);
      resized.disconnect();
      narrow.removeEventListener("change", measure);
    };
  }
}
