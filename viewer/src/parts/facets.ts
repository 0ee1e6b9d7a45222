import { html, nothing } from 'lit';
import { classMap } from 'lit/directives/class-map.js';
import { repeat } from 'lit/directives/repeat.js';
import { countedRows, FACETS, type Facet, keyOf, listedRows, namesOf, type Row } from '../facet-rows';
import { close, down, exclude } from '../icons';
import { fieldLabel } from '../labels';
import { TOP } from '../overview';
import { define, Part } from '../part';
import { rangeName } from '../range';
import { styled } from '../styled';

/** Rows of a facet before "Show more", and facets that are open at first. */
const SHORT = 6;
const OPEN = 4;
/** Width of the whole, in rem, below which the facets lie over the list rather than beside it. */
const NARROW = 56;

/** The values that events have, with how many, to look for or to leave out. */
export class FacetsPart extends Part {
  readonly #known = new Map<Facet, Row[]>();
  readonly #closed = new Set<Facet>(FACETS.slice(OPEN));
  readonly #long = new Set<Facet>();
  readonly #width = new ResizeObserver(([entry]) => entry && this.#measured(entry.contentRect.width));
  #narrow: boolean | null = null;
  #opener: HTMLElement | null = null;
  #unwatch = () => {};

  protected override watched() {
    return [this.viewer.query, this.viewer.overview, this.viewer.directory, this.viewer.facets];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.parentElement) this.#width.observe(this.parentElement);
    this.#unwatch = this.viewer.facets.listen(() => this.#toggled());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#width.disconnect();
    this.#unwatch();
  }

  override render() {
    if (!this.viewer.facets.value) return nothing;
    const t = this.t.facets;
    const { facets, loading, problem } = this.viewer.overview;
    const classes = {
      facets: true,
      'facets-sheet': !!this.#narrow,
      'facets-stale': loading && facets !== null,
    };
    return html`${this.#narrow ? html`<div class="facets-backdrop" @click=${this.#close}></div>` : nothing}
      <section class=${classMap(classes)} part="facets" aria-label=${t.label} aria-busy=${loading}
        role=${this.#narrow ? 'dialog' : 'region'} tabindex=${this.#narrow ? -1 : nothing} @keydown=${this.#key} @focusout=${this.#left}>
        ${
          this.#narrow
            ? html`<div class="facets-head"><h2 class="heading">${t.label}</h2>
              <button class="button plain icon facets-close" aria-label=${t.close} @click=${this.#close}>${close}</button></div>`
            : nothing
        }
        ${
          problem && !loading
            ? html`<p class="facets-note" role="alert">${t.failed}
              <button class="link" @click=${() => this.viewer.overview.reload()}>${t.retry}</button></p>`
            : nothing
        }
        ${facets ? FACETS.map((facet) => this.#group(facet)) : loading ? skeleton : nothing}
        ${
          facets?.complete_since
            ? html`<p class="facets-note muted">${t.countedSince(this.#moment(facets.complete_since))}</p>`
            : nothing
        }
      </section>`;
  }

  #moment(at: string): string {
    return rangeName(Date.parse(at), Date.parse(at), this.viewer.when.value);
  }

  #group(facet: Facet) {
    const rows = this.#rows(facet);
    if (rows.length === 0) return nothing;
    const t = this.t.facets;
    const open = !this.#closed.has(facet);
    const long = this.#long.has(facet);
    const shown = long ? rows : this.#short(rows);
    const more = rows.length - this.#short(rows).length;
    const most = Math.max(1, ...rows.map((row) => row.count ?? 0));
    return html`<div class="facets-group">
      <h3><button class="facets-name" aria-expanded=${open} @click=${() => this.#turn(this.#closed, facet)}>
        ${fieldLabel(this.t, namesOf(facet)[0] ?? facet)}${down}</button></h3>
      ${
        open
          ? html`<ul>${repeat(shown, keyOf, (row) => this.#row(row, most))}</ul>
            ${long && rows.length >= TOP ? html`<p class="facets-more muted">${t.mostFrequent(this.viewer.number(TOP))}</p>` : nothing}
            ${
              more > 0
                ? html`<button class="facets-more link" aria-expanded=${long} @click=${() => this.#turn(this.#long, facet)}>
                  ${long ? t.fewer : t.more(this.viewer.number(more))}</button>`
                : nothing
            }`
          : nothing
      }
    </div>`;
  }

  #row(row: Row, most: number) {
    const t = this.t.facets;
    const chosen = this.viewer.query.value.has(row.name, row.value);
    const out = chosen === false;
    const written = row.count === null ? '' : this.viewer.number(row.count);
    const spoken = row.count === null ? row.label : t.option(row.label, row.count, written);
    return html`<li class=${classMap({ 'facets-row': true, 'facets-out': out })}>
      <label class="facets-label" ${styled({ '--share': `${(row.count ?? 0) / most}` })}>
        <input type="checkbox" class="facets-box" .checked=${chosen === true} aria-label=${out ? t.leftOut(row.label) : spoken}
          @change=${() => this.#choose(row, false)}>
        <span class="facets-value" title=${row.label}>${row.label}</span>
        <span class="facets-count">${written}</span>
      </label>
      <button class="facets-exclude" aria-pressed=${out} aria-label=${t.leaveOut(row.label)} title=${t.leaveOut(row.label)}
        @click=${() => this.#choose(row, true)}>${exclude}</button>
    </li>`;
  }

  /** Looks for the value, or leaves it out (`not`); takes that back where it is so already. */
  #choose({ name, value }: Row, not: boolean): void {
    const query = this.viewer.query.value;
    this.viewer.query.value =
      query.has(name, value) === !not ? query.without(name, value) : query.with({ name, value, not });
  }

  #rows(facet: Facet): Row[] {
    const { query, overview } = this.viewer;
    const terms = query.value.terms.filter((term) => namesOf(facet).includes(term.name));
    const counted = overview.facets ? countedRows(overview.facets, facet, this.t) : [];
    const label = (term: Pick<Row, 'name' | 'value'>) => this.viewer.label(term);
    const listed = listedRows(this.#known.get(facet) ?? [], counted, terms, label);
    // What actions are called may become known later.
    const rows = facet === 'action' ? listed.map((row) => ({ ...row, label: label(row) })) : listed;
    // While the next counts are on their way these are still those of another query.
    if (!overview.loading) this.#known.set(facet, rows);
    return rows;
  }

  /** The first few, and whatever of the others is looked for or left out. */
  #short(rows: Row[]): Row[] {
    const query = this.viewer.query.value;
    return rows.filter((row, place) => place < SHORT || query.has(row.name, row.value) !== undefined);
  }

  #turn(set: Set<Facet>, facet: Facet): void {
    if (!set.delete(facet)) set.add(facet);
    this.requestUpdate();
  }

  #measured(width: number): void {
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const narrow = width < NARROW * rem;
    if (narrow === this.#narrow) return;
    this.#narrow = narrow;
    this.viewer.facets.value = !narrow;
    this.requestUpdate();
  }

  #toggled(): void {
    if (!this.#narrow || !this.viewer.facets.value) return;
    this.#opener = (this.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
    void this.updateComplete.then(() => this.querySelector<HTMLElement>('.facets-close')?.focus());
  }

  #close = () => {
    this.viewer.facets.value = false;
    this.#opener?.focus();
  };

  #key = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !this.#narrow) return;
    event.stopPropagation();
    this.#close();
  };

  /** Whoever tabs out of the sheet is done with it; what opened it closes it by itself. */
  #left = ({ relatedTarget }: FocusEvent) => {
    if (!this.#narrow || relatedTarget === this.#opener) return;
    if (relatedTarget instanceof Node && !this.contains(relatedTarget)) {
      this.viewer.facets.value = false;
    }
  };
}

const skeleton = html`<div class="facets-skeleton" aria-hidden="true">
  ${[5, 6, 6].map((rows) => html`<div class="facets-group"><i></i>${Array.from({ length: rows }, () => html`<i></i>`)}</div>`)}
</div>`;

define('audit-log-facets', FacetsPart);
