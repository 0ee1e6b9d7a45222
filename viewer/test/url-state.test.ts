import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Query } from '../src/query';
import { type Place, UrlState } from '../src/url-state';

const at = (search: string) => history.replaceState({ host: 1 }, '', `/page${search}#part`);
const query = (text: string) => Query.parse(text);

describe('UrlState', () => {
  let arrived: Place[];
  let state: UrlState;

  beforeEach(() => {
    arrived = [];
    state = new UrlState('al.', (place) => arrived.push(place));
    state.start();
  });

  afterEach(() => {
    state.stop();
    vi.restoreAllMocks();
  });

  it('reads what is its own, and nothing that is the host’s', () => {
    at('?action=host&al.action=user.*&al.-outcome=denied&al.event=abc&al.nothing=x&event=host');
    expect(`${state.read().query}`).toBe('action=user.*&-outcome=denied');
    expect(state.read().open).toBe('abc');
  });

  it('leaves the host’s parameters as they are written, letter by letter, and the fragment', () => {
    at('?tab=a%20b&flag&action=host&al.action=old&al.event=x&x=%C3%A4&x=2&al.unknown=1');
    state.write({ query: query('q=ü &outcome=denied'), open: null });
    expect(location.search).toBe(
      '?tab=a%20b&flag&action=host&x=%C3%A4&x=2&al.unknown=1&al.q=%C3%BC&al.outcome=denied',
    );
    expect(location.hash).toBe('#part');
  });

  it('is silent where the address has nothing of its own', () => {
    at('?action=host');
    expect(state.isSilent).toBe(true);
    at('?al.event=x');
    expect(state.isSilent).toBe(false);
  });

  it('puts what counts at first in the place of an address that said nothing', () => {
    at('?tab=a');
    const push = vi.spyOn(history, 'pushState');
    state.write({ query: query('action=user.*'), open: null }, 'replaceState');
    expect(push).not.toHaveBeenCalled();
    expect(`${state.read().query}`).toBe('action=user.*');
  });

  it('leaves an address without a question mark where nothing is asked for', () => {
    at('?al.action=old');
    state.write({ query: Query.ALL, open: null });
    expect(location.href).toMatch(/\/page#part$/);
  });

  it('makes a place to go back to of another query, and none of an event that opens', () => {
    at('');
    const push = vi.spyOn(history, 'pushState');
    const replace = vi.spyOn(history, 'replaceState');
    state.write({ query: query('action=a'), open: null });
    expect([push.mock.calls.length, replace.mock.calls.length]).toEqual([1, 0]);
    state.write({ query: query('action=a'), open: 'abc' });
    state.write({ query: query('action=a'), open: 'abc' });
    expect([push.mock.calls.length, replace.mock.calls.length]).toEqual([1, 1]);
    expect(push.mock.calls[0]?.[0]).toEqual({ host: 1 });
  });

  it('arrives where somebody goes back to, until it is stopped', () => {
    at('?al.action=a&al.event=abc');
    dispatchEvent(new PopStateEvent('popstate'));
    expect(arrived.map((place) => [`${place.query}`, place.open])).toEqual([['action=a', 'abc']]);
    state.stop();
    dispatchEvent(new PopStateEvent('popstate'));
    expect(arrived).toHaveLength(1);
  });

  it('keeps the places of two viewers of one page apart', () => {
    at('?b.action=other&b.event=y');
    const other = new UrlState('b.', () => {});
    state.write({ query: query('action=own'), open: 'x' });
    expect([`${other.read().query}`, other.read().open]).toEqual(['action=other', 'y']);
    other.write({ query: query('outcome=denied'), open: null });
    expect([`${state.read().query}`, state.read().open]).toEqual(['action=own', 'x']);
    expect(`${other.read().query}`).toBe('outcome=denied');
  });

  it('without a prefix takes what is called like the timeline’s parameters, and nothing else', () => {
    const bare = new UrlState('', () => {});
    at('?page=2&al.action=x&action=user.*&changes.role.to=admin&-ip=1');
    expect(`${bare.read().query}`).toBe('action=user.*&changes.role.to=admin&-ip=1');
    bare.write({ query: Query.ALL, open: null });
    expect(location.search).toBe('?page=2&al.action=x');
  });

  it.each(['?%', '?al.action=%E0%A4%A', '?=&&al.=&al.-=x', '?al.event='])(
    'reads a broken address: %s',
    (search) => {
      at(search);
      expect(state.read().open).toBeNull();
      expect(() => state.write({ query: query('q=x'), open: null })).not.toThrow();
      expect(`${state.read().query}`).toBe('q=x');
    },
  );
});
