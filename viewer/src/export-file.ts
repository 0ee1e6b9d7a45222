import type { AuditEvent } from './event';

export type ExportFormat = 'csv' | 'jsonl';

/** Bytes that tell Excel that a file is UTF-8. */
const MARK = '\uFEFF';

/** The columns of a CSV file, in their order. What an event does not have is an empty cell. */
const COLUMNS: Record<string, (event: AuditEvent) => unknown> = {
  occurred_at: (event) => event.occurred_at,
  sentence: (event) => event.sentence,
  action: (event) => event.action,
  category: (event) => event.category,
  operation: (event) => event.operation,
  outcome: (event) => event.outcome,
  severity: (event) => event.severity,
  actor_type: ({ actor }) => actor.type,
  actor_id: ({ actor }) => actor.id,
  actor_name: ({ actor }) => actor.name,
  actor_email: ({ actor }) => actor.email,
  impersonator_id: ({ actor }) => actor.impersonator?.id,
  impersonator_name: ({ actor }) => actor.impersonator?.name,
  impersonator_email: ({ actor }) => actor.impersonator?.email,
  impersonator_reason: ({ actor }) => actor.impersonator?.reason,
  targets: (event) => (event.targets.length > 0 ? event.targets : null),
  source: (event) => event.source,
  ip_address: (event) => event.context?.ip_address,
  user_agent: (event) => event.context?.user_agent,
  session_id: (event) => event.context?.session_id,
  request_id: (event) => event.context?.request_id,
  changes: (event) => event.changes,
  metadata: (event) => event.metadata,
  seq: (event) => event.seq,
  recorded_at: (event) => event.recorded_at,
  leaf_hash: (event) => event.leaf_hash,
  id: (event) => event.id,
};

/** What stands before the first event. */
export function fileHead(format: ExportFormat): string {
  return format === 'csv' ? `${MARK}${line(Object.keys(COLUMNS))}` : '';
}

/** One event, with the end of its line: CSV by RFC 4180, or the API's JSON without what is only there to be hashed. */
export function fileLine(format: ExportFormat, event: AuditEvent): string {
  if (format === 'csv') return line(Object.values(COLUMNS).map((column) => column(event)));
  const { entry: _entry, disclosures: _disclosures, ...shown } = event;
  return `${JSON.stringify(shown)}\n`;
}

/** `audit-log-northwind-2026-11-21.csv` */
export function fileName(format: ExportFormat, tenant: string, day: string): string {
  return `audit-log-${tenant.replaceAll(/[^A-Za-z0-9._-]+/g, '_')}-${day}.${format}`;
}

function line(cells: unknown[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = defused(typeof value === 'object' ? JSON.stringify(value) : String(value));
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A spreadsheet would run what begins like a formula, and the words in a log are anybody's: such text gets an apostrophe
 * before it, also behind a semicolon, a tab or a line break, as these begin another cell where a spreadsheet of another
 * country takes them to. JSON Lines has everything as it is.
 */
function defused(text: string): string {
  return text.replaceAll(/(?<=^|[;\t\r\n])(?=\s*[=+\-@＝＋－＠]|[\t\r])/g, "'");
}
