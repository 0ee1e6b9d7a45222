import { html, type TemplateResult } from 'lit';
import type { Viewer } from '../viewer';

/** What stands where something is shown whose file is not there yet, or could not be had. */
export function later(viewer: Viewer): TemplateResult {
  const { details, states } = viewer.texts.value;
  if (viewer.more.value === 'loading')
    return html`<p class="later muted" role="status">${details.loading}</p>`;
  return html`<p class="later" role="alert">${states.notLoaded}
    <button type="button" class="link" @click=${() => void viewer.loadMore()}>${states.again}</button></p>`;
}
