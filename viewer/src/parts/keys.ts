import { html, nothing, type TemplateResult } from 'lit';
import type { Observable } from '../cell';
import type { Actor } from '../event';
import { define, Part } from '../part';
import { Problem } from '../problem';
import { problemWords } from '../problem-words';
import { dayLabel } from '../range';
import type { Viewer } from '../viewer';
import './copy';

/** A key as the service lists it (docs/keys.md). */
interface Key {
  key_id: string;
  name: string;
  hint: string | null;
  scopes: string[];
  status: 'active' | 'expired' | 'revoked';
  created_at: string;
  created_by: Actor | null;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  last_used_ip: string | null;
}

/** And as it is just after it was made, with its text. */
interface MadeKey extends Key {
  key: string;
}

type Deed = 'revoke' | 'rotate';

/** It stands here, and nowhere else, until whoever made it says that it is stored: however often the panel is closed meanwhile. */
const made = new WeakMap<Viewer, MadeKey>();

const SPANS = ['30d', '90d', '365d', ''] as const;

/** The tenant's own keys, for programs of theirs that read: what there are, and how to make, replace and end them. */
export class Keys extends Part {
  static override properties = {
    ...Part.properties,
    keys: { state: true },
    next: { state: true },
    ended: { state: true },
    busy: { state: true },
    problem: { state: true },
    sure: { state: true },
  };
  declare keys: Key[] | null;
  declare next: string | null;
  declare ended: boolean;
  declare busy: boolean;
  declare problem: string | null;
  /** What is to be confirmed. */
  declare sure: { deed: Deed; id: string } | null;
  #stop = new AbortController();

  constructor() {
    super();
    this.ended = this.busy = false;
    this.keys = this.next = this.problem = this.sure = null;
  }

  get made(): MadeKey | undefined {
    return made.get(this.viewer);
  }

  protected override watched(): Observable[] {
    return [this.viewer.about];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = new AbortController();
    void this.#load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
  }

  override render() {
    return html`<div class="keys">
      <p class="muted">${this.t.keys.about}</p>
      ${this.made ? this.#secret(this.made) : this.#form()}
      ${this.problem ? html`<p class="wrong" role="alert">${this.problem}</p>` : nothing}
      ${this.#list()}
    </div>`;
  }

