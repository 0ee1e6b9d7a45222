import type { Api } from '../api';
import { Cell, Observable } from '../cell';
import type { AuditEvent } from '../event';
import type { Query } from '../query';
import type { Timeline } from '../timeline';
import { askProofs, findListed, obstacleOf, openProven } from './asking';
import type { Entry } from './entry';
import type { Findings } from './findings';
import {
  type Claim,
  claimOf,
  exclusion,
  type LeftOut,
  missingFrom,
  notGivenBelow,
  type Wholeness,
} from './gaps';
import type { Obstacle } from './ledger';
import { rest } from './rest';
import type { Trust } from './trust';

/** How many entries are asked for at once, and how many numbers that the list lacks are looked at: the highest. */
const BATCH = 200;
const MOST = 2000;
/** Milliseconds for which no rows came, as whoever scrolls is not to notice; and after which they are looked at anyway. */
const REST = 400;
const DELAY = 5000;
/** Milliseconds in which what is signed comes to the list by itself: to ask for it leaves an entry in the log of the log. */
const GRACE = 2500;
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
  want(events: readonly AuditEvent[]): void;
}

/**
 * Whether the list leaves out what it should have. Every entry has a number, and the numbers have no gaps: so those that the
 * rows lack are asked for, each proven to be in the signed tree, and have to have happened at another time than the rows,
 * or be what the query leaves out.
 *
 * What seems to be missing may have come after the rows did. So the list is asked for again, after the entry was proven: then
 * it has it, and it is put in its place; or, if the entry is still given after that, it was left out, which stays.
 */
export class Continuity extends Observable {
  readonly #state = new Cell<Wholeness>(CHECKING);
  readonly #known = new Map<number, Entry>();
  /** Numbers for which the service has given nothing. */
  readonly #refused = new Set<number>();
  readonly #leftOut = new Map<number, LeftOut>();
  /** Numbers that the list has where it is asked for again, and that are of no row: a span of time has slid past them. */
  readonly #past = new Set<number>();
  /** When a number was first missed. */
  readonly #missed = new Map<number, number>();
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
    private readonly grace = GRACE,
  ) {
    super();
    const wake = () => this.wake();
    document.addEventListener('visibilitychange', wake);
    this.#unlisten = [
      () => document.removeEventListener('visibilitychange', wake),
      list.timeline.listen(wake),
      list.query.listen(wake),
      list.query.listen(() => this.#past.clear()),
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
    const wait = Math.max(0, Math.min(REST, this.#due - Date.now()));
    this.#timer = setTimeout(() => void this.#work(), wait);
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
    if (timeline.loading || trust.contradiction || document.hidden) return null;
    const rows = [...timeline.rows];
    const states = rows.map((row) => findings.stateOf(row));
    // A portion after each rest.
    this.events.want(rows.filter((_, i) => states[i] === 'unknown').slice(0, BATCH));
    // Where much is logged there is always one that is not checked yet: the others are looked at all the same.
    const settled = rows.filter((_, i) => states[i] !== 'unknown' && states[i] !== 'checking');
    const isSettled = settled.length === rows.length;
    const { standing } = trust;
    if (!standing || states.includes('unavailable'))
      return isSettled ? { kind: 'unchecked', why: trust.obstacle?.kind ?? 'unproven' } : CHECKING;
    const { since, until } = asked;
    const claim = claimOf(settled, standing.checkpoint.size, { since, until, hasMore: timeline.hasMore });
    if (!claim) return isSettled ? null : CHECKING;
    const { numbers, isAll } = missingFrom(claim, rows, MOST);
    if (this.#obstacle && Date.now() < this.#until) throw this.#obstacle;
    this.#obstacle = null;
    const looked = await this.#learn(numbers, claim);
    const missing = looked.flatMap((seq) => this.#known.get(seq) ?? []);
    const wanted = missing.filter(
      (entry) =>
        !this.#leftOut.has(entry.seq) &&
        !this.#past.has(entry.seq) &&
        !excludes(entry.action) &&
        claim.holds(entry) &&
        !timeline.get(entry.id),
    );
    const overdue = this.#overdue(wanted);
    if (overdue.length > 0) await this.#confirm(asked, overdue);
    if (query.value !== asked) return null;
    const isCut = !isAll || looked.length < numbers.length;
    const low = isCut ? (looked.at(-1) ?? claim.low) : claim.low;
    for (const seq of this.#known.keys()) if (seq < low) this.#known.delete(seq);
    if (!isSettled || overdue.length < wanted.length) return CHECKING;
    const unknown = looked.filter((seq) => !this.#known.has(seq) && !this.#leftOut.has(seq));
    const { high } = claim;
    const others = missing.filter(({ seq }) => this.#known.has(seq) && !this.#leftOut.has(seq)).length;
    const end = notGivenBelow(unknown, looked, rows);
    if (end !== null && end <= high) return { kind: 'whole', low: end, high, others, rest: 'gone' };
    if (unknown[0] !== undefined) return { kind: 'unchecked', seq: unknown[0], count: unknown.length };
    return { kind: 'whole', low, high, others, rest: isCut ? 'cut' : null };
  }

  /** Those of them that have been missed for a while. The others are looked at again when they are. */
  #overdue(wanted: readonly Entry[]): Entry[] {
    const now = Date.now();
    const since = new Map(wanted.map(({ seq }) => [seq, this.#missed.get(seq) ?? now]));
    this.#missed.clear();
    for (const [seq, at] of since) this.#missed.set(seq, at);
    const overdue = wanted.filter(({ seq }) => now - (since.get(seq) ?? now) >= this.grace);
    if (overdue.length < wanted.length) {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.wake(), this.grace);
    }
    return overdue;
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
      // An answer that is older than what is known says nothing of what is newer.
      if (checkpoint && seq >= checkpoint.size) continue;
      if (altered.has(seq)) this.#accuse({ seq, entry: null });
      else if (!checkpoint || text === undefined) this.#refused.add(seq);
      else {
        const entry = await openProven(text, seq, hashes.get(seq) ?? [], checkpoint);
        if (entry) this.#known.set(seq, entry);
        else this.#accuse({ seq, entry });
      }
    }
    await rest();
  }

  /** Asks for the list again: what it has of these is put in its place, and the others were left out. */
  async #confirm(asked: Query, wanted: readonly Entry[]): Promise<void> {
    const { timeline, query } = this.list;
    const found = await findListed(this.api, asked, wanted);
    if (this.#stopped || query.value !== asked) return;
    timeline.add(found);
    const listed = new Set(found.map(({ id }) => id));
    for (const { id, seq } of wanted) if (listed.has(id) && !timeline.get(id)) this.#past.add(seq);
    // Of a month that is no longer kept since they were asked for the list has nothing either.
    const missing = wanted.flatMap(({ id, seq }) => (listed.has(id) ? [] : seq));
    for (const seq of missing) this.#known.delete(seq);
    for (let start = 0; start < missing.length; start += BATCH)
      await this.#ask(missing.slice(start, start + BATCH));
    for (const seq of missing) {
      const entry = this.#known.get(seq);
      if (entry) this.#accuse({ seq, entry });
    }
  }

  #accuse(found: LeftOut): void {
    this.#leftOut.set(found.seq, found);
    this.changed();
  }
}
