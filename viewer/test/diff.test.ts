import { describe, expect, it } from 'vitest';
import { diff, type Run } from '../src/diff';

const text = (runs: Run[]) => runs.map((run) => run.text).join('');
const marked = (runs: Run[]) => runs.map((run) => (run.same ? run.text : `[${run.text}]`)).join('');

describe('a diff of two texts', () => {
  it('marks the words that differ', () => {
    const [before, after] = diff('share with the whole team', 'share with the sales team');
    expect(marked(before)).toBe('share with the [whole] team');
    expect(marked(after)).toBe('share with the [sales] team');
  });

  it('goes by lines where both have several', () => {
    const [before, after] = diff('a: 1\nb: 2\nc: 3', 'a: 1\nb: 5\nc: 3');
    expect(marked(before)).toBe('a: 1\n[b: 2\n]c: 3');
    expect(marked(after)).toBe('a: 1\n[b: 5\n]c: 3');
  });

  it('finds what moved apart, and marks nothing where nothing differs', () => {
    expect(marked(diff('x a y b z', 'a b')[0])).toBe('[x ]a [y ]b[ z]');
    expect(diff('same text', 'same text')).toEqual([
      [{ text: 'same text', same: true }],
      [{ text: 'same text', same: true }],
    ]);
    expect(diff('', 'new')).toEqual([[], [{ text: 'new', same: false }]]);
  });

  it('loses no character of either side, whatever they are', () => {
    const hostile = [
      '',
      ' ',
      '\n\n',
      '\u202Eabc\u202C def',
      '<b>x</b> y',
      'a'.repeat(5000),
      '😀 e\u0301 \t x',
    ];
    for (const before of hostile) {
      for (const after of hostile) {
        const [old, now] = diff(before, after);
        expect(text(old)).toBe(before);
        expect(text(now)).toBe(after);
      }
    }
  });

  it('gives up on the finer answer rather than keep anybody waiting', () => {
    const words = (word: string) => `begin ${Array.from({ length: 3000 }, (_, n) => word + n).join(' ')} end`;
    const [before] = diff(words('a'), words('b'));
    expect(before.map((run) => run.same)).toEqual([true, false, true]);
  });
});
