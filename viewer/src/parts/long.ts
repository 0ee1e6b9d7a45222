import { html, nothing } from 'lit';
import type { Run } from '../diff';
import { revealed } from '../hidden';
import { define, Part } from '../part';

/** So many characters are shown of a text until somebody wants all of it. */
const SHOWN = 600;

/** A text of any length, as it is: line breaks kept, its direction its own. Runs that are not `same` are marked. */
export class Long extends Part {
  static override properties = { ...Part.properties, runs: { attribute: false }, all: { state: true } };
  declare runs: readonly Run[];
  declare all: boolean | undefined;

  override render() {
    const length = this.runs.reduce((sum, run) => sum + run.text.length, 0);
    const cut = length > SHOWN * 1.5 && !this.all;
    // That nothing but spaces is alike tells nothing.
    const marking = this.runs.some((run) => run.same && run.text.trim() !== '');
    return html`<bdi class="long-text">${(cut ? beginning(this.runs) : this.runs).map((run) =>
      run.same || !marking ? seen(run.text) : marked(run.text),
    )}${cut ? '…' : nothing}</bdi>${
      cut || this.all
        ? html` <button class="link" aria-expanded=${this.all ?? false} @click=${this.#turn}>
            ${this.all ? this.t.details.showLess : this.t.details.showAll(this.viewer.number(length))}
          </button>`
        : nothing
    }`;
  }

  #turn = () => {
    this.all = !this.all;
  };
}

const seen = (text: string) =>
  revealed(text).map((piece) =>
    piece.hidden ? html`<code class="long-hidden">${piece.text}</code>` : piece.text,
  );

/** Without the indentation, which is no difference to look at. */
const marked = (text: string) =>
  text
    .split(/(^\s+|\s*\n\s*)/)
    .map((piece, place) =>
      place % 2 || !piece ? piece : html`<mark class="long-mark">${seen(piece)}</mark>`,
    );

function beginning(runs: readonly Run[]): Run[] {
  const found: Run[] = [];
  let left = SHOWN;
  for (const { text, same } of runs) {
    if (left <= 0) break;
    // Not in the middle of a character of two halves.
    found.push({ text: text.slice(0, left).replace(/[\uD800-\uDBFF]$/, ''), same });
    left -= text.length;
  }
  return found;
}

/** As `<audit-log-long>` shows a text that is compared with none. */
export const plain = (text: string): Run[] => [{ text, same: true }];

define('audit-log-long', Long);
