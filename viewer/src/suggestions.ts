import { type Choice, choices, isShown, listOf, type Subject } from './choices';
import { fits, QUALIFIERS, type Qualifier, quoted, replaced, type Word, without, wordAt } from './completion';
import type { List } from './directory';
import { fieldLabel } from './labels';
import type { Query } from './query';
import type { Viewer } from './viewer';

/** One line of what the search box offers. */
export interface Suggestion {
  readonly id: string;
  readonly kind: 'recent' | 'qualifier' | 'value';
  /** "Actor", before the label. */
  readonly field: string;
  readonly label: string;
  readonly detail: string;
  readonly not: boolean;
  /** The text to write on with, or what is then asked for. */
  readonly chosen: { text: string; caret: number } | Query;
}

const PLAIN: readonly Subject[] = [
  'actor_id',
  'action',
  'target_id',
  'outcome',
  'category',
  'operation',
  'severity',
  'source',
];
/** Values of each subject where the word may be anything, and of the one that a qualifier names. */
const FEW = 4;
const MANY = 10;
/** From so many characters on, a word may be the beginning of anything. */
const ENOUGH = 2;

/** What to offer for the text with the caret there, as far as it is known without asking the service. */
export function suggestions(
  viewer: Viewer,
  text: string,
  caret: number,
  recent: readonly string[],
): Suggestion[] {
  const word = wordAt(text, caret);
  if (!text.trim())
    return [...recent.map((q) => searchedBefore(viewer, q)), ...qualifiers(viewer, text, word)];
  if (word.qualifier) {
    const subject = QUALIFIERS[word.qualifier];
    if (subject === null) return times(viewer, text, word, word.qualifier as 'since' | 'until' | 'on');
    return choices(viewer, subject, word.value)
      .slice(0, MANY)
      .map((one) => offered(viewer, text, word, one));
  }
  if (word.start === word.end) return [];
  const values = isAnything(word)
    ? PLAIN.flatMap((subject) => choices(viewer, subject, word.value).slice(0, FEW))
    : [];
  return [...qualifiers(viewer, text, word), ...values.map((one) => offered(viewer, text, word, one))];
}

/** The directories that know more of the word. */
export function directoriesFor(word: Word): List[] {
  const subject = word.qualifier && QUALIFIERS[word.qualifier];
  const subjects = subject ? [subject] : !word.qualifier && isAnything(word) ? PLAIN : [];
  return subjects.map(listOf).filter((list) => list !== null);
}

const isAnything = (word: Word) => word.value.length >= ENOUGH && !word.value.includes(':');

function searchedBefore(viewer: Viewer, q: string): Suggestion {
  const chosen = viewer.query.value.searching(q);
  return { id: `recent ${q}`, kind: 'recent', field: '', label: q, detail: '', not: false, chosen };
}

function qualifiers(viewer: Viewer, text: string, word: Word): Suggestion[] {
  const names = Object.keys(QUALIFIERS) as Qualifier[];
  const explained = viewer.texts.value.search.qualifiers;
  return names
    .filter((name) => {
      const subject = QUALIFIERS[name];
      if (subject && !isShown(viewer, subject)) return false;
      if (word.not && subject === null) return false;
      return (
        name.startsWith(word.value.toLowerCase()) ||
        (isAnything(word) && fits(word.value, titleOf(viewer, name)))
      );
    })
    .map((name) => ({
      id: `qualifier ${name}`,
      kind: 'qualifier',
      field: '',
      label: `${word.not ? '-' : ''}${name}:`,
      detail: explained[name],
      not: false,
      chosen: replaced(text, word, `${name}:`),
    }));
}

/** What the qualifier is called in the language of whoever looks. */
function titleOf(viewer: Viewer, name: Qualifier): string {
  const subject = QUALIFIERS[name];
  return subject === null || subject === 'changed' ? '' : fieldLabel(viewer.texts.value, subject);
}

/** A value of a known thing becomes a filter, which is exact; a further one of a qualifier is written behind the others. */
function offered(
  viewer: Viewer,
  text: string,
  word: Word,
  { name, value, label, detail }: Choice,
): Suggestion {
  const { texts, query } = viewer;
  const isChange = name.startsWith('changes.');
  const chosen =
    word.isFurther && !isChange
      ? replaced(text, word, `${quoted(name === 'actor_id' || name === 'target_id' ? label : value)} `)
      : query.value.searching(without(text, word)).with({ name, value, not: word.not });
  const field = isChange ? texts.value.filter.changed : fieldLabel(texts.value, name);
  return { id: `${name} ${value}`, kind: 'value', field, label, detail, not: word.not, chosen };
}

/** A span back from now is no day, and so nothing for `on`. */
function times(viewer: Viewer, text: string, word: Word, name: 'since' | 'until' | 'on'): Suggestion[] {
  const { texts, query } = viewer;
  const rest = query.value.searching(without(text, word));
  return Object.entries(texts.value.search.times)
    .filter(([time, label]) => (name !== 'on' || /day$/.test(time)) && fits(word.value, time, label))
    .map(([time, label]) => {
      const written = replaced(text, word, `${time} `);
      const chosen =
        name === 'on'
          ? written
          : name === 'since'
            ? rest.within(time, rest.until)
            : rest.within(rest.since, time);
      return {
        id: `${name} ${time}`,
        kind: 'value',
        field: `${name}:`,
        label,
        detail: time,
        not: false,
        chosen,
      };
    });
}
