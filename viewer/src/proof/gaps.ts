import type { Query } from '../query';
import { isNewer, type Place } from '../timeline';
import type { Entry } from './entry';
import type { Obstacle } from './ledger';

/** An entry that the list should have and has not; without `entry`: what the service gives for it is not what was signed. */
export interface LeftOut {
  readonly seq: number;
  readonly entry: Entry | null;
}

/**
 * What is known of the list as it is now. `part`: it shows a part of the log, and claims nothing that could be checked.
 * `checking`. `whole`: of the numbers from `low` to `high` it lacks nothing; `others` happened at other times, or the query
 * leaves them out; of those below `low`, if `rest` is `cut`, there were too many to be looked at, and if it is `gone`, the service gave none,
 * as where months are no longer kept. `unchecked`: of `count` numbers, such as `seq`, the service did not say what they are; or of
 * all of them, for a reason.
 */
export type Wholeness =
  | { readonly kind: 'part' }
  | { readonly kind: 'checking' }
  | {
      readonly kind: 'whole';
      readonly low: number;
      readonly high: number;
      readonly others: number;
      readonly rest: 'cut' | 'gone' | null;
    }
  | { readonly kind: 'unchecked'; readonly seq: number; readonly count: number }
  | { readonly kind: 'unchecked'; readonly why: Obstacle['kind'] };

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

/**
 * The number below which the service gave nothing: where `unknown`, those of the numbers `looked` at that it did not give, are
 * the lowest, and no row has a lower one. Else null. Both the highest first.
 */
export function notGivenBelow(
  unknown: readonly number[],
  looked: readonly number[],
  rows: readonly Place[],
): number | null {
  const [highest] = unknown;
  if (highest === undefined || looked.at(-unknown.length) !== highest) return null;
  return rows.every(({ seq }) => seq > highest) ? highest + 1 : null;
}
