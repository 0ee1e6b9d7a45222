import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Api } from '../src/api';
import type { AuditEvent, Page } from '../src/event';
import { ExportJob } from '../src/export-job';
import { Problem } from '../src/problem';
import { Query } from '../src/query';

const NOW = new Date('2026-11-21T09:30:00Z');
const page = (ids: string[], next: string | null): Page => ({
  data: ids.map((id) => ({ id, actor: { type: 'user' }, targets: [] }) as unknown as AuditEvent),
  next_cursor: next,
  prev_cursor: null,
});

/** An API that gives these answers one after the other, and keeps what it was asked. */
function service(...answers: (Page | Problem)[]) {
  const asked: Record<string, string>[] = [];
  const timeline = async (parameters: Iterable<readonly [string, string]>) => {
    asked.push(Object.fromEntries(parameters));
    const answer = answers.shift();
    if (!answer || answer instanceof Problem) throw answer ?? new Error('asked too often');
    return answer;
  };
  return { api: { timeline } as unknown as Api, asked };
}

const ids = async (job: ExportJob) => (await job.file.text()).match(/(?<="id":")[^"]+/g);

describe('an export', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('takes all pages, from one moment on, and is done', async () => {
    const { api, asked } = service(page(['c', 'b'], 'next'), page(['a'], null));
    const job = new ExportJob(api, Query.parse('since=7d&action=user.*'), 'jsonl', NOW);
    await job.run();
    expect(job.state).toBe('done');
    expect(job.rows).toBe(3);
    expect(await ids(job)).toEqual(['c', 'b', 'a']);
    const frozen = { since: '2026-11-14T09:30:00.000Z', action: 'user.*', limit: '1000' };
    expect(asked).toEqual([frozen, { ...frozen, cursor: 'next' }]);
  });

  it('goes on from an empty page that has a cursor', async () => {
    const { api } = service(page([], 'on'), page(['a'], null));
    const job = new ExportJob(api, Query.ALL, 'jsonl', NOW);
    await job.run();
    expect(job.rows).toBe(1);
  });

  it('keeps what it has when something goes wrong, and goes on there', async () => {
    const { api, asked } = service(
      page(['b'], 'next'),
      new Problem(503, 'unavailable', 'away'),
      page(['a'], null),
    );
    const job = new ExportJob(api, Query.ALL, 'jsonl', NOW);
    await job.run();
    expect([job.state, job.rows, job.problem?.code]).toEqual(['stopped', 1, 'unavailable']);
    await job.run();
    expect([job.state, job.rows, job.problem]).toEqual(['done', 2, null]);
    expect(asked[2]?.cursor).toBe('next');
    expect(await ids(job)).toEqual(['b', 'a']);
  });

  it('waits for as long as the service says where it was too much', async () => {
    const { api, asked } = service(new Problem(429, 'rate_limited', 'much', [], 7), page(['a'], null));
    const job = new ExportJob(api, Query.ALL, 'jsonl', NOW);
    const run = job.run();
    await vi.advanceTimersByTimeAsync(6900);
    expect([job.state, asked.length]).toEqual(['waiting', 1]);
    await vi.advanceTimersByTimeAsync(200);
    await run;
    expect(job.state).toBe('done');
  });

  it('ends when it is cancelled, also while it waits', async () => {
    const { api, asked } = service(new Problem(429, 'rate_limited', 'much', [], 60));
    const job = new ExportJob(api, Query.ALL, 'csv', NOW);
    const run = job.run();
    await vi.advanceTimersByTimeAsync(1000);
    job.cancel();
    await run;
    expect(asked).toHaveLength(1);
  });
});
