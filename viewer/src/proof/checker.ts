import type { Api } from '../api';
import { Observable } from '../cell';
import type { AuditEvent } from '../event';
import type { Result } from '../proofs';
import { askProofs, isProof, type Proven, readRecord } from './asking';
import { checkSealed, recordsOf, type Sealed, type Step } from './check';
import { Continuity, type Listed } from './continuity';
import { Findings } from './findings';
import { requireCryptography } from './ledger';
import { rest } from './rest';
import { Trust } from './trust';

/** How many proofs are asked for at once, and how many events are checked before the page may be painted. */
const BATCH = 200;
const CHUNK = 16;
/** Milliseconds: while somebody scrolls nothing is asked for. */
const SOON = 120;
/** Milliseconds after which what is not signed yet, or could not be had, is asked for again. */
const PATIENCE = [6000, 12_000, 30_000, 60_000];
/** Milliseconds after which what was recorded has to be signed: a worker does it every few seconds. */
const OVERDUE = 10 * 60_000;

/**
 * What was found out about the events of the list, about the list, and about the ledger. Nothing of it is the service's word: each event is
 * hashed and compared here, and its proof leads to a root that a key signed which somebody pinned. What it trusts it keeps
 * to: where another key is to be trusted, another checker begins, as nothing that was found out holds under that one.
 */
export class Checker extends Observable {
  readonly trust: Trust;
  readonly findings: Findings;
  /** Whether the list leaves anything out. */
  readonly continuity: Continuity;
  readonly #queue = new Set<AuditEvent>();
  readonly #later = new Set<AuditEvent>();
  readonly #records = new Map<number, ReadonlySet<string> | null>();
  #working = false;
  #stopped = false;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `pinned` are the vkeys that the host page pins (C2SP signed-note), one a line. */
  constructor(
    readonly api: Api,
    pinned: string | null,
    list: Listed,
  ) {
    super();
    this.trust = new Trust(api, pinned);
    this.findings = new Findings(this.trust);
    this.continuity = new Continuity(api, list, this);
    this.continuity.listen(() => this.changed());
  }

  get checking(): boolean {
    return this.#working;
  }

  /** Has these events checked, soon; those that were are not checked again. */
  want(events: readonly AuditEvent[]): void {
    const fresh = events.filter((event) => !this.findings.has(event));
    if (fresh.length === 0) return;
    this.trust.hear(fresh[0]?.tenant_id ?? '');
    for (const event of fresh) {
      this.findings.begin(event);
      this.#queue.add(event);
    }
    this.#attempts = 0;
    this.#wake(SOON);
  }

  /** Checks one event anew, and with it the records of what was erased of it. */
  async again(event: AuditEvent): Promise<void> {
    this.trust.hear(event.tenant_id);
    this.findings.reopen(event);
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

  /** Looks at the ledger's newest checkpoint, whether or not there are events in sight, and at the list anew. */
  async look(tenant: string): Promise<void> {
    this.trust.hear(tenant);
    try {
      await this.trust.look();
      this.#retry();
      this.continuity.again();
      this.changed();
    } catch (error) {
      this.#failed([], error);
    }
  }

  /** Nothing is asked for any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.clear();
    this.#later.clear();
    this.continuity.stop();
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
    this.continuity.wake();
    const { contradiction, obstacle } = this.trust;
    const passes = !contradiction && (obstacle?.passes ?? true);
    if (passes && this.#later.size > 0) this.#wait();
  }

  #wait(): void {
    const wait = PATIENCE[Math.min(this.#attempts++, PATIENCE.length - 1)] ?? 60_000;
    const asked = (this.trust.obstacle?.retryAfter ?? 0) * 1000;
    this.#wake(Math.max(wait, asked), () => (document.hidden ? this.#wait() : this.#retry()));
  }

  async #check(events: readonly AuditEvent[]): Promise<void> {
    await requireCryptography();
    const { reader, believe } = this.trust;
    const records = events.flatMap(recordsOf).filter((seq) => !this.#records.has(seq));
    for (const seq of new Set(records)) {
      const listed = await readRecord(this.api, seq, reader, believe);
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
      await rest();
    }
    const unknown = [...sealed].flatMap(([, { entry, leafText }]) =>
      entry && !this.findings.isPlaced(entry, leafText) ? [entry.seq] : [],
    );
    let proofs: Proven;
    try {
      proofs = await askProofs(this.api, unknown, believe);
    } catch (error) {
      // What is displayed otherwise than it was sealed shows without a proof.
      this.#failed([...sealed.keys()], error, sealed);
      return;
    }
    for (const chunk of chunks([...sealed])) {
      await Promise.all(chunk.map(([event, found]) => this.#place(event, found, proofs)));
      this.changed();
      await rest();
    }
  }

  /** Whether the root has the entry, and it follows the one before it. */
  async #place(event: AuditEvent, { leaf, leafText, entry, steps }: Sealed, proofs: Proven): Promise<void> {
    if (!entry) {
      this.#settle(event, steps, null);
      return;
    }
    const { seq, recorded_at } = entry;
    if (!this.findings.isPlaced(entry, leafText)) {
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
      this.findings.place(entry, leafText);
    }
    const chain = this.findings.joins(entry, leafText);
    this.#settle(event, [...steps, { name: 'included', verdict: 'ok' }, ...chain], null);
  }

  #settle(event: AuditEvent, steps: readonly Step[], missing: Result['missing']): void {
    if (missing || recordsOf(event).some((seq) => !this.#records.has(seq))) this.#later.add(event);
    this.findings.settle(event, steps, missing);
  }

  #failed(events: readonly AuditEvent[], error: unknown, sealed?: ReadonlyMap<AuditEvent, Sealed>): void {
    this.trust.failed(error);
    const missing = this.trust.obstacle?.kind ?? null;
    for (const event of events) this.#settle(event, sealed?.get(event)?.steps ?? [], missing);
    this.changed();
  }
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += CHUNK) yield all.slice(start, start + CHUNK);
}
