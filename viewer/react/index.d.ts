import type { CSSProperties, ReactElement } from 'react';

export interface AuditLogProperties {
  /** The service's address; the page's own origin if absent. */
  api?: string;
  /** A viewer token. Absent: `renewToken` is asked for one. */
  token?: string;
  /** Gives a token that works; `refused` is the one that no longer does. */
  renewToken?: (refused: string | null) => Promise<string | null>;
  /** The ledger's public keys, one a line, that your page pins. */
  vkey?: string;
  locale?: string;
  timeZone?: string;
  theme?: 'auto' | 'light' | 'dark';
  /** A picture of each actor: a URL with `{id}`. */
  avatarUrl?: string;
  /** Keeps the state in the page's address, under names that begin so. */
  urlState?: string;
  /** What is asked for at first, as the timeline's parameters. */
  query?: string;
  /** Where a new session begins, when the token has ended and there is no other. */
  signIn?: string;
  className?: string;
  style?: CSSProperties;
  onState?: (state: { query: string; open: string | null }) => void;
  onExport?: (exported: { format: string; rows: number }) => void;
}

export function AuditLog(properties: AuditLogProperties): ReactElement;
