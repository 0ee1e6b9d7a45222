import { describe, expect, it } from 'vitest';
import { fits, misread, quoted, replaced, without, wordAt } from '../src/completion';

/** The caret is where the bar stands. */
function word(marked: string) {
  const caret = marked.indexOf('|');
  const text = marked.replace('|', '');
  return { text, ...wordAt(text, caret) };
}

describe('wordAt', () => {
  it.each([
    ['|', null, '', false],
    ['sar|', null, 'sar', false],
    ['-sar|', null, 'sar', true],
    ['−sar|', null, 'sar', true],
    ['role actor:sar|', 'actor', 'sar', false],
    ['-Actor:sar|', 'actor', 'sar', true],
    ['actor_id:usr|', 'actor', 'usr', false],
    ['actor:"Sarah Ch|', 'actor', 'Sarah Ch', false],
    ['actor:„Sarah Ch|', 'actor', 'Sarah Ch', false],
    ['actor:"Sarah Chen"|', 'actor', 'Sarah Chen', false],
    ['outcome:|', 'outcome', '', false],
    ['out|come:denied', null, 'out', false],
    ['outcome:den|ied x', 'outcome', 'den', false],
    ['actr:sar|', null, 'actr:sar', false],
    ['10:3|', null, '10:3', false],
    ['https://acme|', null, 'https://acme', false],
    ['changes.role.to:ad|', null, 'changes.role.to:ad', false],
    ['toString:x|', null, 'toString:x', false],
    ['__proto__:x|', null, '__proto__:x', false],
    ['"role cha|', null, 'role cha', false],
    ['x |', null, '', false],
  ] as const)('%s', (marked, qualifier, value, not) => {
    expect(word(marked)).toMatchObject({ qualifier, value, not });
  });

  it('finds a further value behind a comma, and no comma in quotes', () => {
    expect(word('outcome:denied,fai|')).toMatchObject({ value: 'fai', isFurther: true });
    expect(word('actor:"Chen, Sarah",to|')).toMatchObject({ value: 'to', isFurther: true });
    expect(word('actor:"Chen, Sa|')).toMatchObject({ value: 'Chen, Sa', isFurther: false });
  });
});

describe('what is chosen', () => {
  it('takes the place of the value, and leaves the rest', () => {
    const { text, ...at } = word('role -outcome:den| x');
    expect(replaced(text, at, 'denied')).toEqual({ text: 'role -outcome:denied x', caret: 20 });
    expect(without(text, at)).toBe('role x');
  });

  it('is put in quotes where it has to be, and never breaks out of them', () => {
    expect(['a', 'Sarah Chen', 'a,b', 'a"b', '"'].map(quoted)).toEqual([
      'a',
      '"Sarah Chen"',
      '"a,b"',
      '"ab"',
      '""',
    ]);
  });

  it('fits by how its words begin, whatever the case and the accents', () => {
    expect(fits('mull', 'Anna Müller')).toBe(true);
    expect(fits('sign', 'user.signed_in')).toBe(true);
    expect(fits('anna m', 'Anna Müller')).toBe(true);
    expect(fits('', 'x')).toBe(true);
    expect(fits('ller', 'Anna Müller', undefined, null)).toBe(false);
  });
});

describe('misread', () => {
  it('finds the place, and what was meant', () => {
    const said =
      'at character 6: found actr:, expected a qualifier that there is; did you mean actor:? To look …';
    const { start, end, meant } = misread('role actr:sarah x', said);
    expect('role actr:sarah x'.slice(start, end)).toBe('actr:sarah');
    expect(meant).toBe('role actor:sarah x');
  });

  it('corrects one of several values', () => {
    const said = 'at character 9: outcome: must be one of success, failure, denied; did you mean denied?';
    expect(misread('outcome:blocked,failure', said).meant).toBe('outcome:denied,failure');
  });

  it('counts a character beyond the BMP as one, as the service does', () => {
    const { start, end } = misread('🦊🦊 actr:x', 'at character 4: found actr:');
    expect('🦊🦊 actr:x'.slice(start, end)).toBe('actr:x');
  });

  it.each([
    'at character 6: found from:, expected a qualifier; did you mean changes.FIELD.from:?',
    'at character 99: beyond the text; did you mean actor:?',
    'at character 0: x; did you mean y?',
    'leaves no time beside since and until',
    '',
  ])('offers nothing that nobody meant: %s', (said) => {
    expect(misread('role from:pro', said).meant).toBeNull();
  });

  it('marks nothing where no place is told', () => {
    expect(misread('x', 'has too many values')).toEqual({
      start: 0,
      end: 0,
      said: 'has too many values',
      meant: null,
    });
  });
});
