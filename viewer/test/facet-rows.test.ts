import { describe, expect, it } from 'vitest';
import type { Facets } from '../src/event';
import { countedRows, listedRows, type Row } from '../src/facet-rows';
import { languageOf } from '../src/locale';
import type { FilterName, Term } from '../src/query';

const row = (value: string, count: number | null = null, name: FilterName = 'category'): Row => ({
  name,
  value,
  label: value,
  count,
});
const term = (value: string, not = false, name: FilterName = 'category'): Term => ({ name, value, not });
const listed = (known: Row[], counted: Row[], terms: Term[]) =>
  listedRows(known, counted, terms, ({ value }) => value).map(({ value, count }) => [value, count]);

const all = [row('data', 9), row('auth', 5), row('access', 1)];

describe('listedRows', () => {
  it('is what was counted, where nothing of the facet is looked for', () => {
    expect(listed([row('gone')], all, [])).toEqual([
      ['data', 9],
      ['auth', 5],
      ['access', 1],
    ]);
  });

  it('keeps the others in their places, uncounted, while one is looked for', () => {
    expect(listed(all, [row('auth', 4)], [term('auth')])).toEqual([
      ['data', null],
      ['auth', 4],
      ['access', null],
    ]);
  });

  it('keeps what is left out where it was, and drops what has no events', () => {
    expect(listed(all, [row('data', 7)], [term('auth', true)])).toEqual([
      ['data', 7],
      ['auth', null],
    ]);
  });

  it('puts on top what is chosen and was never listed', () => {
    expect(listed([], [row('data', 7)], [term('old'), term('bad', true)])).toEqual([
      ['old', null],
      ['bad', null],
      ['data', 7],
    ]);
  });

  it('offers no type beside an id that is looked for, as no event would have both', () => {
    const actors = [row('usr_1', 5, 'actor_id'), row('usr_2', 4, 'actor_id'), row('system', 3, 'actor_type')];
    expect(listed(actors, [row('usr_1', 5, 'actor_id')], [term('usr_1', false, 'actor_id')])).toEqual([
      ['usr_1', 5],
      ['usr_2', null],
    ]);
  });
});

it('actors are looked for by id, and those without one by type', async () => {
  const actor = [
    { type: 'user', id: 'usr_1', name: 'Sarah Chen', count: 3 },
    { type: 'api_key', id: 'key_1', count: 2 },
    { type: 'system', count: 1 },
  ];
  const { texts } = await languageOf('en');
  const rows = countedRows({ facets: { actor } } as unknown as Facets, 'actor', texts);
  expect(rows.map(({ name, value, label }) => [name, value, label])).toEqual([
    ['actor_id', 'usr_1', 'Sarah Chen'],
    ['actor_id', 'key_1', 'key_1'],
    ['actor_type', 'system', 'System'],
  ]);
});
