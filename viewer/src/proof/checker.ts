import type { Api } from '../api';
import { Observable } from '../cell';
import type { AuditEvent } from '../event';
import { Problem } from '../problem';
import type { ProofState, Result } from '../proofs';
import { askProofs, isProof, obstacleOf, type Proven, readRecord } from './asking';
import { checkSealed, recordsOf, type Sealed, type Step } from './check';
import type { Checkpoint } from './checkpoint';
import { Contradiction, Ledger, type Obstacle, requireCryptography, type Standing } from './ledger';
import { Memory } from './memory';
import { parseVkey } from './note';

/** How many proofs are asked for at once, and how many events are checked before the page may be painted. */
const BATCH = 200;
const CHUNK = 16;
/** Milliseconds: while somebody scrolls nothing is asked for. */
const SOON = 120;
/** Milliseconds after which what is not signed yet, or could not be had, is asked for again. */
const PATIENCE = [6000, 12_000, 30_000, 60_000];
/** So many events keep their sealed text, for the panel; of later ones it is read again. */
const KEPT = 2000;

/**
 * What was found out about the events in sight, and about the ledger. Nothing of it is the service's word: each event is
 * hashed and compared here, and its proof leads to a root that a key signed which somebody pinned.
 */
export class Checker extends Observable {
  readonly #memory: Memory;
  readonly #ledger: Ledger;
  // By the object, not its id: what was found out is about what is displayed, and another answer may say other things.
  #results = new WeakMap<AuditEvent, Result | 'checking'>();
  #queue = new Set<AuditEvent>();
  #later = new Set<AuditEvent>();
  /** By number: the hash of what was proven to be there, and that of the entry before, as it says. */
  readonly #chain = new Map<number, { leaf: string; prev: string }>();
  readonly #seen = new Set<string>();
  readonly #proven = new Set<string>();
  readonly #altered = new Set<string>();
  readonly #records = new Map<number, ReadonlySet<string> | null>();
  #tenant = '';
  #pinned: string | null = null;
  /** The latest one that was given, believed or not. */
  #note: string | null = null;
  #standing: Standing | null = null;
  #contradiction: Contradiction | null = null;
  #obstacle: Obstacle | null = null;
  #working = false;
  #stopped = false;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly api: Api) {
    super();
    this.#memory = new Memory(api.address);
    this.#ledger = new Ledger(api, this.#memory);
  }

  /** What is believed of the ledger; null as long as nothing is. */
  get standing(): Standing | null {
    return this.#standing;
  }

  /** The ledger is not what was signed of it. It stays until another key is pinned, or the page is loaded anew. */
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
    return this.#standing.by === 'service' ? 'unpinned' : 'proven';
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
    this.#tenant ||= fresh[0]?.tenant_id ?? '';
    for (const event of fresh) {
      this.#results.set(event, 'checking');
      this.#queue.add(event);
    }
    this.#attempts = 0;
    this.#wake(SOON);
  }

  /** Checks one event anew, and with it the records of what was erased of it. */
  async again(event: AuditEvent): Promise<void> {
    this.#tenant ||= event.tenant_id;
    this.#results.set(event, 'checking');
    this.#altered.delete(event.id);
    this.changed();
    try {
      await requireCryptography();
      if (typeof event.entry !== 'string') {
        const { entry = '', disclosures = [] } = await this.api.event(event.id);
        Object.assign(event, { entry, disclosures });
      }
      for (const seq of recordsOf(event)) {
        if (!this.#records.get(seq)) this.#records.set(seq, await readRecord(this.api, seq, this.#believe));
      }
    } catch (error) {
      this.#failed([event], error);
      return;
    }
    this.#queue.add(event);
    this.#wake(0);
  }

  /** Looks at the ledger's newest checkpoint, whether or not there are events in sight. */
  async look(tenant: string): Promise<void> {
    this.#tenant ||= tenant;
    try {
      await requireCryptography();
      await this.#believe(await (await this.api.send('/api/audit-log/checkpoint')).text());
      this.#retry();
      this.changed();
    } catch (error) {
      this.#failed([], error);
    }
  }

  /** The vkeys that the host page pins (C2SP signed-note), one a line. */
  pin(vkeys: string | null): void {
    const pinned = vkeys?.trim() || null;
    if (pinned === this.#pinned) return;
    this.#pinned = pinned;
    void this.#trust();
  }

  /** Pins a key in this browser, for good; null: forgets it. False where it is no key. */
  async remember(vkey: string | null): Promise<boolean> {
    const key = vkey === null ? null : await parseVkey(vkey.trim()).catch(() => undefined);
    if (key === undefined) return false;
    this.#memory.pin(this.#tenant, key?.vkey ?? null);
    await this.#trust();
    return true;
  }

  /** Nothing is asked for any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.clear();
    this.#later.clear();
  }

  /** Another key is trusted: what was signed is looked at anew. */
  async #trust(): Promise<void> {
    this.#contradiction = this.#obstacle = this.#standing = null;
    if (this.#note) await this.#believe(this.#note).catch((error: unknown) => this.#failed([], error));
    this.#retry();
    this.changed();
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
    const sealed = new Map<AuditEvent, Sealed>();
    for (const chunk of chunks(events)) {
      await Promise.all(
        chunk.map(async (event) => {
          try {
            sealed.set(event, await checkSealed(event, this.#records));
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
    const { seq, prev } = entry;
    if (this.#chain.get(seq)?.leaf !== leafText) {
      const { checkpoint } = proofs;
      const hashes = proofs.hashes.get(seq);
      if (!checkpoint || seq >= checkpoint.size) {
        this.#settle(event, steps, 'waiting');
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
    if (missing) this.#later.add(event);
    if (isAltered || !steps.some(({ name }) => name === 'included')) return;
    this.#proven.add(event.id);
    if (this.#proven.size > KEPT) {
      delete event.entry;
      delete event.disclosures;
    }
  }

  readonly #believe = async (note: string): Promise<Checkpoint> => {
    if (this.#contradiction) throw this.#contradiction;
    this.#note = note;
    const before = this.#standing;
    if (note === before?.note) return before.checkpoint;
    const found = await this.#ledger.believe(note, this.#tenant, this.#pinned);
    const { checkpoint } = found;
    if (before && before.checkpoint.origin !== checkpoint.origin) this.#chain.clear();
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
