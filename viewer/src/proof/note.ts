import { type Bytes, fromBase64, isEqual, sha256, toBase64, utf8 } from './bytes';

/** Signed notes (c2sp.org/signed-note), with Ed25519 keys (type 0x01). */
const ED25519 = 1;
const MAX_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;

/** A public key under a name. Its text is the vkey. */
export interface Key {
  readonly vkey: string;
  readonly name: string;
  readonly id: Bytes;
  readonly publicKey: Bytes;
}

export interface Note {
  /** What is signed; it ends with a newline. */
  readonly text: string;
  readonly signatures: readonly { name: string; id: Bytes; signature: Bytes }[];
}

/**
 * `malformed`: no note, or none that may be believed. `unsigned`: by none of the keys. `wrong`: a signature in the name of
 * a key is not that key's.
 */
export class BadNote extends Error {
  constructor(readonly kind: 'malformed' | 'unsigned' | 'wrong') {
    super(kind);
  }
}

export function isKeyName(name: string): boolean {
  return /^[^\s\p{Cc}+]+$/u.test(name) && name.isWellFormed();
}

/** Throws for anything that is not the one spelling of an Ed25519 key, or one under which everything is signed. */
export async function parseVkey(vkey: string): Promise<Key> {
  const [, name = '', id = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey) ?? [];
  const typed = fromBase64(encoded);
  const publicKey = typed.slice(1);
  const known = await keyId(name, typed);
  if (
    typed[0] !== ED25519 ||
    publicKey.length !== 32 ||
    !isKeyName(name) ||
    isWeak(publicKey) ||
    id !== hex(known)
  )
    throw new TypeError('no verifier key');
  return { vkey, name, id: known, publicKey };
}

/** Those of the lines that are keys which can be used here. */
export async function parseVkeys(lines: string): Promise<Key[]> {
  const found = await Promise.allSettled(
    lines
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .map(parseVkey),
  );
  return found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** Reads a note without believing it. Throws `BadNote`. */
export function parseNote(note: string): Note {
  const end = note.lastIndexOf('\n\n');
  if (
    note.length > MAX_BYTES ||
    !note.isWellFormed() ||
    /[^\P{Cc}\n]/u.test(note) ||
    end < 0 ||
    !note.endsWith('\n')
  )
    throw new BadNote('malformed');
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new BadNote('malformed');
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): { name: string; id: Bytes; signature: Bytes } {
  const [, name = '', encoded = ''] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  try {
    const bytes = fromBase64(encoded);
    if (isKeyName(name) && bytes.length >= 5)
      return { name, id: bytes.slice(0, 4), signature: bytes.slice(4) };
  } catch {
    // Not base64.
  }
  throw new BadNote('malformed');
}

/** The text of a note, and which of `keys` signed it: at least one. Lines of other keys are ignored. Throws `BadNote`. */
export async function openNote(
  note: string,
  keys: readonly Key[],
): Promise<{ text: string; signers: Key[] }> {
  const { text, signatures } = parseNote(note);
  const signed = utf8(text);
  const signers: Key[] = [];
  for (const { name, id, signature } of signatures) {
    const known = keys.filter((key) => key.name === name && isEqual(key.id, id));
    const valid = [];
    for (const key of known) if (await isSigned(key.publicKey, signature, signed)) valid.push(key);
    if (known.length > 0 && valid.length === 0) throw new BadNote('wrong');
    signers.push(...valid);
  }
  if (signers.length === 0) throw new BadNote('unsigned');
  return { text, signers };
}

/** Whether this browser can verify Ed25519 at all. */
export async function canVerify(): Promise<boolean> {
  try {
    await importKey(fromBase64('AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k').slice(1));
    return true;
  } catch {
    return false;
  }
}

async function isSigned(publicKey: Bytes, signature: Bytes, data: Bytes): Promise<boolean> {
  return crypto.subtle.verify('Ed25519', await importKey(publicKey), signature, data);
}

function importKey(publicKey: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
}

async function keyId(name: string, typed: Bytes): Promise<Bytes> {
  return (await sha256(utf8(`${name}\n`), typed)).slice(0, 4);
}

function hex(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The y of the points of small order, under which there are signatures that fit every text. */
const SMALL = new Set([
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  'JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU=',
  'xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=',
  '7P///////////////////////////////////////38=',
]);

/** Also of a y that is not below 2^255 - 19, and so is written otherwise. */
function isWeak(publicKey: Bytes): boolean {
  const y = publicKey.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  const isBeyond = (y[0] ?? 0) >= 0xed && y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff);
  return isBeyond || SMALL.has(toBase64(y));
}
