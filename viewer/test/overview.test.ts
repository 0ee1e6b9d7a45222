import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Api } from '../src/api';
import { Cell, Observable } from '../src/cell';
import { Overview } from '../src/overview';
import { Problem } from '../src/problem';
import { Query } from '../src/query';
import type { Timeline } from '../src/timeline';
import { When } from '../src/when';

class Rows extends Observable {
  fresh = new Set<string>();

  log(id: string) {
    this.fresh.add(id);
    this.changed();
  }
}

let asked: { parameters: [string, string][]; signal: AbortSignal; answer: (total: number) => void }[];
let rows: Rows;
let when: Cell<When>;
let overview: Overview;
const total = () => overview.facets?.total.count;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  rows = new Rows();
  when = new Cell(new When('en', 'Europe/Berlin'));
  const facets = (parameters: Iterable<[string, string]>, signal: AbortSignal) =>
    new Promise((resolve) => {
      const answer = (count: number) => resolve({ total: { count, capped: false } });
      asked.push({ parameters: [...parameters], signal, answer });
    });
  overview = new Overview({ facets } as unknown as Api, rows as unknown as Timeline, when);
});

afterEach(() => {
  overview.stop();
  vi.useRealTimers();
});

it('asks for the query, counted in the zone', async () => {
  const loaded = overview.load(Query.parse('outcome=denied'));
  asked[0]?.answer(3);
  await loaded;
  expect(asked[0]?.parameters).toContainEqual(['outcome', 'denied']);
  expect(asked[0]?.parameters).toContainEqual(['zone', 'Europe/Berlin']);
  expect([total(), overview.loading]).toEqual([3, false]);
});

it('drops the answer to a query that is no longer asked', async () => {
  const first = overview.load(Query.ALL);
  const second = overview.load(Query.parse('outcome=denied'));
  asked[1]?.answer(2);
  asked[0]?.answer(1);
  await Promise.all([first, second]);
  expect(asked[0]?.signal.aborted).toBe(true);
  expect(total()).toBe(2);
});

it('counts again once, some time after events were logged, however many', async () => {
  const loaded = overview.load(Query.ALL);
  asked[0]?.answer(1);
  await loaded;
  for (const id of ['a', 'b', 'c']) rows.log(id);
  vi.advanceTimersByTime(9_000);
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(30_000);
  expect(asked).toHaveLength(2);
  // Nobody sees it waiting for what it has counted before.
  expect([overview.loading, total()]).toEqual([false, 1]);
});

it('counts again in another zone, and not in another language', () => {
  void overview.load(Query.ALL);
  when.value = new When('de', 'Europe/Berlin');
  expect(asked).toHaveLength(1);
  when.value = new When('de', 'UTC');
  expect(asked[1]?.parameters).toContainEqual(['zone', 'UTC']);
});

it('keeps the counts that it has where others cannot be loaded, and says so', async () => {
  const loaded = overview.load(Query.ALL);
  asked[0]?.answer(7);
  await loaded;
  const refused = { facets: () => Promise.reject(new Problem(503, 'unavailable', '')) } as unknown as Api;
  const broken = new Overview(refused, rows as unknown as Timeline, when);
  await broken.load(Query.ALL);
  expect([broken.problem?.code, broken.loading]).toEqual(['unavailable', false]);
  expect(total()).toBe(7);
});
