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
  /** How many disclosures are not there. */
  readonly count?: number;
}

export type Why =
  | 'reported'
  | 'foreign'
  | 'missing'
  | 'withheld'
  | 'held'
  | 'erasure'
  | 'erased'
  | 'unerased'
  | 'differs'
  | 'partial'
  | 'disproved';

/** What the record of an erasure lists, by its `seq`; null where whoever looks is not shown it. */
export type Records = ReadonlyMap<number, ReadonlySet<string> | null>;

/** Who looks, as their own token has it and not the answer. */
export interface Reader {
  readonly tenant: string;
  /** Nothing may be withheld from them. */
  readonly seesAll: boolean;
}

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
export async function checkSealed(
  event: AuditEvent,
  reader: Reader,
  records: Records = new Map(),
): Promise<Sealed> {
  const { entry: text } = event;
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
  const { disclosed, step: parts, hidden } = await checkParts(event, entry, reader, records);
  return { leaf, leafText, entry, disclosed, steps: [hash, ok('form'), parts, shown()] };

  function shown(): Step {
    try {
      const { differ, unchecked } = compare(event, leafText, entry, disclosed, hidden, reader.tenant);
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
  { seesAll }: Reader,
  records: Records,
): Promise<{ disclosed: Map<Group, Json>; step: Step; hidden: Set<Group> }> {
  const disclosed = new Map<Group, Json>();
  const missing = new Set(entry._sd);
  const foreign: string[] = [...(event.altered ?? [])].filter((name) => name !== 'entry');
  for (const text of event.disclosures ?? []) {
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
  const erased = Object.entries(event.erased ?? {}) as [Group, number][];
  // A record accounts for entries before it only.
  const unerased = erased.filter(
    ([group, seq]) => !GROUPS.includes(group) || disclosed.has(group) || !(seq > entry.seq),
  );
  const unread = erased.filter(([, seq]) => !records.get(seq)).map(([group]) => group);
  const listed = new Set(erased.flatMap(([, seq]) => [...(records.get(seq) ?? [])]));
  const recorded =
    [...listed].filter((digest) => missing.delete(digest)).length - (erased.length - unread.length);
  const held = new Set((event.withheld ?? []).map(groupOf));
  const withheld = new Set([...held].filter((group) => !disclosed.has(group)));
  const hidden = missing.size > 0 ? new Set([...withheld, ...unread]) : new Set<Group>();
  const name = 'parts';
  const failed = (why: Why, names: Iterable<string> = []): Step => {
    return { name, verdict: 'failed', why, names: [...names] };
  };
  const step = ((): Step => {
    if (foreign.length > 0) return failed('foreign', foreign.filter(Boolean));
    if (unerased.length > 0 || (event.erased && erased.length === 0))
      return failed(
        'unerased',
        unerased.map(([group]) => group),
      );
    if (missing.size < unread.length) return failed('unerased', unread);
    if (seesAll && held.size > 0) return failed('held', held);
    // Whoever is not shown a group is not told that it was erased.
    if (missing.size > hidden.size || recorded < 0 || (seesAll && recorded > 0)) return failed('missing');
    if (hidden.size > 0) {
      const why = unread.length > 0 ? 'erasure' : 'withheld';
      return { name, verdict: 'unchecked', why, names: [...hidden], count: missing.size };
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
