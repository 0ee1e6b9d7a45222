import { describe, expect, it } from 'vitest';
import { fromBase64, fromBase64url, toBase64, toBase64url, utf8 } from '../../src/proof/bytes';

describe('base64 has one spelling for each text', () => {
  const samples = [[], [0], [255, 254], [1, 2, 3], [251, 255, 191, 0]].map((bytes) => Uint8Array.from(bytes));

  it('reads what it writes', () => {
    for (const bytes of samples) {
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
    }
  });

  it.each(['AB==', 'AA', 'AA=', ' AA==', 'AA==\n', 'A-==', '____', '=', 'AAAA='])('refuses %j', (text) => {
    expect(() => fromBase64(text)).toThrow();
  });

  it.each(['AB', 'AA==', 'A+', 'A/8', 'A', 'AA\n', 'AAA=', 'é'])('refuses %j as base64url', (text) => {
    expect(() => fromBase64url(text)).toThrow();
  });
});

it('hashes no lone surrogate as another text', () => {
  expect(() => utf8('a\ud800')).toThrow();
  expect(utf8('\u{1f600}')).toHaveLength(4);
});
