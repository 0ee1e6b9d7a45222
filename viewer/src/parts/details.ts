import { html, nothing, type TemplateResult } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import type { Observable } from '../cell';
import type { AuditEvent, Impersonator } from '../event';
import * as icons from '../icons';
import { define, Part } from '../part';
import { type FilterName, Query } from '../query';
import { changesTable } from './changes';
import './copy';
import { absence, fieldGroups } from './fields';
import './json';
import './neighbours';

/** Everything about one event, below its row. */
export class Details extends Part {
  static override properties = { ...Part.properties, event: { attribute: false } };
  declare event: AuditEvent;

  protected override watched(): Observable[] {
    return [this.viewer.query, this.viewer.directory];
  }

  override render() {
    const { event, viewer, t } = this;
    const { impersonator } = event.actor;
    return html`<div role="group" class="details" part="details" aria-label=${t.details.label}>
      ${keyed(
        event.id,
        html`${event.altered?.includes('entry') ? html`<p class="details-note altered">${icons.warning}${t.details.alteredEntry}</p>` : nothing}
        ${impersonator ? this.#impersonation(impersonator) : nothing}
        ${this.#actions()}
        ${this.#changes()}
        ${fieldGroups(viewer, event)}
        <audit-log-neighbours .viewer=${viewer} .event=${event}></audit-log-neighbours>
        <audit-log-json .viewer=${viewer} .event=${event}></audit-log-json>`,
      )}
    </div>`;
  }

  #impersonation({ id, name, email, reason }: Impersonator): TemplateResult {
    const { details } = this.t;
    const { actor } = this.event;
    const as = actor.name ?? actor.email ?? actor.id ?? this.t.labels.actor_type[actor.type];
    return html`<p class="details-note impersonation" part="impersonation">${icons.mask}<span>
      <strong>${filled(details.impersonated, name ?? email ?? id ?? details.someone, as)}</strong>
      ${reason ? filled(details.reason, reason) : details.noReason}</span></p>`;
  }

  #actions(): TemplateResult {
    const { same, proof, link } = this.t.details;
    const { actor, targets, context, id } = this.event;
    const prove = () => {
      this.viewer.proofs.subject.value = this.event;
      this.viewer.panel.value = 'proof';
    };
    const linked = [...new URLSearchParams(location.search).values()].includes(id);
    return html`<div class="details-actions">
      ${this.#same(same.actor, 'actor_id', actor.id)}
      ${this.#same(same.target, 'target_id', targets[0]?.id)}
      ${this.#same(same.session, 'session_id', context?.session_id)}
      ${this.#same(same.request, 'request_id', context?.request_id)}
      <span class="details-ends">
        ${linked ? html`<audit-log-copy .viewer=${this.viewer} .text=${location.href} .what=${link} .label=${link}></audit-log-copy>` : nothing}
        <button class="button small" @click=${prove}>${icons.lock}${proof}</button>
      </span>
    </div>`;
  }

  /** A query of its own: whatever else was asked for would hide a part of what this is about. */
  #same(label: string, name: FilterName, value: string | undefined) {
    if (value === undefined || value.length > 256) return nothing;
    const ask = () => {
      this.viewer.query.value = Query.ALL.with({ name, value, not: false });
    };
    return html`<button class="button small" title=${value} @click=${ask}>${label}</button>`;
  }

  #changes() {
    const { changes } = this.event;
    const missing = absence(this.viewer, this.event, 'changes');
    if (missing === nothing && (!changes || Object.keys(changes).length === 0)) return nothing;
    const title = this.t.details.groups.changes;
    return html`<div role="group" class="details-changes" aria-label=${title}>
      <h4 class="fields-title">${title}</h4>
      ${missing === nothing && changes ? changesTable(this.viewer, changes) : missing}
    </div>`;
  }
}

/** A text with values in it, each of which keeps its direction to itself. */
function filled(text: (...values: string[]) => string, ...values: string[]): (string | TemplateResult)[] {
  const places = values.map((_, n) => String.fromCharCode(0xe000 + n));
  return text(...places)
    .split(/([\uE000-\uE00F])/)
    .map((piece) => (places.includes(piece) ? html`<bdi>${values[places.indexOf(piece)]}</bdi>` : piece));
}

define('audit-log-details', Details);
