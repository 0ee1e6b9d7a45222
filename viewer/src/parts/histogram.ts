import { html, nothing, svg } from 'lit';
import { classMap } from 'lit/directives/class-map.js';
import type { Facets } from '../event';
import { sidebar } from '../icons';
import { LOOKING } from '../labels';
import { define, Part } from '../part';
import { dayLabel, rangeName, written } from '../range';
import { styled } from '../styled';
import { ticksOf } from '../ticks';

type Buckets = Facets['histogram'];

/** Bars from `anchor` to `head`, in the order in which they were chosen. */
interface Chosen {
  readonly anchor: number;
  readonly head: number;
}

/** Pixels that a tick's label may take. */
const TICK = 80;

/** How many events there are, and when they were: bars to look at, and to zoom into. */
export class Histogram extends Part {
  /** The bar that is pointed at, or that the keys have reached. */
  #chosen: Chosen | null = null;
  #dragging = false;
  /** What is shown stays while somebody chooses in it, whatever arrives. */
  #held: Buckets | null = null;
  #width = 0;
  #sizes = new ResizeObserver(([entry]) => {
    this.#width = entry?.contentRect.width ?? 0;
    this.requestUpdate();
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#sizes.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sizes.disconnect();
  }

  protected override watched() {
    return [this.viewer.query, this.viewer.overview, this.viewer.facets];
  }

  override render() {
    const t = this.t.histogram;
    const { overview, query, facets } = this.viewer;
    const { since, until } = query.value;
    return html`<div class="histogram" part="histogram" aria-busy=${overview.loading}>
      <div class="histogram-line">
        <button class="button plain histogram-filters" part="facets-button" title=${this.t.facets.label} aria-expanded=${facets.value} @click=${() => {
          facets.value = !facets.value;
        }}>${sidebar}<span class="histogram-name">${this.t.facets.label}</span></button>
        ${this.#total()}
        ${this.#quiet()}
        ${since || until ? html`<button class="button plain histogram-act" @click=${() => this.#within('', '')}>${t.reset}</button>` : nothing}
      </div>
      ${this.#chart()}
    </div>`;
  }

  #total() {
    const t = this.t.histogram;
    const { facets, problem, loading } = this.viewer.overview;
    if (problem && !loading && !this.viewer.facets.value) {
      return html`<span class="muted">${this.t.facets.failed} <button class="link" @click=${() => this.viewer.overview.reload()}>${this.t.facets.retry}</button></span>`;
    }
    if (!facets || problem) return html`<span class="histogram-total"></span>`;
    const since = facets.histogram.complete_since;
    return html`<span class=${classMap({ 'histogram-total': true, 'histogram-stale': loading })}>${this.#totalText(facets)}
      ${since ? html`<span class="muted">(${t.countedSince(rangeName(Date.parse(since), Date.parse(since), this.viewer.when.value))})</span>` : nothing}</span>`;
  }

  #totalText({ total }: Facets): string {
    const t = this.t.histogram;
    if (total.count === 0 && !total.capped) return t.none;
    return t.total(total.count, this.viewer.number(total.count) + (total.capped ? '+' : ''));
  }

  /** Looking at the log is logged as well, and may be most of what there is. It is left out by a filter, seen as any other. */
  #quiet() {
    const t = this.t.histogram;
    const { overview, query } = this.viewer;
    const found = overview.facets?.facets.action.filter(({ value }) => LOOKING.includes(value)) ?? [];
    if (found.length === 0 || query.value.terms.some(({ name, not }) => name === 'action' && !not))
      return nothing;
    const hide = () => {
      query.value = found.reduce(
        (all, { value }) => all.with({ name: 'action', value, not: true }),
        query.value,
      );
    };
    return html`<button class="button plain histogram-act" title=${t.quietWhy} @click=${hide}>${t.quiet}</button>`;
  }

  #chart() {
    const t = this.t.histogram;
    const { facets, loading, problem } = this.viewer.overview;
    const buckets = this.#held ?? facets?.histogram;
    if (!facets || !buckets || problem) {
      return html`<div class=${classMap({ 'histogram-chart': true, 'histogram-skeleton': loading })}></div>`;
    }
    const { counts } = buckets;
    const most = Math.max(1, ...counts.map(({ count }) => count));
    const [from, to] = this.#ends();
    const head = Math.min(this.#chosen?.head ?? counts.length - 1, counts.length - 1);
    return html`<div class=${classMap({ 'histogram-chart': true, 'histogram-stale': loading })}>
      <div class="histogram-bars" role="slider" tabindex=${counts.length > 0 ? 0 : -1} aria-label=${t.label} aria-describedby="histogram-said"
        aria-valuemin="0" aria-valuemax=${Math.max(0, counts.length - 1)} aria-valuenow=${Math.max(0, head)}
        aria-valuetext=${counts.length > 0 ? this.#said(buckets, from ?? head, to ?? head) : t.none}
        @keydown=${this.#key} @blur=${this.#leave} @pointerdown=${this.#down} @pointermove=${this.#move} @pointerup=${this.#up}
        @pointercancel=${this.#leave} @pointerleave=${() => !this.#dragging && this.#leave()}>
        <svg class="histogram-svg" viewBox="0 0 ${Math.max(1, counts.length)} 44" preserveAspectRatio="none" aria-hidden="true">
          ${from === null ? nothing : svg`<rect class="histogram-band" x=${from} width=${to - from + 1} height="44"/>`}
          ${counts.map(({ count }, place) => bar(place, count / most, from !== null && place >= from && place <= to))}
        </svg>
        ${this.#uncounted(buckets)}
        ${from === null ? nothing : this.#tip(buckets, from, to)}
      </div>
      <p class="for-screen-readers" id="histogram-said">${this.#summary(facets, buckets)} ${t.help}</p>
      <div class="histogram-axis muted" aria-hidden="true" ?hidden=${facets.total.count === 0}>${this.#axis(buckets)}</div>
    </div>`;
  }

  /** When the bars were; of a few of no such beginning, from when to when they are. */
  #axis(buckets: Buckets) {
    const { counts, since, until } = buckets;
    const starts = counts.map(({ at }) => Date.parse(at));
    const ticks = ticksOf(starts, Math.floor(this.#width / TICK), this.viewer.when.value).map(
      ({ bar, label }) => ({ label, place: bar / counts.length }),
    );
    // There is no room for the label of one at the end.
    const shown = ticks.filter(({ place }) => (1 - place) * this.#width > TICK / 2);
    if (shown.length < 2)
      return html`<span>${this.#edge(buckets, since)}</span><span>${this.#edge(buckets, until)}</span>`;
    return shown.map(
      ({ place, label }) =>
        html`<span class="histogram-tick" ${styled({ 'inset-inline-start': `${place * 100}%` })}>${label}</span>`,
    );
  }

  /** Before this time not everything was counted. */
  #uncounted({ counts, complete_since: since, until }: Buckets) {
    const first = counts[0];
    if (!since || !first) return nothing;
    const place = counts.findLastIndex(({ at }) => at <= since);
    const start = Date.parse(counts[place]?.at ?? first.at);
    const end = Date.parse(counts[place + 1]?.at ?? until);
    const share =
      (Math.max(place, 0) + (Date.parse(since) - start) / Math.max(1, end - start)) / counts.length;
    return html`<div class="histogram-uncounted" ${styled({ 'inline-size': `${Math.max(0, share) * 100}%` })}></div>`;
  }

  #tip(buckets: Buckets, from: number, to: number) {
    const middle = (from + to + 1) / 2 / buckets.counts.length;
    const side = middle < 0.15 ? 'start' : middle > 0.85 ? 'end' : 'middle';
    const at =
      side === 'end'
        ? { 'inset-inline-end': '0' }
        : { 'inset-inline-start': side === 'start' ? '0' : `${middle * 100}%` };
    return html`<div class="histogram-tip histogram-tip-${side}" aria-hidden="true" ${styled(at)}>${this.#said(buckets, from, to)}</div>`;
  }

  /** "21 Nov, 14 events" */
  #said({ counts, until }: Buckets, from: number, to: number): string {
    const t = this.t.histogram;
    const events = counts.slice(from, to + 1).reduce((sum, { count }) => sum + count, 0);
    const [start, end] = [counts[from]?.at ?? until, counts[to + 1]?.at ?? until].map(Date.parse) as [
      number,
      number,
    ];
    return t.bar(rangeName(start, end, this.viewer.when.value), t.total(events, this.viewer.number(events)));
  }

  #summary(facets: Facets, buckets: Buckets): string {
    const t = this.t.histogram;
    const { counts, until } = buckets;
    const peak = counts.reduce(
      (best, { count }, place) => (count > (counts[best]?.count ?? 0) ? place : best),
      0,
    );
    const top = counts[peak];
    if (!top?.count) return t.none;
    const when = this.viewer.when.value;
    const end = Date.parse(counts[peak + 1]?.at ?? until);
    const name = rangeName(Date.parse(top.at), end, when);
    return t.summary(
      this.#totalText(facets),
      this.#edge(buckets, buckets.since),
      this.#edge(buckets, until),
      name,
      this.viewer.number(top.count),
    );
  }

  /** Where the bars begin or end: a day, and the time of it where bars are shorter than that. */
  #edge({ bucket }: Buckets, at: string): string {
    const when = this.viewer.when.value;
    const moment = Date.parse(at);
    if (/^\d+[mh]$/.test(bucket)) return rangeName(moment, moment, when);
    return dayLabel(moment, when);
  }

  /** The bars that are chosen, in order of time. */
  #ends(): [number, number] | [null, null] {
    if (!this.#chosen) return [null, null];
    const { anchor, head } = this.#chosen;
    return [Math.min(anchor, head), Math.max(anchor, head)];
  }

  #choose(chosen: Chosen | null): void {
    this.#chosen = chosen;
    this.#held = chosen && (this.#held ?? this.viewer.overview.facets?.histogram ?? null);
    this.requestUpdate();
  }

  #leave = () => {
    this.#dragging = false;
    this.#choose(null);
  };

  #down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#dragging = true;
    const at = this.#placeOf(event);
    this.#choose({ anchor: at, head: at });
  };

  #move = (event: PointerEvent) => {
    const at = this.#placeOf(event);
    const anchor = this.#dragging && this.#chosen ? this.#chosen.anchor : at;
    if (this.#chosen?.head !== at || this.#chosen.anchor !== anchor) this.#choose({ anchor, head: at });
  };

  #up = () => {
    if (this.#dragging) this.#zoom();
  };

  #placeOf({ currentTarget, clientX }: PointerEvent): number {
    const { left, width } = (currentTarget as Element).getBoundingClientRect();
    const bars = (this.#held ?? this.viewer.overview.facets?.histogram)?.counts.length ?? 1;
    const share = (clientX - left) / Math.max(1, width);
    return Math.max(0, Math.min(bars - 1, Math.floor(share * bars)));
  }

  #key = (event: KeyboardEvent) => {
    const last = (this.#held ?? this.viewer.overview.facets?.histogram)?.counts.length ?? 0;
    const from = this.#chosen?.head ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last - 1 }[event.key];
    if (to !== undefined) {
      const head = Math.max(0, Math.min(last - 1, to));
      this.#choose({ anchor: event.shiftKey && this.#chosen ? this.#chosen.anchor : head, head });
    } else if (event.key === 'Enter' && this.#chosen) this.#zoom();
    else if (event.key === 'Escape' && this.#chosen) this.#leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  /**
   * Shows the chosen bars' time alone. The end of the last bar stays open where the query has no end, so that what is
   * logged goes on arriving; a first bar that began before the range begins with the range.
   */
  #zoom(): void {
    const [from, to] = this.#ends();
    const buckets = this.#held;
    this.#leave();
    if (!buckets || from === null) return;
    const { counts, since, until } = buckets;
    if (to - from + 1 === counts.length || counts.slice(from, to + 1).every(({ count }) => count === 0))
      return;
    const query = this.viewer.query.value;
    const start = from === 0 && query.since ? since : (counts[from]?.at ?? since);
    const end = counts[to + 1]?.at ?? (query.until ? until : '');
    this.#within(written(Date.parse(start)), end && written(Date.parse(end)));
  }

  #within(since: string, until: string): void {
    this.viewer.query.value = this.viewer.query.value.within(since, until);
  }
}

/** In a picture of 44 units' height; a bar of few events can still be seen. */
function bar(place: number, share: number, chosen: boolean) {
  const height = share > 0 ? Math.max(2, share * 42) : 0;
  return svg`<rect class=${chosen ? 'histogram-bar histogram-chosen' : 'histogram-bar'} x=${place + 0.1} y=${44 - height} width="0.8" height=${height}/>`;
}

define('audit-log-histogram', Histogram);
