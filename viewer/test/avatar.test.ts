import { describe, expect, it } from 'vitest';
import { hue, initials } from '../src/parts/avatar';

describe('initials', () => {
  it.each([
    ['Sarah Chen', 'SC'],
    ['Anna Maria von Berg', 'AB'],
    ['žofie', 'Ž'],
    ['z\u030cofie n', 'Z\u030cN'],
    ['sarah.chen@acme.example', 'SC'],
    ['usr_7', 'U7'],
    ['<img src=x>', 'IX'],
    ['李 明', '李明'],
    ['𝒜da', '𝒜'],
    ['👩‍👧 ', ''],
    ['', ''],
  ])('of %j are %j', (name, expected) => expect(initials(name, 'en')).toBe(expected));
});

it('gives an id one colour, and ids different ones', () => {
  expect(hue('usr_7')).toBe(hue('usr_7'));
  const hues = Array.from({ length: 60 }, (_, number) => hue(`usr_${number}`));
  expect(new Set(hues).size).toBeGreaterThan(40);
  expect(hues.every((one) => one >= 0 && one < 360)).toBe(true);
});
