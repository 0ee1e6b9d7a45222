import type { Json } from '../event';
import { fromBase64url, sha256, toBase64url, utf8 } from './bytes';

/** An entry and its disclosures, format version 1 (docs/format.md). */
const MAX_BYTES = 32 * 1024;

export interface Subject {
  id?: string;
  type: string;
}

export interface Entry {
  _sd: string[];
  action: string;
  actor: Subject;
  category: string | null;
  id: string;
  occurred_at: string;
  operation: string | null;
  outcome: string;
  prev: string;
  recorded_at: string;
  seq: number;
  source: string;
  targets: Subject[];
  v: 1;
}

const HASH = /^[\w-]{43}$/;
const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const MILLIS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const MICROS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const OUTCOMES = ['success', 'failure', 'denied'];
const SOURCES = ['ui', 'admin_panel', 'api', 'background'];

/**
 * What the entry says. Throws unless it is canonical JSON of exactly this shape: all that was read is written again, in
 * the one order and spelling, and has to be the same text. So a key that is there twice, which parsers read differently,
 * is refused as well.
 */
export function parseEntry(text: string): Entry {
  const found = JSON.parse(text) as Entry;
  const { _sd, action, actor, category, id, occurred_at, operation, outcome } = found;
  const { prev, recorded_at, seq, source, targets, v } = found;
  const entry = {
    _sd,
    action,
    actor: subject(actor),
    category,
    id,
    occurred_at,
    operation,
    outcome,
    prev,
    recorded_at,
    seq,
    source,
    targets: targets.map(subject),
    v,
  };
  const isShaped =
    _sd.every((digest, i) => HASH.test(digest) && (i === 0 || digest > (_sd[i - 1] ?? ''))) &&
    isText(action) &&
    [category, operation].every((label) => label === null || isText(label)) &&
    ID.test(id) &&
    MILLIS.test(occurred_at) &&
    MICROS.test(recorded_at) &&
    [occurred_at, recorded_at].every(isMoment) &&
    OUTCOMES.includes(outcome) &&
    SOURCES.includes(source) &&
    HASH.test(prev) &&
    Number.isSafeInteger(seq) &&
    seq >= 0 &&
    v === 1;
  if (!isShaped || utf8(text).length > MAX_BYTES || JSON.stringify(entry) !== text)
    throw new TypeError('no entry');
  return entry;
}

function subject({ id, type }: Subject): Subject {
  if (!isText(type) || !(id === undefined || isText(id))) throw new TypeError('no subject');
  return id === undefined ? { type } : { id, type };
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed();
}

function isMoment(time: string): boolean {
  const millis = `${time.slice(0, 23)}Z`;
  return new Date(millis).toISOString() === millis;
}

export interface Disclosure {
  name: string;
  value: Json;
}

/** What `_sd` holds of the disclosure of this text. */
export async function digestOf(text: string): Promise<string> {
  return toBase64url(await sha256(utf8(text)));
}

/**
 * Throws unless the text is base64url of the JSON `["<salt>","<name>",<value>]`, without a space around the value, in
 * which no key is there twice and no number is too large to be one: of these each parser makes something else.
 */
export function openDisclosure(text: string): Disclosure {
  const json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(fromBase64url(text));
  const [, name, value] = /^\["[\w-]{21}[AQgw]","([^"\\]*)",(\S|\S.*\S)\]$/s.exec(json) ?? [];
  if (name === undefined || value === undefined) throw new TypeError('no disclosure');
  const found: Json = JSON.parse(value);
  const [keys, numbers] = [[], []] as [string[], string[]];
  for (const [token, isKey] of value.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[-+.\deE]*/g)) {
    if (isKey) keys.push(token);
    else if (!token.startsWith('"')) numbers.push(token);
  }
  if (keys.length !== keysIn(found) || !numbers.map(Number).every(Number.isFinite))
    throw new TypeError('no disclosure');
  return { name, value: found };
}

function keysIn(value: Json): number {
  if (value === null || typeof value !== 'object') return 0;
  const parts = Object.values(value);
  return (
    (Array.isArray(value) ? 0 : parts.length) + parts.reduce((sum: number, part) => sum + keysIn(part), 0)
  );
}
