import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { Arrivals } from '../arrivals';
import type { AuditEvent } from '../event';
import { up } from '../icons';
import { define, Part } from '../part';
import { type Anchor, HEADING, Stack } from '../stack';
import { styled } from '../styled';
import type { Viewer } from '../viewer';
import { heading } from './heading';
import './linked';
import './problem';
import { row } from './row';
import { ending, instead } from './states';

/** Pixels from the end at which older rows are asked for. */
const NEAR = 1500;
/** Milliseconds after which what is in sight is checked. */
const REST = 150;
/** Milliseconds after which "2 min. ago" is told anew. */
const TICK = 30_000;

/**
 * The list. Of its items (a day's heading, a row) only those around what is in sight are there, and few that are kept: the
 * heading that sticks to the top, the row that has the focus, the one that is open. Gaps stand for the others.
 *
 * Nothing jumps: the row that is seen at the top is the anchor, and keeps its place when rows come in above it, or are
 * higher than was thought. At the very top there is none, so that new rows come into sight.
 */
export class List extends Part {
  #viewer: Viewer | null = null;
  #stack: Stack | null = null;
  #anchor: Anchor | null = null;
  /** The scroll position at which the anchor was taken. */
  #top = 0;
  #view = 0;
  #width = 0;
  /** The row that Tab leads to. */
  #active: string | null = null;
  #open: string | null = null;
  /** What was opened among the rows of the query before, while the next ones were on their way. */
  #early: string | null = null;
  /** The open event that is no row, and shown above the list. */
  #linked: string | null = null;
  /** What had the focus before rows were put elsewhere, which takes it away. */
  #focused: HTMLElement | null = null;
  #arrivals: Arrivals | null = null;
  #root: ShadowRoot | null = null;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #sizes = new ResizeObserver((entries) => this.#resized(entries));

  protected override watched() {
    const { timeline, open, query, avatars, proofs, more, directory } = this.viewer;
    return [timeline, open, query, avatars, proofs, more, directory];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#root = this.getRootNode() as ShadowRoot;
    this.#root.addEventListener('keydown', this.#pressed as EventListener);
    this.#ticking = setInterval(() => this.requestUpdate(), TICK);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#root?.removeEventListener('keydown', this.#pressed as EventListener);
    clearInterval(this.#ticking);
    clearTimeout(this.#resting);
    this.#arrivals?.stop();
    this.#sizes.disconnect();
  }

  get #scroller(): HTMLElement | null {
    return this.querySelector('.list-scroller');
  }

  get #feed(): HTMLElement | null {
    return this.querySelector('.list-feed');
  }

  /** Where the list is to be scrolled to. */
  get #aim(): number {
    return (this.#anchor && this.#stack?.topOf(this.#anchor)) ?? this.#top;
  }

