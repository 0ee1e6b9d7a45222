import { html, nothing, type TemplateResult } from 'lit';
import { classMap } from 'lit/directives/class-map.js';
import type { AuditEvent } from '../event';
import { mask, warning } from '../icons';
import { LOOKING, valueLabel } from '../labels';
import { piecesOf } from '../sentence';
import type { Viewer } from '../viewer';
import { avatar } from './avatar';
import { later } from './later';
import { lock } from './lock';

const DAY = 86_400_000;

export interface RowState {
  open: boolean;
  fresh: boolean;
  /** Its number in the list, from 1 on. */
  position: number;
  now: Date;
  toggle: () => void;
}

/** One event: a button that says what happened, and opens its details; beside it how, where, when, and whether it is proven. */
export function row(viewer: Viewer, event: AuditEvent, state: RowState): TemplateResult {
  const { id, actor } = event;
  const { open } = state;
  const clicked = (click: MouseEvent) => {
    const control = (click.target as Element).closest('button, a');
    if (control && !control.matches('.row-open')) return;
    // Whoever marks text to copy it does not mean to open anything.
    if (!control && getSelection()?.isCollapsed === false) return;
    state.toggle();
  };
  const altered = isAltered(viewer, event);
  const classes = {
    row: true,
    open,
    altered,
    fresh: state.fresh,
    support: !!actor.impersonator,
    looking: !altered && !actor.impersonator && LOOKING.includes(event.action),
  };
  return html`<article
    class=${classMap(classes)}
    part=${altered ? 'row row-altered' : 'row'}
    data-key=${id}
    aria-labelledby="row-${id}"
    aria-posinset=${state.position}
    aria-setsize="-1"
  >
    <div class="row-line" @click=${clicked}>
      ${avatar(viewer, actor)}
      <div class="row-main">
        <button
          type="button"
          class="row-open"
          id="row-${id}"
          tabindex="-1"
          aria-expanded=${open}
          aria-controls=${open ? `details-${id}` : nothing}
          aria-describedby="row-marks-${id} row-where-${id} row-when-${id} row-lock-${id}"
        >${piecesOf(event).map(({ text, name }) => (name ? html`<strong>${text}</strong>` : text))}</button>
        <span class="row-marks" id="row-marks-${id}">${marks(viewer, event, altered)}</span>
      </div>
      <span class="row-where" id="row-where-${id}">${where(viewer, event)}</span>
      ${time(viewer, event, state.now)}
      <span class="row-lock" id="row-lock-${id}">${lock(viewer, event)}</span>
    </div>
    ${open ? html`<div class="row-details" id="details-${id}">${details(viewer, event)}</div>` : nothing}
  </article>`;
}

function details(viewer: Viewer, event: AuditEvent): TemplateResult {
  return viewer.more.value === 'there'
    ? html`<audit-log-details .viewer=${viewer} .event=${event}></audit-log-details>`
    : later(viewer);
}

function isAltered(viewer: Viewer, event: AuditEvent): boolean {
  return event.altered !== undefined || viewer.proofs.stateOf(event) === 'altered';
}

/** What is to be noticed about an event. Most have nothing of it. */
function marks(viewer: Viewer, event: AuditEvent, altered: boolean) {
  const t = viewer.texts.value;
  const { actor, outcome, severity, erased } = event;
  const { impersonator } = actor;
  const found: TemplateResult[] = [];
  if (altered) found.push(html`<span class="row-mark altered">${warning}${t.row.altered}</span>`);
  if (impersonator) {
    const who = t.row.support(actor.name || actor.email || actor.id || t.row.someone);
    const by = [impersonator.name || impersonator.id, impersonator.reason].filter(Boolean).join(': ');
    found.push(html`<span class="row-mark support" title=${by}>${mask}${who}</span>`);
  }
  if (outcome !== 'success') {
    found.push(html`<span class="row-mark ${outcome}">${valueLabel(t, 'outcome', outcome)}</span>`);
  }
  if (severity === 'warning' || severity === 'critical') {
    found.push(html`<span class="row-mark ${severity}">${valueLabel(t, 'severity', severity)}</span>`);
  }
  if (erased) found.push(html`<span class="row-mark erased">${t.row.erased}</span>`);
  // Spaces between them, for whoever hears them.
  return found.map((mark) => html`${mark} `);
}

function where(viewer: Viewer, { context, source }: AuditEvent) {
  const address = context?.ip_address;
  return html`${address ? html`<span class="row-address" title=${address}>${address}</span> ` : nothing}<span class="row-source">${valueLabel(viewer.texts.value, 'source', source)}</span>`;
}

/** How long ago, or at what time of the day that stands above; exactly, and in UTC, for whoever points at it or comes to the row. */
function time(viewer: Viewer, { id, occurred_at: at }: AuditEvent, now: Date) {
  const when = viewer.when.value;
  const isRecent = Math.abs(now.getTime() - new Date(at).getTime()) < DAY;
  const utc = `${at.slice(0, 10)} ${at.slice(11, 23)} UTC`;
  return html`<span class="row-when" id="row-when-${id}">
    <time datetime=${at}>${(isRecent && when.ago(at, now)) || when.time(at)}</time>
    <span class="row-exact"><span>${when.full(at)}</span><span>${utc}</span></span>
  </span>`;
}
