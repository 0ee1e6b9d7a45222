import { html, LitElement, nothing, type PropertyValues } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { Api } from './api';
import { type Language, languageOf } from './locale';
import './parts';
import { Query } from './query';
import { styles } from './styles';
import { claimsOf } from './token';
import { UrlState } from './url-state';
import { Viewer } from './viewer';
import { When, zoneOf } from './when';

/** Milliseconds before a token's end at which another is asked for. */
const AHEAD = 60_000;
/** And for which the host may take to set one. */
const PATIENCE = 15_000;

/**
 * `<audit-log api="https://audit.example.com" token="eyJ…" vkey="…">`: docs/viewer.md describes its attributes, events,
 * custom properties and parts.
 */
export class AuditLog extends LitElement {
  static override styles = styles;
  static override properties = {
    api: {},
    token: {},
    vkey: {},
    locale: {},
    timeZone: { attribute: 'time-zone' },
    theme: { reflect: true },
    avatarUrl: { attribute: 'avatar-url' },
    urlState: { attribute: 'url-state' },
    signIn: { attribute: 'sign-in' },
    query: {},
    renewToken: { attribute: false },
  };

  /** The service's address; the page's own origin if absent. */
  declare api: string;
  /** A viewer token. It is never kept anywhere but here. */
  declare token: string | null;
  /** The ledger's public keys (vkeys), one a line, that the host page pins. */
  declare vkey: string | null;
  declare locale: string | null;
  declare timeZone: string | null;
  declare theme: string | null;
  declare avatarUrl: string | null;
  /** There: keeps its state in the page's address, under names that begin with the attribute's value. */
  declare urlState: string | null;
  /** Where a new session begins: offered when the token has ended, and the host gives no other. */
  declare signIn: string | null;
  /** What is asked for, as the timeline's parameters: `action=user.*&since=7d`. */
  declare query: string;
  /** Gives another token; the alternative to the event `audit-log-token-needed`. */
  declare renewToken: ((refused: string | null) => Promise<string | null>) | null;

  #viewer: Viewer | null = null;
  #url: UrlState | null = null;
  #renewal: Promise<string | null> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unlisten: (() => void)[] = [];
  /** Counts beginnings and ends, so that what was waited for is known to be late. */
  #turn = 0;

  constructor() {
    super();
    this.api = '';
    this.token =
      this.vkey =
      this.locale =
      this.timeZone =
      this.theme =
      this.avatarUrl =
      this.urlState =
      this.signIn =
        null;
    this.query = '';
    this.renewToken = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#end();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    // Another reader, or none: nothing of what the one before was shown stays, and nothing more of it comes.
    const before = changed.get('token');
    const reader = before ? claimsOf(before).reader : null;
    const another = reader !== null && reader !== claimsOf(this.token).reader;
    if (!this.hasUpdated || changed.has('api') || changed.has('urlState') || (another && this.#viewer))
      this.#start();
    const viewer = this.#viewer;
    if (!viewer) return;
    if (changed.has('token')) {
      viewer.api.token = this.token || null;
      this.#renewLater();
      // It comes late, as whoever asked for one has given up.
      if (viewer.timeline.problem?.status === 401) this.#load(viewer);
    }
    if (changed.has('locale') || changed.has('timeZone') || changed.has('token')) void this.#speak();
    if (changed.has('vkey')) viewer.proofs.pin(this.vkey);
    if (changed.has('avatarUrl')) viewer.avatars.value = this.avatarUrl;
    if (changed.has('signIn')) viewer.signIn.value = this.signIn;
    if (changed.has('query') && this.query !== `${viewer.query.value}` && this.hasUpdated) {
      viewer.query.value = Query.parse(this.query);
    }
  }

  protected override updated(): void {
    // The host's background decides, where it does not say: its text is light on what is dark.
    if (this.theme === 'light' || this.theme === 'dark') this.style.removeProperty('color-scheme');
    else this.style.setProperty('color-scheme', isLight(getComputedStyle(this).color) ? 'dark' : 'light');
  }

  protected override render() {
    const viewer = this.#viewer;
    if (!viewer) return nothing;
    const { texts, when, timeline } = viewer;
    const { rows, problem, loading, hasMore } = timeline;
    const isUnused = !loading && !hasMore && viewer.query.value.isEmpty;
    const isBare = rows.length === 0 && (problem !== null || isUnused);
    return html`<section class=${isBare ? 'root bare' : 'root'} part="root" lang=${when.value.locale} dir=${direction(when.value.locale)} aria-label=${texts.value.title}>
      <header class="header" part="header">
        <div class="toolbar" part="toolbar">
          <audit-log-search .viewer=${viewer}></audit-log-search>
          <audit-log-filter .viewer=${viewer}></audit-log-filter>
          <audit-log-range .viewer=${viewer}></audit-log-range>
          <audit-log-views .viewer=${viewer}></audit-log-views>
          <audit-log-menu .viewer=${viewer}></audit-log-menu>
        </div>
        <audit-log-chips .viewer=${viewer}></audit-log-chips>
        <audit-log-histogram .viewer=${viewer}></audit-log-histogram>
      </header>
      <div class="body" part="body">
        <audit-log-facets .viewer=${viewer}></audit-log-facets>
        <audit-log-list .viewer=${viewer}></audit-log-list>
        <audit-log-panel .viewer=${viewer}></audit-log-panel>
      </div>
      <audit-log-status .viewer=${viewer}></audit-log-status>
      <div class="for-screen-readers" role="status" aria-atomic="false">${repeat(
        viewer.announcements.lines,
        (line) => line,
        ({ text }) => html`<p>${text}</p>`,
      )}</div>
    </section>`;
  }

  /** Once its language is there. */
  #start(): void {
    this.#end();
    const turn = this.#turn;
    void this.#language().then((language) => {
      if (turn === this.#turn) this.#begin(language);
    });
  }

