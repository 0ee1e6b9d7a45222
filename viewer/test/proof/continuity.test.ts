import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Api } from '../../src/api';
import { Cell } from '../../src/cell';
import type { AuditEvent, Page } from '../../src/event';
import { Problem } from '../../src/problem';
import { Continuity } from '../../src/proof/continuity';
import { Contradiction } from '../../src/proof/ledger';
import { Trust } from '../../src/proof/trust';
import type { ProofState } from '../../src/proofs';
import { Query } from '../../src/query';
import { Timeline } from '../../src/timeline';
import { events, SIZE, vectors } from './vectors';

/** The ledger's entries as the list has them, newest first: each at a second of its own. */
const LEDGER = events()
  .filter((event) => !event.withheld)
  .sort((one, other) => other.seq - one.seq);
const without = (...seqs: number[]) => LEDGER.filter(({ seq }) => !seqs.includes(seq));

/** A service whose list and whose proofs are what the test makes of them. */
class Service {
  address = 'https://audit.example';
  claims = { tenant: LEDGER[0]?.tenant_id, role: 'admin', whole: true };
  size = SIZE;
  /** What the list has where it is asked for again. */
  pages: Page[] = [];
  asked: number[][] = [];
  listed: Record<string, string>[] = [];
  problem: Error | null = null;
  tell = (seq: number): unknown => ({
    seq,
    hashes: vectors.proofs[SIZE]?.[seq],
    entry: LEDGER.find((event) => event.seq === seq)?.entry,
  });
  altered: number[] = [];

  async json(path: string, given: Iterable<readonly [string, string]>): Promise<unknown> {
    const { from, to } = Object.fromEntries(given);
    if (path.endsWith('/consistency')) return { proof: vectors.consistency[`${from} ${to}`] };
    const seqs = [...given].filter(([name]) => name === 'seq').map(([, seq]) => Number(seq));
    expect([path, new Map(given).get('entries')]).toEqual(['/api/audit-log/proofs', 'true']);
    this.asked.push(seqs);
    if (this.problem) throw this.problem;
    return {
      checkpoint: vectors.notes[this.size],
      size: this.size,
      proofs: seqs.map((seq) => this.tell(seq)).filter(Boolean),
      unsigned: [],
      altered: this.altered,
    };
  }

  async timeline(given: Iterable<readonly [string, string]>): Promise<Page> {
    this.listed.push(Object.fromEntries(given));
    return this.pages[Math.min(this.listed.length, this.pages.length) - 1] ?? page(LEDGER);
  }
}

function page(data: readonly AuditEvent[], next_cursor: string | null = null): Page {
  return { data: [...data], next_cursor, prev_cursor: null };
}

/** A list that has loaded these rows. */
class Rows extends Timeline {
  override loading = false;
  isLong = false;
  added: number[] = [];

  constructor(public shown: AuditEvent[]) {
    super({} as Api);
  }
  override get rows() {
    return this.shown;
  }
  override get hasMore() {
    return this.isLong;
  }
  override get(id: string) {
    return this.shown.find((event) => event.id === id);
  }
  override add(found: readonly AuditEvent[]) {
    this.added.push(...found.map(({ seq }) => seq));
    this.shown = [...this.shown, ...found].sort((one, other) => other.seq - one.seq);
    this.changed();
  }
}

let service: Service;
let trust: Trust;
let query: Cell<Query>;
let continuity: Continuity;
let states: Record<number, ProofState>;
let grace: number;
let want: ReturnType<typeof vi.fn<(events: readonly AuditEvent[]) => void>>;

async function look(rows: AuditEvent[], size = SIZE): Promise<Rows> {
  const timeline = new Rows(rows);
  trust = new Trust(service as unknown as Api, vectors.keys[0]);
  await trust.believe(vectors.notes[size] ?? '');
  const findings = { stateOf: ({ seq }: AuditEvent) => states[seq] ?? 'proven' };
  const wanted = { trust, findings: findings as never, want };
  continuity = new Continuity(service as unknown as Api, { timeline, query }, wanted, grace);
  continuity.wake();
  return timeline;
}

