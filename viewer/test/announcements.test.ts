import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Announcements } from '../src/announcements';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('loses none that comes with another, nor one of the same words', () => {
  const announcements = new Announcements();
  let told = 0;
  announcements.listen(() => told++);
  for (const text of ['50 events', 'Copied', 'Copied']) announcements.say(text);
  expect(announcements.lines.map(({ text }) => text)).toEqual(['50 events', 'Copied', 'Copied']);
  expect(new Set(announcements.lines).size).toBe(3);
  expect(told).toBe(3);
});

it('leaves nothing to be come upon later', () => {
  const announcements = new Announcements();
  announcements.say('Copied');
  vi.advanceTimersByTime(60_000);
  expect(announcements.lines).toEqual([]);
});
