import { describe, expect, it } from 'vitest';
import { escaped, revealed } from '../src/hidden';

describe('hidden characters', () => {
  it('are shown by their codes, where they stand', () => {
    expect(revealed('a\u202Eb')).toEqual([
      { text: 'a', hidden: false },
      { text: 'U+202E', hidden: true },
      { text: 'b', hidden: false },
    ]);
    expect(revealed('\u0000').map((piece) => piece.text)).toEqual(['U+0000']);
    expect(revealed('a\rb')).toHaveLength(3);
    expect(revealed('')).toEqual([]);
  });

  it('are none that a script or a text of several lines needs', () => {
    for (const text of ['שלום', 'مجلد', 'a\nb\tc', 'a\r\nb', '👩‍💻', 'نامه\u200Cها', 'e\u0301', 'U+202E']) {
      expect(revealed(text)).toEqual([{ text, hidden: false }]);
    }
  });

  it('are escaped in JSON that means the same, also over several lines', () => {
    const value = { 'k\u2066': ['\u202Etxt.exe', '\uFEFF', 'ä\n'] };
    const text = escaped(JSON.stringify(value, null, 2));
    expect(text).toContain('\\u202etxt.exe');
    expect(JSON.parse(text)).toEqual(value);
    expect(text.split('\n')).toHaveLength(7);
  });
});
