import { wallOf } from './zone';

/** Times as whoever looks reads them: in their language and in the zone they chose. */
export class When {
  readonly #formats = new Map<string, Intl.DateTimeFormat>();
  readonly #relative: Intl.RelativeTimeFormat;

  /** `zone` is an IANA name. Throws RangeError for one that is none; `zoneOr` gives one that is. */
  constructor(
    readonly locale: string,
    readonly zone: string,
    private readonly justNow = 'just now',
  ) {
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
    this.#format('check', {});
  }

  /** "2026-11-21": the day in the zone, by which rows are grouped. */
  day(at: string): string {
    return new Date(wallOf(Date.parse(at), this.zone)).toISOString().slice(0, 10);
  }

  /** "Saturday, 21 November 2026" */
  dayName(at: string): string {
    return this.#format('dayName', { dateStyle: 'full' }).format(new Date(at));
  }

  /** "10:30" */
  time(at: string): string {
    return this.#format('time', { hour: '2-digit', minute: '2-digit' }).format(new Date(at));
  }

  /** "21 Nov 2026, 10:30:00.123 GMT+1" */
  full(at: string): string {
    const options = {
      year: 'numeric',
      month: 'short',
      day: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
    } as const;
    const precise = { second: '2-digit', fractionalSecondDigits: 3, timeZoneName: 'short' } as const;
    return this.#format('full', { ...options, ...precise }).format(new Date(at));
  }

  /** "2 min. ago", or just now; beyond a week null, as nobody counts days so far. */
  ago(at: string, now: Date): string | null {
    const seconds = Math.round((new Date(at).getTime() - now.getTime()) / 1000);
    if (Math.abs(seconds) < 60) return this.justNow;
    const steps = [
      [3600, 60, 'minute'],
      [86_400, 3600, 'hour'],
      [7 * 86_400, 86_400, 'day'],
    ] as const;
    for (const [below, size, unit] of steps) {
      if (Math.abs(seconds) < below) return this.#relative.format(Math.trunc(seconds / size), unit);
    }
    return null;
  }

  #format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    let found = this.#formats.get(name);
    if (!found) {
      found = new Intl.DateTimeFormat(this.locale, { timeZone: this.zone, ...options });
      this.#formats.set(name, found);
    }
    return found;
  }
}

/** What this browser calls a time zone, null where it knows none of the name. Asking it takes a millisecond. */
const ZONES = new Map<string | undefined, string | null>();

function named(zone: string | undefined): string | null {
  const known = ZONES.get(zone);
  if (known !== undefined) return known;
  let name: string | null = null;
  try {
    name = new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    // Not one that this browser knows.
  }
  ZONES.set(zone, name);
  return name;
}

/** The first of these that is a time zone here; the browser's own where none is. */
export function zoneOf(...wanted: (string | null | undefined)[]): string {
  for (const zone of wanted) {
    const name = zone ? named(zone) : null;
    if (name !== null) return name;
  }
  return named(undefined) ?? 'UTC';
}
