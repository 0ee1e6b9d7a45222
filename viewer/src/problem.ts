/** What went wrong with a request, in the shape of RFC 9457 where the service answered. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 where there was no answer: offline, or refused by the browser. */
    readonly status: number,
    /** The service's stable code (docs/api.md, Errors), or `offline`, `no_token`, `unreadable`. */
    readonly code: string,
    readonly detail: string,
    readonly errors: { detail: string; parameter?: string; pointer?: string }[] = [],
    /** Seconds after which it may be tried again, where the service said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(`${code}: ${detail}`);
  }
}
