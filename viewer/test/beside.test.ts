import { describe, expect, it } from 'vitest';
import { Cell } from '../src/cell';
import type { AuditEvent } from '../src/event';
import { later } from '../src/locale/en-later';
import { beside } from '../src/parts/continuity';
import { Query } from '../src/query';
import { Timeline } from '../src/timeline';
import type { Viewer } from '../src/viewer';

const place = (seq: number): AuditEvent =>
  ({
    seq,
    id: `${seq}`,
    action: 'document.shared',
    occurred_at: `2026-11-22T09:30:${seq}.000Z`,
  }) as AuditEvent;

/** Which of the rows 12 and 15 are told that this one was left out beside them. */
async function told(seq: number, query: string, more = false, kind = 'whole'): Promise<number[]> {
  const rows = [place(15), place(12)];
  const next_cursor = more ? 'older' : null;
  const api = {
    timeline: async () => ({ data: rows, next_cursor, prev_cursor: null }),
    send: async () => ({}),
  };
  const timeline = new Timeline(api as never);
  await timeline.load(Query.parse(query));
  timeline.stop();
  const viewer = {
    proofs: { checker: { continuity: { state: { kind } } }, leftOut: [{ seq, entry: place(seq) }] },
    query: new Cell(Query.parse(query)),
    texts: new Cell(later),
    number: String,
    timeline,
  } as unknown as Viewer;
  return rows.filter((row) => beside(viewer, row).length > 0).map((row) => row.seq);
}

describe('what was left out is told', () => {
  it.each([
    ['to both rows beside it', 13, '', [15, 12]],
    ['to the newest row, where the list goes up to now', 16, '', [15]],
    ['to the oldest, where the list has its end', 11, '', [12]],
  ])('%s', async (_, seq, query, rows) => {
    expect(await told(seq, query)).toEqual(rows);
  });

  it.each([
    ['that ends below it', 16, 'until=1d', false],
    ['that begins above it', 11, 'since=7d', false],
    ['that was not loaded as far as it', 11, '', true],
    ['that excludes it', 13, '-action=document.*', false],
    ['that has filters', 13, 'category=auth', false],
    ['that has it now', 12, '', false],
  ])('to no row of a list %s', async (_, seq, query, more) => {
    expect(await told(seq, query, more)).toEqual([]);
  });

  it('to nobody who sees a part of the log', async () => {
    expect(await told(13, '', false, 'part')).toEqual([]);
  });
});
