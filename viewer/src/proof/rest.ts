/** Lets the page be painted and scrolled meanwhile. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