  /** With nothing of what was loaded, which is in the language of before: no part stays that knows it. */
  async #startAnew(): Promise<void> {
    this.#end();
    const turn = this.#turn;
    this.requestUpdate();
    await this.updateComplete;
    if (turn === this.#turn) this.#start();
  }

  #begin({ texts, locale }: Language): void {
    const api = new Api(this.api.replace(/\/+$/, ''), (refused) => this.#renew(refused), spoken(locale));
    api.token = this.token || null;
    if (this.urlState !== null) this.#url = new UrlState(this.urlState, (place) => this.#arrive(place));
    const place =
      this.#url?.isSilent === false ? this.#url.read() : { query: Query.parse(this.query), open: null };
    const tell = (name: string, detail: unknown) => this.#tell(name, detail);
    const viewer = new Viewer(api, place.query, texts, new When(locale, this.#zone(), texts.row.now), tell);
    viewer.open.value = place.open;
    viewer.proofs.pin(this.vkey);
    viewer.avatars.value = this.avatarUrl;
    viewer.signIn.value = this.signIn;
    this.#viewer = viewer;
    this.#url?.start();
    this.#url?.write(place, 'replaceState');
    const update = () => this.requestUpdate();
    this.#unlisten = [
      viewer.query.listen(() => this.#asked()),
      viewer.open.listen(() => this.#placed()),
      viewer.about.listen(() => void this.#speak()),
      viewer.zone.listen(() => void this.#speak()),
      ...[viewer.texts, viewer.when, viewer.timeline, viewer.announcements].map((one) => one.listen(update)),
    ];
    this.#renewLater();
    this.#load(viewer);
    this.requestUpdate();
  }

  #load(viewer: Viewer): void {
    // Another may have begun meanwhile, for somebody else.
    void viewer.load().then(() => (this.#viewer === viewer ? viewer.learn() : undefined));
  }

  #end(): void {
    this.#turn++;
    clearTimeout(this.#timer);
    this.#url?.stop();
    for (const unlisten of this.#unlisten) unlisten();
    this.#viewer?.stop();
    this.#viewer = this.#url = null;
    this.#unlisten = [];
  }

  #asked(): void {
    const viewer = this.#viewer;
    if (!viewer) return;
    viewer.open.value = null;
    this.#placed();
    this.query = `${viewer.query.value}`;
    void viewer.load();
  }

  #placed(): void {
    const viewer = this.#viewer;
    if (!viewer) return;
    const place = { query: viewer.query.value, open: viewer.open.value };
    this.#url?.write(place);
    this.#tell('audit-log-state', { query: `${place.query}`, open: place.open });
  }

  #arrive(place: { query: Query; open: string | null }): void {
    if (!this.#viewer) return;
    if (`${place.query}` !== `${this.#viewer.query.value}`) this.#viewer.query.value = place.query;
    this.#viewer.open.value = place.open;
  }

  async #speak(): Promise<void> {
    const turn = this.#turn;
    const { texts, locale } = await this.#language();
    const viewer = this.#viewer;
    if (!viewer || turn !== this.#turn) return;
    if (spoken(locale) !== viewer.api.language) return this.#startAnew();
    const zone = this.#zone();
    viewer.texts.value = texts;
    if (viewer.when.value.locale !== locale || viewer.when.value.zone !== zone)
      viewer.when.value = new When(locale, zone, texts.row.now);
  }

  #language(): Promise<Language> {
    return languageOf(
      this.locale,
      claimsOf(this.token).locale,
      document.documentElement.lang,
      ...navigator.languages,
    );
  }

  #zone(): string {
    return zoneOf(this.#viewer?.zone.value, this.timeZone, claimsOf(this.token).zone);
  }

  #renewLater(): void {
    clearTimeout(this.#timer);
    const { life } = claimsOf(this.token);
    if (life === null) return;
    const wait = Math.max(life - AHEAD, life / 2);
    this.#timer = setTimeout(() => void this.#renew(this.token), wait);
  }

  /** One at a time: whoever needs a token meanwhile waits for the same. */
  #renew(refused: string | null): Promise<string | null> {
    this.#renewal ??= this.#ask(refused).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #ask(refused: string | null): Promise<string | null> {
    if (!this.renewToken) this.#tell('audit-log-token-needed', { refused });
    // The host's script may run after this one: it sets `token` or `renewToken`, at once or when it can.
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline && this.isConnected) {
      if (this.renewToken) {
        const token = await this.renewToken(refused).catch(() => null);
        if (token) this.token = token;
        return token;
      }
      if (this.token && this.token !== refused) return this.token;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return null;
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

/** Of a color as browsers compute it: `rgb(…)`, or in the space that it was given in: `oklch(…)`, `lab(…)`, `color(srgb …)`. */
function isLight(color: string): boolean {
  const [first = 0, second = 0, third = 0] = color.match(/(?<![a-z\d])[\d.]+(?:e-\d+)?/g)?.map(Number) ?? [];
  if (/^ok/.test(color)) return first > 0.6;
  if (/^l/.test(color)) return first > 58;
  const light = 0.2126 * first + 0.7152 * second + 0.0722 * third;
  return light > (color.startsWith('color(') ? 0.55 : 140);
}

function spoken(locale: string): string {
  return new Intl.Locale(locale).language;
}

function direction(locale: string): 'ltr' | 'rtl' {
  return /^(ar|he|fa|ur)\b/.test(locale) ? 'rtl' : 'ltr';
}
