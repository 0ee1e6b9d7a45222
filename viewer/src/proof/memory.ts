/** What this browser remembers of a service: the newest checkpoint of each ledger that it verified under a pinned key, and keys that were pinned in it. */
export interface Remembered {
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** The signed note, verbatim: with a later one that contradicts it, it shows that two histories were signed. */
  readonly note: string;
  /** RFC 3339: when it was seen, and when the first one of this ledger was. */
  readonly at: string;
  readonly since: string;
}

const PREFIX = 'indelible';

/** Where there is no storage, such as in a private window, it is remembered for as long as the page is open. */
export class Memory {
  readonly #here = new Map<string, string>();

  /** `address` is the service's. */
  constructor(private readonly address: string) {}

  checkpoint(origin: string): Remembered | null {
    try {
      const found = JSON.parse(this.#read(`checkpoint ${origin}`) ?? 'null');
      const { size, root, note, at, since } = found;
      const isText = [root, note, at, since].every((text) => typeof text === 'string');
      return isText && Number.isSafeInteger(size) ? { size, root, note, at, since } : null;
    } catch {
      return null;
    }
  }

  /** Keeps it, unless a newer one is there, of another window perhaps. */
  keep(origin: string, checkpoint: Omit<Remembered, 'since'>): void {
    const { size = -1, since = checkpoint.at } = this.checkpoint(origin) ?? {};
    if (checkpoint.size > size) this.#write(`checkpoint ${origin}`, JSON.stringify({ ...checkpoint, since }));
  }

  forget(origin: string): void {
    this.#write(`checkpoint ${origin}`, null);
  }

  /** The vkeys that somebody pinned for this tenant's ledger. */
  keys(tenant: string): string | null {
    return this.#read(`vkeys ${tenant}`);
  }

  pin(tenant: string, vkeys: string | null): void {
    this.#write(`vkeys ${tenant}`, vkeys);
  }

  #read(name: string): string | null {
    const key = `${PREFIX} ${this.address} ${name}`;
    try {
      return localStorage.getItem(key) ?? this.#here.get(key) ?? null;
    } catch {
      return this.#here.get(key) ?? null;
    }
  }

  #write(name: string, value: string | null): void {
    const key = `${PREFIX} ${this.address} ${name}`;
    if (value === null) this.#here.delete(key);
    else this.#here.set(key, value);
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // For as long as the page is open, then.
    }
  }
}
