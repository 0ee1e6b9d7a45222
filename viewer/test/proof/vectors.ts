import type { AuditEvent } from '../../src/event';
import { type Bytes, fromBase64url } from '../../src/proof/bytes';
// As a text: as a module, a key "__proto__" would be read otherwise than an answer of the service is.
import text from './vectors.json?raw';

interface Vectors {
  tree: {
    leaves: string[];
    roots: Record<string, string>;
    inclusion: [number, number, string[]][];
    consistency: [number, number, string[]][];
    large: { index: string; size: string; leaf: string; root: string; hashes: string[] }[];
    grown: { old: string; new: string; oldRoot: string; newRoot: string; hashes: string[] }[];
  };
  /** The ledger's key, and another one in its name. */
  keys: [string, string];
  other: string;
  events: AuditEvent[];
  notes: Record<string, string>;
  notes_of_another_key: Record<string, string>;
  another_history: string;
  /** By the size of the ledger, and the number of the entry. */
  proofs: Record<string, Record<string, string[]>>;
  consistency: Record<string, string[]>;
}

/** Made by the ledger itself: `python -m tests.viewer.vectors`. */
export const vectors: Vectors = JSON.parse(text);
export const SIZE = 8;

/** Copies, to be altered. */
export function events(): AuditEvent[] {
  return JSON.parse(text).events;
}

export function hash(text: string | undefined): Bytes {
  return fromBase64url(text ?? '');
}

export const hashes = (texts: readonly string[]): Bytes[] => texts.map(hash);

export function hex(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function unhex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
