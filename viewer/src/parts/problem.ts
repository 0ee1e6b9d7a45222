import { html, nothing, type PropertyValues } from 'lit';
import { offline, warning } from '../icons';
import { define, Part } from '../part';
import type { Problem } from '../problem';
import { Query } from '../query';

/** What is wrong, in plain words, and what can be done about it: in place of the list, or `slim` above it or at its end. */
export class ProblemNotice extends Part {
  static override properties = {
    ...Part.properties,
    problem: { attribute: false },
    again: { attribute: false },
    slim: { type: Boolean, reflect: true },
  };
  declare problem: Problem;
  /** What is to be tried again; the timeline if absent. */
  declare again: (() => void) | undefined;
  declare slim: boolean;
  #until = 0;
  #counting: ReturnType<typeof setInterval> | undefined;

  protected override watched() {
    return [this.viewer.signIn];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('online', this.#online);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('online', this.#online);
    clearInterval(this.#counting);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('problem')) return;
    clearInterval(this.#counting);
    const { retryAfter } = this.problem;
    this.#until = Date.now() + (retryAfter ?? 0) * 1000;
    if (retryAfter !== null) this.#counting = setInterval(() => this.#count(), 1000);
    const [title = ''] = this.#words();
    this.viewer.announcements.say(title);
  }

  get #left(): number {
    return Math.max(0, Math.ceil((this.#until - Date.now()) / 1000));
  }

  override render() {
    const { viewer, problem, slim, t } = this;
    const { signIn } = viewer;
    const [title = '', text = ''] = this.#words();
    const wait = this.#left;
    const isMine = problem.status === 422 || problem.code === 'hidden_part';
    // What is wrong with a search is said below its box.
    const isSearch = problem.errors.length > 0 && problem.errors.every(({ parameter }) => parameter === 'q');
    const clear = () => {
      viewer.query.value = isSearch ? viewer.query.value.searching('') : Query.ALL;
    };
    return html`<div class=${slim ? 'problem slim' : 'problem state'} part="problem">
      <span class="state-icon">${problem.code === 'offline' ? offline : warning}</span>
      <div class="state-words">
        ${slim ? html`<strong>${title}</strong>` : html`<h2 class="heading">${title}</h2>`}
        ${text && !isSearch ? html`<p class="muted">${text}</p>` : nothing}
        ${isSearch || TOLD.test(problem.code) ? nothing : html`<p class="problem-detail"><code>${problem.detail}</code></p>`}
      </div>
      <div class="state-actions">
        ${isMine && !viewer.query.value.isEmpty ? html`<button type="button" class="button primary" @click=${clear}>${isSearch ? t.search.clear : t.states.clear}</button>` : nothing}
        ${problem.status === 401 && isWeb(signIn.value) ? html`<a class="button primary" href=${signIn.value} target="_top">${t.states.signIn}</a>` : nothing}
        ${problem.code === 'invalid_parameter' ? nothing : html`<button type="button" class="button" @click=${this.#retry}>${t.states.again}</button>`}
        ${wait > 0 ? html`<span class="muted">${t.states.wait(wait, viewer.number(wait))}</span>` : nothing}
      </div>
    </div>`;
  }

  /** A title, and what it means where that is not said by it. */
  #words(): readonly string[] {
    const { code, status } = this.problem;
    const texts: Record<string, readonly string[]> = this.t.states.problems;
    const known = Object.hasOwn(texts, code) ? texts[code] : undefined;
    const { forbidden, service, other } = this.t.states.problems;
    return known ?? (status === 403 ? forbidden : status >= 500 ? service : other);
  }

  #count(): void {
    this.requestUpdate();
    if (this.#left > 0) return;
    clearInterval(this.#counting);
    this.#retry();
  }

  #online = (): void => {
    if (this.problem.code === 'offline') this.#retry();
  };

  #retry = (): void => {
    const { timeline } = this.viewer;
    if (this.again) this.again();
    else if (timeline.failed === 'load') void this.viewer.load();
    else timeline.retry();
  };
}

/** A host may have taken it from its own address: what would run in the page is no link. */
function isWeb(address: string | null): address is string {
  const { baseURI } = document;
  return (
    address !== null && URL.canParse(address, baseURI) && /^https?:$/.test(new URL(address, baseURI).protocol)
  );
}

/** Codes of which the words say all that there is to say. */
const TOLD =
  /^(offline|no_token|unauthorized|missing_scope|members_not_allowed|wrong_tenant|rate_limited|too_many_\w+|too_slow|unavailable|internal_error)$/;

define('audit-log-problem', ProblemNotice);
