import { html, nothing, type TemplateResult } from 'lit';
import { browserOf } from '../agent';
import type { AuditEvent, Group, Impersonator, Json, Target } from '../event';
import * as icons from '../icons';
import { fieldLabel, valueLabel } from '../labels';
import type { FilterName } from '../query';
import type { Viewer } from '../viewer';
import { asText } from './changes';
import { choices } from './choices';
import './copy';
import './long';
import { plain } from './long';

type Shown = TemplateResult | typeof nothing;

/** Of nested metadata; what lies deeper, or is longer, is shown as JSON. */
const DEPTH = 3;
const LENGTH = 2000;

/** All that an event says, in groups, each value with the buttons that filter by it. What is the same of most events comes last. */
export function fieldGroups(viewer: Viewer, event: AuditEvent): TemplateResult {
  const { groups } = viewer.texts.value.details;
  const { impersonator } = event.actor;
  return html`<div class="fields">
    ${impersonator ? group(groups.impersonator, actedBy(viewer, impersonator)) : nothing}
    ${group(impersonator ? groups.as : groups.who, who(viewer, event))}
    ${event.targets.map((one) => group(groups.target, target(viewer, event, one)))}
    ${group(groups.where, where(viewer, event))}
    ${group(groups.when, when(viewer, event))}
    ${group(groups.metadata, metadata(viewer, event))}
    ${group(groups.what, what(viewer, event))}
    ${group(groups.ledger, ledger(viewer, event))}
  </div>`;
}

/** Why a group of an event is not shown, in words; nothing where it is, or never was there. */
export function absence(viewer: Viewer, event: AuditEvent, name: Group): Shown {
  const { details } = viewer.texts.value;
  const record = event.erased?.[name];
  if (event.altered?.includes(name))
    return html`<span class="fields-altered">${icons.warning}${details.altered}</span>`;
  if (record !== undefined) return html`<span class="muted">${details.erased(viewer.number(record))}</span>`;
  return event.withheld?.includes(name) ? html`<span class="muted">${details.withheld}</span>` : nothing;
}

function what(viewer: Viewer, event: AuditEvent): Shown[] {
  const { details } = viewer.texts.value;
  return [
    filterRow(viewer, 'action', event.action, action(viewer, event.action)),
    ...(['outcome', 'severity', 'category', 'operation'] as const).map((name) =>
      filterRow(viewer, name, event[name] ?? undefined),
    ),
    event.registered ? nothing : row(details.fields.registered, details.unregistered),
  ];
}

function action(viewer: Viewer, name: string): TemplateResult {
  const title = viewer.directory.titles.get(name);
  return title === undefined
    ? html`<code>${name}</code>`
    : html`<span>${title}<br><code class="muted">${name}</code></span>`;
}

function who(viewer: Viewer, event: AuditEvent): Shown[] {
  const { fields } = viewer.texts.value.details;
  const { type, id, name, email } = event.actor;
  return [
    row(fields.name, absence(viewer, event, 'actor')),
    row(fields.name, text(viewer, name)),
    row(fields.email, text(viewer, email)),
    row(fields.id, text(viewer, id), choices(viewer, 'actor_id', id)),
    filterRow(viewer, 'actor_type', type, undefined, fields.type),
  ];
}

function actedBy(viewer: Viewer, { id, name, email, reason }: Impersonator): Shown[] {
  const { fields } = viewer.texts.value.details;
  return [
    row(fields.name, text(viewer, name)),
    row(fields.email, text(viewer, email)),
    row(fields.id, text(viewer, id), choices(viewer, 'actor_id', id)),
    row(fields.reason, text(viewer, reason)),
  ];
}

function target(viewer: Viewer, event: AuditEvent, { type, id, name }: Target): Shown[] {
  const { fields } = viewer.texts.value.details;
  return [
    row(fields.name, name === undefined ? absence(viewer, event, 'targets') : text(viewer, name)),
    row(fields.id, text(viewer, id), choices(viewer, 'target_id', id)),
    filterRow(viewer, 'target_type', type, undefined, fields.type),
  ];
}

