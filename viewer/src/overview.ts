import type { Api } from './api';
import { type Cell, Observable } from './cell';
import type { Facets } from './event';
import { pause } from './live';
import { Problem } from './problem';
import type { Query } from './query';
import type { Timeline } from './timeline';
import type { When } from './when';

/** Values asked for of each facet, and buckets of the histogram at most. */
export const TOP = 30;
const BUCKETS = 100;
/** Milliseconds between two requests of the same query at least, however much is logged meanwhile. */
const PAUSE = 10_000;
/** And for which the counts wait for the rows. */
const HEAD_START = 600;

/**
 * What the query finds, counted: one request that facets and histogram share. Counts of before stay until the next ones
 * are there; whatever answers late is dropped by its signal.
 */
export class Overview extends Observable {
  facets: Facets | null = null;
  loading = false;
  problem: Problem | null = null;
  #asked: { query: Query; zone: string } | null = null;
  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #fresh = 0;

  constructor(
    private readonly api: Api,
    private readonly timeline: Timeline,
    private readonly when: Cell<When>,
  ) {
    super();
    timeline.listen(() => this.#logged());
    // Days, weeks and months begin in the zone.
    when.listen(() => this.when.value.zone !== this.#asked?.zone && this.reload());
  }

  /** Waits for what is to come `first`, though not for long. While the same is counted again, what was counted stands, and it is not `loading`. */
  async load(query: Query, first?: Promise<void>): Promise<void> {
    const isSame = query === this.#asked?.query && !this.loading && !this.problem && this.facets !== null;
    this.stop();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const { zone } = this.when.value;
    this.#asked = { query, zone };
    this.loading = !isSame;
    this.problem = null;
    this.changed();
    if (first) await Promise.race([first, pause(HEAD_START, signal)]);
    if (signal.aborted) return;
    try {
      const sizes = [['top', `${TOP}`] as const, ['buckets', `${BUCKETS}`] as const];
      const facets = await this.api.facets([...query, ['zone', zone], ...sizes], signal);
      if (signal.aborted) return;
      this.facets = facets;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error instanceof Problem ? error : new Problem(0, 'unreadable', String(error));
    }
    this.loading = false;
    this.changed();
  }

  /** Asks the same again. */
  reload(): void {
    if (this.#asked) void this.load(this.#asked.query);
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.loading = false;
  }

  #logged(): void {
    const { size } = this.timeline.fresh;
    if (size > this.#fresh) this.#timer ??= setTimeout(() => this.reload(), PAUSE);
    this.#fresh = size;
  }
}
