import { html, nothing } from 'lit';
import { live } from 'lit/directives/live.js';
import type { Observable } from '../cell';
import { misread, wordAt } from '../completion';
import * as icons from '../icons';
import { isComposing, Options } from '../options';
import { define, Part } from '../part';
import { Popup } from '../popup';
import { Query } from '../query';
import { directoriesFor, type Suggestion, suggestions } from '../suggestions';

/** Milliseconds without a key after which the service is asked. */
const PAUSE = 150;
const RECENT = 6;
/** Characters that the service takes. */
const LONGEST = 1024;

/** A phone has no key to press. */
const hasKeys = matchMedia('(pointer: fine)').matches;

/** The search box: what is typed is asked for on Enter; what is chosen below it becomes a filter. */
export class Search extends Part {
  #text = '';
  #caret = 0;
  /** The box's part of the query when it was last shown: another one replaces what was typed. */
  #asked = '';
  #recent: string[] = [];
  #offered = new Options<Suggestion>();
  #list = new Popup(this, () => this.#looking.abort());
  #help = new Popup(this);
  #looking = new AbortController();

  protected override watched(): Observable[] {
    return [this.viewer.query, this.viewer.timeline, this.viewer.about];
  }

  override focus(): void {
    this.#input?.focus();
  }

  override willUpdate(): void {
    const { q } = this.viewer.query.value;
    if (q !== this.#asked) this.#text = this.#asked = q;
  }

  override render() {
    const t = this.t.search;
    const { items, current, active } = this.#offered;
    const isOpen = this.#list.isOpen && items.length > 0;
    const wrong = this.#wrong();
    return html`<div class="search" role="search" aria-label=${t.label} @keydown=${this.#key}>
      ${icons.search}
      <input class="field search-field" part="search" type="text" role="combobox" autocomplete="off" autocapitalize="off"
        spellcheck="false" enterkeyhint="search" maxlength=${LONGEST} placeholder=${hasKeys ? t.placeholderKey : t.placeholder} aria-label=${t.label}
        aria-autocomplete="list" aria-expanded=${isOpen} aria-controls=${isOpen ? 'search-list' : nothing}
        aria-activedescendant=${isOpen && current ? `search-option-${active}` : nothing}
        aria-invalid=${wrong !== nothing} aria-describedby=${wrong === nothing ? nothing : 'search-wrong'}
        .value=${live(this.#text)} @input=${this.#typed} @click=${this.#pressed}>
      <span class="search-buttons">
        ${
          this.#text
            ? html`<button class="button plain icon" type="button" aria-label=${t.clear} title=${t.clear} @click=${this.#clear}>${icons.close}</button>`
            : nothing
        }
        <button class="button plain icon" type="button" aria-label=${t.help.label} title=${t.help.label}
          aria-expanded=${this.#help.isOpen} @click=${this.#toggleHelp}>${icons.help}</button>
      </span>
      ${isOpen ? this.#listbox() : nothing}
      ${this.#help.isOpen ? this.#examples() : nothing}
    </div>
    ${wrong}${this.#read()}`;
  }

  /** What was looked for, where that is not all that was written. */
  #read() {
    const { items, ignored } = this.viewer.timeline.understood ?? { items: [] };
    if (!ignored) return nothing;
    return html`<p class="search-read muted">${this.t.search.read(items.join(' '))}</p>`;
  }

  #listbox() {
    const t = this.t.search;
    const { items, active } = this.#offered;
    // The field keeps the focus, wherever one presses.
    return html`<div class="popup search-popup" part="popup" id="search-list" role="listbox" aria-label=${t.suggestions} @pointerdown=${(event: Event) => event.preventDefault()}>
      ${items.map(
        (
          item,
          at,
        ) => html`<div class="item search-item" id="search-option-${at}" role="option" aria-selected=${at === active} @click=${() => this.#choose(item)}>
          ${item.kind === 'recent' ? icons.recent : nothing}
          ${item.kind === 'qualifier' ? html`<code>${item.label}</code>` : html`<span class="search-label">${item.not ? html`<em class="search-not">${t.not}</em> ` : nothing}${item.field ? html`<span class="muted">${item.field}</span> ` : nothing}${item.label}</span>`}
          <span class="search-detail muted">${item.kind === 'recent' ? t.recent : item.detail}</span>
        </div>`,
      )}
    </div>`;
  }

  #examples() {
    const { help } = this.t.search;
    return html`<div class="popup search-popup" part="popup" role="dialog" aria-label=${help.label}>
      <p class="search-hint"><strong class="heading">${help.label}</strong><br><span class="muted">${help.text}</span></p>
      <ul>
        ${Object.entries(help.examples).map(
          ([
            example,
            meaning,
          ]) => html`<li><button class="item search-item search-example" type="button" @click=${() => this.#ask(this.viewer.query.value.searching(example))}>
            <code>${example}</code> <span class="search-detail muted">${meaning}</span>
          </button></li>`,
        )}
      </ul>
    </div>`;
  }

  /** What the service has against the text that was asked for. */
  #wrong() {
    const { query, timeline } = this.viewer;
    const { q } = query.value;
    const error = timeline.problem?.errors.find(({ parameter }) => parameter === 'q');
    if (!q || !error) return nothing;
    const t = this.t.search;
    const { start, end, said, meant } = misread(q, error.detail);
    const show = () => {
      this.#input?.focus();
      this.#input?.setSelectionRange(start, end);
    };
    return html`<div class="search-wrong" id="search-wrong" role="alert">
      ${icons.warning}
      <div>
        <span class="wrong">${t.unreadable}</span>
        ${
          end > start
            ? html`<button class="search-place" type="button" title=${t.show} ?disabled=${this.#text !== q} @click=${show}>${q.slice(0, start)}<mark>${q.slice(start, end)}</mark>${q.slice(end)}</button>`
            : nothing
        }
        <span lang="en">${said}</span>
        ${meant === null ? nothing : html`<button class="link" type="button" @click=${() => this.#ask(query.value.searching(meant))}>${t.correct(meant)}</button>`}
      </div>
    </div>`;
  }

  protected override updated(): void {
    this.querySelector('.search-item[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }

  get #input(): HTMLInputElement | null {
    return this.querySelector('input');
  }

  #typed = () => {
    this.#text = this.#input?.value ?? '';
    if (!this.#text && this.viewer.query.value.q)
      this.viewer.query.value = this.viewer.query.value.searching('');
    this.#offer();
  };

  #pressed = () => {
    if (!this.#list.isOpen) this.#offer();
  };

  /** Offers what is known at once, and what the service knows when it says so. */
  #offer(): void {
    const caret = this.#input?.selectionStart ?? this.#text.length;
    this.#caret = caret;
    this.#help.close();
    this.#show();
    this.#looking.abort();
    this.#looking = new AbortController();
    void this.#look(this.#looking.signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const word = wordAt(this.#text, this.#caret);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (signal.aborted) return;
    const { directory } = this.viewer;
    await Promise.allSettled(directoriesFor(word).map((list) => directory.look(list, word.value, signal)));
    if (signal.aborted) return;
    this.#show();
    const count = this.#offered.items.length;
    if (count > 0) this.viewer.announcements.say(this.t.search.suggested(count, this.viewer.number(count)));
  }

  #show(): void {
    this.#offered.show(suggestions(this.viewer, this.#text, this.#caret, this.#recent));
    this.#list.open();
    this.requestUpdate();
  }

  #key = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    const { key } = event;
    if (key === 'Escape') {
      this.#escape(event);
      return;
    }
    if (event.target !== this.#input || event.altKey || event.ctrlKey || event.metaKey) return;
    const current = this.#list.isOpen ? this.#offered.current : undefined;
    if (key === 'Enter') {
      if (current) this.#choose(current);
      else this.#ask(this.viewer.query.value.searching(this.#text));
    } else if (key === 'Tab' && current && !event.shiftKey) this.#choose(current);
    else if (key === 'ArrowDown' && !this.#list.isOpen) this.#offer();
    else if (this.#list.isOpen && this.#offered.move(key)) this.requestUpdate();
    else return;
    event.preventDefault();
  };

  /** Closes what is open; then takes back what was typed and not asked for. */
  #escape(event: KeyboardEvent): void {
    if (this.#help.isOpen || (this.#list.isOpen && this.#offered.items.length > 0)) {
      this.#help.close();
      this.#list.close();
      this.#input?.focus();
    } else if (this.#text !== this.#asked) this.#text = this.#asked;
    else return;
    event.stopPropagation();
    this.requestUpdate();
  }

  #choose({ chosen }: Suggestion): void {
    if (chosen instanceof Query) {
      this.#ask(chosen);
      return;
    }
    this.#text = chosen.text;
    this.requestUpdate();
    void this.updateComplete.then(() => {
      this.#input?.setSelectionRange(chosen.caret, chosen.caret);
      this.#offered.active = -1;
      this.#offer();
    });
  }

  #ask(query: Query): void {
    this.#text = this.#asked = query.q;
    if (query.q) this.#recent = [query.q, ...this.#recent.filter((q) => q !== query.q)].slice(0, RECENT);
    this.#offered.active = -1;
    this.#list.close();
    this.#help.close();
    this.#input?.focus();
    this.viewer.query.value = query;
    this.requestUpdate();
  }

  #clear = () => {
    this.#ask(this.viewer.query.value.searching(''));
  };

  #toggleHelp = () => {
    this.#list.close();
    if (this.#help.isOpen) this.#help.close();
    else this.#help.open();
  };
}

define('audit-log-search', Search);
