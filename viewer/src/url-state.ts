import { isParameter, Query } from './query';

/** What the address of the page says of one viewer: its query, and the event that is open. */
export interface Place {
  query: Query;
  open: string | null;
}

const EVENT = 'event';

/**
 * Keeps the place in the page's address, under names that begin with `prefix`, beside whatever else stands there. So a
 * place can be bookmarked, sent to a colleague, and gone back to.
 */
export class UrlState {
  constructor(
    private readonly prefix: string,
    private readonly arrived: (place: Place) => void,
  ) {}

  start(): void {
    addEventListener('popstate', this.#changed);
  }

  stop(): void {
    removeEventListener('popstate', this.#changed);
  }

  read(): Place {
    const own = new URLSearchParams();
    for (const [name, value] of new URLSearchParams(location.search)) {
      const bare = this.#bare(name);
      if (bare !== null) own.append(bare, value);
    }
    return { query: Query.parse(`${own}`), open: own.get(EVENT) || null };
  }

  /** Whether the address says nothing of the viewer. */
  get isSilent(): boolean {
    const { query, open } = this.read();
    return query.isEmpty && open === null;
  }

  /** Another query is another place to go back to, unless `how` says otherwise; an event that opens is not. */
  write({ query, open }: Place, how?: 'replaceState'): void {
    const before = this.read();
    const isSame = `${before.query}` === `${query}`;
    if (isSame && before.open === open) return;
    const own = new URLSearchParams([...query].map(([name, value]) => [this.prefix + name, value]));
    if (open !== null) own.set(this.prefix + EVENT, open);
    const url = new URL(location.href);
    // What is the host's stays as it is written, letter by letter.
    const others = url.search
      .slice(1)
      .split('&')
      .filter((piece) => piece && !this.#isOwn(piece));
    url.search = [...others, `${own}`].filter(Boolean).join('&');
    history[how ?? (isSame ? 'replaceState' : 'pushState')](history.state, '', url);
  }

  #isOwn(piece: string): boolean {
    const [name = ''] = new URLSearchParams(piece).keys();
    const bare = this.#bare(name);
    return bare !== null && (bare === EVENT || isParameter(bare));
  }

  #bare(name: string): string | null {
    return name.startsWith(this.prefix) ? name.slice(this.prefix.length) : null;
  }

  #changed = () => this.arrived(this.read());
}
