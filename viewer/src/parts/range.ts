import { html, nothing } from 'lit';
import { calendar, down } from '../icons';
import { define, Part } from '../part';
import { Popup } from '../popup';
import { rangeLabel, startOf, written } from '../range';
import { type TypedTime, typedTime } from '../typed-time';
import { dayAt } from '../zone';

type Side = 'since' | 'until';

/** One of the two fields: what is in it, and what it was filled with. */
interface Field {
  text: string;
  readonly filled: string;
  /** Said as soon as somebody is done with the field, not while they type. */
  wrong: string | null;
}

/** The range of time: usual ones to choose from, and others to type. */
export class Range extends Part {
  #popup = new Popup(this);
  #fields: Record<Side, Field> = { since: field(''), until: field('') };

  protected override watched() {
    return [this.viewer.query];
  }

  override render() {
    const t = this.t.range;
    const { since, until } = this.viewer.query.value;
    return html`<div class="range" @keydown=${this.#key}>
      <button class="button range-button" part="range" aria-haspopup="dialog" aria-expanded=${this.#popup.isOpen} @click=${() => (this.#popup.isOpen ? this.#close() : this.#show())}>
        ${calendar}<span class="for-screen-readers">${t.label}: </span><span class="range-label">${this.#label(since, until)}</span>${down}
      </button>
      ${this.#popup.isOpen ? this.#choices() : nothing}
    </div>`;
  }

