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
