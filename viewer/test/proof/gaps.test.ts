import { describe, expect, it } from 'vitest';
import { claimOf, exclusion, missingFrom, notGivenBelow } from '../../src/proof/gaps';
import { Query } from '../../src/query';

const at = (minute: number) => `2026-11-21T09:${String(minute).padStart(2, '0')}:00.000Z`;
const place = (minute: number, seq: number) => ({ occurred_at: at(minute), seq });
/** Newest first: 14 was logged late, and 12 belongs elsewhere. */
const ROWS = [place(30, 15), place(25, 13), place(20, 14), place(20, 11), place(10, 10)];
const OPEN = { since: '', until: '', hasMore: true };

describe('which actions are left out', () => {
  it.each([
    ['', []],
    ['since=7d&until=1d', []],
    ['-action=audit_log.viewed', ['audit_log.viewed']],
    ['-action=audit_log.*', ['audit_log.viewed', 'AUDIT_LOG.x', 'audit_log.']],
    ['-action=audit_log.viewed&-action=user.joined', ['audit_log.viewed', 'user.joined']],
    ['-action=*', ['audit_log.viewed', 'user.joined', 'AUDIT_LOG.x', 'audit_log.', 'audit_logs']],
  ])('is told by "%s"', (query, out) => {
    const excludes = exclusion(Query.parse(query));
    for (const action of ['audit_log.viewed', 'AUDIT_LOG.x', 'audit_log.', 'audit_logs', 'user.joined'])
      expect([action, excludes?.(action)]).toEqual([action, out.includes(action)]);
  });

  it.each([
    'q=joined',
    'category=auth',
    '-category=auth',
    'action=user.joined',
    '-action=*.joined',
    '-action=a*b*',
    '-severity=info',
    '-changes.role=x',
    '-action=a&-actor_id=b',
  ])('is not told by "%s"', (query) => expect(exclusion(Query.parse(query))).toBeNull());
});

describe('a list claims to be whole', () => {
  it.each([
    ['from its oldest row on', OPEN, 10, 99],
    ['from the first entry on, where it has its end', { ...OPEN, hasMore: false }, 0, 99],
    ['but not where a time is its end', { ...OPEN, since: '7d', hasMore: false }, 10, 99],
    ['up to its newest row alone, where it ends before now', { ...OPEN, until: '1d' }, 10, 15],
  ])('%s', (_, query, low, high) => {
    expect(claimOf(ROWS, 100, query)).toMatchObject({ low, high });
  });

  it('no further than what is signed', () => {
    expect(claimOf(ROWS, 13, OPEN)).toMatchObject({ low: 10, high: 12 });
    expect(claimOf(ROWS, 13, { ...OPEN, until: '1d' })).toMatchObject({ low: 10, high: 12 });
  });

  it('of nothing where it has no row', () => {
    expect(claimOf([], 100, OPEN)).toBeNull();
  });

  it.each([
    ['between', place(15, 12), true, true, true],
    ['at the time of a row, by its number', place(20, 12), true, true, true],
    ['newer than all', place(31, 16), true, true, false],
    ['at the time of the newest, by its number', place(30, 16), true, true, false],
    ['just before the newest', place(30, 12), true, true, true],
    ['at the time of the oldest, newer by its number', place(10, 12), true, true, true],
    ['at the time of the oldest, older by its number', place(10, 9), false, true, false],
    ['older than all', place(9, 16), false, true, false],
  ])('to have what is %s', (_, where, open, ended, until) => {
    expect(claimOf(ROWS, 100, OPEN)?.holds(where)).toBe(open);
    expect(claimOf(ROWS, 100, { ...OPEN, hasMore: false })?.holds(where)).toBe(ended);
    expect(claimOf(ROWS, 100, { ...OPEN, until: '1d' })?.holds(where)).toBe(until);
  });
});

describe('numbers that were not given', () => {
  it.each([
    ['are the lowest of all', [9, 8, 7], [17, 16, 9, 8, 7], 10],
    ['are all of them', [9, 8], [9, 8], 10],
    ['are none', [], [17, 16], null],
    ['are not the lowest', [17], [17, 16], null],
    ['have one among them that was', [9, 7], [9, 8, 7], null],
    ['have a row below them', [12], [17, 12], null],
  ])('%s', (_, unknown, looked, below) => {
    expect(notGivenBelow(unknown, looked, ROWS)).toBe(below);
  });
});

describe('numbers that it lacks', () => {
  const holds = () => true;

  it('are those of no row, the highest first', () => {
    expect(missingFrom({ low: 9, high: 17, holds }, ROWS, 10)).toEqual({
      numbers: [17, 16, 12, 9],
      isAll: true,
    });
    expect(missingFrom({ low: 10, high: 11, holds }, ROWS, 10)).toEqual({ numbers: [], isAll: true });
    expect(missingFrom({ low: 10, high: 9, holds }, ROWS, 10)).toEqual({ numbers: [], isAll: true });
  });

  it('are so many at most, and then not all', () => {
    expect(missingFrom({ low: 9, high: 17, holds }, ROWS, 4).isAll).toBe(true);
    expect(missingFrom({ low: 9, high: 17, holds }, ROWS, 3)).toEqual({
      numbers: [17, 16, 12],
      isAll: false,
    });
    expect(missingFrom({ low: 0, high: 2 ** 53 - 2, holds }, ROWS, 2).numbers).toEqual([
      2 ** 53 - 2,
      2 ** 53 - 3,
    ]);
  });
});
