import { Observable } from './cell';

/** Milliseconds after which what was told is surely heard, and is not to be come upon later. */
const HEARD = 15_000;

/** What screen readers are told, politely, one after the other: each line is added to the region, so that none takes another's place. */
export class Announcements extends Observable {
  lines: readonly { readonly text: string }[] = [];

  say(text: string): void {
    const line = { text };
    this.lines = [...this.lines, line];
    setTimeout(() => {
      this.lines = this.lines.filter((other) => other !== line);
      this.changed();
    }, HEARD);
    this.changed();
  }
}
