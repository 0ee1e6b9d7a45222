/** Where things of different heights stand, one below the other: in pixels, by number. Sums are made anew only from the first that changed on. */
export class Layout {
  #sizes = new Float64Array(0);
  #starts = new Float64Array(1);
  #count = 0;
  /** Starts up to this number hold. */
  #valid = 0;

  get count(): number {
    return this.#count;
  }

  /** Where all of it ends. */
  get total(): number {
    return this.start(this.#count);
  }

  /** There are now so many; those from `from` on have the sizes that `sizeOf` gives. */
  arrange(count: number, sizeOf: (index: number) => number, from = 0): void {
    if (count > this.#sizes.length) {
      const sizes = new Float64Array(Math.max(count, this.#sizes.length * 2));
      sizes.set(this.#sizes.subarray(0, from));
      const starts = new Float64Array(sizes.length + 1);
      starts.set(this.#starts.subarray(0, Math.min(from, this.#valid) + 1));
      this.#sizes = sizes;
      this.#starts = starts;
    }
    for (let index = from; index < count; index++) this.#sizes[index] = sizeOf(index);
    this.#count = count;
    this.#valid = Math.min(this.#valid, from);
  }

  /** False if it is of this size already. */
  measure(index: number, size: number): boolean {
    if (this.#sizes[index] === size) return false;
    this.#sizes[index] = size;
    this.#valid = Math.min(this.#valid, index);
    return true;
  }

  start(index: number): number {
    const [sizes, starts] = [this.#sizes, this.#starts];
    if (this.#valid < index) {
      let sum = starts[this.#valid] ?? 0;
      for (let at = this.#valid; at < index; at++) {
        sum += sizes[at] ?? 0;
        starts[at + 1] = sum;
      }
      this.#valid = index;
    }
    return starts[index] ?? 0;
  }

  /** What stands at this height: the first one above all, the last one below. */
  at(y: number): number {
    const next = first(this.#count, (index) => this.start(index + 1) > y);
    return Math.max(0, Math.min(next, this.#count - 1));
  }
}

/** The first of `count` numbers, or `count`, from which on `holds` is true. */
export function first(count: number, holds: (index: number) => boolean, from = 0): number {
  let low = from;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
