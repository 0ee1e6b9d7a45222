import { html } from 'lit';
import type { Observable } from '../cell';
import { define, Part } from '../part';
import type { ProofState, Proofs } from '../proofs';
import type { Viewer } from '../viewer';
import { STATE_ICONS } from './lock';

/** What was found out about the ledger as a whole, in a few words. It opens the proof. */
export class LedgerSummary extends Part {
  protected override watched(): Observable[] {
    return [this.viewer.proofs];
  }

  override render() {
    const { viewer } = this;
    const state = ledgerState(viewer.proofs);
    const open = () => {
      viewer.proofs.subject.value = null;
      viewer.panel.value = 'proof';
    };
    return html`<button type="button" class="ledger ${state}" part="ledger ledger-${state}" title=${this.t.proof.open} @click=${open}>
      ${STATE_ICONS[state]}<span>${summary(viewer)}</span>
    </button>`;
  }
}

/** What is not shown of an event is of no account here: the root is of hashes. */
export type LedgerState = Exclude<ProofState, 'partial'>;

/** Altered where any event in sight is, one was left out, or the ledger contradicts what was signed of it. */
export function ledgerState(proofs: Proofs): LedgerState {
  const { contradiction, altered, leftOut, obstacle, standing, checking } = proofs;
  if (contradiction || altered.size > 0 || leftOut[0]) return 'altered';
  if (standing && (!obstacle || obstacle.passes)) return standing.by === 'service' ? 'unpinned' : 'proven';
  if (obstacle) return obstacle.kind === 'unsigned' ? 'waiting' : 'unavailable';
  return checking ? 'checking' : 'unknown';
}

export function summary(viewer: Viewer): string {
  const { contradiction, altered, leftOut, standing, seen, obstacle } = viewer.proofs;
  const { proof } = viewer.texts.value;
  if (contradiction) return proof.contradictions[contradiction.kind];
  if (altered.size > 0) return proof.alteredRows(seen, viewer.number(altered.size), viewer.number(seen));
  if (leftOut[0]) return proof.leftOut(viewer.number(leftOut[0].seq));
  const state = ledgerState(viewer.proofs);
  if (standing && (state === 'proven' || state === 'unpinned'))
    return proof.upTo[state](viewer.number(standing.checkpoint.size - 1));
  return obstacle && state === 'unavailable' ? proof.obstacles[obstacle.kind] : proof.ledgerStates[state];
}

define('audit-log-ledger', LedgerSummary);
