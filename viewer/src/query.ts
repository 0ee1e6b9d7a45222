/** The timeline's filters that may be given several times and with a minus (docs/search.md). `changes.FIELD` is one, too. */
export const FILTERS = [
  'action',
  'category',
  'operation',
  'outcome',
  'source',
  'severity',
  'actor_id',
  'actor_type',
  'target_id',
  'target_type',
  'ip',
  'session_id',
  'request_id',
] as const;

export type FilterName = (typeof FILTERS)[number] | `changes.${string}`;

/** One value that is looked for, or left out. */
export interface Term {
  readonly name: FilterName;
  readonly value: string;
  readonly not: boolean;
}

/** Other names that the service knows filters by; views that were saved over the API may have them. */
const ALIASES: Record<string, FilterName> = {
  event_type: 'action',
  ip_address: 'ip',
  resource_id: 'target_id',
  resource_type: 'target_type',
};

/** The filter that a parameter is about; null where it is about none. */
export function filterOf(parameter: string): FilterName | null {
  const name = Object.hasOwn(ALIASES, parameter) ? ALIASES[parameter] : parameter;
  return /^changes\../s.test(parameter) || FILTERS.includes(name as never) ? (name as FilterName) : null;
}

/** Whether it says something of a query: `q`, a time, or a filter, with a minus or without. */
export function isParameter(name: string): boolean {
  return name === 'q' || name === 'since' || name === 'until' || filterOf(name.replace(/^-/, '')) !== null;
}

/**
 * What is asked for: what may stand in an address, be saved as a view, and be sent to the service. Never changed; each
 * method gives another one. Its text is the timeline's parameters, in one order whatever the order they were given in.
 */
export class Query {
  static readonly ALL = new Query('', '', '', []);

  private constructor(
    /** As the service takes it: `7d`, `yesterday`, `2026-11-21`, RFC 3339. Empty: from the beginning. */
    readonly since: string,
    readonly until: string,
    /** The search box. */
    readonly q: string,
    readonly terms: readonly Term[],
  ) {}

  /** Reads parameters; those that are none of the timeline's are passed over, as a host's address has its own. */
  static parse(text: string): Query {
    let found = Query.ALL;
    for (const [name, value] of new URLSearchParams(text)) {
      if (name === 'since' || name === 'until') found = found.within(...times(found, name, value));
      else if (name === 'q') found = found.searching(value);
      else {
        const not = name.startsWith('-');
        const filter = filterOf(not ? name.slice(1) : name);
        if (filter) found = found.with({ name: filter, value, not });
      }
    }
    return found;
  }

  /** The parameters, in the order in which they are written. */
  *[Symbol.iterator](): Iterator<readonly [string, string]> {
    if (this.q) yield ['q', this.q];
    if (this.since) yield ['since', this.since];
    if (this.until) yield ['until', this.until];
    for (const { name, value, not } of this.terms) yield [not ? `-${name}` : name, value];
  }

  toString(): string {
    return new URLSearchParams([...this].map(([name, value]) => [name, value])).toString();
  }

  get isEmpty(): boolean {
    return !this.q && !this.since && !this.until && this.terms.length === 0;
  }

  searching(q: string): Query {
    return new Query(this.since, this.until, q.trim(), this.terms);
  }

  within(since: string, until: string): Query {
    return new Query(since, until, this.q, this.terms);
  }

  /** Adds a value; one that was left out is now looked for, and the other way round. */
  with(term: Term): Query {
    return new Query(
      this.since,
      this.until,
      this.q,
      [...this.without(term.name, term.value).terms, term].sort(inOrder),
    );
  }

  without(name: FilterName, value?: string): Query {
    return this.only(
      this.terms.filter((term) => term.name !== name || (value !== undefined && term.value !== value)),
    );
  }

  /** With those of its terms alone. */
  only(terms: readonly Term[]): Query {
    return new Query(this.since, this.until, this.q, terms);
  }

  /** Whether the value is looked for (`true`), left out (`false`), or neither. */
  has(name: FilterName, value: string): boolean | undefined {
    const term = this.terms.find((one) => one.name === name && one.value === value);
    return term && !term.not;
  }
}

function times(query: Query, name: 'since' | 'until', value: string): [string, string] {
  return name === 'since' ? [value, query.until] : [query.since, value];
}

function inOrder(a: Term, b: Term): number {
  return compared(a.name, b.name) || Number(a.not) - Number(b.not) || compared(a.value, b.value);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
