import type { Api } from '../api';
import type { AuditEvent, Page } from '../event';
import { Problem } from '../problem';
import type { Query } from '../query';
import { type Bytes, fromBase64url, utf8 } from './bytes';
import { checkSealed, type Reader } from './check';
import type { Checkpoint } from './checkpoint';
import { type Entry, parseEntry } from './entry';
import { Obstacle } from './ledger';
import { isIncluded, leafHash } from './tree';

/** How many events, and how many pages of them, are asked for where a list is asked for again. */
const PAGE = 1000;
const PAGES = 50;

/** What the service answers with (docs/api.md); nothing of it is believed but the checkpoint, and that as `believe` does. */
interface PageProofs {
  checkpoint: string;
  proofs: { seq: number; hashes: string[]; entry?: string }[];
  altered: number[];
}

export interface Proven {
  /** Null where nothing of the ledger was signed yet, or nothing was asked for. */
  readonly checkpoint: Checkpoint | null;
  /** By number, as they were given: two hundred are too many to be read at once. */
  readonly hashes: ReadonlyMap<number, readonly string[]>;
  /** The sealed texts, where they were asked for. */
  readonly entries: ReadonlyMap<number, string>;
  /** Entries of which the service itself says that no proof holds. */
  readonly altered: ReadonlySet<number>;
}

type Believe = (note: string) => Promise<Checkpoint>;

/** The proofs of these entries, at most 200; with `entries` their texts too. Throws `Problem`, `Obstacle`, and what `believe` throws. */
export async function askProofs(
  api: Api,
  seqs: readonly number[],
  believe: Believe,
  entries = false,
): Promise<Proven> {
  const nothing = { checkpoint: null, hashes: new Map(), entries: new Map(), altered: new Set<number>() };
  if (seqs.length === 0) return nothing;
  const parameters = [...new Set(seqs)].map((seq) => ['seq', `${seq}`] as [string, string]);
  if (entries) parameters.push(['entries', 'true']);
  const page = await api.json<PageProofs>('/api/audit-log/proofs', parameters).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'no_checkpoint') return undefined;
    throw error;
  });
  if (page === undefined) return nothing;
  if (typeof page?.checkpoint !== 'string') throw new Obstacle('unreadable');
  const checkpoint = await believe(page.checkpoint);
  const hashes = new Map(page.proofs.map((proof) => [proof.seq, proof.hashes]));
  const texts = page.proofs.flatMap(({ seq, entry }) =>
    typeof entry === 'string' ? [[seq, entry] as const] : [],
  );
  return { checkpoint, hashes, entries: new Map(texts), altered: new Set(page.altered) };
}

/**
 * Those of these entries, one at least, that the list has where it is asked for again. Their own times are what is asked for:
 * they are in the query's, but for those that a span which ends now has slid past. Throws `Problem`, `Obstacle`.
 */
export async function findListed(api: Api, asked: Query, wanted: readonly Entry[]): Promise<AuditEvent[]> {
  const missing = new Set(wanted.map(({ id }) => id));
  const times = wanted.map(({ occurred_at }) => occurred_at).sort();
  const until = new Date(Date.parse(times.at(-1) ?? '') + 1).toISOString();
  const query = [...asked.within(times[0] ?? '', until), ['limit', `${PAGE}`], ['sealed', 'true']] as const;
  const found: AuditEvent[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < PAGES; pages++) {
    const page: Page = await api.timeline(cursor === null ? query : [...query, ['cursor', cursor]]);
    found.push(...page.data.filter(({ id }) => missing.delete(id)));
    cursor = page.next_cursor;
    if (cursor === null || missing.size === 0) return found;
  }
  throw new Obstacle('unreadable');
}

/** Whether these hashes prove that the leaf is entry `seq` of the ledger. */
export async function isProof(
  hashes: readonly string[],
  leaf: Bytes,
  seq: number,
  { size, root }: Checkpoint,
): Promise<boolean> {
  try {
    return await isIncluded(leaf, BigInt(seq), BigInt(size), hashes.map(fromBase64url), root);
  } catch {
    return false;
  }
}

/** The entry of this text, where the signed root has it at this number. */
export async function openProven(
  text: string,
  seq: number,
  hashes: readonly string[],
  checkpoint: Checkpoint,
): Promise<Entry | null> {
  try {
    const entry = parseEntry(text);
    const isThere = await isProof(hashes, await leafHash(utf8(text)), seq, checkpoint);
    return isThere && entry.seq === seq ? entry : null;
  } catch {
    return null;
  }
}

/**
 * What the record of an erasure, entry `seq`, lists; nothing where it is no record that the ledger has; null where whoever
 * looks is not shown it; undefined where it is newer than what was signed.
 */
export async function readRecord(
  api: Api,
  seq: number,
  reader: Reader,
  believe: Believe,
): Promise<Set<string> | null | undefined> {
  const record = await find(api, seq);
  if (!record) return null;
  const { leaf, entry, disclosed, steps } = await checkSealed(record, reader);
  const { checkpoint, hashes } = await askProofs(api, [seq], believe);
  if (!checkpoint || seq >= checkpoint.size) return undefined;
  const isThere = await isProof(hashes.get(seq) ?? [], leaf, seq, checkpoint);
  const isRecord = entry?.action === 'ledger.erasure' && !steps.some(({ verdict }) => verdict === 'failed');
  if (isThere && isRecord && !disclosed.has('metadata')) return null;
  const metadata = disclosed.get('metadata') as { digests?: unknown } | undefined;
  return new Set(isThere && isRecord && Array.isArray(metadata?.digests) ? metadata.digests : []);
}

async function find(api: Api, seq: number): Promise<AuditEvent | null> {
  const parameters = [
    ['after', `${seq - 1}`],
    ['limit', '1'],
  ] as const;
  try {
    const { data } = await api.json<{ data: AuditEvent[] }>('/api/audit-log/feed', parameters);
    return data[0]?.seq === seq ? await api.event(data[0].id) : null;
  } catch (error) {
    if (error instanceof Problem && error.status >= 400 && error.status < 500) return null;
    throw error;
  }
}

export function obstacleOf(error: unknown): Obstacle {
  if (error instanceof Obstacle) return error;
  if (!(error instanceof Problem)) return new Obstacle('unreadable');
  const passes = error.status === 0 || error.status === 429 || error.status >= 500;
  return new Obstacle(passes ? 'offline' : 'refused', error.retryAfter);
}
