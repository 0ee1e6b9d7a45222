import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Api } from '../src/api';
import type { AuditEvent, Page } from '../src/event';
import { Problem } from '../src/problem';
import { Query } from '../src/query';
import { Timeline } from '../src/timeline';

const NOW = Date.UTC(2026, 10, 21, 12);

/** Numbered by minutes before now; the newer, the lower. */
function event(minutes: number, seq = 1000 - minutes): AuditEvent {
  return {
    id: `e${minutes}`,
    seq,
    occurred_at: new Date(NOW - minutes * 60_000).toISOString(),
  } as AuditEvent;
}

function page(minutes: number[], next: string | null = null, more: Partial<Page> = {}): Page {
  const data = minutes.map((one) => event(one));
  return { data, next_cursor: next, prev_cursor: 'newest', ...more };
}

interface Asked {
  parameters: Record<string, string>;
  answer(page: Page): void;
  fail(problem: Error): void;
}

/** A service that answers when the test says so, and whose live streams the test writes. */
class Service {
  asked: Asked[] = [];
  streams: {
    after: string;
    parameters: Record<string, string>;
    log(event: AuditEvent): void;
    end(reason?: string): void;
  }[] = [];
  refusal: Problem | null = null;

  api = {
    timeline: (parameters: Iterable<readonly [string, string]>) =>
      new Promise<Page>((answer, fail) =>
        this.asked.push({ parameters: Object.fromEntries(parameters), answer, fail }),
      ),
    send: async (
      _path: string,
      parameters: Iterable<readonly [string, string]>,
      { signal }: { signal: AbortSignal },
    ) => {
      if (this.refusal) throw this.refusal;
      const body = new TransformStream<Uint8Array, Uint8Array>();
      const writer = body.writable.getWriter();
      const write = (text: string) => void writer.write(new TextEncoder().encode(text)).catch(() => {});
      signal.addEventListener('abort', () => void writer.abort().catch(() => {}));
      const asked = Object.fromEntries(parameters);
      this.streams.push({
        after: asked.after ?? '',
        parameters: asked,
        log: (one) => write(`id: ${one.seq}\nevent: logged\ndata: ${JSON.stringify(one)}\n\n`),
        end: (reason) => {
          if (reason) write(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
          void writer.close().catch(() => {});
        },
      });
      return { body: body.readable } as Response;
    },
  } as unknown as Api;

  get last(): Asked {
    const last = this.asked.at(-1);
    if (!last) throw new Error('nothing was asked');
    return last;
  }

  get stream() {
    const last = this.streams.at(-1);
    if (!last) throw new Error('nobody follows');
    return last;
  }
}

const ids = (timeline: Timeline) => timeline.rows.map(({ id }) => id);
/** Lets all that can go on go on. */
const pass = (milliseconds = 200) => vi.advanceTimersByTimeAsync(milliseconds);

describe('Timeline', () => {
  let service: Service;
  let timeline: Timeline;

  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
    service = new Service();
    timeline = new Timeline(service.api);
  });

  afterEach(() => {
    timeline.stop();
    vi.useRealTimers();
  });

  /** Loads a first page, follows, and has caught up. */
  async function loaded(first: Page, query = Query.ALL) {
    void timeline.load(query);
    service.last.answer(first);
    await pass();
    if (service.streams.length > 0) service.last.answer(page([]));
    await pass();
  }

  it('loads page after page, each row once', async () => {
    await loaded(page([1, 2], 'older'));
    void timeline.more();
    void timeline.more();
    expect([service.asked.length, timeline.loadingMore, service.last.parameters.cursor]).toEqual([
      3,
      true,
      'older',
    ]);
    service.last.answer(page([2, 3]));
    await pass();
    expect([ids(timeline), timeline.hasMore, timeline.loadingMore]).toEqual([
      ['e1', 'e2', 'e3'],
      false,
      false,
    ]);
    await timeline.more();
    expect(service.asked.length).toBe(3);
  });

  it('puts in order what is not, and what was found elsewhere', async () => {
    await loaded(page([2, 4, 1, 3], 'older'));
    expect(ids(timeline)).toEqual(['e1', 'e2', 'e3', 'e4']);
    const fresh = [...timeline.fresh];
    timeline.add([event(2.5, 7), event(2), event(9)]);
    // Nobody is told of it as of something new.
    expect([...timeline.fresh]).toEqual(fresh);
    expect(ids(timeline)).toEqual(['e1', 'e2', 'e2.5', 'e3', 'e4']);
    void timeline.more();
    service.last.answer(page([8, 10]));
    await pass();
    expect(ids(timeline)).toEqual(['e1', 'e2', 'e2.5', 'e3', 'e4', 'e8', 'e9', 'e10']);
  });