function where(viewer: Viewer, event: AuditEvent): Shown[] {
  const texts = viewer.texts.value;
  const { fields } = texts.labels;
  const source = filterRow(viewer, 'source', event.source);
  const missing = absence(viewer, event, 'context');
  if (missing !== nothing) return [source, row(fields.ip, missing)];
  const { ip_address, user_agent, session_id, request_id } = event.context ?? {};
  const part = (name: string, label: string, value: Shown, buttons: Shown = nothing) =>
    event.withheld?.includes(name)
      ? row(label, html`<span class="muted">${texts.details.withheld}</span>`)
      : row(label, value, buttons);
  const id = (name: 'ip' | 'session_id' | 'request_id', value: string | undefined, withheld: string = name) =>
    part(withheld, fields[name], text(viewer, value), choices(viewer, name, value));
  return [
    source,
    id('ip', ip_address, 'ip_address'),
    part('user_agent', texts.details.fields.user_agent, agent(viewer, user_agent)),
    id('session_id', session_id),
    id('request_id', request_id),
  ];
}

/** The browser by its name; the text as it is where that is not certain. */
function agent(viewer: Viewer, value = ''): Shown {
  const known = browserOf(value);
  if (!known) return text(viewer, value || undefined);
  return html`<span title=${value}>${viewer.texts.value.details.browser(known.browser, known.system)}</span>`;
}

function when(viewer: Viewer, event: AuditEvent): Shown[] {
  const { fields } = viewer.texts.value.details;
  const moment = (at: string) =>
    html`<span><time datetime=${at}>${viewer.when.value.full(at)}</time><br><span class="muted">${utc(at)}</span></span>`;
  return [
    row(fields.occurred_at, moment(event.occurred_at)),
    row(fields.recorded_at, moment(event.recorded_at)),
  ];
}

function metadata(viewer: Viewer, event: AuditEvent): Shown[] {
  const missing = absence(viewer, event, 'metadata');
  if (missing !== nothing) return [row(viewer.texts.value.details.groups.metadata, missing)];
  return Object.entries(event.metadata ?? {}).map(([name, value]) => row(name, nested(viewer, value, DEPTH)));
}

function ledger(viewer: Viewer, event: AuditEvent): Shown[] {
  const { fields } = viewer.texts.value.details;
  const copied = (what: string, value: string) =>
    row(
      what,
      html`<code>${value}</code>`,
      html`<audit-log-copy .viewer=${viewer} .text=${value} .what=${what}></audit-log-copy>`,
    );
  return [
    row(fields.seq, viewer.number(event.seq)),
    copied(fields.event_id, event.id),
    copied(fields.leaf_hash, event.leaf_hash),
  ];
}

function nested(viewer: Viewer, value: Json, depth: number): Shown {
  const { empty } = viewer.texts.value.details;
  const written = asText(value);
  if (value === null || typeof value !== 'object' || depth === 0 || written.length > LENGTH)
    return written === ''
      ? html`<span class="muted">${empty}</span>`
      : text(viewer, written, typeof value !== 'string');
  const parts = Object.entries(value) as [string, Json][];
  if (parts.length === 0) return html`<span class="muted">${empty}</span>`;
  if (Array.isArray(value))
    return html`<ul class="fields-list">${parts.map(([, part]) => html`<li>${nested(viewer, part, depth - 1)}</li>`)}</ul>`;
  return html`<dl class="fields-nested">${parts.map(([name, part]) => row(name, nested(viewer, part, depth - 1)))}</dl>`;
}

function group(title: string, rows: Shown[]): Shown {
  if (rows.every((one) => one === nothing)) return nothing;
  return html`<div role="group" class="fields-group" aria-label=${title}><h4 class="fields-title">${title}</h4><dl>${rows}</dl></div>`;
}

function row(label: string, value: string | Shown, buttons: Shown = nothing): Shown {
  if (value === nothing) return nothing;
  return html`<div class="fields-row choosable"><dt class="muted"><bdi>${label}</bdi></dt><dd>${value}${buttons}</dd></div>`;
}

/** A value that has a label and a filter of its own. */
function filterRow(
  viewer: Viewer,
  name: FilterName,
  value: string | undefined,
  shown?: Shown,
  label?: string,
): Shown {
  if (value === undefined) return nothing;
  const texts = viewer.texts.value;
  const written = name === 'action' ? value : valueLabel(texts, name, value);
  return row(
    label ?? fieldLabel(texts, name),
    shown ?? html`<bdi>${written}</bdi>`,
    choices(viewer, name, value, written),
  );
}

function text(viewer: Viewer, value: string | undefined, mono = false): Shown {
  if (value === undefined) return nothing;
  return html`<audit-log-long class=${mono ? 'mono' : ''} .viewer=${viewer} .runs=${plain(value)}></audit-log-long>`;
}

/** "2026-11-21 09:30:00.123 UTC": the moment as it is in the ledger, to the digit. */
function utc(at: string): string {
  return at.replace('T', ' ').replace('Z', ' UTC');
}
