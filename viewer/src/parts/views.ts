import { html, nothing } from 'lit';
import type { Observable } from '../cell';
import type { SavedView } from '../event';
import * as icons from '../icons';
import { define, Part } from '../part';
import { Popup } from '../popup';
import { Problem } from '../problem';
import { Query } from '../query';

const PATH = '/api/audit-log/views';

/** What is being done beside choosing: saving under a name, or something to one view. */
type Doing = { what: 'saving' } | { what: 'renaming' | 'deleting'; view: SavedView };

/** Filters under a name (docs/saved-views.md). They are loaded when somebody first opens them. */
export class Views extends Part {
  #popup = new Popup(this, () => this.#do(null));
  #views: SavedView[] | null = null;
  /** The view that was chosen last: what is changed from there on can be saved as it. */
  #chosen: string | null = null;
  #doing: Doing | null = null;
  #isBusy = false;
  #wrong: string | null = null;

  protected override watched(): Observable[] {
    return [this.viewer.query, this.viewer.about];
  }

  override render() {
    const t = this.t.views;
    const current = this.#current();
    const isChanged = current !== null && !this.#isAsked(current);
    const label =
      current === null ? t.label : `${t.label}: ${isChanged ? t.edited(current.name) : current.name}`;
    return html`<button class="button views-button ${current ? 'current' : ''}" part="views" type="button" aria-haspopup="dialog"
        aria-expanded=${this.#popup.isOpen} aria-label=${label} title=${label} @click=${this.#toggle}>
        ${icons.bookmark}<span class="views-text">${current?.name ?? t.button}</span>${isChanged ? html`<span aria-hidden="true">*</span>` : nothing}
      </button>
      ${this.#popup.isOpen ? this.#all(current, isChanged) : nothing}`;
  }

