import { html, type TemplateResult } from 'lit';
import type { AuditEvent } from '../event';
import * as icons from '../icons';
import type { ProofState } from '../proofs';
import type { Viewer } from '../viewer';

/** A shape for each state, so that none is told by its colour alone. */
export const STATE_ICONS: Record<ProofState, TemplateResult> = {
  unknown: icons.dot,
  checking: icons.dot,
  waiting: icons.recent,
  proven: icons.lockProven,
  partial: icons.lockPartial,
  unpinned: icons.lock,
  altered: icons.warning,
  unavailable: icons.lockOff,
};

/** What was found out about one event, as a button that opens the proof. */
export function lock(viewer: Viewer, event: AuditEvent): TemplateResult {
  const { proofs, texts } = viewer;
  const { states, except, names } = texts.value.proof;
  const state = proofs.stateOf(event);
  const unchecked = proofs
    .resultOf(event)
    ?.steps.flatMap((step) => (step.verdict === 'unchecked' ? step.names : []));
  const parts = [...new Set(unchecked)].map((name) => names[name as keyof typeof names] ?? name);
  const label = states[state] + (parts.length > 0 && state !== 'altered' ? except(parts.join(', ')) : '');
  const open = (click: Event) => {
    click.stopPropagation();
    proofs.subject.value = event;
    viewer.panel.value = 'proof';
  };
  return html`<button type="button" class="lock ${state}" part="lock lock-${state}" title=${label} aria-label=${label} @click=${open}>${STATE_ICONS[state]}</button>`;
}
