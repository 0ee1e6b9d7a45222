import { describe, expect, it } from 'vitest';
import { FILTERS, Query } from '../src/query';

describe('Query.parse', () => {
  it('reads every filter, with a minus and without, and gives the same parameters back', () => {
    for (const name of FILTERS) {
      expect(`${Query.parse(`${name}=a&-${name}=b`)}`).toBe(`${name}=a&-${name}=b`);
    }
  });

  it('keeps several values of one filter, each once', () => {
    const { terms } = Query.parse('outcome=failure&outcome=denied&outcome=failure');
    expect(terms.map(({ value }) => value)).toEqual(['denied', 'failure']);
  });

  it('writes one text whatever the order was', () => {
    const text = 'q=x&since=7d&-actor_id=b&action=a';
    expect(`${Query.parse(text)}`).toBe(`${Query.parse('action=a&-actor_id=b&since=7d&q=x')}`);
  });

  it('reads the fields of changes, with their dots and sides', () => {
    const names = ['changes.role', 'changes.address.city.to', 'changes.a b.from', 'changes.=', 'changes.\n'];
    for (const name of names) {
      const { terms } = Query.parse(new URLSearchParams([[name, '']]).toString());
      expect(terms).toEqual([{ name, value: '', not: false }]);
    }
  });

  it('reads the other names that the service knows filters by: a saved view may have them', () => {
    const given = 'event_type=user.*&-ip_address=192.0.2.1&resource_id=d_1&resource_type=document';
    expect(`${Query.parse(given)}`).toBe('action=user.*&-ip=192.0.2.1&target_id=d_1&target_type=document');
  });

  it.each([
    'tenant_id=other',
    'limit=1000',
    'cursor=x',
    'sealed=true',
    'changes=x',
    'changes.=x',
    '-q=x',
    '-since=7d',
    '--action=x',
    '-=x',
    '=x',
    'Action=x',
    'actor=x',
    'action[]=x',
    '__proto__=x',
    'constructor=x',
    '-toString=x',
    '%00=x',
    '&&&',
    '%',
  ])('passes over what is none of the timeline’s: %s', (text) => {
    expect(Query.parse(text).isEmpty).toBe(true);
  });

  it('takes values as they are, however hostile', () => {
    const value = '"><img src=x onerror=alert(1)>&action=user.*#%25\0\u202e';
    const query = Query.parse(new URLSearchParams({ actor_id: value }).toString());
    expect(query.terms).toEqual([{ name: 'actor_id', value, not: false }]);
    expect(Query.parse(`${query}`)).toEqual(query);
  });

  it('takes the last of what there can be one of', () => {
    expect(`${Query.parse('q=a&since=1d&q=b&since=2d&until=today')}`).toBe('q=b&since=2d&until=today');
  });
});

describe('a query', () => {
  const query = Query.parse('outcome=denied&since=7d&q=x');

  it('turns a value from looked for to left out, and never has both', () => {
    const turned = query.with({ name: 'outcome', value: 'denied', not: true });
    expect(`${turned}`).toBe('q=x&since=7d&-outcome=denied');
    expect([query.has('outcome', 'denied'), turned.has('outcome', 'denied')]).toEqual([true, false]);
    expect(query.has('outcome', 'failure')).toBeUndefined();
  });

  it('gives up one value, all of a filter, or nothing where there is no such', () => {
    const two = query.with({ name: 'outcome', value: 'failure', not: false });
    expect(`${two.without('outcome', 'denied')}`).toBe('q=x&since=7d&outcome=failure');
    expect(`${two.without('outcome')}`).toBe('q=x&since=7d');
    expect(`${two.without('action')}`).toBe(`${two}`);
  });

  it('is never changed itself', () => {
    query.searching('other').within('', '').with({ name: 'ip', value: '1', not: false }).only([]);
    expect(`${query}`).toBe('q=x&since=7d&outcome=denied');
  });
});

it('is read back from its text as it was, whatever it holds', () => {
  const random = seeded(7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const pieces = [
    'a',
    'B',
    ' ',
    '&',
    '=',
    '+',
    '%',
    '%2',
    '#',
    '-',
    '.',
    '*',
    '"',
    ',',
    'ü',
    '🦊',
    '\n',
    '\0',
    '<',
    "'",
  ];
  const text = () => Array.from({ length: Math.floor(random() * 8) }, () => pick(pieces)).join('');
  for (let round = 0; round < 2000; round++) {
    let query = Query.ALL.searching(text()).within(text(), text());
    for (let terms = Math.floor(random() * 6); terms > 0; terms--) {
      const name = pick([...FILTERS, `changes.x${text()}`, 'changes.role.to'] as const);
      query = query.with({ name, value: text(), not: random() < 0.4 });
    }
    expect(Query.parse(`${query}`)).toEqual(query);
  }
});

/** Numbers from 0 to 1, the same ones each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
