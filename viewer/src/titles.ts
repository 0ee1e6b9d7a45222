import type { Api } from './api';
import type { Listed } from './directory';

/** As many as the service lists at a time. */
const MOST = 100;

/** What the tenant's actions are called in the language of the API; none where that cannot be had. */
export async function titlesOf(api: Api): Promise<Map<string, string>> {
  const found = await api.directory<Listed>('actions', '', MOST).catch(() => []);
  return new Map(found.flatMap(({ action, title }) => (action && title ? [[action, title] as const] : [])));
}
