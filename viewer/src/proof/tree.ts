import { type Bytes, isEqual, sha256 } from './bytes';

/**
 * The Merkle tree of RFC 6962 section 2.1, and its proofs as RFC 9162 sections 2.1.3.2 and 2.1.4.2 verify them. Numbers
 * are bigints, as the shifts of a number end at 32 bits. A proof with a hash too many or too few is wrong.
 */
const HASH_BYTES = 32;

export const leafHash = (entry: Bytes): Promise<Bytes> => sha256(Uint8Array.of(0), entry);
export const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(Uint8Array.of(1), left, right);
export const emptyRoot = (): Promise<Bytes> => sha256();

/** Whether the leaf hash `leaf` is number `index` of the `size` leaves under `root`. */
export async function isIncluded(
  leaf: Bytes,
  index: bigint,
  size: bigint,
  proof: readonly Bytes[],
  root: Bytes,
): Promise<boolean> {
  if (index < 0n || index >= size) return false;
  const sides = sidesOf(index, size - 1n);
  if (!isProof(proof, sides.length)) return false;
  let node = leaf;
  for (const [i, sibling] of proof.entries()) {
    node = await (sides[i] ? nodeHash(sibling, node) : nodeHash(node, sibling));
  }
  return isEqual(node, root);
}

/** Whether the `size` leaves under `root` begin with the `oldSize` ones under `oldRoot`. */
export async function isConsistent(
  oldSize: bigint,
  oldRoot: Bytes,
  size: bigint,
  root: Bytes,
  proof: readonly Bytes[],
): Promise<boolean> {
  if (oldSize < 0n || oldSize > size) return false;
  if (oldSize === 0n) return proof.length === 0 && isEqual(oldRoot, await emptyRoot());
  if (oldSize === size) return proof.length === 0 && isEqual(oldRoot, root);
  // The largest complete subtree at the old tree's right edge is a node of both: the proof starts there. It is left
  // out where it is the whole old tree.
  const subtree = oldSize & -oldSize;
  const isWhole = subtree === oldSize;
  const sides = sidesOf((oldSize - 1n) / subtree, (size - 1n) / subtree);
  if (!isProof(proof, sides.length + (isWhole ? 0 : 1))) return false;
  const [first, siblings] = isWhole ? [oldRoot, proof] : [proof[0] ?? oldRoot, proof.slice(1)];
  let before = first;
  let after = first;
  for (const [i, sibling] of siblings.entries()) {
    if (sides[i]) {
      before = await nodeHash(sibling, before);
      after = await nodeHash(sibling, after);
    } else {
      after = await nodeHash(after, sibling);
    }
  }
  return isEqual(before, oldRoot) && isEqual(after, root);
}

/** Upwards from node `index` of the nodes 0 to `last` of a level: is its sibling the left one? None: no answer. */
function sidesOf(index: bigint, last: bigint): boolean[] {
  const sides = [];
  for (; last > 0n; index >>= 1n, last >>= 1n) {
    if (index & 1n) sides.push(true);
    else if (index !== last) sides.push(false);
  }
  return sides;
}

function isProof(proof: readonly Bytes[], length: number): boolean {
  return proof.length === length && proof.every((hash) => hash.length === HASH_BYTES);
}
