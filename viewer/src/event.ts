/** What the API answers with, as docs/api.md has it. Every string in here is somebody else's: it is shown as text, never as markup. */

export type Outcome = 'success' | 'failure' | 'denied';
export type Severity = 'info' | 'notice' | 'warning' | 'critical';
export type Group = 'actor' | 'targets' | 'context' | 'changes' | 'metadata';

export interface Impersonator {
  id?: string;
  name?: string;
  email?: string;
  reason?: string;
}

export interface Actor {
  type: 'user' | 'system' | 'api_key';
  id?: string;
  name?: string;
  email?: string;
  impersonator?: Impersonator;
}

export interface Target {
  type: string;
  id?: string;
  name?: string;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** `from` and `to`, either of which may be absent. */
export type Change = { from?: Json; to?: Json };

export interface Context {
  ip_address?: string;
  user_agent?: string;
  request_id?: string;
  session_id?: string;
}

export interface AuditEvent {
  id: string;
  tenant_id: string;
  /** Its number in the ledger, from 0 on. Below 2^53. */
  seq: number;
  action: string;
  /** What happened, in words of today's catalog; no part of what is sealed. */
  sentence: string;
  /** RFC 3339, UTC, milliseconds: the application's claim. */
  occurred_at: string;
  /** RFC 3339, UTC, microseconds. */
  recorded_at: string;
  actor: Actor;
  targets: Target[];
  outcome: Outcome;
  source: string;
  category: string | null;
  operation: string | null;
  severity: Severity | null;
  registered: boolean;
  changes?: Record<string, Change>;
  context?: Context;
  metadata?: Record<string, Json>;
  leaf_hash: string;
  /** What the service itself says was altered: "entry", or a group, which is then left out. */
  altered?: string[];
  /** Groups that were erased on request, with the `seq` of the entry that recorded it. */
  erased?: Partial<Record<Group, number>>;
  /** Parts that this reader is shown of no event. */
  withheld?: string[];
  /** The exact bytes that are hashed, and the disclosures: there where `sealed=true` was asked for. */
  entry?: string;
  disclosures?: string[];
}

export interface Page {
  data: AuditEvent[];
  next_cursor: string | null;
  prev_cursor: string | null;
  partial?: boolean;
  understood?: Understood;
}

/** How the search box was read. */
export interface Understood {
  /** What is looked for, as it was written. */
  items: string[];
  /** Words that count for nothing. */
  ignored?: string[];
  until?: string;
}

export interface Neighbours {
  data: AuditEvent[];
  more: boolean;
  /** The parameters by which the timeline lists all of them, or null. */
  filter: string | null;
}

export interface EventContext {
  before: Neighbours;
  after: Neighbours;
  same_session: Neighbours | null;
  same_request: Neighbours | null;
}

export interface Count {
  value: string;
  count: number;
}

export interface ActorCount {
  type: string;
  id?: string;
  name?: string;
  count: number;
}

export interface Facets {
  total: { count: number; capped: boolean };
  facets: Record<
    'action' | 'category' | 'operation' | 'outcome' | 'source' | 'severity' | 'target_type' | 'country',
    Count[]
  > & { actor: ActorCount[] };
  histogram: {
    bucket: string;
    since: string;
    until: string;
    counts: { at: string; count: number }[];
    complete_since: string | null;
  };
  complete_since: string | null;
}

export interface SavedView {
  view_id: string;
  name: string;
  query: string;
  shared: boolean;
  created_by: Actor;
}

/** What whoever holds the token may do and see: GET /api/audit-log/about. */
export interface About {
  tenant_id: string;
  role: 'admin' | 'member' | 'key';
  actor: Actor;
  can: { export: boolean; manage_keys: boolean; manage_streams: boolean; share_views: boolean };
  sees: string[];
  filter: Record<string, string[]> | null;
  time_zone: string | null;
  locale: string | null;
  expires_at: string | null;
  origin: string | null;
  size: number;
  time: string;
}
