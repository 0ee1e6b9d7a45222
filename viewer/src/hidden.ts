/**
 * Characters that cannot be seen, and of which some turn round what stands behind them: "\u202Egpj.exe" looks like
 * "exe.jpg". Whoever reads a log as evidence is to see that they are there.
 */
const HIDDEN = /((?![\t\n]|\r\n)[\p{Cc}\u200B\u202A-\u202E\u2060-\u2069\uFEFF])/u;

/** The text in pieces; each hidden character is one of its own, as `U+202E`, and says so. */
export function revealed(text: string): { text: string; hidden: boolean }[] {
  return text
    .split(HIDDEN)
    .map((piece, place) => ({
      text: place % 2 ? `U+${code(piece).toUpperCase()}` : piece,
      hidden: place % 2 === 1,
    }))
    .filter((piece) => piece.text !== '');
}

/** JSON that means the same, with its hidden characters written as escapes. */
export function escaped(json: string): string {
  return json.replaceAll(new RegExp(HIDDEN, 'gu'), (found) => `\\u${code(found)}`);
}

function code(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0');
}
