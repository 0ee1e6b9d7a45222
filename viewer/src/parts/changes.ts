import { html, nothing, type TemplateResult } from 'lit';
import { diff, type Run } from '../diff';
import type { Change, Json } from '../event';
import { fieldLabel, valueLabel } from '../labels';
import type { Viewer } from '../viewer';
import { choices } from './choices';
import './long';
import { plain } from './long';

/** Texts shorter than this are compared as a whole: that "member" became "manager" needs no marks within. */
const SHORT = 32;

/** What changed, field by field: before and after, marked where both are long. */
export function changesTable(viewer: Viewer, changes: Record<string, Change>): TemplateResult {
  const { details } = viewer.texts.value;
  return html`<div class="changes">
    <div class="changes-head" aria-hidden="true"><span></span><span>${details.before}</span><span>${details.after}</span></div>
    <dl>${Object.entries(changes).map(([field, change]) => row(viewer, field, change))}</dl>
  </div>`;
}

function row(viewer: Viewer, field: string, { from, to }: Change): TemplateResult {
  const texts = viewer.texts.value;
  const [before, after] = compared(from, to);
  // A last `from` or `to` of a field's own name would be read as a side.
  const any = /(^|\.)(from|to)$/.test(field)
    ? nothing
    : choices(viewer, `changes.${field}`, '*', `${texts.details.groups.changes}: ${field}`);
  const tag = from === undefined ? texts.details.added : to === undefined ? texts.details.removed : nothing;
  return html`<div class="changes-field">
    <dt class="choosable"><span class="changes-name"><bdi>${fieldLabel(texts, `changes.${field}`)}</bdi>${tag === nothing ? nothing : html` <span class="changes-tag muted">${tag}</span>`}</span>${any}</dt>
    ${side(viewer, 'before', `changes.${field}.from`, from, before)}
    ${side(viewer, 'after', `changes.${field}.to`, to, after)}
  </div>`;
}

function side(
  viewer: Viewer,
  which: 'before' | 'after',
  name: `changes.${string}`,
  value: Json | undefined,
  runs: Run[],
): TemplateResult {
  const { details } = viewer.texts.value;
  const word = html`<span class="for-screen-readers">${details[which]}:</span>`;
  if (value === undefined)
    return html`<dd class="changes-side">${word}<span class="muted">${details.nothing}</span></dd>`;
  const text = asText(value);
  const label = typeof value === 'boolean' ? valueLabel(viewer.texts.value, name, text) : text;
  const shown =
    text === ''
      ? html`<span class="muted">${details.empty}</span>`
      : label !== text
        ? html`<span title=${text}>${label}</span>`
        : html`<audit-log-long .viewer=${viewer} .runs=${runs}></audit-log-long>`;
  // "*" would ask for any value.
  const buttons =
    text === '*' || (value !== null && typeof value === 'object')
      ? nothing
      : choices(viewer, name, text, label);
  return html`<dd class="changes-side ${which} choosable"><span class="changes-sign" aria-hidden="true">${
    which === 'before' ? '−' : '+'
  }</span>${word}<span class="changes-value ${typeof value === 'string' || label !== text ? '' : 'mono'}">
    ${which === 'before' ? html`<del>${shown}</del>` : html`<ins>${shown}</ins>`}</span>${buttons}</dd>`;
}

/** A text as it is; of everything else its JSON, over several lines where it has parts. */
export function asText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function compared(from: Json | undefined, to: Json | undefined): [Run[], Run[]] {
  const [before, after] = [asText(from ?? null), asText(to ?? null)];
  const short = Math.min(before.length, after.length) < SHORT;
  return short || from === undefined || to === undefined
    ? [plain(before), plain(after)]
    : diff(before, after);
}
