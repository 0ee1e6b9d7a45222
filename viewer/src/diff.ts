/** A run of text that both sides have, or one that stands on this side alone. */
export interface Run {
  text: string;
  same: boolean;
}

/** Above so many comparisons what differs is shown as one run: nobody reads the finer answer, and everybody waits for it. */
const MOST = 250_000;

/**
 * What differs between two texts: word by word, or line by line where both have several lines. The runs of each side,
 * put together, are its text.
 */
export function diff(before: string, after: string): [Run[], Run[]] {
  const pieces = before.includes('\n') && after.includes('\n') ? /(?<=\n)/ : /(?<=\s)(?=\S)|(?=\s)(?<=\S)/;
  const old = before.split(pieces);
  const now = after.split(pieces);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const common = longest(old.slice(start, old.length - end), now.slice(start, now.length - end));
  return [
    runs(
      old,
      start,
      end,
      common.map(([left]) => left),
    ),
    runs(
      now,
      start,
      end,
      common.map(([, right]) => right),
    ),
  ];
}

/** The places, in both, of a longest common subsequence. */
function longest(old: string[], now: string[]): [number, number][] {
  if (old.length * now.length > MOST) return [];
  const width = now.length + 1;
  const lengths = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: [number, number][] = [];
  for (let i = 0, j = 0; i < old.length && j < now.length; ) {
    if (old[i] === now[j]) found.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return found;
}

function runs(pieces: string[], start: number, end: number, common: number[]): Run[] {
  const kept = new Set(common);
  const found: Run[] = [];
  pieces.forEach((text, place) => {
    const same = place < start || place >= pieces.length - end || kept.has(place - start);
    const last = found.at(-1);
    if (last?.same === same) last.text += text;
    else if (text) found.push({ text, same });
  });
  return found;
}
