import type { Api } from './api';
import { Observable } from './cell';
import { fits } from './completion';
import type { Timeline } from './timeline';

/** Whom and what the tenant's events name, as the service lists it (docs/facets.md, Directories). */
export interface Listed {
  type?: string;
  id?: string;
  name?: string;
  email?: string;
  action?: string;
  title?: string | null | undefined;
}

export type List = 'actors' | 'targets' | 'actions';

const MOST = 20;
/** Answers that are kept; the oldest goes first. */
const KEPT = 200;

/** The service's directories, each answer asked for once; and the names behind ids. Tells when another name is known. */
export class Directory extends Observable {
  #answers = new Map<string, Listed[]>();
  /** By `actors` or `targets` and id; null: asked for, and not known so far. */
  #names = new Map<string, string | null>();
  /** What actions are called in the language of whoever looks. None in English, in which their names say it. */
  titles: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly api: Api,
    private readonly timeline: Timeline,
  ) {
    super();
  }

  /** Those that fit what somebody typed, as far as answers to it, or to its beginning, tell. */
  known(list: List, typed: string): Listed[] {
    const wanted = typed.trim();
    for (let length = wanted.length; length >= 0; length--) {
      const found = this.#answers.get(`${list} ${wanted.slice(0, length)}`);
      if (length === wanted.length && found) return found;
      if (found)
        return found.filter((one) => fits(wanted, one.id, one.name, one.email, one.action, one.title));
    }
    return [];
  }

  /** Asks the service, unless it was asked that before. Throws `Problem`. */
  async look(list: List, typed: string, signal?: AbortSignal): Promise<void> {
    const key = `${list} ${typed.trim()}`;
    if (this.#answers.has(key)) return;
    const found = await this.api.directory<Listed>(list, typed.trim(), MOST, signal);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size >= KEPT && oldest !== undefined) this.#answers.delete(oldest);
    this.#answers.set(key, found);
    if (list === 'actions') return;
    for (const { id, name, email } of found) if (id) this.#learn(`${list} ${id}`, name ?? email);
  }

  /** The name behind an id; the id itself where it is unknown, as long as it is. */
  name(list: 'actors' | 'targets', id: string): string {
    const key = `${list} ${id}`;
    const name = this.#names.get(key) ?? this.#seen(list, id);
    if (name) return name;
    if (!this.#names.has(key)) {
      this.#names.set(key, null);
      // Without an answer the id is shown, which is what was asked for.
      void this.look(list, id).catch(() => {});
    }
    return id;
  }

  call(titles: ReadonlyMap<string, string>): void {
    this.titles = titles;
    this.changed();
  }

  #learn(key: string, name: string | undefined): void {
    if (!name || this.#names.get(key) === name) return;
    this.#names.set(key, name);
    this.changed();
  }

  #seen(list: 'actors' | 'targets', id: string): string | undefined {
    for (const { actor, targets } of this.timeline.rows) {
      const those = list === 'targets' ? targets : [actor, actor.impersonator];
      const found = those.find((one) => one?.id === id);
      if (found) return found.name;
    }
    return undefined;
  }
}
