import { noChange } from 'lit';
import { Directive, directive, type ElementPart, type PartInfo, PartType } from 'lit/directive.js';

class Styled extends Directive {
  #before: string[] = [];

  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error('styled() stands beside attributes, and in none');
  }

  override render(_styles: Record<string, string>) {
    return noChange;
  }

  /** Property by property: a `style` attribute is an inline style, which a strict content security policy forbids. */
  override update(part: ElementPart, [styles]: [Record<string, string>]) {
    const { style } = part.element as HTMLElement;
    for (const name of this.#before) if (!(name in styles)) style.removeProperty(name);
    for (const [name, value] of Object.entries(styles)) style.setProperty(name, value);
    this.#before = Object.keys(styles);
    return noChange;
  }
}

/** Sets CSS properties of the element that it stands in: `<div ${styled({'--share': '40%'})}>`. */
export const styled = directive(Styled);