  it('drops what answers late', async () => {
    void timeline.load(Query.ALL);
    const first = service.last;
    void timeline.load(Query.parse('outcome=denied'));
    service.last.answer(page([5]));
    await pass();
    first.answer(page([1, 2, 3]));
    await pass();
    expect(ids(timeline)).toEqual(['e5']);
  });

  it('drops an older page of the query before', async () => {
    await loaded(page([1], 'older'));
    void timeline.more();
    const older = service.last;
    void timeline.load(Query.parse('q=sarah'));
    service.last.answer(page([7]));
    await pass();
    older.fail(new Problem(503, 'unavailable', ''));
    await pass();
    expect([ids(timeline), timeline.problem, timeline.loadingMore]).toEqual([['e7'], null, false]);
  });

  it('puts what is logged in its place, fresh until it was seen', async () => {
    await loaded(page([10, 20, 30]));
    const { revision } = timeline;
    for (const minutes of [15, 5, 20, 40]) service.stream.log(event(minutes));
    await pass();
    expect(ids(timeline)).toEqual(['e5', 'e10', 'e15', 'e20', 'e30', 'e40']);
    expect([...timeline.fresh].sort()).toEqual(['e15', 'e40', 'e5']);
    expect(timeline.revision).toBe(revision + 1);
    timeline.seen();
    expect(timeline.fresh.size).toBe(0);
    expect([timeline.indexOf(event(15)), timeline.indexOf(event(16)), timeline.get('e40')?.seq]).toEqual([
      2, 3, 960,
    ]);
  });

  it('goes by the number where two are of one moment', async () => {
    await loaded(page([10]));
    service.stream.log({ ...event(10, 5000), id: 'later' });
    service.stream.log({ ...event(10, 3), id: 'earlier' });
    await pass();
    expect(ids(timeline)).toEqual(['later', 'e10', 'earlier']);
  });

  it('holds back what belongs below until its page is there', async () => {
    await loaded(page([10, 20], 'older'));
    service.stream.log(event(50));
    await pass();
    expect(ids(timeline)).toEqual(['e10', 'e20']);
    void timeline.more();
    // The page was read before that was logged.
    service.last.answer(page([30, 60]));
    await pass();
    expect(ids(timeline)).toEqual(['e10', 'e20', 'e30', 'e50', 'e60']);
  });

  it('goes on sliding where the query is a span', async () => {
    await loaded(page([1]), Query.parse('since=1h'));
    service.stream.log(event(59));
    await pass();
    expect(ids(timeline)).toEqual(['e1', 'e59']);
    vi.setSystemTime(NOW + 30 * 60_000);
    service.stream.log(event(31));
    service.stream.log(event(29));
    await pass();
    expect(ids(timeline)).toEqual(['e1', 'e29', 'e59']);
  });

  it('follows nothing where the query has an end', async () => {
    await loaded(page([1]), Query.parse('until=2026-11-22'));
    expect([service.streams.length, timeline.liveness]).toEqual([0, 'off']);
  });

  it('catches up with what was logged before the stream was there', async () => {
    void timeline.load(Query.ALL);
    service.last.answer(page([10]));
    await pass();
    expect([timeline.liveness, service.stream.after, service.last.parameters.cursor]).toEqual([
      'on',
      'latest',
      'newest',
    ]);
    service.last.answer(page([5]));
    await pass();
    expect(ids(timeline)).toEqual(['e5', 'e10']);
  });

  it('loses nothing when the stream breaks', async () => {
    await loaded(page([10]));
    service.stream.end();
    await pass();
    expect(timeline.liveness).toBe('interrupted');
    await pass(1000);
    // No number was told before: what came meanwhile is asked for.
    expect([service.streams.length, service.stream.after, timeline.liveness]).toEqual([2, 'latest', 'on']);
    service.last.answer(page([8]));
    service.stream.log(event(6));
    await pass();
    service.stream.end('reconnect');
    await pass();
    expect([service.stream.after, ids(timeline)]).toEqual(['994', ['e6', 'e8', 'e10']]);
  });

