import type { About, AuditEvent, EventContext, Facets, Page, SavedView } from './event';
import { Problem } from './problem';
import { type Claims, claimsOf } from './token';

type Parameters = Iterable<readonly [string, string]>;

interface Asked {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

/** The service's HTTP API, with the token of whoever looks. The token travels in a header, and stands in no address. */
export class Api {
  #token: string | null = null;

  /**
   * `address` is the service's, without a path. `renew` is asked for another token when there is none, or when the
   * service refuses the one there is; it gives null where the host has none to give.
   */
  constructor(
    readonly address: string,
    private readonly renew: (refused: string | null) => Promise<string | null>,
    /** In which sentences and titles are asked for, whatever the browser would rather have. */
    readonly language = 'en',
  ) {}

  set token(token: string | null) {
    this.#token = token;
  }

  /** What the token says of whoever looks. */
  get claims(): Claims {
    return claimsOf(this.#token);
  }

  timeline(parameters: Parameters, signal?: AbortSignal): Promise<Page> {
    return this.json('/api/audit-log', parameters, { signal });
  }

  event(id: string, signal?: AbortSignal): Promise<AuditEvent> {
    return this.json(`/api/audit-log/${encodeURIComponent(id)}`, [], { signal });
  }

  context(id: string, limit: number, signal?: AbortSignal): Promise<EventContext> {
    return this.json(`/api/audit-log/${encodeURIComponent(id)}/context`, [['limit', `${limit}`]], { signal });
  }

  facets(parameters: Parameters, signal?: AbortSignal): Promise<Facets> {
    return this.json('/api/audit-log/facets', parameters, { signal });
  }

  /** Entries of a directory: `actors`, `targets` or `actions`. */
  async directory<T>(name: string, q: string, limit: number, signal?: AbortSignal): Promise<T[]> {
    const parameters = [
      ['q', q],
      ['limit', `${limit}`],
    ] as const;
    return (await this.json<{ data: T[] }>(`/api/audit-log/${name}`, parameters, { signal })).data;
  }

  async views(): Promise<SavedView[]> {
    return (await this.json<{ data: SavedView[] }>('/api/audit-log/views')).data;
  }

  about(signal?: AbortSignal): Promise<About> {
    return this.json('/api/audit-log/about', [], { signal });
  }

  /** The parsed answer. Throws `Problem`. */
  async json<T>(path: string, parameters: Parameters = [], asked: Asked = {}): Promise<T> {
    const answer = await this.send(path, parameters, asked);
    if (answer.status === 204) return undefined as T;
    try {
      return (await answer.json()) as T;
    } catch {
      throw asked.signal?.aborted
        ? new Problem(0, 'aborted', 'stopped')
        : new Problem(answer.status, 'unreadable', 'the answer could not be read to its end');
    }
  }

  /** The answer, whose status is 2xx. Throws `Problem`; asks once for another token where the one there is was refused. */
  async send(path: string, parameters: Parameters = [], asked: Asked = {}): Promise<Response> {
    this.#token ??= await this.renew(null);
    let token = this.#token;
    for (let attempt = 0; ; attempt++) {
      if (token === null) throw new Problem(401, 'no_token', 'no token was given');
      const answer = await this.#fetch(path, parameters, asked, token);
      if (answer.ok) return answer;
      const problem = await read(answer);
      if (problem.status !== 401 || attempt > 0) throw problem;
      // Another request may have had it renewed meanwhile.
      if (this.#token === token) this.#token = await this.renew(token);
      if (this.#token === null || this.#token === token) throw problem;
      token = this.#token;
    }
  }

  async #fetch(path: string, parameters: Parameters, asked: Asked, token: string): Promise<Response> {
    const query = new URLSearchParams([...parameters].map(([name, value]) => [name, value])).toString();
    const headers: Record<string, string> = {
      ...asked.headers,
      authorization: `Bearer ${token}`,
      'accept-language': this.language,
    };
    if (asked.body !== undefined) headers['content-type'] = 'application/json';
    try {
      return await fetch(this.address + path + (query && `?${query}`), {
        method: asked.method ?? 'GET',
        headers,
        body: asked.body === undefined ? null : JSON.stringify(asked.body),
        signal: asked.signal ?? null,
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
    } catch {
      if (asked.signal?.aborted) throw new Problem(0, 'aborted', 'stopped');
      throw new Problem(0, 'offline', 'the service could not be reached');
    }
  }
}

async function read(answer: Response): Promise<Problem> {
  const wait = Number(answer.headers.get('retry-after'));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  try {
    const { code, detail, errors } = await answer.json();
    return new Problem(
      answer.status,
      String(code),
      String(detail),
      Array.isArray(errors) ? errors : [],
      retryAfter,
    );
  } catch {
    return new Problem(answer.status, 'unreadable', `the answer was ${answer.status}`, [], retryAfter);
  }
}
