import { html, nothing, type TemplateResult } from 'lit';
import type { AuditEvent } from '../event';
import { revealed } from '../hidden';
import { claimOf, exclusion, type LeftOut, type Wholeness } from '../proof/gaps';
import type { Viewer } from '../viewer';
import { type StepText, step } from './steps';

/** Whether the list leaves out what it should have. */
export function wholeness(viewer: Viewer): TemplateResult | typeof nothing {
  const { continuity } = viewer.proofs.checker ?? {};
  if (!continuity || viewer.timeline.rows.length === 0) return nothing;
  const { leftOut, state } = continuity;
  const texts = viewer.texts.value;
  const steps = leftOut.map((one) => step(texts, { text: told(viewer, one), verdict: 'failed' }));
  return html`${steps.length > 0 ? html`<ul class="proof-steps">${steps}</ul>` : nothing}
    <p class=${state.kind === 'unchecked' ? 'proof-unchecked' : 'muted'}>${known(viewer, state, leftOut.length > 0)}</p>`;
}

function told(viewer: Viewer, { seq, entry }: LeftOut): string {
  const { continuity } = viewer.texts.value;
  const number = viewer.number(seq);
  if (!entry) return continuity.forged(number);
  const { type, id = type } = entry.actor;
  const [action, actor] = [plain(entry.action), plain(id)];
  return continuity.out(number, viewer.when.value.full(entry.occurred_at), action, actor);
}

/** With the hidden characters that it has. */
const plain = (said: string): string =>
  revealed(said)
    .map(({ text }) => text)
    .join('');

function known(viewer: Viewer, state: Wholeness, isLacking: boolean): string {
  const { continuity, proof } = viewer.texts.value;
  const number = (value: number) => viewer.number(value);
  if (state.kind === 'part' || state.kind === 'checking') return continuity[state.kind];
  if (state.kind === 'unchecked') {
    const why =
      'why' in state
        ? proof.obstacles[state.why]
        : continuity.refused(state.count, number(state.count), number(state.seq));
    return `${continuity.unknown} ${why}`;
  }
  const { others, rest } = state;
  const [low, high] = [number(state.low), number(state.high)];
  const has = others > 0 ? continuity.others(low, high, others, number(others)) : continuity.all(low, high);
  const all = isLacking ? continuity.looked(low, high) : `${continuity.nothing} ${has}`;
  return rest ? `${all} ${continuity[rest](low)}` : all;
}

/** Steps of an event's proof that do not hold: what was left out right before or after it, of this list too. */
export function beside(viewer: Viewer, event: AuditEvent): StepText[] {
  const { proofs, timeline, texts } = viewer;
  const { since, until } = viewer.query.value;
  const { rows, hasMore, loading } = timeline;
  const excludes = exclusion(viewer.query.value);
  // In a part of the log nobody is beside anybody.
  if (proofs.checker?.continuity.state.kind === 'part' || !excludes || loading) return [];
  const claim = claimOf(rows, 0, { since, until, hasMore });
  return proofs.leftOut.flatMap(({ seq, entry }) => {
    if (!entry || excludes(entry.action) || timeline.get(entry.id) || !claim?.holds(entry)) return [];
    const place = timeline.indexOf(entry);
    if (rows[place - 1] !== event && rows[place] !== event) return [];
    return { text: texts.value.continuity.beside(viewer.number(seq)), verdict: 'failed' };
  });
}
