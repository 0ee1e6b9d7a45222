import { describe, expect, it } from 'vitest';
import { de } from '../src/locale/de';
import { en } from '../src/locale/en';
import { rangeLabel, rangeName, startOf, written } from '../src/range';
import { When } from '../src/when';

const now = new Date('2026-11-22T09:30:00Z');

describe('startOf', () => {
  it.each([
    ['7d', '2026-11-15T09:30:00Z'],
    ['90m', '2026-11-22T08:00:00Z'],
    ['2w', '2026-11-08T09:30:00Z'],
    ['45min', '2026-11-22T08:45:00Z'],
    ['12hours', '2026-11-21T21:30:00Z'],
    ['today', '2026-11-22T00:00:00Z'],
    ['yesterday', '2026-11-21T00:00:00Z'],
    ['2026-11', '2026-11-01T00:00:00Z'],
    ['2026-11-21', '2026-11-21T00:00:00Z'],
    ['2026-11-21T09:30', '2026-11-21T09:30:00Z'],
    ['2026-11-21T09:30:15.250+01:00', '2026-11-21T08:30:15.25Z'],
  ])('reads %s as the API does', (text, at) => {
    expect(startOf(text, now)).toEqual(new Date(at));
  });

  it.each(['', 'monday', '1month', '21.11.2026', '2026', 'x 1', '2026-13-01', '2026-11-21T25:00Z', '7D '])(
    'refuses %j rather than guess',
    (text) => expect(startOf(text, now)).toBeNull(),
  );
});

describe('rangeLabel', () => {
  const berlin = new When('en-GB', 'Europe/Berlin');
  const label = (since: string, until: string, when = berlin, texts = en.range) =>
    rangeLabel(since, until, texts, when, now).replaceAll(/\s/g, ' ');

  it('names what is chosen from the list', () => {
    expect(label('', '')).toBe('Any time');
    expect(label('7d', '')).toBe('Last 7 days');
    expect(label('1h', '')).toBe('Last hour');
    expect(label('1d', '', new When('de', 'UTC'), de.range)).toBe('Letzter Tag');
  });

  it('knows today and yesterday of the zone, and of UTC only there', () => {
    expect(label('2026-11-21T23:00:00Z', '')).toBe('Today');
    expect(label('2026-11-20T23:00:00Z', '2026-11-21T23:00:00Z')).toBe('Yesterday');
    expect(label('today', '')).toBe('Since 22 Nov, 01:00');
    expect(label('yesterday', 'today', new When('en-GB', 'UTC'))).toBe('Yesterday');
  });

  it('says whole days by their names, and the year where it is another', () => {
    expect(label('2026-11-15T23:00:00Z', '2026-11-18T23:00:00Z')).toMatch(/^16 ?– ?18 Nov$/);
    expect(label('', '2026-11-18T23:00:00Z')).toBe('Until 18 Nov');
    expect(label('2025-11-15T23:00:00Z', '')).toBe('Since 16 Nov 2025');
  });

  it('says exact times where a range is no whole days', () => {
    const spoken = label('2026-11-21T13:00:00Z', '2026-11-22T02:00:00Z');
    expect(spoken).toMatch(/21 Nov.* 14:00 . 22 Nov.* 03:00/);
  });

  it('shows what it cannot read as it is', () => {
    expect(label('whenever', '')).toBe('whenever');
  });

  it('a day on which clocks change is one day', () => {
    const day = rangeName(
      Date.parse('2026-03-28T23:00:00Z'),
      Date.parse('2026-03-29T22:00:00Z'),
      berlin,
      now.getTime(),
    );
    expect(day).toBe('29 Mar');
  });
});

it('written leaves out milliseconds that are none', () => {
  expect(written(Date.parse('2026-11-21T09:30:00Z'))).toBe('2026-11-21T09:30:00Z');
  expect(written(Date.parse('2026-11-21T09:30:00.5Z'))).toBe('2026-11-21T09:30:00.500Z');
});
