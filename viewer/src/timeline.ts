import type { Api } from './api';
import { Observable } from './cell';
import type { AuditEvent, Page, Understood } from './event';
import { first } from './layout';
import { follow } from './live';
import { Problem } from './problem';
import type { Query } from './query';
import { startOf } from './range';

const FIRST_PAGE = 50;
const NEXT_PAGES = 200;
/** Milliseconds in which what is logged is put in at once: a burst moves the list a few times a second, and not each time. */
const TOGETHER = 150;

/** `off`: nothing new comes, as the query has an end, or as something is wrong. */
export type Liveness = 'off' | 'connecting' | 'on' | 'interrupted';

/** Where an event stands in the timeline. */
export type Place = Pick<AuditEvent, 'occurred_at' | 'seq'>;

/**
 * The rows that were loaded of one query, newest first, and what is logged meanwhile.
 *
 * Rows are in timeline order, `(occurred_at, seq)` descending, each once. Only rows of the latest query are ever written:
 * whatever answers late is dropped by its signal.
 */
export class Timeline extends Observable {
  #rows: AuditEvent[] = [];
  #byId = new Map<string, AuditEvent>();
  #fresh = new Set<string>();
  /** Logged meanwhile and not in their place yet: waiting for a moment, or for the page that they belong on. */
  #arrived: AuditEvent[] = [];
  #late: AuditEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next: string | null = null;
  #newest: string | null = null;
  #query: Query | null = null;
  /** What the rows are of. */
  #shown: string | null = null;
  #stop = new AbortController();

  /** The first page of the query is on its way; the rows are of the query before. */
  loading = false;
  loadingMore = false;
  problem: Problem | null = null;
  /** What the problem hindered: the first page, an older one, or what is new. */
  failed: 'load' | 'more' | 'live' | null = null;
  liveness: Liveness = 'off';
  /** Nothing new comes, as the query has an end. */
  isOver = false;
  /** How the search box of the query was read, whose rows these are. */
  understood: Understood | null = null;
  /** The service's time was up before the page was full: more is found by going on. */
  partial = false;
  /** Another number whenever rows changed otherwise than by older ones being added at the end. */
  revision = 0;

  constructor(private readonly api: Api) {
    super();
  }

  get rows(): readonly AuditEvent[] {
    return this.#rows;
  }

  /** Ids of rows that were logged while somebody looked, and were not seen yet. */
  get fresh(): ReadonlySet<string> {
    return this.#fresh;
  }

  get hasMore(): boolean {
    return this.#next !== null;
  }

  get(id: string): AuditEvent | undefined {
    return this.#byId.get(id);
  }

