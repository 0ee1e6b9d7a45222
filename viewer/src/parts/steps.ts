import { html, type TemplateResult } from 'lit';
import * as icons from '../icons';
import type { Texts } from '../locale';
import type { Step } from '../proof/check';

const VERDICTS = { ok: icons.check, failed: icons.close, unchecked: icons.exclude };

/** What was checked, in words, and whether it holds. */
export interface StepText {
  readonly text: string;
  readonly verdict: Step['verdict'];
}

/** As an item of the list `.proof-steps`. */
export function step({ proof }: Texts, { text, verdict }: StepText): TemplateResult {
  return html`<li class="proof-step ${verdict}">${VERDICTS[verdict]}
    <span><span class="for-screen-readers">${proof.marks[verdict]}</span>${text}</span></li>`;
}
