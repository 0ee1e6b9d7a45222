import { LitElement, type PropertyValues } from 'lit';
import type { Observable } from './cell';
import type { Texts } from './locale';
import type { Viewer } from './viewer';

/**
 * A part of the viewer: an element without a shadow of its own, so that all parts share one stylesheet, labels and
 * `part` names within the shadow of <audit-log>. Its name is registered once, however often the script is loaded.
 */
export abstract class Part extends LitElement {
  static override properties = { viewer: { attribute: false } };
  declare viewer: Viewer;
  #unlisten: (() => void)[] = [];

  /** What it shows something of: it is rendered anew when one of these changes. Texts and times always are. */
  protected watched(): Observable[] {
    return [];
  }

  protected get t(): Texts {
    return this.viewer.texts.value;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#listen();
  }

  protected override update(changed: PropertyValues<this>): void {
    // The whole was moved within the page, or is about another service: it is another viewer now.
    if (changed.get('viewer')) this.#listen();
    super.update(changed);
  }

  #listen(): void {
    for (const unlisten of this.#unlisten) unlisten();
    const update = () => this.requestUpdate();
    const { texts, when } = this.viewer;
    this.#unlisten = [texts, when, ...this.watched()].map((one) => one.listen(update));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const unlisten of this.#unlisten) unlisten();
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
