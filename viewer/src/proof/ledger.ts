import type { Api } from '../api';
import { Problem } from '../problem';
import { type Bytes, fromBase64, fromBase64url, toBase64 } from './bytes';
import { type Checkpoint, openCheckpoint } from './checkpoint';
import type { Memory, Remembered } from './memory';
import { BadNote, canVerify, type Key, parseVkeys } from './note';
import { isConsistent } from './tree';

/** Who says that the key is the ledger's: this browser's owner, the page around the viewer, or just the service itself. */
export type PinnedBy = 'browser' | 'page' | 'service';

/** What is believed of a ledger. */
export interface Standing {
  readonly checkpoint: Checkpoint;
  /** The signed note, verbatim. */
  readonly note: string;
  readonly key: Key;
  readonly by: PinnedBy;
  readonly at: Date;
  /** The checkpoint that this browser knew before, which this one continues; null the first time. */
  readonly known: Remembered | null;
}

/**
 * The ledger is not what was signed. `signature`: a signature in the name of a trusted key is not that key's. `rewritten`:
 * it does not continue the checkpoint that this browser knew. `shrunk`: it has fewer entries than that one. `reported`: the
 * service says so itself.
 */
export class Contradiction extends Error {
  constructor(
    readonly kind: 'signature' | 'rewritten' | 'shrunk' | 'reported',
    readonly known: Remembered | null = null,
    readonly note: string | null = null,
    readonly checkpoint: Checkpoint | null = null,
  ) {
    super(kind);
  }
}

/**
 * Why nothing could be checked. `insecure`: the page is none in which browsers do cryptography. `ed25519`: the browser
 * lacks it. `other_key`: none of the pinned keys signed the ledger. `bad_key`: what is pinned is no key. `unsealed`: the
 * service gave no sealed text. `unproven`: it gave no proof. `unreadable`: what it gave is no proof. `unsigned`: nothing of
 * the ledger was signed yet. `overdue`: it is not signed, though it is old. `missing`: the file with what checks could not
 * be loaded.
 */
export class Obstacle extends Error {
  constructor(
    readonly kind:
      | 'insecure'
      | 'ed25519'
      | 'other_key'
      | 'bad_key'
      | 'unsealed'
      | 'unproven'
      | 'unreadable'
      | 'unsigned'
      | 'overdue'
      | 'missing'
      | 'offline'
      | 'refused',
    /** Seconds after which it may be tried again. */
    readonly retryAfter: number | null = null,
  ) {
    super(kind);
  }

  /** Whether it may be gone by itself, a little later. */
  get passes(): boolean {
    return ['offline', 'unsigned', 'unproven'].includes(this.kind);
  }
}

/** Throws `Obstacle` where a browser cannot check anything. */
export async function requireCryptography(): Promise<void> {
  if (!globalThis.crypto?.subtle) throw new Obstacle('insecure');
  if (!(await canVerify())) throw new Obstacle('ed25519');
}

/** Believes a signed note only where a trusted key signed it, and it continues what this browser knew of the ledger. */
export class Ledger {
  #offered: string | null = null;

  constructor(
    private readonly api: Api,
    private readonly memory: Memory,
  ) {}

  /** `pinned` are the vkeys of the page. Throws `Contradiction`, `Obstacle` or `Problem`. */
  async believe(note: string, tenant: string, pinned: string | null): Promise<Standing> {
    const own = this.memory.keys(tenant);
    const by: PinnedBy = own ? 'browser' : pinned ? 'page' : 'service';
    const keys = await parseVkeys(own || pinned || (await this.#vkeys()));
    if (keys.length === 0) throw new Obstacle(by === 'service' ? 'unreadable' : 'bad_key');
    const { checkpoint, key } = await openCheckpoint(note, keys).catch((error: unknown) => {
      if (!(error instanceof BadNote)) throw error;
      if (error.kind === 'wrong') throw new Contradiction('signature', null, note);
      throw new Obstacle(error.kind === 'unsigned' ? 'other_key' : 'unreadable');
    });
    const known = this.memory.checkpoint(checkpoint.origin);
    if (known) await this.#compare(known, checkpoint, note);
    const at = new Date();
    const root = toBase64(checkpoint.root);
    // What nobody vouched for is not remembered: it would make what a trusted key signs look false for ever.
    if (by !== 'service')
      this.memory.keep(checkpoint.origin, { size: checkpoint.size, root, note, at: at.toISOString() });
    return { checkpoint, note, key, by, at, known };
  }

  async #vkeys(): Promise<string> {
    this.#offered ??= await (await this.api.send('/api/audit-log/vkeys')).text();
    return this.#offered;
  }

  async #compare(known: Remembered, checkpoint: Checkpoint, note: string): Promise<void> {
    const before = { size: known.size, root: fromBase64(known.root) };
    const [old, later] = known.size <= checkpoint.size ? [before, checkpoint] : [checkpoint, before];
    if (old.size > 0) {
      // Of a smaller one it may just be that another window was given a newer one meanwhile: then the ledger still has that.
      const proof = old.size === later.size ? [] : await this.#consistency(old.size, later.size);
      if (proof && (await isConsistent(BigInt(old.size), old.root, BigInt(later.size), later.root, proof)))
        return;
    } else if (later === checkpoint) {
      return;
    }
    throw new Contradiction(later === checkpoint ? 'rewritten' : 'shrunk', known, note, checkpoint);
  }

  /** Null where the service has none. */
  async #consistency(from: number, to: number): Promise<Bytes[] | null> {
    const parameters = [
      ['from', `${from}`],
      ['to', `${to}`],
    ] as const;
    try {
      const { proof } = await this.api.json<{ proof: string[] }>('/api/audit-log/consistency', parameters);
      return proof.map(fromBase64url);
    } catch (error) {
      const isAnswered =
        !(error instanceof Problem) || error.status === 422 || error.code === 'ledger_altered';
      if (isAnswered) return null;
      throw error;
    }
  }
}