/** Until it has been looked at. */
const resting = () => new Promise((resolve) => setTimeout(resolve, 700));
const settled = () => vi.waitFor(() => expect(continuity.state.kind).not.toBe('checking'), 4000);
const leftOut = () => continuity.leftOut.map(({ seq, entry }) => [seq, entry?.action ?? null]);

beforeEach(() => {
  localStorage.clear();
  service = new Service();
  query = new Cell(Query.ALL);
  states = {};
  grace = 0;
  want = vi.fn();
});
afterEach(() => {
  continuity.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('a list', () => {
  it('that has every number is whole, without a question', async () => {
    await look(LEDGER);
    await settled();
    expect(continuity.state).toEqual({
      kind: 'whole',
      low: 0,
      high: SIZE - 1,
      others: 0,
      rest: null,
    });
    expect([service.asked, service.listed]).toEqual([[], []]);
  });

  it.each([[[3]], [[0]], [[SIZE - 1]], [[2, 5]]])('that lacks %j leaves them out', async (seqs) => {
    service.pages = [page(without(...seqs))];
    await look(without(...seqs));
    await vi.waitFor(() => expect(leftOut()).toHaveLength(seqs.length), 4000);
    expect(leftOut()).toEqual(
      seqs.toReversed().map((seq) => [seq, LEDGER.find((event) => event.seq === seq)?.action]),
    );
    // And again, after the list was asked for.
    expect(service.asked).toEqual([seqs.toReversed(), seqs.toReversed()]);
    expect(service.listed).toHaveLength(1);
    await settled();
    expect(continuity.state).toMatchObject({ kind: 'whole', others: 0 });
  });

  it('that has it when it is asked for again had not yet loaded it', async () => {
    const timeline = await look(without(3, 4));
    service.pages = [page(without(3))];
    await vi.waitFor(() => expect(timeline.added).toEqual([4]), 4000);
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, 'user.role_changed']]), 4000);
  });

  it('that lacks what the query leaves out is whole', async () => {
    query.value = Query.parse('-action=session.*&-action=ledger.erasure');
    await look(without(4, 6));
    await settled();
    expect(continuity.state).toMatchObject({ kind: 'whole', others: 2 });
    expect(service.listed).toEqual([]);
  });

  it('that shows a part of the log claims nothing', async () => {
    query.value = Query.parse('category=auth');
    await look(without(3));
    await vi.waitFor(() => expect(continuity.state).toEqual({ kind: 'part' }), 4000);
    service.claims.whole = false;
    query.value = Query.ALL;
    await look(without(3));
    await vi.waitFor(() => expect(continuity.state).toEqual({ kind: 'part' }), 4000);
    expect(service.asked).toEqual([]);
  });

  it('of which a row could not be checked is not checked either', async () => {
    states = { 2: 'unavailable' };
    await look(LEDGER);
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', why: 'unproven' });
  });

  it('has its events checked first', async () => {
    states = { 2: 'unknown' };
    await look(LEDGER);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect([continuity.state.kind, service.asked]).toEqual(['checking', []]);
  });

  it('that is not signed yet claims nothing of what is newer', async () => {
    service.size = 3;
    await look(without(6, 7), 3);
    await settled();
    expect(continuity.state).toMatchObject({ kind: 'whole', low: 0, high: 2 });
    expect(service.asked).toEqual([]);
  });
});

describe('a list of which a row is not checked yet', () => {
  it.each(['checking', 'unknown'] as const)('is looked at for what it leaves out: %s', async (state) => {
    states = { 7: state, 2: state };
    service.pages = [page(without(3))];
    await look(without(3));
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, 'user.role_changed']]), 4000);
    await resting();
    expect(continuity.state.kind).toBe('checking');
    expect(service.asked).toEqual([[3], [3]]);
    const seqs = want.mock.lastCall?.[0].map(({ seq }) => seq);
    expect(seqs).toEqual(state === 'unknown' ? [7, 2] : []);
  });

  it('does not leave that row out', async () => {
    states = { 7: 'checking', 3: 'unknown', 0: 'checking' };
    service.pages = [page(without(3))];
    await look(LEDGER);
    await resting();
    expect([continuity.state.kind, service.asked, leftOut()]).toEqual(['checking', [], []]);
  });
});

