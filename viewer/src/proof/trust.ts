import type { Api } from '../api';
import { Problem } from '../problem';
import { obstacleOf } from './asking';
import type { Reader } from './check';
import type { Checkpoint } from './checkpoint';
import { Contradiction, Ledger, type Obstacle, requireCryptography, type Standing } from './ledger';
import { Memory, type Remembered } from './memory';
import { parseVkey } from './note';

/** What is believed of one tenant's ledger, under the keys that somebody pinned; and why nothing is, where that is so. */
export class Trust {
  readonly #memory: Memory;
  readonly #ledger: Ledger;
  /** As the service says; for those who have no token that says it. */
  #said = '';
  #standing: Standing | null = null;
  #contradiction: Contradiction | null = null;
  #obstacle: Obstacle | null = null;

  /** `pinned` are the vkeys that the host page pins (C2SP signed-note), one a line. */
  constructor(
    private readonly api: Api,
    private readonly pinned: string | null,
  ) {
    this.#memory = new Memory(api.address);
    this.#ledger = new Ledger(api, this.#memory);
  }

  /** Null as long as nothing is believed. */
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

  /** By the token, which is the host's: the answers of a service that lies would say what suits them. Keys see everything. */
  get reader(): Reader {
    return { tenant: this.#tenant, seesAll: this.api.claims.role !== 'member' };
  }

  /** Whether it is known for which tenant's ledger a key would be. */
  get canPin(): boolean {
    return this.#tenant !== '';
  }

  /** Whether somebody pinned a key in this browser. */
  get isPinnedHere(): boolean {
    return this.#memory.keys(this.#tenant) !== null;
  }

  /** What this browser saw of the ledger before, with which all that is signed of it has to agree. */
  get known(): Remembered | null {
    return (this.#contradiction ?? this.#standing)?.known ?? null;
  }

  get #tenant(): string {
    return this.api.claims.tenant ?? this.#said;
  }

  /** The tenant that an answer names. */
  hear(tenant: string): void {
    this.#said ||= tenant;
  }

  /** Looks at the ledger's newest checkpoint. Throws as `believe` does. */
  async look(): Promise<void> {
    await requireCryptography();
    await this.believe(await (await this.api.send('/api/audit-log/checkpoint')).text());
  }

  /** Pins a key in this browser, for good, for those to come; null: forgets it. False where it is no key. */
  async remember(vkey: string | null): Promise<boolean> {
    const key = vkey === null ? null : await parseVkey(vkey.trim()).catch(() => undefined);
    if (key === undefined) return false;
    this.#memory.pin(this.#tenant, key?.vkey ?? null);
    return true;
  }

  /** Has this browser forget what it saw, for those to come. */
  forget(): void {
    const origin = (this.#contradiction ?? this.#standing)?.checkpoint?.origin;
    if (origin) this.#memory.forget(origin);
  }

  /** What a signed note says, where it continues all that was believed. Throws `Contradiction`, `Obstacle`, `Problem`. */
  readonly believe = async (note: string): Promise<Checkpoint> => {
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

  /** Takes note of what was thrown while something was checked. */
  failed(error: unknown): void {
    this.#obstacle = this.contradicts(error) ? null : obstacleOf(error);
  }

  /** Whether what was thrown says that the ledger is not what was signed; then that is taken note of. */
  contradicts(error: unknown): boolean {
    if (error instanceof Contradiction) this.#contradiction = error;
    else if (error instanceof Problem && error.code === 'ledger_altered')
      this.#contradiction = new Contradiction('reported');
    else return false;
    return true;
  }
}
