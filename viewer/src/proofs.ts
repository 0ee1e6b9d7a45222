import { Cell, Observable } from './cell';
import type { AuditEvent } from './event';
import type { Step } from './proof/check';
import type { Checker } from './proof/checker';
import type { LeftOut } from './proof/gaps';
import type { Obstacle } from './proof/ledger';

/**
 * `unknown`: not looked at yet. `checking`. `waiting`: newer than the latest checkpoint. `proven`: all holds, under a
 * pinned key. `partial`: the same, but for what whoever looks is not shown and so can't check. `unpinned`: all holds, but the key is the service's own word. `altered`: what is shown is not what was sealed
 * or signed. `unavailable`: it could not be checked, such as without a network or on a page that is not secure.
 */
export type ProofState =
  | 'unknown'
  | 'checking'
  | 'waiting'
  | 'proven'
  | 'partial'
  | 'unpinned'
  | 'altered'
  | 'unavailable';

/** What was found out about one event. It is proven if each step holds and the root has it. */
export interface Result {
  readonly steps: readonly Step[];
  readonly at: Date;
  /** Newer than the latest checkpoint, or without a proof so far. */
  readonly missing: 'waiting' | Obstacle['kind'] | null;
}

/**
 * What was found out about the events in sight, and about the ledger. Whoever checks it is loaded after the first rows;
 * what is wanted of it before that waits.
 */
export class Proofs extends Observable {
  /** The event whose lock was clicked: what the panel is about. */
  readonly subject = new Cell<AuditEvent | null>(null);
  #make: ((pinned: string | null) => Checker) | null = null;
  #checker: Checker | null = null;
  #isMissing = false;
  #wanted = new Set<AuditEvent>();
  #pinned: string | null = null;

  /** Begins to check, by what was loaded: it makes one who trusts these keys; null: it could not be loaded. */
  begin(make: ((pinned: string | null) => Checker) | null): void {
    this.#isMissing = make === null;
    this.#make = make;
    this.#restart();
  }

  /** Nothing that was found out holds where other keys are trusted. What is in sight is wanted again. */
  #restart(): void {
    this.#checker?.stop();
    const checker = this.#make?.(this.#pinned) ?? null;
    this.#checker = checker;
    checker?.listen(() => this.changed());
    checker?.want([...this.#wanted]);
    if (checker) this.#wanted.clear();
    this.changed();
  }

  stateOf(event: AuditEvent): ProofState {
    return this.#checker?.findings.stateOf(event) ?? (this.#isMissing ? 'unavailable' : 'unknown');
  }

  /** Null as long as it is not checked. */
  resultOf(event: AuditEvent): Result | null {
    return this.#checker?.findings.resultOf(event) ?? null;
  }

  /** Has these events checked, soon; those that were are not checked again. */
  want(events: readonly AuditEvent[]): void {
    if (this.#checker) this.#checker.want(events);
    else for (const event of events) this.#wanted.add(event);
  }

  /** The vkeys that the host page pins (C2SP signed-note), one a line. */
  pin(vkeys: string | null): void {
    const pinned = vkeys?.trim() || null;
    if (pinned === this.#pinned) return;
    this.#pinned = pinned;
    if (this.#checker) this.#restart();
  }

  /** Pins a key in this browser, for good; null: forgets it. False where it is no key. */
  async remember(vkey: string | null): Promise<boolean> {
    const isDone = (await this.#checker?.trust.remember(vkey)) ?? false;
    if (isDone) this.#restart();
    return isDone;
  }

  /** Has this browser forget what it saw of the ledger. */
  forget(): void {
    this.#checker?.trust.forget();
    this.#restart();
  }

  stop(): void {
    this.#checker?.stop();
  }

  /** What is believed of the ledger; null as long as nothing is. */
  get standing() {
    return this.#checker?.trust.standing ?? null;
  }

  /** The ledger is not what was signed of it. */
  get contradiction() {
    return this.#checker?.trust.contradiction ?? null;
  }

  /** Why nothing can be checked at present. */
  get obstacle(): Pick<Obstacle, 'kind' | 'passes'> | null {
    return this.#isMissing ? { kind: 'missing', passes: false } : (this.#checker?.trust.obstacle ?? null);
  }

  /** Ids of events that are displayed otherwise than they were sealed, or are not what was signed. */
  get altered(): ReadonlySet<string> {
    return this.#checker?.findings.altered ?? new Set();
  }

  /** What the list leaves out, though it should have it. */
  get leftOut(): readonly LeftOut[] {
    return this.#checker?.continuity.leftOut ?? [];
  }

  /** How many events were looked at, altered ones and others. */
  get seen(): number {
    return this.#checker?.findings.seen ?? 0;
  }

  get checking(): boolean {
    return this.#checker?.checking ?? true;
  }

  /** Whoever checks; for the panel, which is loaded with it. */
  get checker(): Checker | null {
    return this.#checker;
  }
}
