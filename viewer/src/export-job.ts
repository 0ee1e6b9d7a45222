import type { Api } from './api';
import { Observable } from './cell';
import { type ExportFormat, fileHead, fileLine } from './export-file';
import { pause } from './live';
import { Problem } from './problem';
import type { Query } from './query';
import { startOf } from './range';

const PAGE = 1000;

/** `waiting`: the service had enough for now, and is asked again by itself. `stopped`: by a problem; it can go on. */
export type ExportState = 'running' | 'waiting' | 'stopped' | 'done';

/**
 * Takes all events of a query, page by page, into a file. What was taken stays when something goes wrong, and goes on at
 * the same place. Each page becomes part of a Blob at once, which the browser may keep on disk.
 */
export class ExportJob extends Observable {
  state: ExportState = 'running';
  rows = 0;
  problem: Problem | null = null;
  readonly #parameters: (readonly [string, string])[];
  readonly #parts: BlobPart[];
  readonly #stop = new AbortController();
  #cursor: string | null = null;

  constructor(
    private readonly api: Api,
    query: Query,
    readonly format: ExportFormat,
    now: Date,
  ) {
    super();
    // "7d" is another moment with every page: the last ones would lose what they begin with.
    const since = query.since && (startOf(query.since, now)?.toISOString() ?? query.since);
    const until = query.until && (startOf(query.until, now)?.toISOString() ?? query.until);
    this.#parameters = [...query.within(since, until), ['limit', `${PAGE}`]];
    this.#parts = [fileHead(format)];
  }

  /** Until the end, or a problem, or `cancel`. */
  async run(): Promise<void> {
    this.problem = null;
    this.#turn('running');
    while (this.state === 'running') {
      try {
        await this.#page();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, 'unreadable', String(error));
        if (problem.status === 429) await this.#wait(problem.retryAfter ?? 1);
        else {
          this.problem = problem;
          this.#turn('stopped');
        }
      }
    }
  }

  cancel(): void {
    this.#stop.abort();
  }

  /** The file so far. */
  get file(): Blob {
    return new Blob(this.#parts, { type: this.format === 'csv' ? 'text/csv' : 'application/jsonl' });
  }

  async #page(): Promise<void> {
    const { signal } = this.#stop;
    const place = this.#cursor === null ? [] : ([['cursor', this.#cursor]] as const);
    const page = await this.api.timeline([...this.#parameters, ...place], signal);
    if (signal.aborted) throw signal.reason;
    this.#parts.push(new Blob(page.data.map((event) => fileLine(this.format, event))));
    this.rows += page.data.length;
    this.#cursor = page.next_cursor;
    this.#turn(page.next_cursor === null ? 'done' : 'running');
  }

  async #wait(seconds: number): Promise<void> {
    this.#turn('waiting');
    await pause(seconds * 1000, this.#stop.signal);
    if (!this.#stop.signal.aborted) this.#turn('running');
  }

  #turn(state: ExportState): void {
    this.state = state;
    this.changed();
  }
}
