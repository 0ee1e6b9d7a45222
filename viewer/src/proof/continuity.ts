import type { Api } from '../api';
import { Cell, Observable } from '../cell';
import type { AuditEvent } from '../event';
import type { Query } from '../query';
import { isNewer, type Place, type Timeline } from '../timeline';
import { askProofs, obstacleOf, openProven } from './asking';
import type { Entry } from './entry';
import type { Findings } from './findings';
import { type Claim, claimOf, exclusion, missingFrom } from './gaps';
import { Obstacle } from './ledger';
import type { Trust } from './trust';

/** How many entries are asked for at once, and how many numbers that the list lacks are looked at: the highest. */
const BATCH = 200;
const MOST = 2000;
/** How many events, and how many pages of them, are asked for where the list is asked for anew. */
const PAGE = 1000;
const PAGES = 50;
/** Milliseconds for which no rows came, as whoever scrolls is not to notice; and after which they are looked at anyway. */
const REST = 400;
const DELAY = 5000;
/** Milliseconds for which nothing is asked for where something could not be had. */
const PATIENCE = 30_000;
const PART = { kind: 'part' } as const;
const CHECKING = { kind: 'checking' } as const;

/** What is looked at: the list, and what was asked for. */
export interface Listed {
  readonly timeline: Timeline;
  readonly query: Cell<Query>;
}

/** Who finds out about the events that the list has. */
interface Events {
  readonly trust: Trust;
  readonly findings: Findings;
  readonly checking: boolean;
  want(events: readonly AuditEvent[]): void;
}

/** An entry that the list should have and has not; without `entry`: what the service gives for it is not what was signed. */
export interface LeftOut {
  readonly seq: number;
  readonly entry: Entry | null;
}

/**
 * What is known of the list as it is now. `part`: it shows a part of the log, and claims nothing that could be checked.
 * `checking`. `whole`: of the numbers from `low` to `high` it lacks nothing; `others` happened at other times, or the query
 * leaves them out; if `isCut`, those below `low` were too many to be looked at. `unchecked`: of `count` numbers, such as
 * `seq`, the service did not say what they are; or of all of them, for a reason.
 */
export type Wholeness =
  | { readonly kind: 'part' }
  | { readonly kind: 'checking' }
  | {
      readonly kind: 'whole';
      readonly low: number;
      readonly high: number;
      readonly others: number;
      readonly isCut: boolean;
    }
  | { readonly kind: 'unchecked'; readonly seq: number; readonly count: number }
  | { readonly kind: 'unchecked'; readonly why: Obstacle['kind'] };

/**
 * Whether the list leaves out what it should have. Every entry has a number, and the numbers have no gaps: so those that the
 * rows lack are asked for, each proven to be in the signed tree, and have to have happened at another time than the rows,
 * or be what the query leaves out.
 *
 * What seems to be missing may have come after the rows did. So the list is asked for again, from its beginning, after the
 * entry was proven: then it has it, and it is put in its place; or it was left out, which stays.
 */
export class Continuity extends Observable {
  readonly #state = new Cell<Wholeness>(CHECKING);
  readonly #known = new Map<number, Entry>();
  /** Numbers for which the service has given nothing. */
  readonly #refused = new Set<number>();
  readonly #leftOut = new Map<number, LeftOut>();
  readonly #unlisten: (() => void)[];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When it was to be looked at the latest. */
  #due = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #working = false;
  #stopped = false;
  /** Something changed while it was worked. */
  #isStale = false;
  /** Why nothing could be had, and until when nothing is asked for. */
  #obstacle: Obstacle | null = null;
  #until = 0;

