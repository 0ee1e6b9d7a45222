import { expect, test } from 'vitest';
import { ticksOf } from '../src/ticks';
import { When } from '../src/when';

const HOUR = 3_600_000;
const every = (from: string, count: number, step: number) =>
  Array.from({ length: count }, (_, bar) => Date.parse(from) + bar * step);
const written = (at: readonly number[], most: number, zone = 'UTC', locale = 'en-GB') =>
  ticksOf(at, most, new When(locale, zone)).map(({ bar, label }) => `${bar} ${label}`);

test('hours of a day, and the day where it begins', () => {
  const at = every('2026-11-21T13:00:00Z', 24, HOUR);
  expect(written(at, 8)).toEqual([
    '2 15:00',
    '5 18:00',
    '8 21:00',
    '11 22 Nov',
    '14 03:00',
    '17 06:00',
    '20 09:00',
    '23 12:00',
  ]);
  expect(written(at, 3)).toEqual(['11 22 Nov', '23 12:00']);
});

test('days are those of the zone, whatever its clocks do', () => {
  // Clocks in Berlin were put back on 25 October: that day has 25 hours.
  const at = ['2026-10-23T22:00:00Z', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'].map(Date.parse);
  expect(written(at, 5, 'Europe/Berlin')).toEqual(['0 24 Oct', '1 25 Oct', '2 26 Oct']);
  expect(written(at, 5, 'Europe/Berlin', 'de')).toEqual(['0 24. Okt.', '1 25. Okt.', '2 26. Okt.']);
});

test('weeks begin on Mondays', () => {
  expect(written(every('2026-08-26T00:00:00Z', 30, 24 * HOUR), 5)).toEqual([
    '5 31 Aug',
    '12 7 Sept',
    '19 14 Sept',
    '26 21 Sept',
  ]);
});

test('months, and the year where it begins', () => {
  const at = Array.from({ length: 14 }, (_, month) => Date.UTC(2026, 9 + month));
  expect(written(at, 6)).toEqual(['0 Oct', '3 2027', '6 Apr', '9 Jul', '12 Oct']);
  expect(written(at, 1)).toEqual(['3 2027']);
});

test('where nothing begins there is no tick', () => {
  expect(written([Date.parse('2026-11-05T21:47:29Z')], 5)).toEqual([]);
});

test.each([0, 1, 2, 5, 20])('never more than %i', (most) => {
  for (const step of [60_000, 300_000, HOUR, 6 * HOUR, 24 * HOUR, 168 * HOUR, 8766 * HOUR])
    expect(written(every('2020-02-29T11:37:00Z', 100, step), most).length).toBeLessThanOrEqual(most);
});
