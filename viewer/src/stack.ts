import { Days } from './days';
import type { AuditEvent } from './event';
import { Layout } from './layout';
import type { Timeline } from './timeline';
import type { When } from './when';

/** A row that is to keep its place: so many pixels below the top of what is seen, or above it if negative. */
export interface Anchor {
  event: AuditEvent;
  below: number;
}

export interface Placed {
  key: string;
  /** Pixels of what is left out between it and the one before. */
  gap: number;
  /** Where it ends. */
  end: number;
  day: string;
  /** The row's, from 0 on; null of the day's heading. */
  row: number | null;
  /** Of the row; of a heading the first below it. */
  event: AuditEvent;
}

/** Pixels: a day's heading, and a row until one was measured. */
export const HEADING = 33;
const ROW = 41;
/** Items that are there beyond those in sight, above and below, and of these so many at least before others are put there. */
const AROUND = 8;
const MARGIN = 3;

/** Where the rows of the timeline and the headings of their days stand in the list, and which of them are to be there. Knows no document. */
export class Stack {
  readonly #days = new Days();
  readonly #layout = new Layout();
  /** What was measured, by key. */
  readonly #heights = new Map<string, number>();
  #shown = { from: 0, to: -1, heading: 0 };
  /** How many rows were first measured to be of a height, and the height that most of them have. */
  readonly #counts = new Map<number, number>();
  #usual = ROW;
  #of: { rows: readonly AuditEvent[]; revision: number; zone: string } | null = null;

  constructor(readonly timeline: Timeline) {}

  /** Takes over what the timeline has now; true if it is another query's. */
  arrange(when: When): boolean {
    const { rows, revision } = this.timeline;
    const before = this.#of;
    const grown = before?.rows === rows && before.revision === revision && before.zone === when.zone;
    if (grown && rows.length === this.#days.rows) return false;
    const items = grown ? this.#days.count : 0;
    this.#days.group(rows, (at) => when.day(at), grown);
    this.#layout.arrange(this.#days.count, (item) => this.#height(item), items);
    this.#of = { rows, revision, zone: when.zone };
    return before !== null && before.rows !== rows;
  }

  get total(): number {
    return this.#layout.total;
  }

  isMeasured(key: string): boolean {
    return this.#heights.has(key);
  }

  /** True if it was thought to be of another height. */
  measure(key: string, height: number): boolean {
    if (this.#heights.get(key) === height) return false;
    const event = this.timeline.get(key);
    if (event && !this.#heights.has(key)) this.#count(height);
    this.#heights.set(key, height);
    const item = event ? this.#itemOf(event) : this.#days.headingOfDay(key);
    return item !== null && this.#layout.measure(item, height);
  }

  /** Its height is to be another: what was measured no longer counts. */
  forget(key: string): void {
    const event = this.timeline.get(key);
    if (!event || !this.#heights.delete(key)) return;
    this.#layout.measure(this.#itemOf(event), this.#usual);
  }

  /** All heights are to be others, as the width is. */
  forgetAll(): void {
    this.#heights.clear();
    this.#counts.clear();
    this.#usual = ROW;
    this.#layout.arrange(this.#days.count, (item) => this.#height(item));
  }

  /** Where the event's row begins, and where it ends. */
  spanOf(event: AuditEvent): [number, number] {
    const item = this.#itemOf(event);
    return [this.#layout.start(item), this.#layout.start(item + 1)];
  }

  /** The row that stands right below the heading that sticks to the top. */
  anchorAt(top: number): Anchor | null {
    if (this.#days.count === 0) return null;
    const item = this.#layout.at(top + HEADING);
    const { row } = this.#days.at(item);
    const at = row === null ? item + 1 : item;
    const event = this.timeline.rows[this.#days.at(at).row ?? 0];
    return event ? { event, below: this.#layout.start(at) - top } : null;
  }

  /** The scroll position at which the anchor is in its place; null if it is gone. */
  topOf({ event, below }: Anchor): number | null {
    if (!this.timeline.get(event.id)) return null;
    return Math.max(0, this.spanOf(event)[0] - below);
  }

  /** The rows in sight. */
  inSight(top: number, view: number): AuditEvent[] {
    if (this.#days.count === 0) return [];
    const [from, to] = [this.#layout.at(top), this.#layout.at(top + view)];
    return this.#placed(from, to, []).flatMap(({ row, event }) => (row === null ? [] : event));
  }

  /** What is to be there, in order: what is in sight and around it, the heading that it stands under, and what is kept. */
  shown(top: number, view: number, keep: readonly AuditEvent[]): Placed[] {
    if (this.#days.count === 0) return [];
    const middle = this.#layout.at(top);
    const heading = this.#days.headingOf(middle);
    const from = Math.max(0, middle - AROUND);
    const to = Math.min(this.#days.count - 1, this.#layout.at(top + view) + AROUND);
    this.#shown = { from, to, heading };
    return this.#placed(from, to, [heading, ...keep.map((event) => this.#itemOf(event))]);
  }

  /** Whether what is there reaches for this place. */
  isShown(top: number, view: number): boolean {
    const { from, to, heading } = this.#shown;
    const [above, below] = [this.#layout.at(top), this.#layout.at(top + view)];
    const reaches = above - MARGIN >= from || from === 0;
    return (
      reaches &&
      (below + MARGIN <= to || to === this.#days.count - 1) &&
      this.#days.headingOf(above) === heading
    );
  }

  #placed(from: number, to: number, kept: number[]): Placed[] {
    const wanted = new Set(kept);
    for (let item = from; item <= to; item++) wanted.add(item);
    const placed: Placed[] = [];
    let end = 0;
    for (const item of [...wanted].sort((one, other) => one - other)) {
      const { day, row } = this.#days.at(item);
      const event = this.timeline.rows[row ?? this.#days.at(item + 1).row ?? 0];
      const gap = this.#layout.start(item) - end;
      end = this.#layout.start(item + 1);
      if (event) placed.push({ key: row === null ? day : event.id, gap, end, day, row, event });
    }
    return placed;
  }

  #itemOf(event: AuditEvent): number {
    return this.#days.itemOf(this.timeline.indexOf(event));
  }

  #height(item: number): number {
    const { day, row } = this.#days.at(item);
    if (row === null) return this.#heights.get(day) ?? HEADING;
    return this.#heights.get(this.timeline.rows[row]?.id ?? '') ?? this.#usual;
  }

  /** The usual height is one that rows have, not their mean: where most are as high as was thought, nothing is arranged anew. */
  #count(height: number): void {
    const count = (this.#counts.get(height) ?? 0) + 1;
    this.#counts.set(height, count);
    if (count > (this.#counts.get(this.#usual) ?? 0)) this.#usual = height;
  }
}
