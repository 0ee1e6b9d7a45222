import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../src/event';
import { piecesOf } from '../src/sentence';

function event(sentence: string, actor: object, ...targets: object[]): AuditEvent {
  return { sentence, actor: { type: 'user', ...actor }, targets } as unknown as AuditEvent;
}

const names = (one: AuditEvent) => piecesOf(one).flatMap(({ text, name }) => (name ? [text] : []));

describe('names in a sentence', () => {
  it('are those of actor, impersonator and targets', () => {
    const impersonator = { id: 'sup_1', name: 'Dana Whitlock' };
    const one = event(
      'Dana Whitlock (as Tomas Varga) shared “Board pack” with doc_7',
      { name: 'Tomas Varga', impersonator },
      { type: 'document', id: 'doc_1', name: 'Board pack' },
      { type: 'document', id: 'doc_7' },
    );
    expect(names(one)).toEqual(['Dana Whitlock', 'Tomas Varga', 'Board pack', 'doc_7']);
  });

  it('are whole words', () => {
    expect(names(event('Anna signed in as Ann', { name: 'Ann' }))).toEqual(['Ann']);
    expect(piecesOf(event('Anna signed in', { name: 'Ann' }))).toEqual([
      { text: 'Anna signed in', name: false },
    ]);
    expect(names(event('Zoé́ met Zo', { name: 'Zo' }))).toEqual(['Zo']);
  });

  it('are the longest first, each once, none within another', () => {
    const one = event('Ann Lee removed Ann and Lee and Ann', { name: 'Ann Lee' }, { name: 'Ann' });
    expect(
      piecesOf(one)
        .filter(({ name }) => name)
        .map(({ text }) => text),
    ).toEqual(['Ann Lee', 'Ann']);
    expect(piecesOf(one).at(-1)?.text).toBe(' and Lee and Ann');
  });

  it.each(['', ' ', '\t\n', undefined])('are none where the name is %j', (name) => {
    expect(names(event('  Somebody signed in  ', { name }))).toEqual([]);
  });

  it.each(['.*', '(a|b)+$', '\\', '<img src=x onerror=alert(1)>', '$&', '👩‍👧', '𝒜da', 'a\u202Eb'])(
    'are taken as they are: %s',
    (name) => expect(names(event(`${name} signed in`, { name }))).toEqual([name]),
  );

  it('may be words of the sentence', () => {
    expect(piecesOf(event('signed signed in', { name: 'signed' }))).toEqual([
      { text: 'signed', name: true },
      { text: ' signed in', name: false },
    ]);
  });

  it('leave every sentence whole, whatever they are', () => {
    const parts = ['a', 'b', ' ', '.', '*', '(', 'é', '👩', '“', 'in', '', '\u0301'];
    let seed = 7;
    const pick = () => {
      seed = (seed * 48271) % 2147483647;
      return parts[seed % parts.length] ?? '';
    };
    const word = (length: number) => Array.from({ length }, pick).join('');
    for (let round = 0; round < 3000; round++) {
      const one = event(word(12), { name: word(3), id: word(2), email: word(1) }, { name: word(2) });
      const pieces = piecesOf(one);
      expect(pieces.map(({ text }) => text).join('')).toBe(one.sentence);
      expect(pieces.every(({ text }) => text !== '')).toBe(true);
    }
  });
});
