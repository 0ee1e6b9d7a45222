import { Announcements } from './announcements';
import type { Api } from './api';
import { Cell } from './cell';
import { Directory } from './directory';
import type { About } from './event';
import { valueLabel } from './labels';
import type { Texts } from './locale';
import { Overview } from './overview';
import { pinned } from './pinned';
import { Proofs } from './proofs';
import type { Query, Term } from './query';
import { Timeline } from './timeline';
import type { When } from './when';

/** Panels beside or over the list, of which one is open at a time. */
export type Panel = 'proof' | 'export' | 'keys';

/** What the parts of one <audit-log> share. Data flows from here into the parts; what a person does comes back by setting `query`, `open` and so on. */
export class Viewer {
  readonly timeline: Timeline;
  readonly overview: Overview;
  readonly directory: Directory;
  readonly proofs: Proofs;
  /** The file with all that the first rows do not take: details, panels, and what checks the proofs. */
  readonly more = new Cell<'loading' | 'there' | 'missing'>('loading');
  readonly about = new Cell<About | null>(null);
  readonly query: Cell<Query>;
  /** The id of the event whose details are open in the list. */
  readonly open = new Cell<string | null>(null);
  /** Whether the facets are shown: beside the list, or over it where it is narrow. */
  readonly facets = new Cell(false);
  readonly panel = new Cell<Panel | null>(null);
  readonly texts: Cell<Texts>;
  readonly when: Cell<When>;
  /** The time zone that whoever looks chose instead of the host's. */
  readonly zone = new Cell<string | null>(null);
  readonly announcements = new Announcements();
  /** The host's pictures of actors: a URL with `{id}`. */
  readonly avatars = new Cell<string | null>(null);
  /** An address of the host's where a new session begins. */
  readonly signIn = new Cell<string | null>(null);
  /** Made once for a language: it takes a while, and numbers are many. */
  #numbers: { locale: string; format: Intl.NumberFormat } | null = null;

  constructor(
    readonly api: Api,
    query: Query,
    texts: Texts,
    when: When,
    /** Tells the host: an event named `audit-log-…` leaves the element. */
    readonly tell: (name: string, detail: unknown) => void,
  ) {
    this.query = new Cell(query);
    this.texts = new Cell(texts);
    this.when = new Cell(when);
    this.timeline = new Timeline(api);
    this.overview = new Overview(api, this.timeline, this.when);
    this.directory = new Directory(api, this.timeline);
    this.proofs = new Proofs();
  }

  /** Asks the service for what the query finds. Resolves when the first rows are painted: all else is asked for after them, as it would keep service and browser from them. */
  load(): Promise<void> {
    const shown = this.timeline.load(this.query.value).then(painted);
    void this.overview.load(this.query.value, shown);
    if (this.more.value !== 'there') void shown.then(() => this.loadMore());
    return shown;
  }

  /** Asks who looks and what they may do, unless that is known: without it nothing is offered that takes a permission. */
  async learn(): Promise<void> {
    // The list says what is wrong; whoever opens the menu asks again.
    this.about.value ??= await this.api.about().catch(() => null);
  }

  async loadMore(): Promise<void> {
    this.more.value = 'loading';
    try {
      const { Checker, titlesOf } = await pinned('more.js', () => import('./more'));
      if (this.proofs.checker === null) this.proofs.begin((pinned) => new Checker(this.api, pinned, this));
      if (this.api.language !== 'en') void titlesOf(this.api).then((titles) => this.directory.call(titles));
      this.more.value = 'there';
    } catch {
      this.proofs.begin(null);
      this.more.value = 'missing';
    }
  }

  stop(): void {
    this.timeline.stop();
    this.proofs.stop();
    this.overview.stop();
  }

  /** What a value of a filter is called: by its name, where it has one. */
  label({ name, value }: Pick<Term, 'name' | 'value'>): string {
    if (name === 'actor_id') return this.directory.name('actors', value);
    if (name === 'target_id') return this.directory.name('targets', value);
    const title = name === 'action' ? this.directory.titles.get(value) : undefined;
    return title ?? valueLabel(this.texts.value, name, value);
  }

  /** A number as it is written in the language. */
  number(value: number): string {
    const { locale } = this.when.value;
    if (this.#numbers?.locale !== locale) this.#numbers = { locale, format: new Intl.NumberFormat(locale) };
    return this.#numbers.format.format(value);
  }
}

/** After the next frame; in a page that is not seen, which has none, after a while. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 200);
  });
}
