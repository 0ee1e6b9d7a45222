import { afterEach, expect, it, vi } from 'vitest';
import { pinned } from '../src/pinned';

afterEach(() => vi.unstubAllGlobals());

it('loads what the build pins from nowhere but beside the first file, under its own name', async () => {
  // Here this file is at another address, as it is with a query: a second copy would be loaded, which nothing pins.
  vi.stubGlobal('__INTEGRITY__', { 'more.js': 'sha384-x' });
  const load = vi.fn(async () => 'loaded');
  await expect(pinned('more.js', load)).rejects.toThrow('cannot be pinned');
  expect(load).not.toHaveBeenCalled();
});

it('leaves it to the host’s bundler where nothing is pinned', async () => {
  vi.stubGlobal('__INTEGRITY__', {});
  expect(await pinned('more.js', async () => 'loaded')).toBe('loaded');
});
