import type { AuditEvent, Group, Json } from '../event';
import { type Bytes, toBase64url, utf8 } from './bytes';
import { compare, GROUPS, groupOf } from './compare';
import { digestOf, type Entry, openDisclosure, parseEntry } from './entry';
import { leafHash } from './tree';

/**
 * What is checked of one event, in this order: the sealed text hashes to the event's fingerprint (`hash`), is an entry
 * (`form`), its parts are those that were sealed (`parts`), what is displayed is what they say (`shown`), the signed root
 * has it at its number (`included`), and it names the entry before it (`chain`), where that was checked too.
 */
export type StepName = 'hash' | 'form' | 'parts' | 'shown' | 'included' | 'chain';

/** `unchecked`: whoever looks is not given what it takes. What is unchecked is not displayed, or named by `names`. */
export interface Step {
  readonly name: StepName;
  readonly verdict: 'ok' | 'failed' | 'unchecked';
  readonly why?: Why;
  /** Fields or groups of the event. */
  readonly names?: readonly string[];
}

export type Why =
  | 'reported'
  | 'foreign'
  | 'missing'
  | 'withheld'
  | 'erasure'
  | 'erased'
  | 'differs'
  | 'partial'
  | 'disproved';

/** What the record of an erasure lists, by its `seq`; null where whoever looks is not shown it. */
export type Records = ReadonlyMap<number, ReadonlySet<string> | null>;

export interface Sealed {
  readonly leaf: Bytes;
  readonly leafText: string;
  /** Null where it is none. */
  readonly entry: Entry | null;
  readonly disclosed: ReadonlyMap<Group, Json>;
  readonly steps: readonly Step[];
}

const ok = (name: StepName): Step => OK[name];
const OK = Object.fromEntries(
  ['hash', 'form', 'parts', 'shown', 'included', 'chain'].map((name) => [name, { name, verdict: 'ok' }]),
) as Record<StepName, Step>;

/** The first four steps: what can be told from the event alone. Throws where its sealed text was not given. */
export async function checkSealed(event: AuditEvent, records: Records = new Map()): Promise<Sealed> {
  const { entry: text, disclosures = [] } = event;
  if (typeof text !== 'string') throw new TypeError('not sealed');
  const bytes = text.isWellFormed() ? utf8(text) : new Uint8Array();
  const leaf = await leafHash(bytes);
  const leafText = toBase64url(leaf);
  const isReported = event.altered?.includes('entry');
  const hash: Step = isReported
    ? { name: 'hash', verdict: 'failed', why: 'reported' }
    : leafText === event.leaf_hash
      ? ok('hash')
      : { name: 'hash', verdict: 'failed' };
  let entry: Entry;
  try {
    entry = parseEntry(text);
  } catch {
    return {
      leaf,
      leafText,
      entry: null,
      disclosed: new Map(),
      steps: [hash, { name: 'form', verdict: 'failed' }],
    };
  }
  const { disclosed, step: parts, hidden } = await checkParts(event, entry, disclosures, records);
  return { leaf, leafText, entry, disclosed, steps: [hash, ok('form'), parts, shown()] };

  function shown(): Step {
    try {
      const { differ, unchecked } = compare(event, leafText, entry, disclosed, hidden);
      if (differ.length > 0) return { name: 'shown', verdict: 'failed', why: 'differs', names: differ };
      if (unchecked.length === 0) return ok('shown');
      return { name: 'shown', verdict: 'unchecked', why: 'partial', names: unchecked };
    } catch {
      return { name: 'shown', verdict: 'failed' };
    }
  }
}

/**
 * Whether the disclosures are those of the entry, and none is missing but what was erased or is withheld. There is no
 * telling which group a missing one is of; so there may be as many as there are groups that may be missing.
 */
async function checkParts(
  event: AuditEvent,
  entry: Entry,
  texts: readonly string[],
  records: Records,
): Promise<{ disclosed: Map<Group, Json>; step: Step; hidden: Set<Group> }> {
  const disclosed = new Map<Group, Json>();
  const missing = new Set(entry._sd);
  const foreign: string[] = [...(event.altered ?? [])].filter((name) => name !== 'entry');
  for (const text of texts) {
    try {
      const digest = await digestOf(text);
      const { name, value } = openDisclosure(text);
      const group = GROUPS.find((known) => known === name);
      if (group && !disclosed.has(group) && missing.delete(digest)) disclosed.set(group, value);
      else foreign.push(name);
    } catch {
      foreign.push('');
    }
  }
  const erased = Object.entries(event.erased ?? {}).filter(([group]) => !disclosed.has(group as Group));
  // A record accounts for entries before it only.
  for (const [, seq] of erased) {
    if (seq > entry.seq) for (const digest of records.get(seq) ?? []) missing.delete(digest);
  }
  const withheld = new Set((event.withheld ?? []).map(groupOf).filter((group) => !disclosed.has(group)));
  const unread = erased
    .filter(([, seq]) => (records.get(seq) ?? null) === null)
    .map(([group]) => group as Group);
  const hidden = missing.size > 0 ? new Set([...withheld, ...unread]) : new Set<Group>();
  const step = ((): Step => {
    const name = 'parts';
    if (foreign.length > 0)
      return { name, verdict: 'failed', why: 'foreign', names: foreign.filter(Boolean) };
    if (missing.size > hidden.size) return { name, verdict: 'failed', why: 'missing' };
    if (hidden.size > 0) {
      const why = unread.length > 0 ? 'erasure' : 'withheld';
      return { name, verdict: 'unchecked', why, names: [...hidden] };
    }
    if (erased.length > 0)
      return { name, verdict: 'ok', why: 'erased', names: erased.map(([group]) => group) };
    return ok(name);
  })();
  return { disclosed, step, hidden: missing.size > 0 ? withheld : new Set() };
}

/** The groups that were erased, by the record that the service names for each. */
export function recordsOf(event: AuditEvent): number[] {
  return [...new Set(Object.values(event.erased ?? {}))].filter(Number.isSafeInteger);
}
