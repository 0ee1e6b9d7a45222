import type { Api } from './api';
import type { AuditEvent } from './event';
import { Problem } from './problem';
import type { Query } from './query';

export interface Following {
  /**
   * The stream is there: what is logged from now on comes. Called again after each interruption; something may have been `missed`
   * for as long as no number was told to go on from.
   */
  connected(missed: boolean): void;
  /** The stream broke, and is tried again. */
  interrupted(): void;
  logged(event: AuditEvent): void;
  /** Nothing more comes, and trying again would not help. */
  ended(problem: Problem): void;
}

const LATEST = 'latest';
const AGAIN = new Set(['reconnect', 'stopping', 'unavailable', 'expired']);
const PATIENCE = [1000, 2000, 5000, 10_000, 30_000];

/** Follows what is logged, by docs/feed.md "The live tail", until the signal; interruptions lose nothing. */
export async function follow(api: Api, query: Query, to: Following, signal: AbortSignal): Promise<void> {
  const parameters = [...query, ['sealed', 'true'] as const];
  let after = LATEST;
  let failures = 0;
  while (!signal.aborted) {
    let reason = 'broken';
    let wait = 0;
    try {
      const answer = await api.send('/api/audit-log/live', [...parameters, ['after', after]], { signal });
      to.connected(after === LATEST);
      for await (const message of messages(answer)) {
        failures = 0;
        if (message.id) after = message.id;
        if (message.event === 'logged') to.logged(JSON.parse(message.data) as AuditEvent);
        if (message.event === 'end') reason = String(JSON.parse(message.data).reason);
      }
      if (reason !== 'broken' && !AGAIN.has(reason)) {
        to.ended(new Problem(403, reason, 'the live stream was ended'));
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) {
        to.ended(error);
        return;
      }
      if (error instanceof Problem) wait = (error.retryAfter ?? 0) * 1000;
    }
    if (signal.aborted) return;
    if (reason === 'reconnect') continue;
    to.interrupted();
    await pause(Math.max(wait, PATIENCE[Math.min(failures++, PATIENCE.length - 1)] ?? 0), signal);
  }
}

interface Message {
  id: string;
  event: string;
  data: string;
}

/** The messages of a stream of server-sent events (HTML Living Standard, section 9.2.6). */
async function* messages(answer: Response): AsyncGenerator<Message> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const found: Message = { id: '', event: '', data: '' };
      for (const line of block.split('\n')) {
        const [, name, said] = /^(id|event|data): ?(.*)$/s.exec(line) ?? [];
        if (name === 'data') found.data += (found.data && '\n') + said;
        else if (name === 'id' || name === 'event') found[name] = said ?? '';
      }
      yield found;
    }
  }
}

/** Until the time is over, the network is back, or the signal comes. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener('online', end, over);
    signal.addEventListener('abort', end, over);
  });
}
