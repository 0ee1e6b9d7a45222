import type { AuditEvent, Group, Json } from '../event';
import type { Entry } from './entry';

/** Depth to which values are compared; the format has no deeper ones. */
const MAX_DEPTH = 70;

export const GROUPS: readonly Group[] = ['actor', 'changes', 'context', 'metadata', 'targets'];

/** What was sealed in the groups that are disclosed. */
export type Disclosed = ReadonlyMap<Group, Json>;

/** The group that a part which is withheld from members is sealed in. */
export function groupOf(part: string): Group {
  return part === 'changes' || part === 'metadata' ? part : 'context';
}

/** Of an event, besides what is compared: what no entry holds (docs/viewer.md), or is compared elsewhere. */
const OTHERS = ['sentence', 'severity', 'altered', 'erased', 'withheld', 'entry', 'disclosures'];

/**
 * Names of what is displayed otherwise than it was sealed, and of what is displayed and cannot be compared: groups that are
 * not disclosed to whoever reads (`hidden`: that some group is), and fields that nobody here knows. `tenant` is whose log
 * it is, as whoever looks knows it.
 */
export function compare(
  event: AuditEvent,
  leaf: string,
  entry: Entry,
  disclosed: Disclosed,
  hidden: ReadonlySet<Group>,
  tenant: string,
): { differ: string[]; unchecked: string[] } {
  const { id, seq, action, occurred_at, recorded_at, outcome, source, category, operation } = entry;
  const fields = { id, seq, action, occurred_at, recorded_at, outcome, source, category, operation };
  const { name, email, ...given } = filled(disclosed.get('actor'));
  // An empty one is sealed as it was sent, and answered as none; what is displayed as empty looks like somebody.
  const impersonator = isEmpty(given.impersonator) ? undefined : given.impersonator;
  const called = disclosed.get('targets');
  const names = Array.isArray(called) ? called : [];
  const sealed: Partial<Record<keyof AuditEvent, unknown>> = {
    ...fields,
    tenant_id: tenant,
    registered: category !== null,
    leaf_hash: leaf,
    actor: filled({ ...entry.actor, name, email, impersonator }),
    targets: entry.targets.map((target, i) => filled({ ...target, name: names[i] })),
    changes: disclosed.get('changes') ?? {},
    context: filled(disclosed.get('context')),
    metadata: disclosed.get('metadata') ?? {},
  };
  const shown: Partial<Record<keyof AuditEvent, unknown>> = {
    ...event,
    actor: filled(event.actor),
    targets: Array.isArray(event.targets) ? event.targets.map(filled) : event.targets,
    changes: event.changes ?? {},
    context: filled(event.context),
    metadata: event.metadata ?? {},
  };
  const isFitting = called === undefined || names.length === entry.targets.length;
  const differ: string[] = isFitting ? [] : ['targets'];
  const unchecked: string[] = [];
  for (const field of Object.keys(sealed) as (keyof AuditEvent)[]) {
    if (isSame(shown[field], sealed[field])) continue;
    // Of a context that is disclosed in part, only what members are shown may be displayed.
    const isPart = field === 'context' && hidden.has('context') && !disclosed.has('context');
    const isKept = Object.keys(filled(event.context)).every((part) => !event.withheld?.includes(part));
    (isPart && isKept ? unchecked : differ).push(field);
  }
  unchecked.push(
    ...Object.keys(event).filter((field) => !(Object.hasOwn(sealed, field) || OTHERS.includes(field))),
  );
  return { differ, unchecked };
}

/** Without what is null or absent, which answers leave out. */
function filled(value: unknown): Record<string, unknown> {
  if (value == null) return {};
  if (typeof value !== 'object') return { value };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part != null)
      .map(([name, part]) => [name, name === 'impersonator' ? filled(part) : part]),
  );
}

function isEmpty(value: unknown): boolean {
  return value !== undefined && Object.keys(value as object).length === 0;
}

/** As JSON: the order of keys does not count. Throws for what is nested too deeply. */
export function isSame(one: unknown, other: unknown, depth = 0): boolean {
  if (depth > MAX_DEPTH) throw new RangeError('nested too deeply');
  if (one === other) return true;
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every(
      (key) =>
        Object.hasOwn(other, key) &&
        isSame((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key], depth + 1),
    )
  );
}
