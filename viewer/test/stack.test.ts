import { describe, expect, it } from 'vitest';
import { Days } from '../src/days';
import type { AuditEvent } from '../src/event';
import { Layout } from '../src/layout';
import { HEADING, Stack } from '../src/stack';
import type { Timeline } from '../src/timeline';
import { When } from '../src/when';

const at = (number: number, step: number) =>
  new Date(Date.UTC(2026, 10, 21, 23) - number * step).toISOString();
const rowsOf = (count: number, step = 3_600_000) =>
  Array.from(
    { length: count },
    (_, number) => ({ id: `e${number}`, seq: count - number, occurred_at: at(number, step) }) as AuditEvent,
  );

/** What the stack asks of a timeline. */
function timelineOf(rows: AuditEvent[]) {
  const one = {
    rows,
    revision: 0,
    get: (id: string) => one.rows.find((row) => row.id === id),
    indexOf: (event: AuditEvent) => one.rows.indexOf(event),
  };
  return one;
}

const utc = new When('en', 'UTC');

describe('Layout', () => {
  it('knows what stands where, also after a change', () => {
    const layout = new Layout();
    layout.arrange(4, () => 10);
    expect([
      layout.start(2),
      layout.total,
      layout.at(-5),
      layout.at(0),
      layout.at(9.5),
      layout.at(10),
      layout.at(99),
    ]).toEqual([20, 40, 0, 0, 0, 1, 3]);
    layout.measure(1, 30);
    layout.arrange(6, () => 5, 4);
    expect([layout.start(1), layout.start(2), layout.total, layout.at(39)]).toEqual([10, 40, 70, 1]);
    layout.arrange(0, () => 1);
    expect([layout.total, layout.at(3)]).toEqual([0, 0]);
  });
});

describe('Days', () => {
  const day = (text: string) => text.slice(0, 10);

  it('puts a heading above the rows of each day', () => {
    const days = new Days();
    days.group(rowsOf(30), day);
    expect(days.count).toBe(32);
    expect([days.at(0), days.at(1), days.at(25), days.at(26)]).toEqual([
      { day: '2026-11-21', row: null },
      { day: '2026-11-21', row: 0 },
      { day: '2026-11-20', row: null },
      { day: '2026-11-20', row: 24 },
    ]);
    expect([days.itemOf(23), days.itemOf(24), days.headingOf(30), days.headingOf(24)]).toEqual([
      24, 26, 25, 0,
    ]);
    expect(() => days.at(-1)).toThrow(RangeError);
  });

  it('grows to what it would be at once', () => {
    const rows = rowsOf(400, 700_000);
    const [grown, whole] = [new Days(), new Days()];
    for (const count of [1, 2, 90, 91, 300, 400]) grown.group(rows.slice(0, count), day, count > 1);
    whole.group(rows, day);
    const all = (days: Days) => Array.from({ length: days.count }, (_, item) => days.at(item));
    expect(all(grown)).toEqual(all(whole));
  });

  it('is the same after rows came in anywhere', () => {
    const rows = rowsOf(400, 700_000);
    const days = new Days();
    const all = (one: Days) => Array.from({ length: one.count }, (_, item) => one.at(item));
    for (const place of [400, 0, 1, 0, 200, 399, 0, 57]) {
      const [before, after] = [rows[place - 1]?.occurred_at, rows[place]?.occurred_at];
      const between = (Date.parse(before ?? at(-200, 700_000)) + Date.parse(after ?? at(600, 700_000))) / 2;
      const came = { id: 'new', seq: 0, occurred_at: new Date(between).toISOString() } as AuditEvent;
      rows.splice(place, 0, came, { ...came });
      days.group(rows, day);
      const whole = new Days();
      whole.group(rows, day);
      expect(all(days)).toEqual(all(whole));
    }
    // Another zone has other days.
    const zone = new When('en', 'Pacific/Auckland');
    days.group(rows, (text) => zone.day(text));
    const whole = new Days();
    whole.group(rows, (text) => zone.day(text));
    expect(all(days)).toEqual(all(whole));
  });

  it('looks at few of many rows', () => {
    let asked = 0;
    new Days().group(rowsOf(100_000, 300_000), (text) => {
      asked++;
      return day(text);
    });
    expect(asked).toBeLessThan(8000);
  });
});

describe('Stack', () => {
  it('has what is in sight there, its heading, and what is kept, and gaps between', () => {
    const timeline = timelineOf(rowsOf(1000));
    const stack = new Stack(timeline as unknown as Timeline);
    stack.arrange(utc);
    const kept = timeline.rows[900] as AuditEvent;
    const items = stack.shown(20_000, 600, [kept]);
    expect(items.length).toBeLessThan(60);
    expect(items[0]?.row).toBeNull();
    expect(items.at(-1)?.key).toBe(kept.id);
    // Gaps and heights make up the whole.
    const heights = items.map(({ row }) => (row === null ? HEADING : 41));
    const sum = items.reduce((all, { gap }, number) => all + gap + (heights[number] ?? 0), 0);
    expect(sum).toBe(items.at(-1)?.end);
    expect(stack.isShown(20_000, 600)).toBe(true);
    expect(stack.isShown(30_000, 600)).toBe(false);
  });

  it('keeps the anchor where it is, whatever comes in or grows above', () => {
    const timeline = timelineOf(rowsOf(200));
    const stack = new Stack(timeline as unknown as Timeline);
    stack.arrange(utc);
    const anchor = stack.anchorAt(3000);
    if (!anchor) throw new Error('no anchor');
    expect(stack.topOf(anchor)).toBe(3000);
    stack.measure('e3', 141);
    expect(stack.topOf(anchor)).toBe(3100);
    timeline.rows.unshift({ ...timeline.rows[0], id: 'new', seq: 999 } as AuditEvent);
    timeline.revision++;
    expect(stack.arrange(utc)).toBe(false);
    // The usual height is now that of the only row that was measured.
    stack.measure('new', 59);
    expect(stack.topOf(anchor)).toBe((stack.spanOf(anchor.event)[0] ?? 0) - anchor.below);
    timeline.rows = [];
    expect(stack.arrange(utc)).toBe(true);
    expect([stack.topOf(anchor), stack.anchorAt(0), stack.shown(0, 500, []), stack.inSight(0, 500)]).toEqual([
      null,
      null,
      [],
      [],
    ]);
  });

  it('arranges nothing anew for rows that are as high as most', () => {
    const stack = new Stack(timelineOf(rowsOf(200)) as unknown as Timeline);
    stack.arrange(utc);
    // No row was measured yet, and 41 is what one is thought to have.
    expect(['e0', 'e1', 'e2'].map((key) => stack.measure(key, 41))).toEqual([false, false, false]);
    expect(stack.measure('e3', 62)).toBe(true);
    expect(stack.measure('e3', 62)).toBe(false);
    // A few that are higher change nothing in what the others are thought to have.
    expect(stack.measure('e4', 41)).toBe(false);
  });
});
