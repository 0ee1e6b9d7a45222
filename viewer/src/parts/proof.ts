import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Observable } from '../cell';
import type { AuditEvent } from '../event';
import * as icons from '../icons';
import { define, Part } from '../part';
import { Problem } from '../problem';
import { toBase64 } from '../proof/bytes';
import type { Step } from '../proof/check';
import type { Standing } from '../proof/ledger';
import { beside, wholeness } from './continuity';
import './copy';
import { ledgerState, summary } from './ledger';
import { STATE_ICONS } from './lock';
import { type StepText, step } from './steps';

/** What was checked of the chosen event and of its ledger, how, and how to do it without us. */
export class ProofPanel extends Part {
  static override properties = { ...Part.properties, wrong: { state: true }, failure: { state: true } };
  /** What was pasted is no key. */
  declare wrong: boolean;
  /** Why a file could not be had. */
  declare failure: string | null;
  #open: string | null = null;
  #looked: AuditEvent | null = null;

  constructor() {
    super();
    this.wrong = false;
    this.failure = null;
  }

  protected override watched(): Observable[] {
    const { proofs, open, timeline, about } = this.viewer;
    return [proofs, proofs.subject, open, timeline, about];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#open = this.viewer.open.value;
    const { proofs } = this.viewer;
    if (!proofs.standing && !proofs.contradiction) this.#look();
  }

  protected override willUpdate(_changed: PropertyValues): void {
    const { open, proofs } = this.viewer;
    // Whoever opens another event's details means that one.
    if (open.value !== this.#open) {
      this.#open = open.value;
      if (open.value !== null) proofs.subject.value = null;
    }
    const event = this.#event;
    if (!event) return;
    proofs.want([event]);
    if (event !== this.#looked) this.failure = null;
    this.#looked = event;
  }

  get #event(): AuditEvent | null {
    const { open, proofs, timeline } = this.viewer;
    return proofs.subject.value ?? timeline.rows.find(({ id }) => id === open.value) ?? null;
  }

  override render() {
    const event = this.#event;
    return html`<div class="proof" part="proof">
      ${event ? this.#ofEvent(event) : nothing}
      ${this.#ofLedger()}
    </div>`;
  }

  #ofEvent(event: AuditEvent): TemplateResult {
    const { viewer } = this;
    const { proof } = this.t;
    const state = viewer.proofs.stateOf(event);
    const result = viewer.proofs.resultOf(event);
    const number = viewer.number(event.seq);
    const [happened, recorded] = [event.occurred_at, event.recorded_at].map((at) =>
      viewer.when.value.dayName(at),
    ) as [string, string];
    const missing = result?.missing;
    const why =
      state === 'unavailable' ? proof.obstacles[missing && missing !== 'waiting' ? missing : 'unproven'] : '';
    return html`<section aria-label=${proof.event}>
      <p class="proof-subject">${event.sentence}</p>
      <div class="proof-verdict ${state}" role="status">${STATE_ICONS[state]}
        <p>${proof.verdicts[state](number, recorded)} ${why}</p>
      </div>
      ${happened === recorded || state === 'altered' ? nothing : html`<p class="muted">${proof.happened(happened)}</p>`}
      ${
        result && result.steps.length > 0
          ? html`<h3 class="heading">${proof.checked}</h3>
            <ol class="proof-steps">${[...result.steps.map((one) => this.#told(one)), ...this.#ofRoot(event), ...beside(viewer, event)].map((one) => step(this.t, one))}</ol>
            <p class="muted">${proof.sentence}</p>`
          : nothing
      }
      <div class="proof-actions">
        <button class="button small" @click=${() => void viewer.proofs.checker?.again(event)}>${proof.again}</button>
        <button class="button small" @click=${() => this.#download(event, 'evidence', '.evidence.zip')}>${icons.download}${proof.evidence}</button>
        <button class="button small" @click=${() => this.#download(event, 'proof', '.tlog-proof')}>${icons.download}${proof.file}</button>
      </div>
      ${this.failure ? html`<p class="wrong" role="alert">${this.failure}</p>` : nothing}
    </section>`;
  }

  /** The two steps that are the ledger's: who signed the root, and whether it continues what this browser knew. */
  #ofRoot(event: AuditEvent): StepText[] {
    const { standing, contradiction, resultOf } = this.viewer.proofs;
    const { proof } = this.t;
    if (contradiction) return [{ text: proof.contradictions[contradiction.kind], verdict: 'failed' }];
    const isIn = resultOf.call(this.viewer.proofs, event)?.steps.some(({ name }) => name === 'included');
    if (!standing || !isIn) return [];
    return [
      { text: proof.signed[standing.by], verdict: standing.by === 'service' ? 'unchecked' : 'ok' },
      { text: this.#continuity(standing), verdict: standing.known ? 'ok' : 'unchecked' },
    ];
  }

  #continuity({ known, by }: Standing): string {
    const { proof } = this.t;
    if (!known) return by === 'service' ? proof.unremembered : proof.first;
    const when = this.viewer.when.value;
    return proof.continues(this.viewer.number(known.size), when.full(known.at), when.dayName(known.since));
  }

  #told({ name, verdict, why, names = [], count = 0 }: Step): StepText {
    const { proof } = this.t;
    const listed = names.map((one) => proof.names[one as keyof typeof proof.names] ?? one).join(', ');
    const text = why ? proof.why[why](listed, count) : proof.steps[name][verdict === 'ok' ? 'ok' : 'failed'];
    return { text, verdict };
  }

