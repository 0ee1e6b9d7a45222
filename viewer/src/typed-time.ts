import { startOf, written } from './range';
import { dayAt, momentOf, wallOf } from './zone';

/** The words of a language for what may be typed. */
export interface TimeWords {
  readonly now: string;
  readonly today: string;
  readonly yesterday: string;
  /** Regular expressions of minutes, hours, days and weeks, beside `m`, `h`, `d` and `w`. */
  readonly units: { readonly m: string; readonly h: string; readonly d: string; readonly w: string };
  /** A regular expression of what may stand around a span: "ago". */
  readonly ago: string;
}

export interface Reading {
  readonly zone: string;
  readonly locale: string;
  readonly words: TimeWords;
  readonly now: Date;
}

export interface TypedTime {
  /** As the API takes it: a span as it was typed, so that it goes on sliding; anything else exactly; '' for now. */
  readonly sent: string;
  readonly at: Date;
}

/**
 * What somebody typed as a time: `3h`, `yesterday`, `2026-11-21 14:00`, `21.11.2026`, `11/21/2026`, `14:00`, `2026-11`, RFC 3339; null
 * where it is none. Days and clocks are those of the zone. A day or month is meant to its very end where it is the range's `end`.
 */
export function typedTime(
  text: string,
  end: boolean,
  { zone, locale, words, now }: Reading,
): TypedTime | null {
  const typed = text.trim().toLocaleLowerCase(locale).replaceAll(/\s+/g, ' ');
  if (typed === words.now || typed === 'now') return { sent: '', at: now };
  const span = spanOf(typed, words);
  if (span) {
    const at = startOf(span, now) ?? now;
    return at.getTime() > 0 ? { sent: span, at } : null;
  }
  const pointed =
    /^\d{4}-\d{2}-\d{2}t/.test(typed) && /(z|[+-]\d{2}:\d{2})$/.test(typed) && startOf(typed, now);
  const at = pointed ? pointed.getTime() : onClock(typed, end, { zone, locale, words, now });
  return at === null ? null : { sent: written(at), at: new Date(at) };
}

function spanOf(typed: string, { units, ago }: TimeWords): string | null {
  const [, count, word = ''] =
    /^(\d{1,6}) ?(\p{L}+)$/u.exec(typed.replace(new RegExp(`^(${ago}) | (${ago})$`), '')) ?? [];
  const unit = Object.entries(units).find(([unit, names]) => new RegExp(`^(${unit}|${names})$`).test(word));
  return count && unit && Number(count) > 0 ? `${Number(count)}${unit[0]}` : null;
}

/** A day, a time of today, or both. */
function onClock(typed: string, end: boolean, reading: Reading): number | null {
  const { zone, now } = reading;
  const [, day = '', clock = ''] =
    /^(.*?)[ ,t]*(\d{1,2}(?::\d{2}){1,2}(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?)?$/.exec(typed) ?? [];
  if (!day && !clock) return null;
  const found = day ? dayOf(day, reading) : { wall: wallOf(dayAt(now.getTime(), zone), zone), months: 0 };
  if (found === null) return null;
  if (clock) {
    const time = clockOf(clock);
    return time === null || found.months ? null : momentOf(found.wall + time, zone);
  }
  const wall = new Date(found.wall);
  if (end && found.months) wall.setUTCMonth(wall.getUTCMonth() + 1);
  else if (end) wall.setUTCDate(wall.getUTCDate() + 1);
  return momentOf(wall.getTime(), zone);
}

/** Milliseconds from midnight on the clock. */
function clockOf(text: string): number | null {
  const [, hour, minute = '0', second = '0', half] =
    /^(\d+)(?::(\d+))?(?::(\d+))? ?([ap]m)?$/.exec(text.replaceAll('.', '')) ?? [];
  let hours = Number(hour);
  if (half) {
    if (hours < 1 || hours > 12) return null;
    hours = (hours % 12) + (half === 'pm' ? 12 : 0);
  }
  if (!(hours < 24 && Number(minute) < 60 && Number(second) < 60)) return null;
  return ((hours * 60 + Number(minute)) * 60 + Number(second)) * 1000;
}

/** When the day began, or the month (`months` 1), on the wall. */
function dayOf(text: string, { zone, locale, words, now }: Reading): { wall: number; months: number } | null {
  const day = (back: number) => ({ wall: wallOf(dayAt(now.getTime(), zone, -back), zone), months: 0 });
  if (text === words.today || text === 'today') return day(0);
  if (text === words.yesterday || text === 'yesterday') return day(1);
  const month = /^(\d{4})-(\d{2})$/.exec(text);
  if (month) return dated(Number(month[1]), Number(month[2]), 1, 1);
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  if (iso) return dated(Number(iso[1]), Number(iso[2]), Number(iso[3]));
  const dots = /^(\d{1,2})\. ?(\d{1,2})\. ?(\d{4}|\d{2})$/.exec(text);
  if (dots) return dated(fullYear(dots[3]), Number(dots[2]), Number(dots[1]));
  const strokes = /^(\d{1,2})\/(\d{1,2})\/(\d{4}|\d{2})$/.exec(text);
  if (!strokes) return null;
  const [first, second] = [Number(strokes[1]), Number(strokes[2])];
  return monthFirst(locale)
    ? dated(fullYear(strokes[3]), first, second)
    : dated(fullYear(strokes[3]), second, first);
}

const fullYear = (text = '') => Number(text.length === 2 ? `20${text}` : text);

function dated(
  year: number,
  month: number,
  day: number,
  months = 0,
): { wall: number; months: number } | null {
  const wall = new Date(Date.UTC(year, month - 1, day));
  const exists = year >= 1970 && year < 9999 && wall.getUTCMonth() === month - 1 && wall.getUTCDate() === day;
  return exists ? { wall: wall.getTime(), months } : null;
}

/** Whether the language's region writes 11/21/2026. */
function monthFirst(locale: string): boolean {
  const parts = new Intl.DateTimeFormat(locale, { month: 'numeric', day: 'numeric' }).formatToParts(0);
  return parts.find(({ type }) => type === 'month' || type === 'day')?.type === 'month';
}
