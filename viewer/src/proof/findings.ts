import type { AuditEvent } from '../event';
import type { ProofState, Result } from '../proofs';
import type { Step } from './check';
import type { Entry } from './entry';
import type { Trust } from './trust';

/** What was found out about events: of each the steps that were checked, and how many hold. */
export class Findings {
  // By the object, not its id: what was found out is about what is displayed, and another answer may say other things.
  readonly #results = new WeakMap<AuditEvent, Result | 'checking'>();
  /** By number: the hash of what was proven to be there, and that of the entry before, as it says. */
  readonly #chain = new Map<number, { leaf: string; prev: string }>();
  readonly #seen = new Set<string>();
  readonly #proven = new Set<string>();
  readonly #altered = new Set<string>();

  constructor(private readonly trust: Trust) {}

  /** Ids of events that are displayed otherwise than they were sealed, or are not what was signed. */
  get altered(): ReadonlySet<string> {
    return this.#altered;
  }

  /** How many events were looked at, altered ones and others. */
  get seen(): number {
    return this.#seen.size;
  }

  /** How many events were found to be what was sealed, and in the ledger. */
  get proven(): number {
    return this.#proven.size;
  }

  has(event: AuditEvent): boolean {
    return this.#results.has(event);
  }

  stateOf(event: AuditEvent): ProofState {
    const result = this.#results.get(event);
    const { contradiction, standing } = this.trust;
    if (!result) return 'unknown';
    if (result !== 'checking' && result.steps.some(({ verdict }) => verdict === 'failed')) return 'altered';
    if (contradiction) return 'altered';
    if (result === 'checking') return 'checking';
    if (result.missing === 'waiting') return 'waiting';
    if (result.missing || !standing) return 'unavailable';
    if (standing.by === 'service') return 'unpinned';
    return result.steps.some(({ verdict }) => verdict === 'unchecked') ? 'partial' : 'proven';
  }

  /** Null as long as it is not checked. */
  resultOf(event: AuditEvent): Result | null {
    const result = this.#results.get(event);
    return result && result !== 'checking' ? result : null;
  }

  /** The event is being checked. */
  begin(event: AuditEvent): void {
    this.#results.set(event, 'checking');
  }

  /** It is being checked anew: what was found out of it before is of no account. */
  reopen(event: AuditEvent): void {
    this.begin(event);
    this.#altered.delete(event.id);
  }

  /** Whether the signed root was found to have this entry. */
  isPlaced({ seq }: Entry, leaf: string): boolean {
    return this.#chain.get(seq)?.leaf === leaf;
  }

  /** The signed root has it. */
  place({ seq, prev }: Entry, leaf: string): void {
    this.#chain.set(seq, { leaf, prev });
  }

  /** Whether it joins the entries beside it, where these were placed too. */
  joins({ seq, prev }: Entry, leaf: string): Step[] {
    const before = this.#chain.get(seq - 1);
    const after = this.#chain.get(seq + 1);
    const follows = (!before || before.leaf === prev) && (!after || after.prev === leaf);
    return before || after ? [{ name: 'chain', verdict: follows ? 'ok' : 'failed' }] : [];
  }

  settle(event: AuditEvent, steps: readonly Step[], missing: Result['missing']): void {
    this.#results.set(event, { steps, missing, at: new Date() });
    this.#seen.add(event.id);
    const isAltered = steps.some(({ verdict }) => verdict === 'failed');
    if (isAltered) this.#altered.add(event.id);
    if (!isAltered && steps.some(({ name }) => name === 'included')) this.#proven.add(event.id);
  }
}
