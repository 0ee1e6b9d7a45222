import { html } from 'lit';
import * as icons from '../icons';
import { define, Part } from '../part';

/** A button that copies a text, and says whether it did. `what` is the name of what is copied; `label`, if any, is shown. */
export class Copy extends Part {
  static override properties = {
    ...Part.properties,
    text: { attribute: false },
    what: { attribute: false },
    label: { attribute: false },
    said: { state: true },
  };
  declare text: string;
  declare what: string;
  declare label: string | undefined;
  declare said: 'copied' | 'copyFailed' | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override render() {
    const name = this.t.details.copy(this.what);
    const label = this.said ? this.t.details[this.said] : this.label;
    return html`<button class="button ${this.label ? '' : 'plain'} small" aria-label=${name} title=${name} @click=${this.#copy}>
      ${this.said === 'copied' ? icons.check : this.said ? icons.warning : icons.copy}${label}
    </button>`;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  #copy = async () => {
    try {
      // Absent on a page that is not secure.
      await navigator.clipboard.writeText(this.text);
      this.said = 'copied';
    } catch {
      this.said = 'copyFailed';
    }
    this.viewer.announcements.say(this.t.details[this.said]);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.said = undefined;
    }, 3000);
  };
}

define('audit-log-copy', Copy);
