/** Clocks and calendars of time zones, from what the browser knows of them. Wall times are numbers as of `Date.UTC`. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** What clocks and calendars in the zone show at the moment. */
export function wallOf(at: number, zone: string): number {
  let format = formats.get(zone);
  if (!format) {
    const all = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric' } as const;
    const exact = { minute: 'numeric', second: 'numeric', hourCycle: 'h23', timeZone: zone } as const;
    format = new Intl.DateTimeFormat('en-US', { ...all, ...exact });
    formats.set(zone, format);
  }
  const shown: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) shown[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((at % 1000) + 1000) % 1000);
}

/**
 * The moment at which clocks in the zone show this. Where they show it twice it is the first; where they skip it, it is
 * as long after the skipping as it would be after its beginning.
 */
export function momentOf(wall: number, zone: string): number {
  const offsets = [wall - DAY, wall + DAY].map((around) => wallOf(around, zone) - around);
  const moments = offsets.map((offset) => wall - offset);
  return moments.find((moment) => wallOf(moment, zone) === wall) ?? moments[0] ?? wall;
}

const DAY = 86_400_000;

/** When the day in the zone that `at` is of begins, or the one so many days later. */
export function dayAt(at: number, zone: string, later = 0): number {
  const wall = wallOf(at, zone);
  return momentOf(wall - (((wall % DAY) + DAY) % DAY) + later * DAY, zone);
}
