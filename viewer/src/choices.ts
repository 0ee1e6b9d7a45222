import { fits } from './completion';
import type { List, Listed } from './directory';
import type { AuditEvent } from './event';
import { valueLabel, words } from './labels';
import type { FilterName } from './query';
import type { Viewer } from './viewer';

/** What a filter may be about: one of the timeline's, or that a field was changed at all. */
export type Subject = Exclude<FilterName, `changes.${string}`> | 'changed';

/** A value that may be filtered by. */
export interface Choice {
  name: FilterName;
  value: string;
  /** In words; and what tells it from others of the same. */
  label: string;
  detail: string;
}

const LISTS = { action: 'actions', actor_id: 'actors', target_id: 'targets' } as const;

const ENUMERATED = ['category', 'operation', 'outcome', 'source', 'severity', 'actor_type'] as const;

/** Parts of events that some readers are not shown (docs/members.md), and so may not filter by. */
const PARTS: Partial<Record<Subject, string>> = {
  ip: 'ip_address',
  session_id: 'session_id',
  request_id: 'request_id',
  changed: 'changes',
};

/** What the loaded rows have of it. */
const SEEN: Partial<Record<Subject, (event: AuditEvent) => (string | undefined)[]>> = {
  ip: (event) => [event.context?.ip_address],
  session_id: (event) => [event.context?.session_id],
  request_id: (event) => [event.context?.request_id],
  target_type: (event) => event.targets.map((target) => target.type),
  changed: (event) => Object.keys(event.changes ?? {}),
};

/** Whether whoever looks may filter by it. */
export function isShown(viewer: Viewer, subject: Subject): boolean {
  const part = PARTS[subject];
  const sees = viewer.about.value?.sees;
  return !part || !sees || sees.includes(part);
}

/** Those that fit what was typed, as far as the viewer knows without asking. */
export function choices(viewer: Viewer, subject: Subject, typed: string): Choice[] {
  if (!isShown(viewer, subject)) return [];
  if (isListed(subject)) {
    return listed(viewer, subject, viewer.directory.known(LISTS[subject], typed));
  }
  const texts = viewer.texts.value;
  const enumerated = ENUMERATED.find((one) => one === subject);
  const values = enumerated ? Object.keys(texts.labels[enumerated]) : seen(viewer, subject);
  return values
    .map((value) => choice(viewer, subject, value))
    .filter((one) => fits(typed, one.label, one.value));
}

/** The directory in which the service lists the subject's values, if it does. */
export function listOf(subject: Subject): List | null {
  return isListed(subject) ? LISTS[subject] : null;
}

/** A value that somebody typed; null where only those that there are will do. */
export function typedChoice(viewer: Viewer, subject: Subject, typed: string): Choice | null {
  const value = typed.trim();
  if (!value || ENUMERATED.some((one) => one === subject)) return null;
  return choice(viewer, subject, value);
}

function isListed(subject: Subject): subject is keyof typeof LISTS {
  return Object.hasOwn(LISTS, subject);
}

function choice(viewer: Viewer, subject: Subject, value: string): Choice {
  if (subject === 'changed') return { name: `changes.${value}`, value: '*', label: words(value), detail: '' };
  const label =
    subject === 'action'
      ? viewer.label({ name: subject, value })
      : valueLabel(viewer.texts.value, subject, value);
  return { name: subject, value, label, detail: '' };
}

function listed(viewer: Viewer, name: keyof typeof LISTS, found: readonly Listed[]): Choice[] {
  if (name === 'action') {
    return found.flatMap(({ action }) =>
      action ? { name, value: action, label: viewer.label({ name, value: action }), detail: action } : [],
    );
  }
  const texts = viewer.texts.value;
  const kind = name === 'actor_id' ? 'actor_type' : 'target_type';
  return found.flatMap(({ id, name: called, email, type }) =>
    id
      ? {
          name,
          value: id,
          label: called ?? email ?? id,
          detail: email ?? (called ? `${type ? valueLabel(texts, kind, type) : ''} ${id}`.trim() : ''),
        }
      : [],
  );
}

function seen(viewer: Viewer, subject: Subject): string[] {
  const of = SEEN[subject];
  if (!of) return [];
  const found = new Set<string>();
  for (const event of viewer.timeline.rows) for (const value of of(event)) if (value) found.add(value);
  return [...found];
}
