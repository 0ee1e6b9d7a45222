import type { AuditEvent } from './event';

export interface Piece {
  text: string;
  /** The name of somebody or something that the event is about. */
  name: boolean;
}

const WORD = /[\p{L}\p{N}\p{M}_]/u;

/**
 * An event's sentence in pieces that make it up again, with the names in it told apart: of the actor, of whoever acted as them and
 * of the targets, by name, e-mail or id. Each is found once, as whole words, the longest first, and none within another.
 */
export function piecesOf({ sentence, actor, targets }: AuditEvent): Piece[] {
  const { impersonator } = actor;
  const said = [actor, impersonator, ...targets].flatMap((one) => [
    one?.name,
    one?.id,
    one && 'email' in one ? one.email : '',
  ]);
  const names = [...new Set(said.map((name) => name?.trim() ?? ''))].filter((name) => name !== '');
  names.sort((one, other) => other.length - one.length);
  const found: [number, number][] = [];
  for (const name of names) {
    const at = placeOf(name, sentence, found);
    if (at >= 0) found.push([at, at + name.length]);
  }
  found.sort(([one], [other]) => one - other);
  const pieces: Piece[] = [];
  let end = 0;
  for (const [from, to] of found) {
    if (from > end) pieces.push({ text: sentence.slice(end, from), name: false });
    pieces.push({ text: sentence.slice(from, to), name: true });
    end = to;
  }
  if (end < sentence.length) pieces.push({ text: sentence.slice(end), name: false });
  return pieces;
}

/** Where the name first stands as whole words, outside of what is taken; -1 if nowhere. */
function placeOf(name: string, sentence: string, taken: [number, number][]): number {
  for (let at = sentence.indexOf(name); at >= 0; at = sentence.indexOf(name, at + 1)) {
    const end = at + name.length;
    const free = taken.every(([from, to]) => end <= from || at >= to);
    if (free && isEdge(sentence, at) && isEdge(sentence, end)) return at;
  }
  return -1;
}

/** Whether no word goes on across this place. Whole characters are looked at, as some are of two units. */
function isEdge(text: string, at: number): boolean {
  const before = [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
  const after = String.fromCodePoint(text.codePointAt(at) ?? 32);
  return !(WORD.test(before) && WORD.test(after));
}