  #secret({ name, key }: MadeKey): TemplateResult {
    const { keys } = this.t;
    const stored = () => {
      made.delete(this.viewer);
      this.requestUpdate();
      this.#focus('summary');
    };
    return html`<section class="keys-made" aria-labelledby="keys-made">
      <h3 class="heading" id="keys-made" tabindex="-1"><bdi>${keys.secret(name)}</bdi></h3>
      <p>${keys.once}</p>
      <p class="keys-secret"><code>${key}</code></p>
      <div class="keys-buttons">
        <audit-log-copy .viewer=${this.viewer} .text=${key} .what=${keys.theKey} .label=${this.t.details.copy(keys.theKey)}></audit-log-copy>
        <button class="button small" @click=${stored}>${keys.stored}</button>
      </div>
    </section>`;
  }

  #form(): TemplateResult {
    const { keys } = this.t;
    return html`<details class="fold keys-form">
      <summary>${keys.make}</summary>
      <form @submit=${this.#make}>
        <label>${keys.name}<input class="field" name="name" required maxlength="128" autocomplete="off" placeholder=${keys.nameHint}></label>
        <label>${keys.lasts}<select class="field" name="span">${SPANS.map(
          (span) => html`<option value=${span} ?selected=${span === '90d'}>${keys.spans[span]}</option>`,
        )}</select></label>
        <button class="button primary" ?disabled=${this.busy}>${keys.submit}</button>
      </form>
    </details>`;
  }

  #list() {
    const { keys, details } = this.t;
    if (!this.keys)
      return this.problem
        ? html`<button class="link" @click=${this.#load}>${details.again}</button>`
        : html`<p class="muted" role="status">${details.loading}</p>`;
    const turn = () => {
      this.ended = !this.ended;
      void this.#load();
    };
    return html`<div role="group" class="keys-all" tabindex="-1" aria-label=${keys.list}>
      ${this.keys.length === 0 ? html`<p>${keys.none}</p>` : html`<ul class="keys-list">${this.keys.map((key) => this.#key(key))}</ul>`}
      ${this.next === null ? nothing : html`<button class="link" @click=${this.#more}>${keys.more}</button>`}
      <label class="keys-ended"><input type="checkbox" .checked=${this.ended} @change=${turn}>${keys.showEnded}</label>
    </div>`;
  }

  #key(key: Key): TemplateResult {
    const { keys } = this.t;
    const { when } = this.viewer;
    const day = (moment: string) => dayLabel(Date.parse(moment), when.value);
    const at = (moment: string) => when.value.ago(moment, new Date()) ?? day(moment);
    const by = key.created_by?.name ?? key.created_by?.email ?? key.created_by?.id;
    const end = key.revoked_at ?? key.expires_at;
    const active = key.status === 'active';
    const scopes = key.scopes.map((scope) => (keys.scopes as Record<string, string>)[scope] ?? scope);
    const ends = end === null ? keys.endless : (active ? keys.ends : keys.ended)(day(end));
    return html`<li class="keys-key">
      <p class="keys-name"><bdi class="heading">${key.name}</bdi>${key.hint ? html` <code class="muted">${key.hint}</code>` : nothing}${active ? nothing : html` <span class="keys-status">${keys.status[key.status]}</span>`}</p>
      <p>${scopes.join(', ')} · ${ends} · ${this.#used(key, at)}</p>
      <p class="muted"><bdi>${by ? keys.madeBy(day(key.created_at), by) : keys.made(day(key.created_at))}</bdi></p>
      ${active && this.#mine(key) ? this.#deeds(key) : nothing}
    </li>`;
  }

  #used({ last_used_at, last_used_ip }: Key, at: (moment: string) => string): string {
    const { keys } = this.t;
    if (last_used_at === null) return keys.neverUsed;
    return last_used_ip ? keys.usedFrom(at(last_used_at), last_used_ip) : keys.used(at(last_used_at));
  }

  #deeds(key: Key): TemplateResult {
    const { keys } = this.t;
    const ask = (deed: Deed) => () => {
      this.sure = { deed, id: key.key_id };
      this.#focus('.keys-sure');
    };
    if (this.sure?.id !== key.key_id) {
      return html`<div class="keys-buttons">
        <button class="button small" aria-label=${keys.rotateNamed(key.name)} @click=${ask('rotate')}>${keys.rotate}</button>
        <button class="button small danger" aria-label=${keys.revokeNamed(key.name)} @click=${ask('revoke')}>${keys.revoke}</button>
      </div>`;
    }
    const { deed } = this.sure;
    const leave = (click: Event) => {
      const row = (click.target as Element).closest('.keys-key');
      this.sure = null;
      void this.updateComplete.then(() => row?.querySelector('button')?.focus());
    };
    return html`<div class="keys-sure" role="group" tabindex="-1" aria-labelledby="keys-sure">
      <p id="keys-sure">${keys[`${deed}Sure`](key.name)}</p>
      <div class="keys-buttons">
        <button class="button small ${deed === 'revoke' ? 'danger' : ''}" ?disabled=${this.busy} @click=${() => this.#do(deed, key)}>${keys[deed]}</button>
        <button class="button small" @click=${leave}>${keys.cancel}</button>
      </div>
    </div>`;
  }

  /** Somebody with a viewer token ends no key that can do more than they could grant (docs/keys.md). */
  #mine(key: Key): boolean {
    const about = this.viewer.about.value;
    if (about?.role === 'key') return true;
    return key.scopes.every((scope) => scope === 'events:read' || (scope === 'export' && about?.can.export));
  }

  #load = async () => {
    this.problem = null;
    await this.#page([]);
  };

  #more = () => this.#page(this.next === null ? [] : [['cursor', this.next]]);

  async #page(place: [string, string][]): Promise<void> {
    const parameters: [string, string][] = [['include_ended', `${this.ended}`], ...place];
    await this.#ask(async (signal) => {
      const path = '/api/keys';
      const page = await this.viewer.api.json<{ data: Key[]; next_cursor: string | null }>(path, parameters, {
        signal,
      });
      if (signal.aborted) return;
      this.keys = place.length > 0 ? [...(this.keys ?? []), ...page.data] : page.data;
      this.next = page.next_cursor;
    });
  }

  #make = (submit: SubmitEvent) => {
    submit.preventDefault();
    const form = new FormData(submit.target as HTMLFormElement);
    const [name, span] = [String(form.get('name')).trim(), String(form.get('span'))];
    if (!name) {
      this.problem = this.t.keys.nameMissing;
      return;
    }
    // Of this tenant alone, also where who looks has a key of the vendor's own.
    const tenant_id = this.viewer.about.value?.tenant_id;
    const body = { name, scopes: ['events:read'], tenant_id, ...(span && { expires_in: span }) };
    void this.#write('/api/keys', body);
  };

  async #do(deed: Deed, key: Key): Promise<void> {
    const path = `/api/keys/${encodeURIComponent(key.key_id)}`;
    if (deed === 'rotate') await this.#write(`${path}/rotate`, { overlap: '24h' });
    else {
      await this.#ask(async () => {
        await this.viewer.api.json(path, [], { method: 'DELETE' });
        this.viewer.announcements.say(this.t.keys.revoked(key.name));
        await this.#load();
        this.#focus('.keys-all');
      });
    }
    this.sure = null;
  }

  /** What makes a key; its text is here even if the list cannot be had then. */
  async #write(path: string, body: unknown): Promise<void> {
    await this.#ask(async () => {
      made.set(this.viewer, await this.viewer.api.json<MadeKey>(path, [], { method: 'POST', body }));
      this.requestUpdate();
      this.#focus('#keys-made');
      await this.#load();
    });
  }

  async #ask(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    this.busy = true;
    this.problem = null;
    try {
      await act(signal);
    } catch (error) {
      if (!signal.aborted) this.problem = this.#words(error);
    }
    this.busy = false;
  }

  /** When it is there: what had the focus is gone. */
  #focus(selector: string): void {
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(selector)?.focus());
  }

  #words(error: unknown): string {
    const { problems } = this.t.keys;
    if (error instanceof Problem) {
      if (error.code === 'key_has_ended') return problems.ended;
      if (error.code === 'key_is_replaced') return problems.replaced;
      if (error.code === 'beyond_your_own')
        return error.errors.some(({ pointer }) => pointer === '/expires_at')
          ? problems.tooLong
          : problems.beyond;
    }
    return problemWords(this.t, error);
  }
}

define('audit-log-keys', Keys);