  constructor(
    private readonly api: Api,
    private readonly list: Listed,
    private readonly events: Events,
  ) {
    super();
    const wake = () => this.wake();
    this.#unlisten = [
      list.timeline.listen(wake),
      list.query.listen(wake),
      this.#state.listen(() => this.changed()),
    ];
  }

  get state(): Wholeness {
    return this.#state.value;
  }

  /** The newest first. That stays, whatever is asked for next. */
  get leftOut(): readonly LeftOut[] {
    return [...this.#leftOut.values()].sort((one, other) => other.seq - one.seq);
  }

  /** Looks at the list, soon. */
  wake(): void {
    this.#isStale = true;
    if (this.#stopped || this.#working) return;
    if (this.#timer === undefined) this.#due = Date.now() + DELAY;
    clearTimeout(this.#timer);
    const rest = Math.max(0, Math.min(REST, this.#due - Date.now()));
    this.#timer = setTimeout(() => void this.#work(), rest);
  }

  /** Asks once more for what was not given. */
  again(): void {
    this.#refused.clear();
    this.#obstacle = null;
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    for (const unlisten of this.#unlisten) unlisten();
  }

  async #work(): Promise<void> {
    this.#timer = undefined;
    this.#working = true;
    this.#isStale = false;
    try {
      const found = await this.#look();
      if (found && !this.#stopped) this.#state.value = found;
    } catch (error) {
      this.#failed(error);
    }
    this.#working = false;
    if (this.#isStale) this.wake();
  }

  #failed(error: unknown): void {
    if (this.events.trust.contradicts(error)) {
      this.changed();
      return;
    }
    const obstacle = obstacleOf(error);
    if (obstacle !== this.#obstacle) {
      const wait = Math.max(PATIENCE, (obstacle.retryAfter ?? 0) * 1000);
      this.#until = Date.now() + wait;
      this.#obstacle = obstacle;
      clearTimeout(this.#retry);
      if (obstacle.passes && !this.#stopped) this.#retry = setTimeout(() => this.wake(), wait);
    }
    this.#state.value = { kind: 'unchecked', why: obstacle.kind };
  }

  /** Null where it is to be looked at later: whatever changes then wakes it. */
  async #look(): Promise<Wholeness | null> {
    const { timeline, query } = this.list;
    const { trust, findings } = this.events;
    const asked = query.value;
    const excludes = exclusion(asked);
    if (!this.api.claims.whole || !excludes) return PART;
    if (timeline.loading || this.events.checking || trust.contradiction) return null;
    const rows = [...timeline.rows];
    const states = rows.map((row) => findings.stateOf(row));
    if (states.some((state) => state === 'unknown' || state === 'checking')) {
      // A portion after each rest.
      this.events.want(rows.filter((_, i) => states[i] === 'unknown').slice(0, BATCH));
      return CHECKING;
    }
    const { standing } = trust;
    if (!standing || states.includes('unavailable'))
      return { kind: 'unchecked', why: trust.obstacle?.kind ?? 'unproven' };
    const claim = claimOf(rows, standing.checkpoint.size, { ...times(asked), hasMore: timeline.hasMore });
    if (!claim) return null;
    const { numbers, isAll } = missingFrom(claim, rows, MOST);
    if (this.#obstacle && Date.now() < this.#until) throw this.#obstacle;
    this.#obstacle = null;
    const looked = await this.#learn(numbers, claim);
    const missing = looked.flatMap((seq) => this.#known.get(seq) ?? []);
    const wanted = missing.filter(
      (entry) =>
        !this.#leftOut.has(entry.seq) &&
        !excludes(entry.action) &&
        claim.holds(entry) &&
        !timeline.get(entry.id),
    );
    if (wanted.length > 0) await this.#confirm(asked, wanted);
    if (query.value !== asked) return null;
    const unknown = looked.filter((seq) => !this.#known.has(seq) && !this.#leftOut.has(seq));
    if (unknown[0] !== undefined) return { kind: 'unchecked', seq: unknown[0], count: unknown.length };
    const isCut = !isAll || looked.length < numbers.length;
    const low = isCut ? (looked.at(-1) ?? claim.low) : claim.low;
    const others = missing.filter(({ seq }) => !this.#leftOut.has(seq)).length;
    return { kind: 'whole', low, high: claim.high, others, isCut };
  }

  /**
   * Has these entries asked for, and verifies that the signed tree has them. Gives those that were looked at: where a whole
   * portion in a row happened at other times, as in history that was imported, it goes no further.
   */
  async #learn(numbers: readonly number[], claim: Claim): Promise<readonly number[]> {
    const isSettled = (seq: number) =>
      this.#known.has(seq) || this.#leftOut.has(seq) || this.#refused.has(seq);
    const isElsewhere = (seq: number) => {
      const entry = this.#known.get(seq);
      return entry !== undefined && !claim.holds(entry);
    };
    for (let start = 0; start < numbers.length && !this.#stopped; start += BATCH) {
      const portion = numbers.slice(start, start + BATCH);
      await this.#ask(portion.filter((seq) => !isSettled(seq)));
      const isWhole = (portion[0] ?? 0) - (portion[BATCH - 1] ?? 0) === BATCH - 1;
      if (isWhole && portion.every(isElsewhere)) return numbers.slice(0, start + BATCH);
    }
    return numbers;
  }

  async #ask(batch: readonly number[]): Promise<void> {
    if (batch.length === 0) return;
    const { checkpoint, hashes, entries, altered } = await askProofs(
      this.api,
      batch,
      this.events.trust.believe,
      true,
    );
    for (const seq of batch) {
      const text = entries.get(seq);
      if (altered.has(seq)) this.#accuse({ seq, entry: null });
      else if (!checkpoint || text === undefined) this.#refused.add(seq);
      else if (seq < checkpoint.size) {
        const entry = await openProven(text, seq, hashes.get(seq) ?? [], checkpoint);
        if (entry) this.#known.set(seq, entry);
        else this.#accuse({ seq, entry });
      }
    }
    await rested();
  }

  /** Asks for the list again, down to the oldest of these: what it has is put in its place, and the others were left out. */
  async #confirm(asked: Query, wanted: readonly Entry[]): Promise<void> {
    // What was there at first may be too old for a span of time that ends now.
    const query = [...asked.within('', asked.until)];
    const oldest = wanted.reduce((one, other) => (isNewer(one, other) ? other : one));
    const missing = new Map(wanted.map((entry) => [entry.id, entry]));
    let cursor: string | null = null;
    let last: Place | undefined;
    for (let pages = 0; cursor !== null || pages === 0; pages++) {
      if (pages === PAGES) throw new Obstacle('unreadable');
      const parameters: [string, string][] = [
        ['limit', `${PAGE}`],
        ['sealed', 'true'],
      ];
      if (cursor !== null) parameters.push(['cursor', cursor]);
      const page = await this.api.timeline([...query, ...parameters]);
      if (this.#stopped || this.list.query.value !== asked) return;
      const found = page.data.filter(({ id }) => missing.delete(id));
      this.list.timeline.add(found);
      last = page.data.at(-1) ?? last;
      if (missing.size === 0 || (last && isNewer(oldest, last))) break;
      cursor = page.next_cursor;
    }
    for (const entry of missing.values()) this.#accuse({ seq: entry.seq, entry });
  }

  #accuse(found: LeftOut): void {
    this.#leftOut.set(found.seq, found);
    this.changed();
  }
}

function times({ since, until }: Query): { since: string; until: string } {
  return { since, until };
}

/** Lets the page be painted and scrolled meanwhile. */
function rested(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
