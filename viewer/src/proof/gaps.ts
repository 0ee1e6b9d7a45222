import type { Query } from '../query';
import { isNewer, type Place } from '../timeline';

/**
 * Which actions a query leaves out; null where more is asked for than can be told from a sealed entry, and which events
 * should be in the list is the service's word. Times of the query leave nothing out between two of its events.
 */
export function exclusion({ q, terms }: Query): ((action: string) => boolean) | null {
  // A star at the end is all that the viewer itself writes.
  const isTold = terms.every(
    ({ name, value, not }) => name === 'action' && not && !value.slice(0, -1).includes('*'),
  );
  if (q || !isTold) return null;
  return (action) =>
    terms.some(({ value }) =>
      value.endsWith('*')
        ? action.toLowerCase().startsWith(value.slice(0, -1).toLowerCase())
        : action === value,
    );
}

/** What a list claims: that between its ends it has all that there is. */
export interface Claim {
  /** Numbers, both included, of which each is in the list or has a reason not to be. */
  readonly low: number;
  readonly high: number;
  /** Whether what is at this place would be in the list. */
  holds(place: Place): boolean;
}

/**
 * Of rows of a list, newest first, in a ledger of which `size` entries are signed. Where the list has its end it goes back to
 * the ledger's first entry; and where the query has no `until`, up to what is newest. Null where nothing is claimed.
 */
export function claimOf(
  rows: readonly Place[],
  size: number,
  { since, until, hasMore }: { since: string; until: string; hasMore: boolean },
): Claim | null {
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return null;
  const numbers = rows.map(({ seq }) => seq);
  const isOpen = hasMore || since !== '';
  const low = isOpen ? numbers.reduce((one, other) => Math.min(one, other)) : 0;
  const newest = until ? numbers.reduce((one, other) => Math.max(one, other)) : size - 1;
  const holds = (place: Place) =>
    (!isOpen || isNewer(place, last)) && (until === '' || isNewer(first, place));
  return { low, high: Math.min(newest, size - 1), holds };
}

/** The numbers that the claim is about and that are of no row, the highest first, and not more than `most`; and whether these are all. */
export function missingFrom(
  { low, high }: Claim,
  rows: readonly Place[],
  most: number,
): { numbers: number[]; isAll: boolean } {
  const listed = new Set(rows.map(({ seq }) => seq));
  const numbers: number[] = [];
  for (let seq = high; seq >= low; seq--) {
    if (listed.has(seq)) continue;
    if (numbers.length === most) return { numbers, isAll: false };
    numbers.push(seq);
  }
  return { numbers, isAll: true };
}
