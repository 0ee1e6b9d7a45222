import { html, nothing } from 'lit';
import type { AuditEvent } from '../event';
import { escaped } from '../hidden';
import { define, Part } from '../part';
import './copy';

/** The event as the API gives it, made when it is asked for; without what is only there to be hashed. */
export class RawJson extends Part {
  static override properties = { ...Part.properties, event: { attribute: false }, shown: { state: true } };
  declare event: AuditEvent;
  declare shown: boolean | undefined;

  override render() {
    return html`<details class="fold details-fold" @toggle=${this.#toggle}>
      <summary>${this.t.details.json}</summary>
      ${this.shown ? this.#text() : nothing}
    </details>`;
  }

  #text() {
    const { entry: _entry, disclosures: _disclosures, ...event } = this.event;
    const text = escaped(JSON.stringify(event, null, 2));
    return html`<div class="json">
      <pre class="json-text" dir="ltr" tabindex="0" role="group" aria-label=${this.t.details.json}>${text}</pre>
      <audit-log-copy .viewer=${this.viewer} .text=${text} .what=${this.t.details.json}></audit-log-copy>
    </div>`;
  }

  #toggle = (toggled: Event) => {
    this.shown = (toggled.target as HTMLDetailsElement).open;
  };
}

define('audit-log-json', RawJson);