  #choices() {
    const t = this.t.range;
    const { since, until } = this.viewer.query.value;
    const current = this.#label(since, until);
    return html`<div class="popup range-popup" part="popup" role="dialog" aria-label=${t.label}>
      <ul class="range-presets">${this.#presets().map(([since, until]) => {
        const label = this.#label(since, until);
        return html`<li><button class="item range-preset" aria-pressed=${label === current} @click=${() => this.#choose(since, until)}>${label}</button></li>`;
      })}</ul>
      <form class="range-custom" novalidate aria-label=${t.custom} @submit=${this.#submit}>
        <h3 class="heading">${t.custom}</h3>
        ${this.#field('since')}${this.#field('until')}
        <div class="range-foot"><span class="muted">${t.zone(this.viewer.when.value.zone)}</span>
          <button class="button primary" type="submit" @mousedown=${stay}>${t.apply}</button></div>
      </form>
    </div>`;
  }

  #field(side: Side) {
    const t = this.t.range;
    const { text, wrong } = this.#fields[side];
    return html`<label class="range-name" for="range-${side}">${side === 'since' ? t.from : t.to}</label>
      <div>
        <input class="field" id="range-${side}" autocomplete="off" autocapitalize="none" spellcheck="false" .value=${text}
          aria-describedby="range-${side}-said" aria-invalid=${wrong ? 'true' : 'false'}
          @input=${(event: InputEvent) => this.#typed(side, (event.target as HTMLInputElement).value)}
          @change=${() => this.#check(side)}>
        <p class="range-said ${wrong ? 'wrong' : 'muted'}" id="range-${side}-said" aria-live="polite">${wrong ?? this.#preview(side)}</p>
      </div>`;
  }

  #presets(): (readonly [string, string])[] {
    const { zone } = this.viewer.when.value;
    const now = Date.now();
    const [yesterday, today] = [-1, 0].map((day) => written(dayAt(now, zone, day))) as [string, string];
    const days = zone === 'UTC' ? (['yesterday', 'today'] as const) : ([yesterday, today] as const);
    const spans = ['1h', '24h', '7d', '30d', '90d'].map((span) => [span, ''] as const);
    return [['', ''], ...spans, [days[1], ''], days];
  }

  #label(since: string, until: string): string {
    return rangeLabel(since, until, this.t.range, this.viewer.when.value);
  }

  #show(): void {
    const { since, until } = this.viewer.query.value;
    this.#fields = { since: field(this.#text(since, false)), until: field(this.#text(until, true)) };
    this.#popup.open();
    void this.updateComplete.then(() => {
      const presets = [...this.querySelectorAll<HTMLElement>('.range-preset')];
      (presets.find((preset) => preset.ariaPressed === 'true') ?? presets[0])?.focus();
    });
  }

  #close(): void {
    this.#popup.close();
    this.querySelector<HTMLElement>('.range-button')?.focus();
  }

  #choose(since: string, until: string): void {
    this.viewer.query.value = this.viewer.query.value.within(since, until);
    this.#close();
  }

  #typed(side: Side, text: string): void {
    this.#fields[side] = { ...this.#fields[side], text, wrong: null };
    this.requestUpdate();
  }

  /** What the field means; undefined where it is no time. */
  #read(side: Side): TypedTime | undefined {
    const { text, filled } = this.#fields[side];
    const now = new Date();
    // What nobody touched stays as exact, and as sliding, as it was.
    const before = this.viewer.query.value[side];
    if (text === filled && before) return { sent: before, at: startOf(before, now) ?? now };
    if (!text.trim()) return { sent: '', at: side === 'since' ? new Date(0) : now };
    const { locale, zone } = this.viewer.when.value;
    return typedTime(text, side === 'until', { locale, zone, now, words: this.t.range.words }) ?? undefined;
  }

  #check(side: Side): boolean {
    const t = this.t.range;
    const [since, until] = [this.#read('since'), this.#read('until')];
    const read = side === 'since' ? since : until;
    const isEarly = side === 'until' && since && until?.sent && until.at <= since.at;
    const wrong = !read ? t.wrong(this.#example()) : isEarly ? t.order : null;
    this.#fields[side] = { ...this.#fields[side], wrong };
    this.requestUpdate();
    return wrong === null;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wrong = (['since', 'until'] as const).find((side) => !this.#check(side));
    if (wrong) {
      this.querySelector<HTMLElement>(`#range-${wrong}`)?.focus();
      return;
    }
    this.#choose(this.#read('since')?.sent ?? '', this.#read('until')?.sent ?? '');
  };

  /** "from Sat, 21 Nov 2026, 14:00 CET": how what was typed is understood; nothing while it is not. */
  #preview(side: Side): string {
    const t = this.t.range;
    const read = this.#read(side);
    if (!read) return '';
    if (!read.sent) return side === 'since' ? t.fromStart : t.toNow;
    const { locale, zone } = this.viewer.when.value;
    const day = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' } as const;
    const clock = { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' } as const;
    const at = read.at.getTime();
    if (side === 'until' && dayAt(at, zone) === at) {
      return t.toEndOf(new Intl.DateTimeFormat(locale, { ...day, timeZone: zone }).format(at - 1));
    }
    const time = new Intl.DateTimeFormat(locale, { ...day, ...clock, timeZone: zone }).format(at);
    return side === 'since' ? t.fromTime(time) : t.toTime(time);
  }

  /** A time of the query as somebody would type it. The end of a day is that day. */
  #text(time: string, end: boolean): string {
    const at = /^\d+[a-z]+$/.test(time) ? null : startOf(time, new Date())?.getTime();
    if (at === null || at === undefined) return time;
    const { zone } = this.viewer.when.value;
    return dayAt(at, zone) === at ? this.#numeric(end ? at - 1 : at, false) : this.#numeric(at, true);
  }

  #numeric(at: number, clock: boolean): string {
    const { locale, zone } = this.viewer.when.value;
    const day = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
    const time = clock && ({ hour: '2-digit', minute: '2-digit' } as const);
    return new Intl.DateTimeFormat(locale, { timeZone: zone, ...day, ...time }).format(at);
  }

  #example(): string {
    return this.#numeric(dayAt(Date.now(), this.viewer.when.value.zone, -1) + 14 * 3_600_000, true);
  }

  #key = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !this.#popup.isOpen) return;
    event.stopPropagation();
    this.#close();
  };
}

/** The field keeps the focus: what is wrong with it, said as it is left, would move the button away below the pointer. */
const stay = (event: Event) => event.preventDefault();

function field(text: string): Field {
  return { text, filled: text, wrong: null };
}

define('audit-log-range', Range);
