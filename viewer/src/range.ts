import type { Texts } from './locale';
import type { When } from './when';
import { dayAt } from './zone';

const SPAN = /^(\d{1,6})(m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$/;
const UNIT = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const DATE = /^\d{4}-\d{2}(-\d{2})?$/;
const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?$/i;

/** The moment at which a `since` or `until` of the API begins: `7d`, `today`, `2026-11`, RFC 3339; null for anything else. */
export function startOf(text: string, now: Date): Date | null {
  const [, count, unit] = SPAN.exec(text) ?? [];
  if (count && unit) return new Date(now.getTime() - Number(count) * UNIT[unit[0] as keyof typeof UNIT]);
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  if (text === 'today') return new Date(today);
  if (text === 'yesterday') return new Date(today - UNIT.d);
  const [, day, time, offset] = TIME.exec(text) ?? [];
  const found = new Date(day ? `${day}T${time}${offset ?? 'Z'}` : DATE.test(text) ? text : Number.NaN);
  return Number.isNaN(found.getTime()) ? null : found;
}

/** As it is sent: RFC 3339 in UTC, with milliseconds only where there are any. */
export function written(at: number): string {
  return new Date(at).toISOString().replace('.000', '');
}

/** "21 Nov", "16 – 22 Nov", "21 Nov, 14:00 – 15:00": whole days are named, and of others their times. The year is there where it is another. */
export function rangeName(from: number, to: number, { locale, zone }: When, now = Date.now()): string {
  const wholeDays = dayAt(from, zone) === from && dayAt(to, zone) === to && to > from;
  const last = wholeDays ? to - 1 : to;
  const years = [from, last, now].map((at) =>
    new Intl.DateTimeFormat('en', { timeZone: zone, year: 'numeric' }).format(at),
  );
  return new Intl.DateTimeFormat(locale, {
    timeZone: zone,
    day: 'numeric',
    month: 'short',
    ...(new Set(years).size > 1 && { year: 'numeric' }),
    ...(!wholeDays && { hour: '2-digit', minute: '2-digit' }),
  }).formatRange(from, last);
}

/** "21 Nov": the day of the moment. */
export function dayLabel(at: number, when: When): string {
  return rangeName(dayAt(at, when.zone), dayAt(at, when.zone, 1), when);
}

/** What a range is called on its button: "Last 7 days", "Yesterday", "21 Nov, 14:00 – 22 Nov, 03:00". */
export function rangeLabel(
  since: string,
  until: string,
  texts: Texts['range'],
  when: When,
  now = new Date(),
): string {
  if (!since && !until) return texts.any;
  const [, count, unit] = (!until && SPAN.exec(since)) || [];
  if (count && unit) return texts.last(Number(count), unit[0] as keyof typeof UNIT);
  const [from, to] = [since, until].map((text) => (text ? startOf(text, now)?.getTime() : undefined));
  const today = dayAt(now.getTime(), when.zone);
  if (from === today && !until) return texts.today;
  if (from === dayAt(today, when.zone, -1) && to === today) return texts.yesterday;
  const name = (at: number) =>
    rangeName(at, dayAt(at, when.zone) === at ? dayAt(at, when.zone, 1) : at, when, now.getTime());
  if (from !== undefined && to !== undefined) return rangeName(from, to, when, now.getTime());
  if (from !== undefined && !until) return texts.since(name(from));
  // Until a day begins is until the one before it ends.
  if (to !== undefined && !since) {
    return texts.until(name(dayAt(to, when.zone) === to ? dayAt(to, when.zone, -1) : to));
  }
  return [since, until].filter(Boolean).join(' – ');
}