  protected override willUpdate(): void {
    const { viewer } = this;
    if (this.#viewer !== viewer) {
      this.#viewer = viewer;
      this.#stack = new Stack(viewer.timeline);
      this.#arrivals?.stop();
      this.#arrivals = new Arrivals(viewer, () => this.#top < 1);
      this.#anchor = this.#active = this.#open = this.#linked = null;
    }
    // Scrolled since, although nobody told yet.
    if (this.#scroller && this.#scroller.scrollTop !== this.#top) this.#remember();
    const focused = this.#root?.activeElement ?? null;
    this.#focused = this.contains(focused) ? (focused as HTMLElement) : null;
    if (this.#stack?.arrange(viewer.when.value)) {
      this.#anchor = this.#active = null;
      this.#scroller?.scrollTo(0, 0);
      this.#top = 0;
    }
    this.#opened();
  }

  /** Another event is open, or none is. */
  #opened(): void {
    const { open, timeline } = this.viewer;
    const isMissing = (id: string | null) => id !== null && !timeline.loading && !timeline.get(id);
    if (open.value === this.#early && isMissing(this.#early)) open.value = null;
    const id = open.value;
    if (id !== this.#linked) this.#linked = null;
    if (isMissing(id)) this.#linked = id;
    const opened = id === this.#linked ? null : id;
    if (opened === this.#open) return;
    for (const other of [this.#open, opened]) if (other !== null) this.#stack?.forget(other);
    const event = opened !== null && opened !== this.#active ? timeline.get(opened) : undefined;
    if (event) {
      // Opened by the address or from elsewhere: it is to be seen.
      this.#active = event.id;
      this.#anchor = { event, below: HEADING };
    }
    if (opened === null || timeline.get(opened)) this.#open = opened;
    if (opened === null && this.#top < 1) this.#anchor = null;
  }

  override render() {
    const { viewer, t } = this;
    const { rows, fresh, loading, problem, failed } = viewer.timeline;
    const isOld = loading && rows.length > 0;
    return html`
      ${problem && failed !== 'more' && rows.length > 0 ? html`<audit-log-problem slim .viewer=${viewer} .problem=${problem}></audit-log-problem>` : nothing}
      ${this.#linked === null ? nothing : html`<audit-log-linked .viewer=${viewer} .wanted=${this.#linked}></audit-log-linked>`}
      <div class=${isOld ? 'list-frame old' : 'list-frame'}>
        <div class="list-scroller" part="list" tabindex="-1" @scroll=${this.#scrolled} @focusin=${this.#stirred} @pointermove=${this.#stirred}>
          ${rows.length > 0 ? html`${this.#rows()}${ending(viewer)}` : instead(viewer)}
        </div>
        ${
          fresh.size > 0 && this.#top >= 1
            ? html`<button type="button" class="list-pill" part="new-events" @click=${() => this.#go(0)}>${up}${t.list.newEvents(fresh.size, viewer.number(fresh.size))}</button>`
            : nothing
        }
      </div>
    `;
  }

  #rows() {
    const { viewer } = this;
    const { timeline } = viewer;
    const kept = [this.#open, this.#focused ? this.#active : null];
    const keep = kept.flatMap((id) => (id && timeline.get(id)) || []);
    const items = this.#stack?.shown(this.#aim, this.#view, keep) ?? [];
    const now = new Date();
    const after = (this.#stack?.total ?? 0) - (items.at(-1)?.end ?? 0);
    return html`<div class="list-feed" role="feed" @focusin=${this.#entered} aria-label=${this.t.list.label} aria-busy=${timeline.loadingMore}>
      ${repeat(
        items,
        ({ key }) => key,
        (item) =>
          html`${gap(item.gap)}${item.row === null ? heading(this.viewer, item, now) : this.#row(item.event, item.row, now)}`,
      )}${gap(after)}
    </div>`;
  }

  #row(event: AuditEvent, number: number, now: Date) {
    return row(this.viewer, event, {
      open: this.#open === event.id,
      fresh: this.viewer.timeline.fresh.has(event.id),
      position: number + 1,
      now,
      toggle: () => this.#toggle(event),
    });
  }

  protected override updated(): void {
    const items = [...(this.#feed?.children ?? [])] as HTMLElement[];
    let isOther = false;
    for (const item of items) {
      const { key } = item.dataset;
      if (key === undefined || this.#stack?.isMeasured(key)) continue;
      this.#sizes.observe(item, { box: 'border-box' });
      isOther = this.#stack?.measure(key, item.getBoundingClientRect().height) || isOther;
    }
    // The gaps were made of other heights.
    if (isOther) this.requestUpdate();
    if (this.#scroller) this.#sizes.observe(this.#scroller);
    this.#restore();
    this.#rove(items);
    if (this.#focused && !this.#root?.activeElement) {
      const target = this.#focused.isConnected ? this.#focused : this.#scroller;
      target?.focus({ preventScroll: true });
    }
    this.#arrivals?.look();
    this.#look();
  }

  /** Of all rows one alone is come to by Tab: the active one, or where it is not there the first in sight. */
  #rove(items: HTMLElement[]): void {
    const [first] = this.#stack?.inSight(this.#top + HEADING, 0) ?? [];
    const isThere = items.some(({ dataset }) => dataset.key === this.#active);
    const active = isThere ? this.#active : (first?.id ?? null);
    for (const item of items) {
      for (const button of item.querySelectorAll<HTMLElement>('.row-open, .row-lock button')) {
        button.tabIndex = item.dataset.key === active ? 0 : -1;
      }
    }
  }

  #resized(entries: ResizeObserverEntry[]): void {
    let isOther = false;
    for (const { target, borderBoxSize, contentRect } of entries) {
      const { key } = (target as HTMLElement).dataset;
      if (!target.isConnected) this.#sizes.unobserve(target);
      else if (key !== undefined)
        isOther = this.#stack?.measure(key, borderBoxSize[0]?.blockSize ?? 0) || isOther;
      else {
        this.#view = contentRect.height;
        if (contentRect.width !== this.#width && this.#width > 0) this.#stack?.forgetAll();
        this.#width = contentRect.width;
        // Not within this notification: what is made now would miss it.
        requestAnimationFrame(() => this.requestUpdate());
        return;
      }
    }
    if (!isOther) return;
    this.#restore();
    requestAnimationFrame(() => this.requestUpdate());
  }

  #restore(): void {
    const scroller = this.#scroller;
    if (!scroller || !this.#anchor) return;
    const aim = this.#aim;
    // Beyond the top Safari has places below 0, and comes back from there by itself.
    if (Math.abs(aim - Math.max(0, scroller.scrollTop)) >= 1) scroller.scrollTop = aim;
    this.#top = scroller.scrollTop;
  }

  #remember(): void {
    const wasTop = this.#top < 1;
    this.#top = this.#scroller?.scrollTop ?? 0;
    const isFree = this.#top < 1 && this.#open === null;
    this.#anchor = isFree ? null : (this.#stack?.anchorAt(this.#top) ?? null);
    if (wasTop !== this.#top < 1) this.requestUpdate();
  }

  #scrolled = (): void => {
    if (this.#scroller?.scrollTop !== this.#top) this.#remember();
    if (!this.#stack?.isShown(this.#top, this.#view)) this.requestUpdate();
    this.#arrivals?.look();
    this.#look();
  };

  /** Exact times, that Escape put away, come up again. */
  #stirred = (): void => this.#scroller?.classList.remove('quiet');

  /** The row that somebody went into is the active one. */
  #entered = ({ target }: FocusEvent): void => {
    this.#active = (target as Element).closest<HTMLElement>('[data-key]')?.dataset.key ?? this.#active;
  };

  /** What follows from what is in sight. */
  #look(): void {
    const { timeline, proofs } = this.viewer;
    const { hasMore, partial, failed } = timeline;
    const left = (this.#stack?.total ?? 0) - this.#top - this.#view;
    if (timeline.rows.length > 0 && hasMore && !partial && failed === null && left < NEAR)
      void timeline.more();
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => proofs.want(this.#stack?.inSight(this.#top, this.#view) ?? []), REST);
  }

  #toggle(event: AuditEvent): void {
    this.#early = this.viewer.timeline.loading ? event.id : null;
    const { open } = this.viewer;
    const closes = this.#open === event.id;
    const below = (this.#stack?.spanOf(event)[0] ?? 0) - this.#top;
    // What was clicked stays where it is, whatever closes above it; what closes is to be seen.
    this.#anchor = { event, below: closes ? Math.max(below, HEADING) : below };
    this.#active = event.id;
    open.value = closes ? null : event.id;
    this.requestUpdate();
  }

  /** Moves the focus to a row, and the row into sight. */
  async #go(number: number): Promise<void> {
    const { rows } = this.viewer.timeline;
    const event = rows[Math.max(0, Math.min(number, rows.length - 1))];
    const scroller = this.#scroller;
    if (!event || !this.#stack || !scroller) return;
    this.#active = event.id;
    const [start, end] = this.#stack.spanOf(event);
    if (start < this.#top + HEADING) scroller.scrollTop = number > 0 ? start - HEADING : 0;
    else if (end > this.#top + this.#view) scroller.scrollTop = Math.min(start - HEADING, end - this.#view);
    this.#remember();
    this.requestUpdate();
    await this.updateComplete;
    const button = this.querySelector<HTMLElement>(`#${CSS.escape(`row-${event.id}`)}`);
    const item = button?.closest('article');
    if (!button || !item) return;
    button.focus({ preventScroll: true });
    const [box, frame] = [item.getBoundingClientRect(), scroller.getBoundingClientRect()];
    const room = box.top - frame.top - HEADING;
    if (number > 0 && room < 0) scroller.scrollTop += room;
    else if (box.bottom > frame.bottom) scroller.scrollTop += Math.min(room, box.bottom - frame.bottom);
    this.#remember();
  }

  /** The row that keys go from. */
  #here(): { number: number; isActive: boolean } {
    const { timeline } = this.viewer;
    const active = this.#active === null ? undefined : timeline.get(this.#active);
    if (active && this.#feed?.contains(this.#root?.activeElement ?? null)) {
      return { number: timeline.indexOf(active), isActive: true };
    }
    const [first] = this.#stack?.inSight(this.#top + HEADING, 0) ?? [];
    return { number: first ? timeline.indexOf(first) : 0, isActive: false };
  }

  #pressed = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    const isModified = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
    if (event.defaultPrevented || isModified || !this.#root) return;
    if (target.closest('input, textarea, select, dialog, [role="menu"], [role="listbox"], [role="dialog"]'))
      return;
    const { open, timeline } = this.viewer;
    const isInList = target.closest('.row-open') !== null || target === this.#scroller;
    const { number, isActive } = this.#here();
    const step = (by: number) => this.#go(isActive ? number + by : number);
    const active = timeline.rows[number];
    const acts: Record<string, (() => unknown) | false | undefined> = {
      j: () => step(1),
      k: () => step(-1),
      ArrowDown: isInList && (() => step(1)),
      ArrowUp: isInList && (() => step(-1)),
      Home: isInList && (() => this.#go(0)),
      End: isInList && (() => this.#go(timeline.rows.length - 1)),
      o: isActive && active && (() => this.#toggle(active)),
      '/': () => this.#root?.querySelector<HTMLElement>('audit-log-search input')?.focus(),
      Escape:
        this.contains(target) &&
        (() => (open.value === null ? this.#scroller?.classList.add('quiet') : this.#close())),
    };
    const act = Object.hasOwn(acts, event.key) && acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  #close(): void {
    const { open, timeline } = this.viewer;
    const event = this.#open === null ? undefined : timeline.get(this.#open);
    if (!event) {
      open.value = null;
      return;
    }
    this.#toggle(event);
    void this.#go(timeline.indexOf(event));
  }
}

function gap(height: number) {
  return height > 0 ? html`<div class="list-gap" ${styled({ 'block-size': `${height}px` })}></div>` : nothing;
}

define('audit-log-list', List);
