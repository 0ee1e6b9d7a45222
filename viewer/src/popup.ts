import type { LitElement, ReactiveController } from 'lit';

/** What opens below a button of its host: open or not; closed by Escape, and by whoever clicks or goes elsewhere. */
export class Popup implements ReactiveController {
  #isOpen = false;

  constructor(
    private readonly host: LitElement,
    /** Told after it was closed, by whatever. */
    private readonly closed: () => void = () => {},
  ) {
    host.addController(this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    document.addEventListener('pointerdown', this.#pressed);
    this.host.requestUpdate();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    document.removeEventListener('pointerdown', this.#pressed);
    this.closed();
    this.host.requestUpdate();
  }

  hostConnected(): void {
    this.host.addEventListener('focusout', this.#left);
  }

  hostDisconnected(): void {
    this.host.removeEventListener('focusout', this.#left);
    this.close();
  }

  #pressed = (event: Event) => {
    if (!event.composedPath().includes(this.host)) this.close();
  };

  // Nothing is focused next where somebody clicked on what takes no focus: that is `#pressed`'s to judge.
  #left = ({ relatedTarget }: FocusEvent) => {
    if (relatedTarget instanceof Node && !this.host.contains(relatedTarget)) this.close();
  };
}
