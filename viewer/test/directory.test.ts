import { describe, expect, it, vi } from 'vitest';
import type { Api } from '../src/api';
import { Directory, type Listed } from '../src/directory';
import type { Timeline } from '../src/timeline';

const SARAH = { type: 'user', id: 'usr_7', name: 'Sarah Chen', email: 'sarah@acme.example' };
const SAM = { type: 'user', id: 'usr_8', name: 'Sam Keller' };

function directory(answer: (list: string, q: string) => Promise<Listed[]>, rows: unknown[] = []) {
  const api = { directory: vi.fn(answer) };
  return { api, directory: new Directory(api as unknown as Api, { rows } as unknown as Timeline) };
}

describe('Directory', () => {
  it('asks for each beginning once, and meanwhile goes by what is known of a shorter one', async () => {
    const { api, directory: found } = directory(async () => [SARAH, SAM]);
    await found.look('actors', 'sa');
    await found.look('actors', ' sa ');
    expect(api.directory).toHaveBeenCalledTimes(1);
    expect(found.known('actors', 'sa')).toEqual([SARAH, SAM]);
    expect(found.known('actors', 'sar')).toEqual([SARAH]);
    expect(found.known('targets', 'sa')).toEqual([]);
    expect(found.known('actors', 's')).toEqual([]);
  });

  it('keeps no answer that never came', async () => {
    const { api, directory: found } = directory(() => Promise.reject(new Error('offline')));
    await expect(found.look('actors', 'sa')).rejects.toThrow();
    await expect(found.look('actors', 'sa')).rejects.toThrow();
    expect(api.directory).toHaveBeenCalledTimes(2);
  });

  it('tells the name behind an id, from the rows or else from the service, which is asked once', async () => {
    const { api, directory: found } = directory(async () => [SARAH], [{ actor: SAM, targets: [] }]);
    const changed = vi.fn();
    found.listen(changed);
    expect(found.name('actors', 'usr_8')).toBe('Sam Keller');
    expect(api.directory).not.toHaveBeenCalled();
    expect([found.name('actors', 'usr_7'), found.name('actors', 'usr_7')]).toEqual(['usr_7', 'usr_7']);
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1));
    expect(found.name('actors', 'usr_7')).toBe('Sarah Chen');
    expect(api.directory).toHaveBeenCalledTimes(1);
  });

  it('shows the id of whom nobody knows, and takes nobody of a similar id for them', async () => {
    const { directory: found } = directory(async () => [{ ...SARAH, id: 'usr_70' }]);
    found.name('actors', 'usr_7');
    await found.look('actors', 'usr_7');
    expect(found.name('actors', 'usr_7')).toBe('usr_7');
    expect(found.name('targets', 'usr_70')).toBe('usr_70');
  });

  it('shows the id where the service does not answer', async () => {
    const { directory: found } = directory(() => Promise.reject(new Error('offline')));
    expect(found.name('targets', 'doc_1')).toBe('doc_1');
    await Promise.resolve();
    expect(found.name('targets', 'doc_1')).toBe('doc_1');
  });
});
