/** Something that can be listened to. Each listener is called after each change, in no particular order. */
export class Observable {
  #listeners = new Set<() => void>();

  /** Calls `listener` after each change, until what is returned is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  protected changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** One value that changes. */
export class Cell<T> extends Observable {
  #value: T;

  constructor(value: T) {
    super();
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.changed();
  }
}
