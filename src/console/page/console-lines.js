// SPDX-License-Identifier: MIT
//
// Which of very many lines, all of one height, are to be seen in a box that is scrolled. The box is as high as all of them
// would be; past TALLEST, where browsers give up, it grows no more, and scrolling goes by share.
const TALLEST = 15e6; // px

export class Lines {
  constructor(grid, heads, box) {
    Object.assign(this, {grid, heads, box, height: 26, total: 0});
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
}
