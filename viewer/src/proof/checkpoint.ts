import { type Bytes, fromBase64, isEqual } from './bytes';
import { BadNote, isKeyName, type Key, openNote } from './note';
import { emptyRoot } from './tree';

/** What a signed checkpoint states (c2sp.org/tlog-checkpoint): the ledger `origin` has `size` entries, under this root. */
export interface Checkpoint {
  readonly origin: string;
  /** At most 2^53 - 1. */
  readonly size: number;
  readonly root: Bytes;
}

/** Strict: three lines, so that nothing in it is signed and not understood. Throws `BadNote`. */
export async function parseCheckpoint(text: string): Promise<Checkpoint> {
  const [origin = '', digits = '', encoded = '', rest, ...more] = text.split('\n');
  const size = Number(digits);
  try {
    const root = fromBase64(encoded);
    const isWhole = isKeyName(origin) && rest === '' && more.length === 0 && root.length === 32;
    const isSize = /^(0|[1-9]\d{0,15})$/.test(digits) && Number.isSafeInteger(size);
    if (isWhole && isSize && (size > 0 || isEqual(root, await emptyRoot()))) return { origin, size, root };
  } catch {
    // Not base64.
  }
  throw new BadNote('malformed');
}

/** A checkpoint, and the one of `keys` that signed it under the ledger's own name. Throws `BadNote`. */
export async function openCheckpoint(
  note: string,
  keys: readonly Key[],
): Promise<{ checkpoint: Checkpoint; key: Key }> {
  const { text, signers } = await openNote(note, keys);
  const checkpoint = await parseCheckpoint(text);
  const key = signers.find(({ name }) => name === checkpoint.origin);
  if (!key) throw new BadNote('unsigned');
  return { checkpoint, key };
}
