/** What the service's build puts here: of each file that is loaded later its hash, as Subresource Integrity writes it. */
declare const __INTEGRITY__: Record<string, string>;

/**
 * Loads a file of the viewer's that is not needed for the first rows. The page pins the first file by its hash, and that
 * one pins the others: a module that was preloaded with `integrity` is the one that an import of its address gets
 * (HTML, "fetch a single module script", step 6). Rejects where it is another, or cannot be had; also where this file was
 * loaded from another address than its own, with a query, say: the others import it from there, as a copy that nothing pins.
 *
 * The package pins nothing: what a host's bundler makes of it is the host's own.
 */
export async function pinned<T>(name: string, load: () => Promise<T>): Promise<T> {
  const own = import.meta.url;
  const integrity = __INTEGRITY__[name];
  if (integrity) {
    if (!own.endsWith('/audit-log.js')) throw new Error(`${name} cannot be pinned beside ${own}`);
    await preload(own.replace(/audit-log\.js$/, name), integrity);
  }
  return load();
}

function preload(address: string, integrity: string): Promise<void> {
  const link = document.createElement('link');
  Object.assign(link, { rel: 'modulepreload', crossOrigin: 'anonymous', integrity, href: address });
  return new Promise<void>((resolve, reject) => {
    link.onload = () => resolve();
    link.onerror = () => reject(new Error(`${address} could not be loaded, or is not the file it should be`));
    document.head.append(link);
  }).finally(() => link.remove());
}
