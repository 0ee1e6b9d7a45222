import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Observable } from '../cell';
import type { About } from '../event';
import * as icons from '../icons';
import { define, Part } from '../part';
import { Popup } from '../popup';
import type { Panel } from '../viewer';

/** What opens a panel, and who is offered it: what the token may not do is not shown. */
const PANELS: { panel: Panel; icon: TemplateResult; offered: (about: About | null) => boolean }[] = [
  { panel: 'export', icon: icons.download, offered: (about) => about?.can.export ?? false },
  { panel: 'proof', icon: icons.lock, offered: () => true },
  { panel: 'keys', icon: icons.key, offered: (about) => about?.can.manage_keys ?? false },
];

const SHORTCUTS = { move: ['j', 'k'], open: ['Enter'], search: ['/'], close: ['Esc'] } as const;

/** A menu button, as the ARIA Authoring Practices have it. */
export class Menu extends Part {
  #popup = new Popup(this);

  protected override watched(): Observable[] {
    return [this.viewer.about];
  }

  override render() {
    const { menu } = this.t;
    return html`<div class="menu" @keydown=${this.#pressed}>
      <button class="button icon menu-button" id="menu-button" part="menu-button" aria-label=${menu.label} title=${menu.label}
        aria-haspopup="menu" aria-expanded=${this.#popup.isOpen} @click=${this.#turn}>${icons.more}</button>
      ${this.#popup.isOpen ? this.#items() : nothing}
      ${this.#shortcuts()}
    </div>`;
  }

  #items(): TemplateResult {
    const { menu } = this.t;
    const item = (
      icon: TemplateResult,
      label: string,
      act: () => void,
    ) => html`<button class="item" role="menuitem" tabindex="-1"
      @click=${() => this.#choose(act)}>${icon}${label}</button>`;
    return html`<div class="popup menu-popup" part="popup" role="menu" aria-labelledby="menu-button">
      ${repeat(
        PANELS.filter(({ offered }) => offered(this.viewer.about.value)),
        // Items may come while the menu is open; the focus stays with the one that has it.
        ({ panel }) => panel,
        ({ panel, icon }) =>
          item(icon, `${menu.panels[panel]}…`, () => {
            this.viewer.panel.value = panel;
          }),
      )}
      <div class="menu-line" role="separator"></div>
      ${item(icons.keyboard, menu.shortcuts, () => this.#dialog?.showModal())}
    </div>`;
  }

  #shortcuts(): TemplateResult {
    const { menu } = this.t;
    const close = () => this.#dialog?.close();
    return html`<dialog class="menu-shortcuts" aria-labelledby="menu-shortcuts-title">
      <header class="panel-header">
        <h2 class="heading" id="menu-shortcuts-title">${menu.shortcuts}</h2>
        <button class="button plain icon" aria-label=${menu.close} title=${menu.close} @click=${close}>${icons.close}</button>
      </header>
      <dl class="menu-keys">${Object.entries(SHORTCUTS).map(
        ([name, keys]) =>
          html`<div><dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${menu.keys[name as keyof typeof SHORTCUTS]}</dd></div>`,
      )}</dl>
      <p class="menu-hint muted">${menu.shortcutsHint}</p>
    </dialog>`;
  }

  get #button(): HTMLElement | null {
    return this.querySelector('.menu-button');
  }

  get #dialog(): HTMLDialogElement | null {
    return this.querySelector('dialog');
  }

  #turn = (click: MouseEvent) => {
    if (this.#popup.isOpen) this.#popup.close();
    // A click without a place is the keyboard's, or a screen reader's.
    else void this.#open(0, click.detail > 0);
  };

  async #open(place: number, quietly = false): Promise<void> {
    this.#popup.open();
    void this.viewer.learn();
    await this.updateComplete;
    const items = this.#all();
    items.at(place)?.focus({ preventScroll: true, focusVisible: !quietly } as FocusOptions);
  }

  /** The focus goes back first, so that whatever opens now knows where it is to return to. */
  #choose(act: () => void): void {
    this.#popup.close();
    this.#button?.focus();
    act();
  }

  #all(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>('[role="menuitem"]')];
  }

  #pressed = (key: KeyboardEvent) => {
    if (this.#dialog?.open) return;
    const items = this.#all();
    const place = items.indexOf(key.target as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 };
    const move = moves[key.key];
    if (!this.#popup.isOpen && (key.key === 'ArrowDown' || key.key === 'ArrowUp'))
      void this.#open(key.key === 'ArrowUp' ? -1 : 0);
    else if (this.#popup.isOpen && key.key === 'Escape') this.#choose(() => {});
    else if (this.#popup.isOpen && move !== undefined) items.at(move % items.length)?.focus();
    else return;
    key.preventDefault();
    key.stopPropagation();
  };
}

define('audit-log-menu', Menu);
