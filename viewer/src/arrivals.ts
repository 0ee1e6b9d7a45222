import type { Viewer } from './viewer';

/** Milliseconds for which new rows are told apart. */
const FRESH = 4000;
/** Milliseconds in which new rows are announced at once. */
const QUIET = 3000;

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Rows that came: until when they are told apart as new, and what a screen reader is to hear of them. */
export class Arrivals {
  #wasLoading = true;
  /** So many fresh rows were announced. */
  #told = 0;
  #telling: Timer;
  #seeing: Timer;

  constructor(
    readonly viewer: Viewer,
    /** Whether the newest row is in sight. */
    readonly isAtTop: () => boolean,
  ) {}

  /** After rows came, or others are in sight. */
  look(): void {
    const { timeline, texts, announcements } = this.viewer;
    const { loading, problem, rows, hasMore, fresh } = timeline;
    const { list, states } = texts.value;
    if (this.#wasLoading && !loading && !problem) {
      const count = rows.length;
      announcements.say(count > 0 ? list.loaded(count, this.viewer.number(count), hasMore) : states.nothing);
    }
    this.#wasLoading = loading;
    this.#told = Math.min(this.#told, fresh.size);
    if (fresh.size > this.#told) this.#telling ??= setTimeout(this.#tell, QUIET);
    const isSeen = fresh.size > 0 && this.isAtTop() && document.visibilityState === 'visible';
    if (isSeen) this.#seeing ??= setTimeout(this.#seen, FRESH);
  }

  stop(): void {
    clearTimeout(this.#telling);
    clearTimeout(this.#seeing);
    this.#telling = this.#seeing = undefined;
  }

  #tell = (): void => {
    this.#telling = undefined;
    const { timeline, texts, announcements } = this.viewer;
    const count = timeline.fresh.size - this.#told;
    this.#told = timeline.fresh.size;
    if (count > 0) announcements.say(texts.value.list.newEvents(count, this.viewer.number(count)));
  };

  #seen = (): void => {
    this.#seeing = undefined;
    if (this.isAtTop()) this.viewer.timeline.seen();
  };
}
