import type { Api } from '../api';
import { Observable } from '../cell';
import type { AuditEvent } from '../event';
import { Problem } from '../problem';
import type { ProofState, Result } from '../proofs';
import { askProofs, isProof, obstacleOf, type Proven, readRecord } from './asking';
import { checkSealed, type Reader, recordsOf, type Sealed, type Step } from './check';
import type { Checkpoint } from './checkpoint';
import { Contradiction, Ledger, type Obstacle, requireCryptography, type Standing } from './ledger';
import { Memory, type Remembered } from './memory';
import { parseVkey } from './note';

/** How many proofs are asked for at once, and how many events are checked before the page may be painted. */
const BATCH = 200;
const CHUNK = 16;
/** Milliseconds: while somebody scrolls nothing is asked for. */
const SOON = 120;
/** Milliseconds after which what is not signed yet, or could not be had, is asked for again. */
const PATIENCE = [6000, 12_000, 30_000, 60_000];
/** Milliseconds after which what was recorded has to be signed: a worker does it every few seconds. */
const OVERDUE = 10 * 60_000;
/** So many events keep their sealed text, for the panel; of later ones it is read again. */
const KEPT = 2000;

/**
 * What was found out about the events in sight, and about the ledger. Nothing of it is the service's word: each event is
 * hashed and compared here, and its proof leads to a root that a key signed which somebody pinned. What it trusts it keeps
 * to: where another key is to be trusted, another checker begins, as nothing that was found out holds under that one.
 */
export class Checker extends Observable {
  readonly #memory: Memory;
  readonly #ledger: Ledger;
  // By the object, not its id: what was found out is about what is displayed, and another answer may say other things.
  readonly #results = new WeakMap<AuditEvent, Result | 'checking'>();
  readonly #queue = new Set<AuditEvent>();
  readonly #later = new Set<AuditEvent>();
  /** By number: the hash of what was proven to be there, and that of the entry before, as it says. */
  readonly #chain = new Map<number, { leaf: string; prev: string }>();
  readonly #seen = new Set<string>();
  readonly #proven = new Set<string>();
  readonly #altered = new Set<string>();
  readonly #records = new Map<number, ReadonlySet<string> | null>();
  /** As the service says; for those who have no token that says it. */
  #said = '';
  #standing: Standing | null = null;
  #contradiction: Contradiction | null = null;
  #obstacle: Obstacle | null = null;
  #working = false;
  #stopped = false;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `pinned` are the vkeys that the host page pins (C2SP signed-note), one a line. */
  constructor(
    readonly api: Api,
    readonly pinned: string | null,
  ) {
    super();
    this.#memory = new Memory(api.address);
    this.#ledger = new Ledger(api, this.#memory);
  }

  /** What is believed of the ledger; null as long as nothing is. */
  get standing(): Standing | null {
    return this.#standing;
  }

  /** The ledger is not what was signed of it. That stays. */
  get contradiction(): Contradiction | null {
    return this.#contradiction;
  }

  /** Why nothing can be checked at present. */
  get obstacle(): Obstacle | null {
    return this.#obstacle;
  }

  /** Ids of events that are displayed otherwise than they were sealed, or are not what was signed. */
  get altered(): ReadonlySet<string> {
    return this.#altered;
  }

  /** How many events were looked at, altered ones and others. */
  get seen(): number {
    return this.#seen.size;
  }

  /** Whether it is known for which tenant's ledger a key would be. */
  get canPin(): boolean {
    return this.#tenant !== '';
  }

  /** Whether somebody pinned a key in this browser. */
  get isPinnedHere(): boolean {
    return this.#memory.keys(this.#tenant) !== null;
  }

  /** How many events were found to be what was sealed, and in the ledger. */
  get proven(): number {
    return this.#proven.size;
  }

  get checking(): boolean {
    return this.#working;
  }

