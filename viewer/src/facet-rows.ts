import type { Facets } from './event';
import { valueLabel } from './labels';
import type { Texts } from './locale';
import type { FilterName, Term } from './query';

/** The facets that can be filtered by, in the order in which they are shown. */
export const FACETS = [
  'category',
  'action',
  'actor',
  'outcome',
  'severity',
  'source',
  'operation',
  'target_type',
] as const;
export type Facet = (typeof FACETS)[number];

/** One value of a facet, and the filter that it is. */
export interface Row {
  readonly name: FilterName;
  readonly value: string;
  readonly label: string;
  /** Events; null where it is not known how many, as others of its facet are looked for. */
  readonly count: number | null;
}

/** The filters whose values the facet shows: actors are looked for by id, and those without one by type. */
export function namesOf(facet: Facet): readonly FilterName[] {
  return facet === 'actor' ? ['actor_id', 'actor_type'] : [facet];
}

/** The facet's values as the service counted them, the most frequent first. */
export function countedRows(facets: Facets, facet: Facet, texts: Texts): Row[] {
  if (facet !== 'actor') {
    const row = ({ value, count }: { value: string; count: number }) => ({
      ...{ name: facet, value, count },
      label: valueLabel(texts, facet, value),
    });
    return facets.facets[facet].map(row);
  }
  return facets.facets.actor.map(({ type, id, name, count }) =>
    id === undefined
      ? { name: 'actor_type', value: type, label: valueLabel(texts, 'actor_type', type), count }
      : { name: 'actor_id', value: id, label: name ?? id, count },
  );
}

/**
 * What is listed of a facet. While some of its values are looked for, the answer has those alone: so the others that were
 * there before stay, uncounted, to be looked for too. What is looked for or left out is always listed, and a row that is
 * listed stays in its place.
 *
 * `known` is what was listed before, `terms` are those of the facet.
 */
export function listedRows(
  known: readonly Row[],
  counted: readonly Row[],
  terms: readonly Term[],
  label: (term: Term) => string,
): Row[] {
  const [wanted] = terms.filter((term) => !term.not);
  const rows = new Map<string, Row>();
  const put = (row: Row) => rows.set(keyOf(row), row);
  const isKnown = new Set([...known, ...counted].map(keyOf));
  for (const term of terms) {
    if (!isKnown.has(keyOf(term)))
      put({ name: term.name, value: term.value, label: label(term), count: null });
  }
  if (terms.length > 0) for (const row of known) put({ ...row, count: null });
  for (const row of counted) put(row);
  const chosen = new Set(terms.map(keyOf));
  return [...rows.values()].filter(
    (row) => chosen.has(keyOf(row)) || (wanted ? row.name === wanted.name : row.count !== null),
  );
}

export function keyOf({ name, value }: { name: string; value: string }): string {
  return `${name}\0${value}`;
}
