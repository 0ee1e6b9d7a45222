import { describe, expect, it } from 'vitest';
import { When } from '../src/when';

const now = new Date('2026-11-21T12:00:00Z');
const ago = (at: string, when = new When('en', 'UTC')) => when.ago(at, now);

describe('ago', () => {
  it('counts no seconds, on either side of now', () => {
    expect(ago('2026-11-21T11:59:01Z')).toBe('just now');
    expect(ago('2026-11-21T12:00:59Z')).toBe('just now');
    expect(ago('2026-11-21T11:59:58Z', new When('de', 'UTC', 'gerade eben'))).toBe('gerade eben');
  });

  it('counts whole minutes, hours and days, and none beyond a week', () => {
    expect(ago('2026-11-21T11:59:00Z')).toMatch(/^1 min/);
    expect(ago('2026-11-21T10:01:00Z')).toMatch(/^1 hr/);
    expect(ago('2026-11-20T11:00:00Z')).toBe('yesterday');
    expect(ago('2026-11-14T11:00:00Z')).toBeNull();
  });
});

describe('day', () => {
  it("is written the same whatever a browser takes for a country's way, and is the zone's", () => {
    expect(new When('en', 'UTC').day('2026-11-21T23:30:00.123456Z')).toBe('2026-11-21');
    expect(new When('ar', 'Europe/Berlin').day('2026-11-21T23:30:00.123456Z')).toBe('2026-11-22');
    expect(new When('de', 'America/Los_Angeles').day('2026-01-01T07:59:59Z')).toBe('2025-12-31');
  });
});
