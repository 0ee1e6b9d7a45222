import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Observable } from '../cell';
import * as icons from '../icons';
import { define, Part } from '../part';
import type { Panel, Viewer } from '../viewer';
import { later } from './later';

/** Below so many rem there is no room beside the list: the panel covers it, and all else waits. */
const ROOM = 48;

/** What each panel holds. The export is there always, as it goes on when the panel is closed. */
const CONTENT: Record<Panel, (viewer: Viewer) => TemplateResult> = {
  proof: (viewer) => html`<audit-log-proof .viewer=${viewer}></audit-log-proof>`,
  export: (viewer) => html`<audit-log-exporting .viewer=${viewer}></audit-log-exporting>`,
  keys: (viewer) => html`<audit-log-keys .viewer=${viewer}></audit-log-keys>`,
};

/**
 * The frame of what stands beside the list. A dialog of the browser's own: it moves the focus in, and back to where it
 * was; where it covers everything, nothing else can be reached meanwhile.
 */
export class PanelFrame extends Part {
  #size = new ResizeObserver(() => this.#show());

  protected override watched(): Observable[] {
    return [this.viewer.panel, this.viewer.about, this.viewer.more];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#size.observe((this.getRootNode() as ShadowRoot).host);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#size.disconnect();
  }

  override render() {
    const panel = this.viewer.panel.value;
    const { menu } = this.t;
    return html`<dialog class="panel" part="panel" aria-labelledby="panel-title" @cancel=${this.#cancelled} @keydown=${this.#pressed}>
      <header class="panel-header">
        <h2 class="heading" id="panel-title">${panel && menu.panels[panel]}</h2>
        <button class="button plain icon" aria-label=${menu.close} title=${menu.close} @click=${this.#close}>${icons.close}</button>
      </header>
      <div class="panel-body">
        ${this.viewer.more.value === 'there' ? this.#content(panel) : later(this.viewer)}
      </div>
    </dialog>`;
  }

  #content(panel: Panel | null): TemplateResult {
    return html`<div ?hidden=${panel !== 'export'}>${CONTENT.export(this.viewer)}</div>
      ${panel && panel !== 'export' ? CONTENT[panel](this.viewer) : nothing}`;
  }

  protected override updated(_changed: PropertyValues): void {
    this.#show();
  }

  #show(): void {
    const dialog = this.querySelector('dialog');
    if (!dialog) return;
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const covers = (this.getRootNode() as ShadowRoot).host.clientWidth < ROOM * rem;
    const wanted = this.viewer.panel.value !== null;
    if (dialog.open && (!wanted || dialog.matches(':modal') !== covers)) dialog.close();
    if (wanted && !dialog.open) dialog[covers ? 'showModal' : 'show']();
  }

  #cancelled = (cancelled: Event) => {
    cancelled.preventDefault();
    this.#close();
  };

  #pressed = (key: KeyboardEvent) => {
    if (key.key !== 'Escape' || key.defaultPrevented) return;
    key.preventDefault();
    key.stopPropagation();
    this.#close();
  };

  #close = () => {
    this.viewer.panel.value = null;
  };
}

define('audit-log-panel', PanelFrame);
