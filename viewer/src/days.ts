import type { AuditEvent } from './event';
import { first } from './layout';

/** One thing of the list: a day's heading where `row` is null, else a row. */
export interface Item {
  day: string;
  row: number | null;
}

/**
 * The list's items, one below the other: the heading of each day, and the rows of that day. Items and rows are counted from 0;
 * rows are in the order of time, so that days are found by halving, and not by looking at each.
 */
export class Days {
  #groups: { day: string; from: number }[] = [];
  #rows = 0;
  #latest = 0;

  get rows(): number {
    return this.#rows;
  }

  get count(): number {
    return this.#rows + this.#groups.length;
  }

  /** `grown`: rows were added below, and the others are as they were. */
  group(rows: readonly AuditEvent[], dayOf: (at: string) => string, grown = false): void {
    const before = this.#groups;
    const more = rows.length - this.#rows;
    const day = (row: number) => dayOf(rows[row]?.occurred_at ?? '');
    let row = grown ? this.#rows : 0;
    let next = grown ? before.length : 0;
    if (!grown) this.#groups = [];
    while (row < rows.length) {
      const here = day(row);
      if (this.#groups.at(-1)?.day !== here) this.#groups.push({ day: here, from: row });
      // Mostly rows came in at the top: then days end where they did, so many rows later.
      while (next < before.length && (before[next]?.day ?? '') >= here) next++;
      const guess = (before[next]?.from ?? this.#rows) + more;
      const holds = guess > row && day(guess - 1) === here && (guess === rows.length || day(guess) !== here);
      row = holds ? guess : first(rows.length, (other) => day(other) !== here, row + 1);
    }
    this.#rows = rows.length;
    this.#latest = 0;
  }

  at(item: number): Item {
    const number = this.#groupAt(item);
    const group = this.#groups[number];
    if (!group) throw new RangeError(`no item ${item}`);
    const row = item - number - 1;
    return { day: group.day, row: row < group.from ? null : row };
  }

  /** The item of the heading that this one stands under, or is. */
  headingOf(item: number): number {
    const number = this.#groupAt(item);
    return (this.#groups[number]?.from ?? 0) + number;
  }

  /** The item of the day's own heading; null where no row is of it. */
  headingOfDay(day: string): number | null {
    const number = this.#groups.findIndex((group) => group.day === day);
    return number < 0 ? null : (this.#groups[number]?.from ?? 0) + number;
  }

  itemOf(row: number): number {
    return row + first(this.#groups.length, (number) => (this.#groups[number]?.from ?? 0) > row);
  }

  #groupAt(item: number): number {
    const starts = (number: number) => (this.#groups[number]?.from ?? this.#rows) + number;
    // Items are mostly asked for one after the other.
    if (!(starts(this.#latest) <= item && item < starts(this.#latest + 1))) {
      this.#latest = first(this.#groups.length, (number) => starts(number) > item) - 1;
    }
    return this.#latest;
  }
}
