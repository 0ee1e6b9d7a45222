import { html, nothing } from 'lit';
import type { Observable } from '../cell';
import { type Choice, choices, isShown, listOf, type Subject, typedChoice } from '../choices';
import { fits } from '../completion';
import * as icons from '../icons';
import { fieldLabel } from '../labels';
import { isComposing, Options } from '../options';
import { define, Part } from '../part';
import { Popup } from '../popup';

const SUBJECTS: readonly Subject[] = [
  'actor_id',
  'action',
  'target_id',
  'outcome',
  'category',
  'operation',
  'severity',
  'source',
  'ip',
  'changed',
  'target_type',
  'actor_type',
  'session_id',
  'request_id',
];

const PAUSE = 150;

type Offered = { readonly id: string; readonly label: string } & (
  | { readonly subject: Subject }
  | { readonly choice: Choice; readonly isTyped: boolean }
);

/** Every filter without its syntax: what it is about, then its values, of which several may be chosen. */
export class Filter extends Part {
  #popup = new Popup(this, () => this.#looking.abort());
  #subject: Subject | null = null;
  #typed = '';
  #offered = new Options<Offered>();
  #isLooking = false;
  #looking = new AbortController();

  protected override watched(): Observable[] {
    return [this.viewer.query, this.viewer.about];
  }

  override render() {
    const t = this.t.filter;
    return html`<button class="button filter-add" part="add-filter" type="button" aria-haspopup="dialog" aria-expanded=${this.#popup.isOpen}
        title=${t.label} @click=${this.#toggle}>${icons.include}<span class="filter-text">${t.label}</span></button>
      ${this.#popup.isOpen ? this.#choosing() : nothing}`;
  }

  #choosing() {
    const t = this.t.filter;
    const subject = this.#subject;
    const name = subject === null ? t.subject : t.values(this.#title(subject));
    const { items, active } = this.#offered;
    return html`<div class="popup filter-popup" part="popup" role="dialog" aria-label=${t.label} @keydown=${this.#key}>
      <div class="filter-head">
        ${
          subject === null
            ? nothing
            : html`<button class="button plain icon" type="button" aria-label=${t.back} title=${t.back} @click=${() => this.#about(null)}>${icons.back}</button>`
        }
        <input class="field" type="text" role="combobox" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="256"
          placeholder=${name} aria-label=${name} aria-autocomplete="list" aria-expanded="true" aria-controls="filter-list"
          aria-activedescendant=${active < 0 ? nothing : `filter-option-${active}`} .value=${this.#typed} @input=${this.#changed}>
      </div>
      <div class="filter-list" id="filter-list" role="listbox" aria-label=${name} aria-multiselectable=${subject !== null} @pointerdown=${(event: Event) => event.preventDefault()}>
        ${items.map((item, at) => this.#option(item, at))}
      </div>
      ${items.length > 0 ? nothing : html`<p class="filter-none muted">${this.#isLooking ? t.searching : t.none}</p>`}
    </div>`;
  }

  #option(item: Offered, at: number) {
    const isActive = at === this.#offered.active;
    const isChosen =
      'choice' in item && this.viewer.query.value.has(item.choice.name, item.choice.value) === true;
    return html`<div class="item filter-item ${isActive ? 'active' : ''}" id="filter-option-${at}" role="option"
      aria-selected=${'subject' in item ? isActive : isChosen} @click=${() => this.#choose(item)}>
      <span class="filter-label">${item.label}</span>
      ${'choice' in item && !item.isTyped ? html`<span class="filter-detail muted">${item.choice.detail}</span>` : nothing}
      ${isChosen ? icons.check : 'subject' in item ? icons.right : nothing}
    </div>`;
  }

  protected override updated(): void {
    this.querySelector('.filter-item.active')?.scrollIntoView({ block: 'nearest' });
  }

  #title(subject: Subject): string {
    return subject === 'changed' ? this.t.filter.changed : fieldLabel(this.t, subject);
  }

  #toggle = () => {
    if (this.#popup.isOpen) {
      this.#popup.close();
      return;
    }
    this.#popup.open();
    this.#about(null);
  };

  #about(subject: Subject | null): void {
    this.#subject = subject;
    this.#typed = '';
    this.#offered.active = -1;
    this.#offer();
    void this.updateComplete.then(() => this.querySelector('input')?.focus());
  }

  #changed = () => {
    this.#typed = this.querySelector('input')?.value ?? '';
    this.#offer();
  };

  #offer(): void {
    this.#looking.abort();
    this.#looking = new AbortController();
    const list = this.#subject && listOf(this.#subject);
    this.#isLooking = list !== null;
    this.#show();
    if (list) void this.#look(list, this.#looking.signal);
  }

  async #look(list: 'actors' | 'targets' | 'actions', signal: AbortSignal): Promise<void> {
    const typed = this.#typed;
    if (typed) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (signal.aborted) return;
    // Where the service does not answer, what was typed can be used all the same.
    await this.viewer.directory.look(list, typed, signal).catch(() => {});
    if (signal.aborted) return;
    this.#isLooking = false;
    this.#show();
  }

  #show(): void {
    this.#offered.show(this.#subject === null ? this.#subjects() : this.#values(this.#subject));
    // What was typed to find something is meant to be followed by Enter.
    if (this.#typed && this.#offered.active < 0 && this.#offered.items.length > 0) this.#offered.active = 0;
    this.requestUpdate();
  }

  #subjects(): Offered[] {
    return SUBJECTS.filter((subject) => isShown(this.viewer, subject))
      .map((subject) => ({ id: subject, label: this.#title(subject), subject }))
      .filter(({ label }) => fits(this.#typed, label));
  }

  #values(subject: Subject): Offered[] {
    const found = choices(this.viewer, subject, this.#typed);
    const typed = typedChoice(this.viewer, subject, this.#typed);
    const offered = found.map((choice) => ({
      id: choice.value + choice.name,
      label: choice.label,
      choice,
      isTyped: false,
    }));
    if (!typed || found.some(({ name, value }) => name === typed.name && value === typed.value))
      return offered;
    return [
      ...offered,
      { id: 'typed', label: this.t.filter.typed(this.#typed.trim()), choice: typed, isTyped: true },
    ];
  }

  #choose(item: Offered): void {
    if ('subject' in item) {
      this.#about(item.subject);
      return;
    }
    const { query } = this.viewer;
    const { name, value } = item.choice;
    if (query.value.has(name, value)) query.value = query.value.without(name, value);
    else query.value = query.value.with({ name, value, not: false });
    if (item.isTyped) this.#close();
  }

  #close(): void {
    this.#popup.close();
    this.querySelector<HTMLElement>('.filter-add')?.focus();
  }

  #key = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    const { current } = this.#offered;
    const isInField = event.target instanceof HTMLInputElement;
    if (event.key === 'Escape') this.#close();
    else if (isInField && event.key === 'Enter' && current) this.#choose(current);
    else if (isInField && event.key === 'Backspace' && !this.#typed && this.#subject !== null)
      this.#about(null);
    else if (isInField && this.#offered.move(event.key)) this.requestUpdate();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

define('audit-log-filter', Filter);