  #ofLedger(): TemplateResult {
    const { viewer } = this;
    const { proof } = this.t;
    const { proofs } = viewer;
    const { standing, contradiction, altered } = proofs;
    const proven = proofs.checker?.findings.proven ?? 0;
    const state = ledgerState(proofs);
    return html`<section aria-label=${proof.ledger}>
      <h3 class="heading">${proof.ledger}</h3>
      <div class="proof-verdict ${state}">${STATE_ICONS[state]}<div>
        <p>${summary(viewer)}</p>${state === 'unpinned' ? html`<p>${proof.unpinned}</p>` : nothing}
      </div></div>
      ${contradiction ? this.#contradiction() : nothing}
      ${standing ? this.#standing(standing) : nothing}
      ${contradiction ? nothing : html`<p class="muted">${proof.counted(proven, viewer.number(proven), viewer.number(altered.size))}</p>`}
      ${contradiction ? nothing : wholeness(viewer)}
      <div class="proof-actions"><button class="button small" @click=${this.#look}>${proof.look}</button></div>
      ${standing ? this.#note(standing) : nothing}
      ${this.#pin(standing)}
      ${proofs.checker?.trust.known ? this.#memory() : nothing}
      ${this.#without(standing)}
    </section>`;
  }

  /** Both roots, and both notes: what two histories look like, for whoever has to show it. */
  #contradiction(): TemplateResult {
    const { proof } = this.t;
    const { viewer } = this;
    const found = viewer.proofs.contradiction;
    const { known = null, checkpoint = null, note = null } = found ?? {};
    const saved = [known?.note, note].filter(Boolean).join('\n');
    const line = (label: string, size: number, root: string) =>
      html`<dt>${label}</dt><dd>${proof.entries(size, viewer.number(size))}<br><code>${root}</code></dd>`;
    return html`<p>${proof.alarm}</p>
      <dl class="proof-histories">
        ${known ? line(proof.seenOn(viewer.when.value.full(known.at)), known.size, known.root) : nothing}
        ${checkpoint ? line(proof.now, checkpoint.size, toBase64(checkpoint.root)) : nothing}
      </dl>
      ${saved ? html`<div class="proof-actions"><button class="button small" @click=${() => save(new Blob([saved]), 'checkpoints.txt')}>${icons.download}${proof.saveBoth}</button></div>` : nothing}`;
  }

  #standing({ checkpoint, key, by, at, known }: Standing): TemplateResult {
    const { proof } = this.t;
    const { viewer } = this;
    const root = toBase64(checkpoint.root);
    const when = viewer.when.value;
    const since = known ? when.full(known.since) : by === 'service' ? proof.notFollowed : this.t.row.now;
    return html`<dl class="proof-facts">
      <dt>${proof.size}</dt><dd>${viewer.number(checkpoint.size)}</dd>
      <dt>${proof.root}</dt><dd><code title=${root}>${root.slice(0, 16)}…</code>
        <audit-log-copy .viewer=${viewer} .text=${root} .what=${proof.root}></audit-log-copy></dd>
      <dt>${proof.key}</dt><dd><code title=${key.vkey}>${key.vkey.split('+')[1]}</code>, ${proof.pinnedBy[by]}
        <audit-log-copy .viewer=${viewer} .text=${key.vkey} .what=${proof.key}></audit-log-copy></dd>
      <dt>${proof.at}</dt><dd>${when.full(at.toISOString())}</dd>
      <dt>${proof.since}</dt><dd>${since}</dd>
    </dl>`;
  }

  #note({ note, checkpoint }: Standing): TemplateResult {
    const { proof } = this.t;
    const name = `checkpoint-${checkpoint.size}.txt`;
    return html`<details class="fold proof-more"><summary>${proof.note}</summary>
      <p>${proof.keep}</p>
      <pre tabindex="0">${note}</pre>
      <div class="proof-actions">
        <audit-log-copy .viewer=${this.viewer} .text=${note} .what=${proof.note} .label=${proof.copy}></audit-log-copy>
        <button class="button small" @click=${() => save(new Blob([note]), name)}>${icons.download}${proof.save}</button>
      </div></details>`;
  }

  #pin(standing: Standing | null): TemplateResult | typeof nothing {
    const { proof } = this.t;
    const trust = this.viewer.proofs.checker?.trust;
    if (!trust?.canPin) return nothing;
    const isOwn = trust.isPinnedHere;
    return html`<details class="fold proof-more" ?open=${standing?.by === 'service'}><summary>${proof.pin}</summary>
      <p>${isOwn ? proof.pinned : proof.pinWhy}</p>
      ${
        isOwn
          ? html`<div class="proof-actions"><button class="button small" @click=${this.#unpin}>${proof.forget}</button></div>`
          : html`<form class="proof-form" @submit=${this.#remember}>
              <label for="proof-vkey">${proof.vkey}</label>
              <textarea class="field" id="proof-vkey" rows="3" required spellcheck="false" autocomplete="off" aria-invalid=${this.wrong} aria-describedby=${this.wrong ? 'proof-wrong' : nothing}></textarea>
              ${this.wrong ? html`<p class="wrong" id="proof-wrong" role="alert">${proof.wrongKey}</p>` : nothing}
              <div class="proof-actions"><button class="button small primary">${proof.trust}</button></div>
            </form>`
      }</details>`;
  }

  /** The one way out where a trusted key signed what its ledger does not continue, such as by mistake. */
  #memory(): TemplateResult {
    const { proof } = this.t;
    return html`<details class="fold proof-more"><summary>${proof.remembers}</summary>
      <p>${proof.remembered}</p>
      <div class="proof-actions"><button class="button small" @click=${this.#forget}>${proof.forgetLog}</button></div></details>`;
  }

  #without(standing: Standing | null): TemplateResult {
    const { proof } = this.t;
    const key = standing && standing.by !== 'service' ? standing.key.vkey : 'VKEY';
    const file = this.#event ? `${this.#event.id}.evidence.zip` : 'evidence.zip';
    const command = `python3 -I verify.py ${file} --key ${key}`;
    return html`<details class="fold proof-more"><summary>${proof.without}</summary>
      <p>${proof.how}</p>
      <pre tabindex="0">${command}</pre>
      <div class="proof-actions"><audit-log-copy .viewer=${this.viewer} .text=${command} .what=${proof.command} .label=${proof.copy}></audit-log-copy></div>
      <p>${proof.verifier}</p></details>`;
  }

  #look = () => {
    const tenant = this.viewer.about.value?.tenant_id ?? this.viewer.timeline.rows[0]?.tenant_id;
    if (tenant) void this.viewer.proofs.checker?.look(tenant);
  };

  #remember = async (submitted: Event) => {
    submitted.preventDefault();
    const field = this.querySelector('textarea');
    this.wrong = field !== null && !(await this.viewer.proofs.remember(field.value));
    if (this.wrong) field?.focus();
    else this.#look();
  };

  #unpin = async () => {
    await this.viewer.proofs.remember(null);
    this.#look();
  };

  #forget = () => {
    this.viewer.proofs.forget();
    this.#look();
  };

  async #download({ id }: AuditEvent, what: 'evidence' | 'proof', suffix: string): Promise<void> {
    this.failure = null;
    try {
      const answer = await this.viewer.api.send(`/api/audit-log/${encodeURIComponent(id)}/${what}`);
      save(await answer.blob(), id + suffix);
    } catch (error) {
      this.failure = this.t.proof.noFile(error instanceof Problem ? error.detail : String(error));
    }
  }
}

function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

define('audit-log-proof', ProofPanel);
