import type { When } from './when';
import { wallOf } from './zone';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps between ticks, each with the number of the step that a wall time is in; the finest first. */
const STEPS = [
  ...[1, 5, 15, 30, 60, 180, 360, 720].map((minutes) => each(minutes * MINUTE)),
  each(DAY),
  each(2 * DAY),
  // 1 January 1970 was a Thursday, and weeks begin on Mondays.
  ...[7, 14].map((days) => each(days * DAY, 3 * DAY)),
  ...[1, 3, 6, 12, 60, 120, 600].map((months) => ({
    size: months * 31 * DAY,
    numberOf: (wall: number) => Math.floor(monthOf(wall) / months),
  })),
];

/** Where a time is written below the bars. */
export interface Tick {
  /** The bar at whose beginning it is, counted from 0. */
  readonly bar: number;
  readonly label: string;
}

/** At most so many ticks, at beginnings of hours, days, weeks, months or years, for bars that begin `at` these moments. */
export function ticksOf(at: readonly number[], most: number, when: When): Tick[] {
  const walls = at.map((moment) => wallOf(moment, when.zone));
  for (const { size, numberOf } of STEPS) {
    const bars = walls.flatMap((wall, bar) => {
      const before = walls[bar - 1] ?? wall - 1;
      return numberOf(wall) === numberOf(before) ? [] : [bar];
    });
    if (bars.length <= most)
      return bars.map((bar) => ({ bar, label: named(at[bar] ?? 0, walls[bar] ?? 0, size, when) }));
  }
  return [];
}

/** "14:00", or the day that begins; "16 Nov"; "Nov", or the year that begins. */
function named(at: number, wall: number, size: number, { locale, zone }: When): string {
  const options: Intl.DateTimeFormatOptions =
    size < DAY && wall % DAY !== 0
      ? { hour: '2-digit', minute: '2-digit' }
      : size < 31 * DAY
        ? { day: 'numeric', month: 'short' }
        : size < 372 * DAY && monthOf(wall) % 12 !== 0
          ? { month: 'short' }
          : { year: 'numeric' };
  return new Intl.DateTimeFormat(locale, { timeZone: zone, ...options }).format(at);
}

function each(size: number, shift = 0) {
  return { size, numberOf: (wall: number) => Math.floor((wall + shift) / size) };
}

function monthOf(wall: number): number {
  const date = new Date(wall);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}
