import type { FilterName } from './query';

/** Qualifiers of the search box (docs/search.md) as they are offered, and the filter that each is for its values. */
export const QUALIFIERS = {
  actor: 'actor_id',
  action: 'action',
  target: 'target_id',
  outcome: 'outcome',
  category: 'category',
  operation: 'operation',
  severity: 'severity',
  source: 'source',
  ip: 'ip',
  session: 'session_id',
  request: 'request_id',
  type: 'target_type',
  actor_type: 'actor_type',
  changed: 'changed',
  since: null,
  until: null,
  on: null,
} as const satisfies Record<string, FilterName | 'changed' | null>;

export type Qualifier = keyof typeof QUALIFIERS;

const ALIASES: Record<string, Qualifier> = {
  actor_id: 'actor',
  target_id: 'target',
  target_type: 'type',
  ip_address: 'ip',
  session_id: 'session',
  request_id: 'request',
};

const QUOTE = /["“”„]/;

/** The word in which the caret stands, from `start` to `end` of the text. */
export interface Word {
  start: number;
  end: number;
  not: boolean;
  /** What stands before its colon; null: a word of the text. */
  qualifier: Qualifier | null;
  /** Where the value begins that is being written: behind the colon, the last comma, or the minus. */
  from: number;
  /** That value up to the caret, without quotes. */
  value: string;
  /** It is the qualifier's second value, or a later one. */
  isFurther: boolean;
}

/** A quote that was not closed goes to the end of the text, spaces and all. */
export function wordAt(text: string, caret: number): Word {
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < caret; at++) {
    if (QUOTE.test(text.charAt(at))) isQuoted = !isQuoted;
    else if (!isQuoted && /\s/.test(text.charAt(at))) start = at + 1;
  }
  let end = caret;
  for (; end < text.length && (isQuoted || !/\s/.test(text.charAt(end))); end++) {
    if (QUOTE.test(text.charAt(end))) isQuoted = !isQuoted;
  }
  const typed = text.slice(start, caret);
  const [, minus = '', name = ''] = /^([-−–]?)(?:(\w+):)?/.exec(typed) ?? [];
  const qualifier = qualifierOf(name);
  let from = start + minus.length;
  let isFurther = false;
  if (qualifier) {
    from += name.length + 1;
    const values = text.slice(from, caret);
    const comma = /^(?:["“”„][^"“”„]*["“”„]|[^",“”„])*,/.exec(values)?.[0].length ?? 0;
    isFurther = comma > 0;
    from += comma;
  }
  const value = text.slice(from, caret).replace(/^["“”„]|["“”„]$/g, '');
  return { start, end, not: minus !== '', qualifier, from, value, isFurther };
}

export function qualifierOf(name: string): Qualifier | null {
  const lower = name.toLowerCase();
  if (Object.hasOwn(ALIASES, lower)) return ALIASES[lower] ?? null;
  return Object.hasOwn(QUALIFIERS, lower) ? (lower as Qualifier) : null;
}

/** The text with `written` in the place of the value that is being written, and where the caret is then. */
export function replaced(text: string, word: Word, written: string): { text: string; caret: number } {
  const rest = text.slice(word.end);
  const before = text.slice(0, word.from) + written;
  return { text: before + rest, caret: before.length };
}

/** The text without the word: for one that became a filter. */
export function without(text: string, word: Word): string {
  return `${text.slice(0, word.start).trimEnd()} ${text.slice(word.end).trimStart()}`.trim();
}

/** A value as the box takes it. The box knows no way to write a quote within quotes: those are left out. */
export function quoted(value: string): string {
  const bare = value.replaceAll(/["“”„]/g, '');
  return /[\s,]/.test(bare) || bare !== value ? `"${bare}"` : bare;
}

/** Whether one of these texts has a word that begins so, or begins so itself; case and accents do not matter. */
export function fits(typed: string, ...texts: (string | null | undefined)[]): boolean {
  const wanted = folded(typed);
  return texts.some((text) => {
    const there = folded(text ?? '');
    return there.startsWith(wanted) || there.split(/[\s._@-]+/).some((word) => word.startsWith(wanted));
  });
}

const folded = (text: string) => text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase().trim();

/** What the service says of a text that it cannot read. */
export interface Misread {
  /** The place, as two offsets in the text; null where it is the whole. */
  start: number;
  end: number;
  said: string;
  /** The text as it was probably meant. */
  meant: string | null;
}

/**
 * Reads what was said, "at character 6: found …; did you mean actor:?". The service counts characters from 1 on, where
 * one beyond the BMP is one; the place goes to the end of the word.
 */
export function misread(text: string, said: string): Misread {
  const [, position, rest] = /^at character ([1-9]\d*): (.*)$/s.exec(said) ?? [];
  if (position === undefined || rest === undefined) return { start: 0, end: 0, said, meant: null };
  const start = [...text].slice(0, Number(position) - 1).join('').length;
  const [found = ''] = /^\s*\S*/.exec(text.slice(start)) ?? [];
  const [, instead] = /; did you mean ([^\s?]+)\?/.exec(rest) ?? [];
  const [wrong = ''] = (instead?.endsWith(':') ? /^[^\s:]+:/ : /^[^\s,]+/).exec(text.slice(start)) ?? [];
  const isTemplate = !instead || instead.includes('FIELD') || !wrong;
  const meant = isTemplate ? null : text.slice(0, start) + instead + text.slice(start + wrong.length);
  return { start, end: start + found.length, said: rest, meant };
}
