/** What a text field offers below it (ARIA: combobox with a list): the field keeps the focus, and one option is active. */
export class Options<T extends { readonly id: string }> {
  items: readonly T[] = [];
  /** Its place among `items`; -1: none, so that Enter is about the text. */
  active = -1;

  get current(): T | undefined {
    return this.items[this.active];
  }

  /** Others, or more: what is active stays so where it is still among them. */
  show(items: readonly T[]): void {
    const id = this.current?.id;
    this.items = items;
    this.active = id === undefined ? -1 : items.findIndex((item) => item.id === id);
  }

  /** Whether the key was one that moves. Beyond either end stands the text itself, then the other end. */
  move(key: string): boolean {
    const step = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : 0;
    if (step === 0 || this.items.length === 0) return false;
    const places = this.items.length + 1;
    this.active = ((this.active + 1 + step + places) % places) - 1;
    return true;
  }
}

/** While a character is being put together, its keys are the input method's (229 in Safari). */
export const isComposing = (event: KeyboardEvent) => event.isComposing || event.keyCode === 229;
