import { html, nothing, type PropertyValues } from 'lit';
import type { AuditEvent } from '../event';
import { close } from '../icons';
import { define, Part } from '../part';
import { Problem } from '../problem';
import { row } from './row';

/** What is no id is not asked for. */
const ID = /^[\da-f-]{36}$/i;

/** The event that the address names, where it is none of the rows: above them, until it is closed. */
export class Linked extends Part {
  static override properties = { ...Part.properties, wanted: { attribute: false } };
  declare wanted: string;
  #found: AuditEvent | Problem | null = null;

  protected override watched() {
    return [this.viewer.proofs, this.viewer.avatars, this.viewer.more];
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('wanted')) void this.#fetch(this.wanted);
    else if (this.#found && !(this.#found instanceof Problem)) this.viewer.proofs.want([this.#found]);
  }

  async #fetch(id: string): Promise<void> {
    this.#found = null;
    const found = ID.test(id)
      ? await this.viewer.api.event(id).catch((error: unknown) => error)
      : new Problem(404, 'no_such_event', '');
    if (id !== this.wanted) return;
    this.#found = found instanceof Error ? problemOf(found) : asked(found as AuditEvent, id);
    this.requestUpdate();
  }

  override render() {
    const { viewer, t } = this;
    const found = this.#found;
    const shut = () => {
      viewer.open.value = null;
      this.closest('audit-log-list')
        ?.querySelector<HTMLElement>('.row-open[tabindex="0"], .list-scroller')
        ?.focus();
    };
    return html`<section class="linked" part="linked" aria-labelledby="linked-title" aria-busy=${found === null}>
      <div class="linked-head">
        <h3 class="heading" id="linked-title">${t.list.linked}</h3>
        <span class="muted">${t.list.linkedHint}</span>
        <button type="button" class="button plain icon" aria-label=${t.list.closeLinked} title=${t.list.closeLinked} @click=${shut}>${close}</button>
      </div>
      ${found === null ? html`<p class="linked-wait muted">${t.list.linkedWait}</p>` : nothing}
      ${found instanceof Problem ? this.#missing(found) : nothing}
      ${found && !(found instanceof Problem) ? this.#row(found, shut) : nothing}
    </section>`;
  }

  #missing(problem: Problem) {
    if (problem.status === 404 || problem.status === 422)
      return html`<p class="linked-wait">${this.t.list.linkedMissing}</p>`;
    const again = () => void this.#fetch(this.wanted);
    return html`<audit-log-problem slim .viewer=${this.viewer} .problem=${problem} .again=${again}></audit-log-problem>`;
  }

  #row(event: AuditEvent, toggle: () => void) {
    const state = { open: true, fresh: false, position: 1, now: new Date(), toggle };
    return html`<div role="feed" class="linked-row" aria-labelledby="linked-title">${row(this.viewer, event, state)}</div>`;
  }
}

/** Another event may be as it was sealed, and is still not the one that the address names. */
export const asked = (event: AuditEvent, id: string): AuditEvent | Problem =>
  event?.id === id.toLowerCase() ? event : new Problem(0, 'unreadable', 'the answer is another event');

const problemOf = (error: Error) =>
  error instanceof Problem ? error : new Problem(0, 'unreadable', error.message);

define('audit-log-linked', Linked);
