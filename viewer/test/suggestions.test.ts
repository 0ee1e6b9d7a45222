import { describe, expect, it } from 'vitest';
import { wordAt } from '../src/completion';
import type { Listed } from '../src/directory';
import { de } from '../src/locale/de';
import { en } from '../src/locale/en';
import { Options } from '../src/options';
import { Query } from '../src/query';
import { directoriesFor, suggestions } from '../src/suggestions';
import { Viewer } from '../src/viewer';

const LISTED: Record<string, Listed[]> = {
  actors: [
    { type: 'user', id: 'usr_7', name: 'Sarah Chen', email: 'sarah@acme.example' },
    { type: 'system', name: 'Nobody' },
  ],
  actions: [{ action: 'user.role_changed', title: 'Role changed' }],
  targets: [],
};

function viewer({
  texts = en as unknown,
  query = '',
  sees = null as string[] | null,
  titles = new Map<string, string>(),
} = {}): Viewer {
  return {
    texts: { value: texts },
    query: { value: Query.parse(query) },
    about: { value: sees && { sees } },
    directory: { known: (list: string) => LISTED[list], titles },
    label: Viewer.prototype.label,
    timeline: {
      rows: [
        {
          targets: [{ type: 'document' }],
          context: { ip_address: '192.0.2.1' },
          changes: { role: {}, 'address.city': {} },
        },
        { targets: [], context: { ip_address: '192.0.2.1' } },
      ],
    },
  } as unknown as Viewer;
}

const offered = (text: string, of = viewer()) => suggestions(of, text, text.length, []);
const labels = (text: string, of = viewer()) => offered(text, of).map(({ label }) => label);

describe('suggestions', () => {
  it('are qualifiers for the beginning of one, in whatever language', () => {
    expect(labels('ca')).toContain('category:');
    expect(labels('ergeb', viewer({ texts: de }))).toContain('outcome:');
    expect(labels('-out')).toContain('-outcome:');
  });

  it('are never times behind a minus, which the service refuses', () => {
    const names = labels('-');
    expect(names).toContain('-actor:');
    expect(names).not.toContain('-since:');
  });

  it('of a plain word make filters by id, and keep the rest of the text', () => {
    const of = viewer({ query: 'since=7d' });
    const sarah = offered('role sar', of).find(({ label }) => label === 'Sarah Chen');
    expect(`${sarah?.chosen}`).toBe('q=role&since=7d&actor_id=usr_7');
    const not = offered('-actor:sar', of).find(({ label }) => label === 'Sarah Chen');
    expect(`${not?.chosen}`).toBe('since=7d&-actor_id=usr_7');
  });

  it('leave out who has no id to filter by', () => {
    expect(labels('actor:no')).not.toContain('Nobody');
  });

  it('write a further value behind the first', () => {
    const [failure] = offered('outcome:denied,fai');
    expect(failure?.chosen).toEqual({ text: 'outcome:denied,failure ', caret: 23 });
    expect(offered('actor:tom,sar')[0]?.chosen).toMatchObject({ text: 'actor:tom,"Sarah Chen" ' });
  });

  it('know what the loaded rows have, each once', () => {
    expect(labels('ip:192')).toEqual(['192.0.2.1']);
    expect(`${offered('changed:ro')[0]?.chosen}`).toBe('changes.role=*');
    expect(labels('changed:').length).toBe(2);
  });

  it('call actions by their titles, where these are in the language of whoever looks', () => {
    const titles = new Map([['user.role_changed', 'Rolle geändert']]);
    expect(labels('action:ro', viewer({ texts: de, titles }))).toEqual(['Rolle geändert']);
    expect(labels('action:ro', viewer({ texts: de }))).toEqual(['User role changed']);
  });

  it('offer no part that whoever looks is not shown', () => {
    const member = viewer({ sees: ['changes'] });
    expect(labels('ip', member)).not.toContain('ip:');
    expect(labels('ip:192', member)).toEqual([]);
    expect(labels('changed:ro', member)).toEqual(['Role']);
  });

  it('of times go into the range', () => {
    expect(`${offered('x since:yest', viewer({ query: 'until=today' }))[0]?.chosen}`).toBe(
      'q=x&since=yesterday&until=today',
    );
    expect(labels('on:').length).toBe(2);
  });

  it('are what was searched before, and the qualifiers, where nothing is typed', () => {
    const found = suggestions(viewer({ query: 'outcome=denied' }), ' ', 1, ['before']);
    expect(`${found[0]?.chosen}`).toBe('q=before&outcome=denied');
    expect(found.length).toBeGreaterThan(15);
  });

  it('ask no directory about what is no name', () => {
    const asked = (text: string) => directoriesFor(wordAt(text, text.length));
    expect(asked('sa')).toEqual(['actors', 'actions', 'targets']);
    expect(asked('actor:')).toEqual(['actors']);
    for (const text of ['', 's', 'outcome:d', 'since:t', 'https://x', 'actr:sa'])
      expect(asked(text)).toEqual([]);
  });
});

describe('Options', () => {
  it('move from the text through all and back, and keep the active one when others come', () => {
    const options = new Options<{ id: string }>();
    expect(options.move('ArrowDown')).toBe(false);
    options.show([{ id: 'a' }, { id: 'b' }]);
    expect(options.current).toBeUndefined();
    options.move('ArrowUp');
    expect(options.current?.id).toBe('b');
    options.show([{ id: 'b' }, { id: 'c' }]);
    expect(options.current?.id).toBe('b');
    options.show([{ id: 'c' }]);
    expect(options.current).toBeUndefined();
    expect(options.move('Enter')).toBe(false);
  });
});
