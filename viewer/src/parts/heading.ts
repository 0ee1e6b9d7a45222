import { html, type TemplateResult } from 'lit';
import type { Placed } from '../stack';
import type { Viewer } from '../viewer';

/** The day that the rows below it are of. */
export function heading(viewer: Viewer, { key, day, event }: Placed, now: Date): TemplateResult {
  const { list } = viewer.texts.value;
  const when = viewer.when.value;
  const today = when.day(now.toISOString());
  const yesterday = new Date(Date.parse(today) - 86_400_000).toISOString().slice(0, 10);
  const said = day === today ? list.today : day === yesterday ? list.yesterday : null;
  const name = when.dayName(event.occurred_at);
  return html`<div class="list-day" part="day" data-key=${key}>
    ${said ? html`<strong>${said}</strong> <span class="muted">${name}</span>` : html`<strong>${name}</strong>`}
  </div>`;
}