  stateOf(event: AuditEvent): ProofState {
    const result = this.#results.get(event);
    if (!result) return 'unknown';
    if (result !== 'checking' && result.steps.some(({ verdict }) => verdict === 'failed')) return 'altered';
    if (this.#contradiction) return 'altered';
    if (result === 'checking') return 'checking';
    if (result.missing === 'waiting') return 'waiting';
    if (result.missing || !this.#standing) return 'unavailable';
    if (this.#standing.by === 'service') return 'unpinned';
    return result.steps.some(({ verdict }) => verdict === 'unchecked') ? 'partial' : 'proven';
  }

  /** Null as long as it is not checked. */
  resultOf(event: AuditEvent): Result | null {
    const result = this.#results.get(event);
    return result && result !== 'checking' ? result : null;
  }

  /** Has these events checked, soon; those that were are not checked again. */
  want(events: readonly AuditEvent[]): void {
    const fresh = events.filter((event) => !this.#results.has(event));
    if (fresh.length === 0) return;
    this.#said ||= fresh[0]?.tenant_id ?? '';
    for (const event of fresh) {
      this.#results.set(event, 'checking');
      this.#queue.add(event);
    }
    this.#attempts = 0;
    this.#wake(SOON);
  }

  /** Checks one event anew, and with it the records of what was erased of it. */
  async again(event: AuditEvent): Promise<void> {
    this.#said ||= event.tenant_id;
    this.#results.set(event, 'checking');
    this.#altered.delete(event.id);
    this.changed();
    try {
      await requireCryptography();
      if (typeof event.entry !== 'string') {
        const { entry = '', disclosures = [] } = await this.api.event(event.id);
        Object.assign(event, { entry, disclosures });
      }
      for (const seq of recordsOf(event)) this.#records.delete(seq);
    } catch (error) {
      this.#failed([event], error);
      return;
    }
    this.#queue.add(event);
    this.#wake(0);
  }

  /** Looks at the ledger's newest checkpoint, whether or not there are events in sight. */
  async look(tenant: string): Promise<void> {
    this.#said ||= tenant;
    try {
      await requireCryptography();
      await this.#believe(await (await this.api.send('/api/audit-log/checkpoint')).text());
      this.#retry();
      this.changed();
    } catch (error) {
      this.#failed([], error);
    }
  }

  /** Pins a key in this browser, for good, for the checkers to come; null: forgets it. False where it is no key. */
  async remember(vkey: string | null): Promise<boolean> {
    const key = vkey === null ? null : await parseVkey(vkey.trim()).catch(() => undefined);
    if (key === undefined) return false;
    this.#memory.pin(this.#tenant, key?.vkey ?? null);
    return true;
  }

  /** What this browser saw of the ledger before, with which all that is signed of it has to agree. */
  get known(): Remembered | null {
    return (this.#contradiction ?? this.#standing)?.known ?? null;
  }

  /** Has this browser forget it, for the checkers to come. */
  forget(): void {
    const origin = (this.#contradiction ?? this.#standing)?.checkpoint?.origin;
    if (origin) this.#memory.forget(origin);
  }

  /** Nothing is asked for any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.clear();
    this.#later.clear();
  }

  get #tenant(): string {
    return this.api.claims.tenant ?? this.#said;
  }

  /** By the token, which is the host's: the answers of a service that lies would say what suits them. Keys see everything. */
  get #reader(): Reader {
    return { tenant: this.#tenant, seesAll: this.api.claims.role !== 'member' };
  }

  #wake(milliseconds: number, action: () => void = () => void this.#work()): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(action, milliseconds);
  }

  #retry(): void {
    for (const event of this.#later) this.#queue.add(event);
    this.#later.clear();
    if (this.#queue.size > 0) this.#wake(0);
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    while (this.#queue.size > 0) {
      // The latest first: they are in sight.
      const batch = [...this.#queue].slice(-BATCH);
      for (const event of batch) this.#queue.delete(event);
      await this.#check(batch).catch((error: unknown) => this.#failed(batch, error));
    }
    this.#working = false;
    this.changed();
    const passes = !this.#contradiction && (this.#obstacle?.passes ?? true);
    if (passes && this.#later.size > 0) this.#wait();
  }

  #wait(): void {
    const wait = PATIENCE[Math.min(this.#attempts++, PATIENCE.length - 1)] ?? 60_000;
    const asked = (this.#obstacle?.retryAfter ?? 0) * 1000;
    this.#wake(Math.max(wait, asked), () => (document.hidden ? this.#wait() : this.#retry()));
  }

  async #check(events: readonly AuditEvent[]): Promise<void> {
    await requireCryptography();
    const reader = this.#reader;
    const records = events.flatMap(recordsOf).filter((seq) => !this.#records.has(seq));
    for (const seq of new Set(records)) {
      const listed = await readRecord(this.api, seq, reader, this.#believe);
      if (listed !== undefined) this.#records.set(seq, listed);
    }
    const sealed = new Map<AuditEvent, Sealed>();
    for (const chunk of chunks(events)) {
      await Promise.all(
        chunk.map(async (event) => {
          try {
            sealed.set(event, await checkSealed(event, reader, this.#records));
          } catch {
            const isGiven = typeof event.entry === 'string';
            this.#settle(
              event,
              isGiven ? [{ name: 'form', verdict: 'failed' }] : [],
              isGiven ? null : 'unsealed',
            );
          }
        }),
      );
      await painted();
    }
    const unknown = [...sealed].flatMap(([, { entry, leafText }]) =>
      entry && this.#chain.get(entry.seq)?.leaf !== leafText ? [entry.seq] : [],
    );
    let proofs: Proven;
    try {
      proofs = await askProofs(this.api, unknown, this.#believe);
    } catch (error) {
      // What is displayed otherwise than it was sealed shows without a proof.
      this.#failed([...sealed.keys()], error, sealed);
      return;
    }
    for (const chunk of chunks([...sealed])) {
      await Promise.all(chunk.map(([event, found]) => this.#place(event, found, proofs)));
      this.changed();
      await painted();
    }
  }

  /** Whether the root has the entry, and it follows the one before it. */
  async #place(event: AuditEvent, { leaf, leafText, entry, steps }: Sealed, proofs: Proven): Promise<void> {
    if (!entry) {
      this.#settle(event, steps, null);
      return;
    }
    const { seq, prev, recorded_at } = entry;
    if (this.#chain.get(seq)?.leaf !== leafText) {
      const { checkpoint } = proofs;
      const hashes = proofs.hashes.get(seq);
      if (!checkpoint || seq >= checkpoint.size) {
        const age = Math.abs(Date.now() - new Date(recorded_at).getTime());
        this.#settle(event, steps, age > OVERDUE ? 'overdue' : 'waiting');
        return;
      }
      if (!hashes && !proofs.altered.has(seq)) {
        this.#settle(event, steps, 'unproven');
        return;
      }
      const isThere = hashes && (await isProof(hashes, leaf, seq, checkpoint));
      if (!isThere) {
        const why = hashes ? 'disproved' : 'reported';
        this.#settle(event, [...steps, { name: 'included', verdict: 'failed', why }], null);
        return;
      }
      this.#chain.set(seq, { leaf: leafText, prev });
    }
    const before = this.#chain.get(seq - 1);
    const after = this.#chain.get(seq + 1);
    const follows = (!before || before.leaf === prev) && (!after || after.prev === leafText);
    const chain: Step[] = before || after ? [{ name: 'chain', verdict: follows ? 'ok' : 'failed' }] : [];
    this.#settle(event, [...steps, { name: 'included', verdict: 'ok' }, ...chain], null);
  }

  #settle(event: AuditEvent, steps: readonly Step[], missing: Result['missing']): void {
    this.#results.set(event, { steps, missing, at: new Date() });
    this.#seen.add(event.id);
    const isAltered = steps.some(({ verdict }) => verdict === 'failed');
    if (isAltered) this.#altered.add(event.id);
    if (missing || recordsOf(event).some((seq) => !this.#records.has(seq))) this.#later.add(event);
    if (isAltered || !steps.some(({ name }) => name === 'included')) return;
    this.#proven.add(event.id);
    if (this.#proven.size > KEPT) {
      delete event.entry;
      delete event.disclosures;
    }
  }

  readonly #believe = async (note: string): Promise<Checkpoint> => {
    if (this.#contradiction) throw this.#contradiction;
    const before = this.#standing;
    if (note === before?.note) return before.checkpoint;
    const found = await this.#ledger.believe(note, this.#tenant, this.pinned);
    const { checkpoint } = found;
    // What was found out is about one ledger.
    if (before && before.checkpoint.origin !== checkpoint.origin)
      throw new Contradiction('rewritten', null, note, checkpoint);
    // What was asked for earlier may be answered later.
    if (!before || before.checkpoint.size <= checkpoint.size)
      this.#standing = { ...found, known: before ? before.known : found.known };
    this.#obstacle = null;
    return checkpoint;
  };

  #failed(events: readonly AuditEvent[], error: unknown, sealed?: ReadonlyMap<AuditEvent, Sealed>): void {
    this.#obstacle = null;
    if (error instanceof Contradiction) this.#contradiction = error;
    else if (error instanceof Problem && error.code === 'ledger_altered')
      this.#contradiction = new Contradiction('reported');
    else this.#obstacle = obstacleOf(error);
    const missing = this.#obstacle?.kind ?? null;
    for (const event of events) this.#settle(event, sealed?.get(event)?.steps ?? [], missing);
    this.changed();
  }
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += CHUNK) yield all.slice(start, start + CHUNK);
}

/** Lets the page be painted and scrolled meanwhile. */
function painted(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
