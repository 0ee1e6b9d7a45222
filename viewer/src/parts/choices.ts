import { html, nothing, type TemplateResult } from 'lit';
import * as icons from '../icons';
import type { FilterName } from '../query';
import type { Viewer } from '../viewer';

/** A value may be no longer in a filter (docs/search.md). */
const MOST = 256;

/** Two buttons, by which a value is looked for or left out; the one that holds takes it back. Nothing where it cannot be. */
export function choices(
  viewer: Viewer,
  name: FilterName,
  value: string | undefined,
  label = value ?? '',
): TemplateResult | typeof nothing {
  if (value === undefined || value.length > MOST) return nothing;
  const { only, without } = viewer.texts.value.details;
  const has = viewer.query.value.has(name, value);
  const button = (not: boolean, text: string) => {
    const holds = has === !not;
    const choose = () => {
      const query = viewer.query.value;
      viewer.query.value = holds ? query.without(name, value) : query.with({ name, value, not });
    };
    return html`<button class="choice" aria-label=${text} title=${text} aria-pressed=${holds} @click=${choose}>
      ${not ? icons.exclude : icons.include}</button>`;
  };
  return html`<span class="choices">${button(false, only(label))}${button(true, without(label))}</span>`;
}
