import { html, nothing, type TemplateResult } from 'lit';
import type { AuditEvent, EventContext, Neighbours } from '../event';
import { define, Part } from '../part';
import { problemWords } from '../problem-words';
import { Query } from '../query';

/** Of each side. */
const NEAREST = 5;

/** What occurred just before and after an event, of all that there is; asked for when it is opened. */
export class NeighbourList extends Part {
  static override properties = {
    ...Part.properties,
    event: { attribute: false },
    found: { state: true },
    problem: { state: true },
  };
  declare event: AuditEvent;
  declare found: EventContext | undefined;
  declare problem: unknown;
  #stop = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
  }

  override render() {
    return html`<details class="fold details-fold" @toggle=${this.#toggle}>
      <summary>${this.t.details.around}</summary>
      ${this.found ? this.#lists(this.found) : this.problem ? this.#failed() : this.#skeleton()}
    </details>`;
  }

  #lists({ before, after }: EventContext): TemplateResult {
    const { details } = this.t;
    return html`<ol class="neighbours">
      ${this.#all(after, details.aroundAfter)}
      ${after.data.length ? after.data.map((event) => this.#item(event)) : this.#none(details.aloneAfter)}
      <li class="neighbours-this" aria-current="true">${this.#line(this.event)}<span class="for-screen-readers">${details.thisEvent}</span></li>
      ${before.data.length ? before.data.map((event) => this.#item(event)) : this.#none(details.aloneBefore)}
      ${this.#all(before, details.aroundBefore)}
    </ol>`;
  }

  #item(event: AuditEvent): TemplateResult {
    const open = () => {
      this.viewer.open.value = event.id;
    };
    return html`<li><button class="neighbours-event" @click=${open}>${this.#line(event)}</button></li>`;
  }

  #line({ occurred_at, sentence }: AuditEvent): TemplateResult {
    const when = this.viewer.when.value;
    const day = when.day(occurred_at);
    return html`<time class="neighbours-time muted" datetime=${occurred_at} title=${when.full(occurred_at)}>${
      day === when.day(this.event.occurred_at) ? nothing : `${day} `
    }${when.time(occurred_at)}</time><bdi class="neighbours-sentence">${sentence}</bdi>`;
  }

  #all({ more, filter }: Neighbours, label: string) {
    if (!more || filter === null) return nothing;
    const show = () => {
      this.viewer.query.value = Query.parse(filter);
    };
    return html`<li class="neighbours-all"><button class="link" @click=${show}>${label}</button></li>`;
  }

  #none(text: string): TemplateResult {
    return html`<li class="neighbours-none muted">${text}</li>`;
  }

  #skeleton(): TemplateResult {
    return html`<div class="neighbours" role="group" aria-busy="true" aria-label=${this.t.details.loading}>${[
      0, 1, 2,
    ].map(() => html`<div class="neighbours-skeleton"></div>`)}</div>`;
  }

  #failed(): TemplateResult {
    return html`<p class="neighbours-none"><span class="wrong" role="alert">${problemWords(this.t, this.problem)}</span>
      <button class="link" @click=${this.#load}>${this.t.details.again}</button></p>`;
  }

  #toggle = (toggled: Event) => {
    if ((toggled.target as HTMLDetailsElement).open && !this.found) void this.#load();
  };

  #load = async () => {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.problem = undefined;
    try {
      const found = await this.viewer.api.context(this.event.id, NEAREST, signal);
      if (!signal.aborted) this.found = found;
    } catch (error) {
      if (!signal.aborted) this.problem = error;
    }
  };
}

define('audit-log-neighbours', NeighbourList);
