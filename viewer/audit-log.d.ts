/** What `<audit-log>` tells its page, by the events' names. */
export interface AuditLogEvents {
  /** A token is needed: set `token`. `refused` is the one that no longer works, or null. */
  'audit-log-token-needed': CustomEvent<{ refused: string | null }>;
  /** What is asked for, as the timeline's parameters, and the id of the event that is open. */
  'audit-log-state': CustomEvent<{ query: string; open: string | null }>;
  /** An export was saved: `format` is `csv` or `jsonl`. */
  'audit-log-export': CustomEvent<{ format: string; rows: number }>;
}

/** `<audit-log>`: docs/viewer.md describes it. */
export class AuditLog extends HTMLElement {
  api: string;
  token: string | null;
  vkey: string | null;
  locale: string | null;
  timeZone: string | null;
  theme: 'light' | 'dark' | string | null;
  avatarUrl: string | null;
  urlState: string | null;
  signIn: string | null;
  query: string;
  renewToken: ((refused: string | null) => Promise<string | null>) | null;
  addEventListener<K extends keyof AuditLogEvents>(
    type: K,
    listener: (event: AuditLogEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'audit-log': AuditLog;
  }
}