describe('a list that is asked for again', () => {
  it('is asked for what it lacks, by its times', async () => {
    query.value = Query.parse('since=30d&-action=no.such');
    service.pages = [page(without(3, 5))];
    await look(without(3, 5));
    await vi.waitFor(() => expect(leftOut()).toHaveLength(2), 4000);
    const at = (seq: number) => LEDGER.find((event) => event.seq === seq)?.occurred_at ?? '';
    expect(service.listed).toEqual([
      {
        since: at(3),
        until: at(5).replace('.000Z', '.001Z'),
        '-action': 'no.such',
        limit: '1000',
        sealed: 'true',
      },
    ]);
  });

  it('has a month that is no longer kept, and accuses nobody', async () => {
    const { tell } = service;
    service.tell = (seq) => (seq === 3 && service.listed.length > 0 ? null : tell(seq));
    service.pages = [page(without(3, 5))];
    await look(without(3, 5));
    await settled();
    expect(leftOut()).toEqual([[5, expect.any(String)]]);
    expect(continuity.state).toEqual({ kind: 'unchecked', seq: 3, count: 1 });
  });

  it('has what a span of time slid past, and is not asked for that once more', async () => {
    query.value = Query.parse('since=1h');
    const timeline = await look(without(3));
    timeline.add = () => {};
    await settled();
    expect(continuity.state).toMatchObject({ kind: 'whole', others: 1 });
    continuity.wake();
    await resting();
    expect(service.listed).toHaveLength(1);
    service.pages = [page(without(3))];
    query.value = Query.parse('since=2h');
    await vi.waitFor(() => expect(leftOut()).toHaveLength(1), 4000);
  });
});

describe('what is known', () => {
  it('is forgotten where it is below what is looked at', async () => {
    query.value = Query.parse('-action=session.*&-action=ledger.erasure');
    const timeline = await look(without(4, 6));
    await settled();
    const turn = async (shown: AuditEvent[], isLong: boolean) => {
      Object.assign(timeline, { shown, isLong });
      continuity.wake();
      await resting();
    };
    await turn(without(0, 1, 2, 3, 4, 6), true);
    expect(continuity.state).toMatchObject({ kind: 'whole', low: 5, others: 1 });
    await turn(without(4, 6), false);
    expect(continuity.state).toMatchObject({ kind: 'whole', low: 0, others: 2 });
    expect(service.asked).toEqual([[6, 4], [4]]);
  });

  it('is nothing new while nobody looks', async () => {
    const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
    service.pages = [page(without(3))];
    await look(without(3));
    await resting();
    expect(service.asked).toEqual([]);
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.waitFor(() => expect(leftOut()).toHaveLength(1), 4000);
  });

  it('is not refused by an answer of a ledger that was smaller', async () => {
    await look(without(5));
    service.size = 3;
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', seq: 5, count: 1 });
    service.size = SIZE;
    continuity.wake();
    await vi.waitFor(() => expect(continuity.state.kind).toBe('whole'), 4000);
    expect(leftOut()).toEqual([]);
  });
});

describe('old numbers that the service does not give', () => {
  const gone = (...seqs: number[]) => {
    const { tell } = service;
    service.tell = (seq) => (seqs.includes(seq) ? null : tell(seq));
  };

  it('may be of months that are no longer kept', async () => {
    gone(0, 1, 2);
    await look(without(0, 1, 2));
    await settled();
    expect(continuity.state).toEqual({ kind: 'whole', low: 3, high: SIZE - 1, others: 0, rest: 'gone' });
  });

  it('are not all that it keeps back', async () => {
    gone(0, 1, 4);
    await look(without(0, 1, 4));
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', seq: 4, count: 3 });
  });
});

describe('what is missed at first', () => {
  it('may be on its way: the list is asked again for what stays away alone', async () => {
    grace = 1000;
    service.pages = [page(without(3, 5))];
    const timeline = await look(without(3, 5));
    await resting();
    expect([service.listed, continuity.state.kind]).toEqual([[], 'checking']);
    timeline.add(LEDGER.filter(({ seq }) => seq === 5));
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, 'user.role_changed']]), 4000);
    expect(service.listed).toHaveLength(1);
  });
});