  /** The event's row; where it has none, the one that would stand in its place. */
  indexOf(event: Place): number {
    return first(this.#rows.length, (index) => !isNewer(this.#rows[index], event));
  }

  /** Begins anew. The rows of before stay until the first page is there, so that nothing flickers. */
  async load(query: Query): Promise<void> {
    this.stop();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#query = query;
    this.loading = true;
    this.#solved();
    this.liveness = 'off';
    this.changed();
    try {
      const page = await this.#page(query, FIRST_PAGE, null, signal);
      if (signal.aborted) return;
      this.#clear();
      this.#shown = `${query}`;
      this.#newest = page.prev_cursor;
      this.#append(page);
      this.understood = page.understood ?? null;
      this.isOver = query.until !== '' || Date.parse(page.understood?.until ?? '') <= Date.now();
      this.loading = false;
      this.changed();
      if (!this.isOver) this.#follow(query, signal);
    } catch (error) {
      if (signal.aborted) return;
      // Rows that are not what is asked for must not look like the answer.
      if (this.#shown !== `${query}`) this.#clear();
      this.loading = false;
      this.#fail('load', error);
    }
  }

  /** The next, older page. Does nothing where there is none, or one is on its way. */
  async more(): Promise<void> {
    const query = this.#query;
    if (!query || this.#next === null || this.loading || this.loadingMore) return;
    const { signal } = this.#stop;
    this.loadingMore = true;
    if (this.failed === 'more') this.#solved();
    this.changed();
    try {
      const page = await this.#page(query, NEXT_PAGES, this.#next, signal);
      if (signal.aborted) return;
      this.#append(page);
      this.loadingMore = false;
      this.changed();
    } catch (error) {
      if (signal.aborted) return;
      this.loadingMore = false;
      this.#fail('more', error);
    }
  }

  /** After a problem: goes on where it ended. */
  retry(): void {
    const query = this.#query;
    if (!query || this.loading) return;
    if (this.failed === 'more') void this.more();
    else if (this.failed === 'live') {
      this.#solved();
      this.#follow(query, this.#stop.signal);
    } else void this.load(query);
  }

  seen(): void {
    if (this.#fresh.size === 0) return;
    this.#fresh.clear();
    this.changed();
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#arrived = [];
    this.loading = this.loadingMore = false;
    this.liveness = 'off';
  }

  #page(query: Query, limit: number, cursor: string | null, signal: AbortSignal): Promise<Page> {
    const parameters: [string, string][] = [
      ['limit', `${limit}`],
      ['sealed', 'true'],
    ];
    if (cursor !== null) parameters.push(['cursor', cursor]);
    return this.api.timeline([...query, ...parameters], signal);
  }

  #clear(): void {
    this.#rows = [];
    this.#byId.clear();
    this.#fresh.clear();
    this.#late = [];
    this.#next = this.#newest = this.#shown = null;
    this.understood = null;
    this.partial = this.isOver = false;
    this.revision++;
  }

  #append(page: Page): void {
    for (const event of page.data) {
      if (this.#byId.has(event.id)) continue;
      // In which order they are is not the service's word.
      if (isNewer(event, this.#rows.at(-1))) {
        this.#late.push(event);
        continue;
      }
      this.#byId.set(event.id, event);
      this.#rows.push(event);
    }
    this.#next = page.next_cursor;
    this.partial = page.partial ?? false;
    this.#insert(this.#late.splice(0));
  }

  /** Puts each in its place. What is older than all that was loaded waits until its page is there. */
  #insert(events: readonly AuditEvent[], isFresh = true): boolean {
    const { since } = this.#query ?? {};
    // A span such as 7d goes on sliding.
    const from = since ? startOf(since, new Date()) : null;
    let inserted = false;
    for (const event of events) {
      if (this.#byId.has(event.id) || (from && new Date(event.occurred_at) < from)) continue;
      const place = this.indexOf(event);
      if (place === this.#rows.length && this.#next !== null) {
        this.#late.push(event);
        continue;
      }
      this.#byId.set(event.id, event);
      if (isFresh) this.#fresh.add(event.id);
      this.#rows.splice(place, 0, event);
      inserted = true;
    }
    if (inserted) this.revision++;
    return inserted;
  }

  /** Puts in what the live stream did not bring: it may be old, and is not told as new. */
  add(events: readonly AuditEvent[]): void {
    if (this.#insert(events, false)) this.changed();
  }

  #solved(): void {
    this.problem = this.failed = null;
  }

  #fail(failed: 'load' | 'more' | 'live', error: unknown): void {
    this.failed = failed;
    this.problem = error instanceof Problem ? error : new Problem(0, 'unreadable', String(error));
    this.changed();
  }

  #follow(query: Query, signal: AbortSignal): void {
    const turn = (liveness: Liveness) => {
      if (signal.aborted) return;
      this.liveness = liveness;
      this.changed();
    };
    turn('connecting');
    const to = {
      connected: (missed: boolean) => {
        turn('on');
        if (missed) void this.#catchUp(query, signal);
      },
      interrupted: () => turn('interrupted'),
      logged: (event: AuditEvent) => {
        if (signal.aborted) return;
        this.#arrived.push(event);
        this.#timer ??= setTimeout(() => this.#settle(), TOGETHER);
      },
      ended: (problem: Problem) => {
        turn('off');
        if (!signal.aborted) this.#fail('live', problem);
      },
    };
    void follow(this.api, query, to, signal);
  }

  #settle(): void {
    this.#timer = undefined;
    if (this.#insert(this.#arrived.splice(0))) this.changed();
  }

  /** What was logged between the latest page and now. */
  async #catchUp(query: Query, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const page = await this.#page(query, FIRST_PAGE, this.#newest, signal);
        if (signal.aborted) return;
        this.#newest = page.prev_cursor ?? this.#newest;
        if (this.#insert(page.data)) this.changed();
        if (page.data.length < FIRST_PAGE) return;
      }
    } catch {
      // The live stream goes on without it; whatever is wrong with the service shows there.
    }
  }
}

/** In timeline order. Times are all of one length, in UTC, so that their texts compare as they do. */
export function isNewer(one: Place | undefined, other: Place | undefined): boolean {
  if (!one || !other) return false;
  return one.occurred_at === other.occurred_at ? one.seq > other.seq : one.occurred_at > other.occurred_at;
}