  #all(current: SavedView | null, isChanged: boolean) {
    const t = this.t.views;
    const views = this.#views;
    return html`<div class="popup views-popup" part="popup" role="dialog" aria-label=${t.label} aria-busy=${this.#isBusy} tabindex="-1" @keydown=${this.#key}>
      ${
        views === null
          ? this.#wrong === null
            ? html`<p class="views-said muted">${t.loading}</p>`
            : nothing
          : views.length === 0
            ? html`<p class="views-said muted">${t.none}</p>`
            : [true, false].map((shared) => this.#list(views.filter((view) => view.shared === shared)))
      }
      ${this.#doing ? nothing : this.#problem()}
      <div class="views-foot">
        ${
          current && isChanged && this.#mayChange(current)
            ? html`<button class="item" type="button" @click=${() => this.#change(current, { query: `${this.viewer.query.value}` })}>${icons.check}${t.update(current.name)}</button>`
            : nothing
        }
        ${
          this.#doing?.what === 'saving'
            ? this.#naming('', t.save, (name, shared) => this.#save(name, shared))
            : this.#mayKeep || this.#mayShare
              ? html`<button class="item views-save" type="button" @click=${() => this.#do({ what: 'saving' })}>${icons.include}${current ? t.saveAsNew : t.save}</button>`
              : nothing
        }
      </div>
    </div>`;
  }

  #list(views: SavedView[]) {
    const [first] = views;
    if (!first) return nothing;
    const t = this.t.views;
    const title = first.shared ? t.shared : t.own;
    return html`<section aria-label=${title}>
      <h3 class="views-title muted">${title}</h3>
      <ul>${views.map((view) => html`<li class="views-view">${this.#view(view)}</li>`)}</ul>
    </section>`;
  }

  #view(view: SavedView) {
    const t = this.t.views;
    const doing = this.#doing && 'view' in this.#doing && this.#doing.view === view ? this.#doing.what : null;
    if (doing === 'renaming')
      return this.#naming(view.name, t.rename(view.name), (name) => this.#change(view, { name }));
    if (doing === 'deleting') return this.#confirming(view);
    const isAsked = this.#isAsked(view);
    return html`<button class="item views-choose" type="button" aria-current=${isAsked} title=${view.name} @click=${() => this.#choose(view)}>
        <span class="views-name">${view.name}</span>${isAsked ? icons.check : nothing}
      </button>
      ${
        this.#mayChange(view)
          ? html`<button class="button plain icon" type="button" aria-label=${t.rename(view.name)} title=${t.rename(view.name)} @click=${() => this.#do({ what: 'renaming', view })}>${icons.edit}</button>
            <button class="button plain icon" type="button" aria-label=${t.remove(view.name)} title=${t.remove(view.name)} @click=${() => this.#do({ what: 'deleting', view })}>${icons.trash}</button>`
          : nothing
      }`;
  }

  #naming(name: string, title: string, done: (name: string, shared: boolean) => void) {
    const t = this.t.views;
    const isNew = this.#doing?.what === 'saving';
    const submit = (event: Event) => {
      event.preventDefault();
      const given = new FormData(event.target as HTMLFormElement);
      done(String(given.get('name')).trim(), !this.#mayKeep || given.has('shared'));
    };
    return html`<form class="views-form" aria-label=${title} @submit=${submit}>
      <input class="field views-focus" name="name" type="text" maxlength="100" autocomplete="off" required aria-label=${t.name} placeholder=${t.name}
        .value=${name} aria-invalid=${this.#wrong !== null} aria-describedby=${this.#wrong === null ? nothing : 'views-wrong'}>
      ${this.#problem()}
      ${
        isNew && this.#mayShare && this.#mayKeep
          ? html`<label class="views-share"><input type="checkbox" name="shared"> ${t.share}</label>`
          : nothing
      }
      <div class="views-buttons">
        <button class="button" type="button" @click=${() => this.#back()}>${t.cancel}</button>
        <button class="button primary" type="submit" ?disabled=${this.#isBusy}>${t.submit}</button>
      </div>
    </form>`;
  }

  #confirming(view: SavedView) {
    const t = this.t.views;
    return html`<div class="views-form" role="group" aria-label=${t.remove(view.name)}>
      <p>${view.shared ? t.confirmShared(view.name) : t.confirm(view.name)}</p>
      ${this.#problem()}
      <div class="views-buttons">
        <button class="button views-focus" type="button" @click=${() => this.#back()}>${t.cancel}</button>
        <button class="button danger" type="button" ?disabled=${this.#isBusy} @click=${() => this.#delete(view)}>${t.delete}</button>
      </div>
    </div>`;
  }

  #problem() {
    return this.#wrong === null
      ? nothing
      : html`<p class="wrong views-said" id="views-wrong" role="alert">${this.#wrong}</p>`;
  }

  /** The view that is asked for now; otherwise the one that was chosen, and was changed since. */
  #current(): SavedView | null {
    const views = this.#views ?? [];
    const chosen = views.find((view) => view.view_id === this.#chosen);
    if (chosen && this.#isAsked(chosen)) return chosen;
    return (
      views.find((view) => this.#isAsked(view)) ?? (this.viewer.query.value.isEmpty ? null : (chosen ?? null))
    );
  }

  #isAsked(view: SavedView): boolean {
    return `${Query.parse(view.query)}` === `${this.viewer.query.value}`;
  }

  /** Whether there are views of one's own: a key is nobody. */
  get #mayKeep(): boolean {
    return this.viewer.about.value?.role !== 'key';
  }

  get #mayShare(): boolean {
    return this.viewer.about.value?.can.share_views ?? false;
  }

  #mayChange(view: SavedView): boolean {
    return view.shared ? this.#mayShare : this.#mayKeep;
  }

  #toggle = () => {
    if (this.#popup.isOpen) {
      this.#popup.close();
      return;
    }
    this.#popup.open();
    if (this.#views === null) void this.#try(() => this.#load());
    void this.#focus('.views-popup');
  };

  async #load(): Promise<void> {
    this.#views = await this.viewer.api.views();
  }

  #do(doing: Doing | null): void {
    this.#doing = doing;
    this.#wrong = null;
    this.requestUpdate();
    if (doing) void this.#focus('.views-focus');
  }

  #back(): void {
    this.#do(null);
    void this.#focus('.views-popup');
  }

  #choose(view: SavedView): void {
    this.#chosen = view.view_id;
    this.viewer.query.value = Query.parse(view.query);
    this.#close();
  }

  #save(name: string, shared: boolean): void {
    const body = { name, query: `${this.viewer.query.value}`, shared };
    void this.#try(async () => {
      const made = await this.viewer.api.json<SavedView>(PATH, [], { method: 'POST', body });
      this.#chosen = made.view_id;
      await this.#done(this.t.views.saved(made.name));
    });
  }

  #change(view: SavedView, body: { name?: string; query?: string }): void {
    void this.#try(async () => {
      const { name } = await this.viewer.api.json<SavedView>(this.#pathOf(view), [], {
        method: 'PATCH',
        body,
      });
      await this.#done(this.t.views.saved(name));
    });
  }

  #delete(view: SavedView): void {
    void this.#try(async () => {
      await this.viewer.api.json(this.#pathOf(view), [], { method: 'DELETE' });
      await this.#done(this.t.views.deleted(view.name));
    });
  }

  #pathOf(view: SavedView): string {
    return `${PATH}/${encodeURIComponent(view.view_id)}`;
  }

  async #done(said: string): Promise<void> {
    await this.#load();
    this.viewer.announcements.say(said);
    this.#back();
  }

  /** One thing at a time; what goes wrong is said where it was begun. */
  async #try(something: () => Promise<void>): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#wrong = null;
    this.requestUpdate();
    try {
      await something();
    } catch (error) {
      this.#wrong = this.#said(error);
    }
    this.#isBusy = false;
    this.requestUpdate();
  }

  #said(error: unknown): string {
    const { problems } = this.t.views;
    if (!(error instanceof Problem)) return problems.other;
    const { code, errors } = error;
    if (code === 'invalid_body')
      return errors.some(({ pointer }) => pointer === '/name')
        ? problems.invalid_name
        : problems.invalid_query;
    return Object.hasOwn(problems, code) ? problems[code as keyof typeof problems] : problems.other;
  }

  async #focus(selector: string): Promise<void> {
    await this.updateComplete;
    const found = this.querySelector<HTMLElement>(selector);
    found?.focus();
    if (found instanceof HTMLInputElement) found.select();
  }

  #close(): void {
    this.#popup.close();
    this.querySelector<HTMLElement>('.views-button')?.focus();
  }

  #key = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (this.#doing) this.#back();
    else this.#close();
  };
}

define('audit-log-views', Views);
