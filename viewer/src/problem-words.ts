import type { Texts } from './locale';
import { Problem } from './problem';

/** What went wrong, in words for whoever looks. Where the service alone knows, its own are quoted. */
export function problemWords(texts: Texts, error: unknown): string {
  const said = texts.details.problems;
  if (!(error instanceof Problem)) return said.other(String(error));
  if (error.status === 401) return said.signedOut;
  if (error.status === 403) return said.refused;
  if (error.status === 404) return said.gone;
  if (error.status === 429) return said.busy;
  return error.code === 'offline' ? said.offline : said.other(error.detail);
}