  it('shows no rows of one query under another that failed', async () => {
    await loaded(page([1, 2]));
    void timeline.load(Query.parse('outcome=denied'));
    expect([timeline.loading, timeline.rows.length]).toEqual([true, 2]);
    service.last.fail(new Problem(422, 'too_slow', ''));
    await pass();
    expect([timeline.rows.length, timeline.problem?.code, timeline.failed]).toEqual([0, 'too_slow', 'load']);
  });

  it('keeps the rows when the same query fails, and tries it again', async () => {
    await loaded(page([1, 2]));
    void timeline.load(Query.ALL);
    service.last.fail(new Problem(0, 'offline', ''));
    await pass();
    expect([timeline.rows.length, timeline.problem?.code]).toEqual([2, 'offline']);
    timeline.retry();
    service.last.answer(page([0, 1, 2]));
    await pass();
    expect([ids(timeline), timeline.problem]).toEqual([['e0', 'e1', 'e2'], null]);
  });

  it('goes on where an older page failed', async () => {
    await loaded(page([1], 'older'));
    void timeline.more();
    service.last.fail(new Problem(503, 'unavailable', '', [], 5));
    await pass();
    expect([timeline.failed, timeline.problem?.retryAfter, ids(timeline)]).toEqual(['more', 5, ['e1']]);
    timeline.retry();
    expect([timeline.problem, service.last.parameters.cursor]).toEqual([null, 'older']);
    service.last.answer(page([2]));
    await pass();
    expect(ids(timeline)).toEqual(['e1', 'e2']);
  });

  it('says where the service stopped before its page was full', async () => {
    await loaded(page([], 'on', { partial: true }));
    expect([timeline.partial, timeline.hasMore, timeline.rows.length]).toEqual([true, true, 0]);
    void timeline.more();
    service.last.answer(page([70]));
    await pass();
    expect([timeline.partial, ids(timeline)]).toEqual([false, ['e70']]);
  });

  it('tells that live events ended, leaves the rows, and follows again', async () => {
    await loaded(page([1], 'older'));
    service.stream.end('unauthorized');
    await pass();
    expect([timeline.liveness, timeline.failed, timeline.problem?.code, timeline.rows.length]).toEqual([
      'off',
      'live',
      'unauthorized',
      1,
    ]);
    timeline.retry();
    await pass();
    expect([timeline.liveness, timeline.problem, service.streams.length]).toEqual(['on', null, 2]);
  });

  it('follows a search that names times, wherever it does', async () => {
    const query = Query.parse('q=since:7d until:2026-11-22&since=30d');
    await loaded(
      page([1], null, {
        understood: { items: ['since:7d', 'until:2026-11-22'], until: '2026-11-22T00:00:00.000Z' },
      }),
      query,
    );
    expect([timeline.liveness, timeline.isOver]).toEqual(['on', false]);
    expect(service.stream.parameters).toMatchObject(Object.fromEntries(query));
  });

  it.each([
    ['q=on:2026-11-05', '2026-11-06T00:00:00.000Z'],
    ['until=2026-11-06', undefined],
    ['until=2026-11-06&q=a', undefined],
  ])('asks for nothing new where the time is over: %s', async (query, until) => {
    await loaded(
      page([1], null, { understood: { items: ['a'], ...(until && { until }) } }),
      Query.parse(query),
    );
    expect([timeline.liveness, timeline.isOver, service.streams.length]).toEqual(['off', true, 0]);
    await loaded(page([1]));
    expect([timeline.liveness, timeline.isOver, timeline.understood]).toEqual(['on', false, null]);
  });

  it('knows of its rows how their search was read, and of no others', async () => {
    await loaded(
      page([1], null, { understood: { items: ['sam'], ignored: ['who'] } }),
      Query.parse('q=who sam'),
    );
    expect(timeline.understood).toEqual({ items: ['sam'], ignored: ['who'] });
    void timeline.load(Query.parse('q=tom'));
    service.last.fail(new Problem(503, 'unavailable', ''));
    await pass();
    expect(timeline.understood).toBeNull();
  });

  it('waits as long as the service says', async () => {
    service.refusal = new Problem(429, 'too_many_waiting', '', [], 20);
    void timeline.load(Query.ALL);
    service.last.answer(page([1]));
    await pass();
    expect(timeline.liveness).toBe('interrupted');
    service.refusal = null;
    await pass(15_000);
    expect(service.streams.length).toBe(0);
    await pass(6000);
    expect([service.streams.length, timeline.liveness]).toEqual([1, 'on']);
  });
});
