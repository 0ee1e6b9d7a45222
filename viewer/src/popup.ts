import type { LitElement, ReactiveController } from 'lit';

/** What opens below a button of its host: open or not; closed by Escape, and by whoever clicks or goes elsewhere. */
export class Popup implements ReactiveController {
  #isOpen = false;
  /** The last that somebody did was to press within, rather than a key. */
  #isPress = false;

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
    this.host.addEventListener('keydown', this.#keyed);
  }

  hostDisconnected(): void {
    this.host.removeEventListener('focusout', this.#left);
    this.host.removeEventListener('keydown', this.#keyed);
    this.close();
  }

  #pressed = (event: Event) => {
    this.#isPress = event.composedPath().includes(this.host);
    if (!this.#isPress) this.close();
  };

  #keyed = () => {
    this.#isPress = false;
  };

  // A press on what takes no focus (in Safari, a button) gives it to what the page has around it, or to nothing: presses
  // are `#pressed`'s to judge.
  #left = ({ relatedTarget }: FocusEvent) => {
    if (!this.#isPress && relatedTarget instanceof Node && !this.host.contains(relatedTarget)) this.close();
  };
}
