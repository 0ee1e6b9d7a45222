import { describe, expect, it } from 'vitest';
import { type Bytes, sha256, toBase64url, utf8 } from '../../src/proof/bytes';
import { emptyRoot, isConsistent, isIncluded, leafHash, nodeHash } from '../../src/proof/tree';
import { hash, hashes, hex, unhex, vectors } from './vectors';

const { tree } = vectors;
const root = (size: number) => hash(tree.roots[size]);

describe('the check values of docs/format.md', () => {
  it('hashes leaves, nodes and nothing', async () => {
    expect(hex(await leafHash(utf8('')))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    expect(hex(await leafHash(utf8('L123456')))).toBe(
      '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
    );
    expect(hex(await nodeHash(utf8('N123'), utf8('N456')))).toBe(
      'aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb',
    );
    expect(hex(await emptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('proves a leaf of the eight under their root', async () => {
    const data = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const [a, b, c, d, e, f, g, h] = (await Promise.all(data.map((text) => leafHash(unhex(text))))) as [
      Bytes,
      Bytes,
      Bytes,
      Bytes,
      Bytes,
      Bytes,
      Bytes,
      Bytes,
    ];
    const left = await nodeHash(await nodeHash(a, b), await nodeHash(c, d));
    const known = unhex('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
    expect(await isIncluded(f, 5n, 8n, [e, await nodeHash(g, h), left], known)).toBe(true);
    expect(await isIncluded(f, 5n, 8n, [e, left, await nodeHash(g, h)], known)).toBe(false);
  });
});

describe('inclusion', () => {
  it('holds for each leaf of trees of many sizes, and nowhere else', async () => {
    for (const [index, size, texts] of tree.inclusion) {
      const proof = hashes(texts);
      const leaf = hash(tree.leaves[index]);
      const at = (i: number, n: number, p = proof, l = leaf) =>
        isIncluded(l, BigInt(i), BigInt(n), p, root(size));
      expect(await at(index, size), `${index} of ${size}`).toBe(true);
      expect(await at(index + 1, size)).toBe(false);
      expect(await at(-1, size)).toBe(false);
      expect(await at(size, size)).toBe(false);
      expect(await at(index, size, [...proof, leaf])).toBe(false);
      expect(await at(index, size, proof, await sha256(leaf))).toBe(false);
      if (proof.length > 0) expect(await at(index, size, proof.slice(1))).toBe(false);
      if (proof.length > 0) expect(await at(index, size, proof.slice(0, -1))).toBe(false);
      if (proof.length > 1) expect(await at(index, size, proof.toReversed())).toBe(false);
      if (proof[0]) expect(await at(index, size, [proof[0].slice(1), ...proof.slice(1)])).toBe(false);
    }
  });

  it.each(tree.large)('holds where numbers are large: $index of $size', async (large) => {
    const [leaf, root] = hashes([large.leaf, large.root]) as [Bytes, Bytes];
    const [index, size] = [BigInt(large.index), BigInt(large.size)];
    const proof = hashes(large.hashes);
    expect(await isIncluded(leaf, index, size, proof, root)).toBe(true);
    expect(await isIncluded(leaf, index ^ 1n, size, proof, root)).toBe(false);
    expect(await isIncluded(leaf, index, size * 2n, proof, root)).toBe(false);
    expect(await isIncluded(leaf, index, size, proof.slice(1), root)).toBe(false);
  });
});

describe('consistency', () => {
  it('holds between all sizes, and for no other roots', async () => {
    for (const [old, size, texts] of tree.consistency) {
      const proof = hashes(texts);
      const between = (o: number, n: number, p = proof, before = root(old), after = root(size)) =>
        isConsistent(BigInt(o), before, BigInt(n), after, p);
      expect(await between(old, size), `${old} to ${size}`).toBe(true);
      const wrong = await sha256(root(old));
      expect(await between(old, size, proof, wrong)).toBe(false);
      if (old > 0) expect(await between(old, size, proof, root(old), wrong)).toBe(false);
      expect(await between(old, size, [...proof, wrong])).toBe(false);
      expect(await between(size + 1, size)).toBe(false);
      expect(await between(-1, size)).toBe(false);
      if (proof.length > 0) expect(await between(old, size, proof.slice(1))).toBe(false);
      if (proof.length > 0) expect(await between(old, size, proof.slice(0, -1))).toBe(false);
      if (proof.length > 1) expect(await between(old, size, proof.toReversed())).toBe(false);
    }
  });

  it.each(tree.grown)('holds where numbers are large: $old to $new', async (grown) => {
    const [before, after] = hashes([grown.oldRoot, grown.newRoot]) as [Bytes, Bytes];
    const proof = hashes(grown.hashes);
    const [old, size] = [BigInt(grown.old), BigInt(grown.new)];
    expect(await isConsistent(old, before, size, after, proof)).toBe(true);
    expect(await isConsistent(old, after, size, before, proof)).toBe(false);
    expect(await isConsistent(old - 1n, before, size, after, proof)).toBe(false);
    expect(await isConsistent(old, before, size, after, proof.slice(1))).toBe(false);
  });
});

it('writes hashes as entries do', async () => {
  expect(toBase64url(await leafHash(utf8('')))).toHaveLength(43);
});
