import { describe, expect, it } from 'vitest';
import { dayAt, momentOf, wallOf } from '../src/zone';

const iso = (at: number) => new Date(at).toISOString().replace('.000Z', 'Z');
const moment = (wall: string, zone: string) => iso(momentOf(Date.parse(`${wall}Z`), zone));

describe('momentOf', () => {
  it.each([
    ['2026-11-21T14:00:00', 'Europe/Berlin', '2026-11-21T13:00:00Z'],
    ['2026-07-21T14:00:00', 'Europe/Berlin', '2026-07-21T12:00:00Z'],
    ['2026-07-21T14:00:00', 'America/New_York', '2026-07-21T18:00:00Z'],
    ['2026-07-21T14:00:00', 'Asia/Kathmandu', '2026-07-21T08:15:00Z'],
    ['2026-07-21T14:00:00', 'Pacific/Kiritimati', '2026-07-21T00:00:00Z'],
    ['2026-07-21T14:00:00', 'UTC', '2026-07-21T14:00:00Z'],
  ])('%s in %s', (wall, zone, at) => expect(moment(wall, zone)).toBe(at));

  it('takes the first where clocks show a time twice', () => {
    expect(moment('2026-10-25T02:30:00', 'Europe/Berlin')).toBe('2026-10-25T00:30:00Z');
    expect(moment('2026-11-01T01:30:00', 'America/New_York')).toBe('2026-11-01T05:30:00Z');
  });

  it('goes past what clocks skip', () => {
    expect(moment('2026-03-29T02:30:00', 'Europe/Berlin')).toBe('2026-03-29T01:30:00Z');
    expect(moment('2026-03-08T02:30:00', 'America/New_York')).toBe('2026-03-08T07:30:00Z');
  });

  it('is exact just before and just after a change', () => {
    expect(moment('2026-03-29T01:59:59', 'Europe/Berlin')).toBe('2026-03-29T00:59:59Z');
    expect(moment('2026-03-29T03:00:00', 'Europe/Berlin')).toBe('2026-03-29T01:00:00Z');
    expect(moment('2026-10-25T03:00:00', 'Europe/Berlin')).toBe('2026-10-25T02:00:00Z');
  });

  it('finds again what clocks show, all year', () => {
    for (const zone of ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe']) {
      for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += 53 * 900_000) {
        const wall = wallOf(at, zone);
        expect(wallOf(momentOf(wall, zone), zone)).toBe(wall);
      }
    }
  });
});

describe('dayAt', () => {
  it.each([
    ['2026-11-21T23:30:00Z', 'Europe/Berlin', 0, '2026-11-21T23:00:00Z'],
    ['2026-11-21T22:30:00Z', 'Europe/Berlin', 0, '2026-11-20T23:00:00Z'],
    ['2026-10-25T12:00:00Z', 'Europe/Berlin', 0, '2026-10-24T22:00:00Z'],
    ['2026-10-25T12:00:00Z', 'Europe/Berlin', 1, '2026-10-25T23:00:00Z'],
    ['2026-03-08T12:00:00Z', 'America/New_York', 0, '2026-03-08T05:00:00Z'],
    ['2026-03-08T12:00:00Z', 'America/New_York', 1, '2026-03-09T04:00:00Z'],
    ['2026-03-09T12:00:00Z', 'America/New_York', -1, '2026-03-08T05:00:00Z'],
    ['2026-11-21T18:30:00Z', 'Asia/Kathmandu', 0, '2026-11-21T18:15:00Z'],
    // Midnight is skipped there on this day.
    ['2026-04-24T12:00:00Z', 'Africa/Cairo', 0, '2026-04-23T22:00:00Z'],
  ])('of %s in %s, %i later', (at, zone, later, begins) => {
    expect(iso(dayAt(Date.parse(at), zone, later))).toBe(begins);
  });
});