describe('what the service gives for a number', () => {
  const given = (seq: number) => new Service().tell(seq) as { entry: string; hashes: string[] };

  it.each([
    ['another time', { entry: given(3).entry.replace('09:30:03.000Z', '08:30:03.000Z') }],
    ['the entry of another number', { entry: given(4).entry }],
    ['the entry of another number with its proof', { entry: given(4).entry, hashes: given(4).hashes }],
    ['no JSON', { entry: '{' }],
    ['no text that can be hashed', { entry: '\ud800' }],
    ['a proof that is too short', { hashes: given(3).hashes.slice(1) }],
    ['no proof', { hashes: [] }],
    ['hashes that are none', { hashes: ['?'] }],
  ])('is no excuse: %s', async (_, lie) => {
    service.tell = (seq) => ({ seq, ...given(seq), ...lie });
    await look(without(3));
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, null]]), 4000);
  });

  it('is no excuse where it says itself that no proof holds', async () => {
    service.altered = [3];
    await look(without(3));
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, null]]), 4000);
  });

  it.each([
    ['nothing', () => null],
    ['a proof without an entry', (seq: number) => ({ seq, hashes: given(seq).hashes })],
  ])('leaves it unchecked: %s', async (_, tell) => {
    service.tell = tell;
    await look(without(2, 3));
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', seq: 3, count: 2 });
    expect(leftOut()).toEqual([]);
    const { asked } = service;
    continuity.wake();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(asked).toHaveLength(1);
    service.tell = new Service().tell;
    continuity.again();
    await vi.waitFor(() => expect(continuity.state.kind).toBe('whole'), 4000);
  });
});

describe('a service that', () => {
  it('refuses leaves it unchecked, until it is asked again', async () => {
    service.problem = new Problem(403, 'part_of_the_log', 'no');
    await look(without(3));
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', why: 'refused' });
    continuity.wake();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(service.asked).toHaveLength(1);
    service.problem = null;
    continuity.again();
    await vi.waitFor(() => expect(continuity.state.kind).toBe('whole'), 4000);
  });

  it('gives the list without an end is not believed', async () => {
    service.pages = [page([], 'on')];
    await look(without(3));
    await settled();
    expect(continuity.state).toEqual({ kind: 'unchecked', why: 'unreadable' });
    expect(service.listed.length).toBe(50);
    continuity.wake();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(service.listed.length).toBe(50);
  });

  it('ends the list early left it out', async () => {
    service.pages = [page(without(3).slice(0, 2), 'on'), page([], null)];
    await look(without(3));
    await vi.waitFor(() => expect(leftOut()).toEqual([[3, 'user.role_changed']]), 4000);
    expect(service.listed.map(({ cursor }) => cursor)).toEqual([undefined, 'on']);
  });

  it('says that its ledger was altered contradicts what was signed', async () => {
    service.problem = new Problem(500, 'ledger_altered', '');
    await look(without(3));
    await vi.waitFor(() => expect(trust.contradiction).toBeInstanceOf(Contradiction), 4000);
  });
});

it('is looked at as far as two thousand numbers, in portions', async () => {
  const [row] = LEDGER;
  if (!row) throw new Error('no row');
  service.tell = () => null;
  const timeline = await look([{ ...row, seq: 0 }]);
  Object.assign(trust, { believe: async () => ({ size: 9000 }) });
  vi.spyOn(trust, 'standing', 'get').mockReturnValue({ checkpoint: { size: 9000 } } as never);
  await settled();
  expect(timeline.rows).toHaveLength(1);
  expect(service.asked.map(({ length }) => length)).toEqual(Array(10).fill(200));
  expect([service.asked[0]?.[0], service.asked.at(-1)?.at(-1)]).toEqual([8999, 7000]);
  expect(continuity.state).toEqual({ kind: 'unchecked', seq: 8999, count: 2000 });
});

it('says nothing of a list that another one took the place of meanwhile', async () => {
  service.pages = [page(without(3))];
  service.timeline = async () => {
    query.value = Query.parse('q=another');
    return page(without(3));
  };
  await look(without(3));
  await vi.waitFor(() => expect(continuity.state).toEqual({ kind: 'part' }), 4000);
  expect(leftOut()).toEqual([]);
});
