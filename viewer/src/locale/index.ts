import { pinned } from '../pinned';
import { en } from './en';
import type { later } from './en-later';

type Widened<T> = T extends string
  ? string
  : T extends (...given: infer G) => string
    ? (...given: G) => string
    : { readonly [K in keyof T]: Widened<T[K]> };

/** All that the viewer says. English is the model; a language that lacks a text does not compile. */
export type Texts = Widened<typeof en & typeof later>;

export interface Language {
  readonly texts: Texts;
  /** For dates and numbers. */
  readonly locale: string;
}

/** There at once, but for what comes with the parts that say it (more.ts). */
const ENGLISH = en as typeof en & typeof later;

/** Each other language is a file of its own. */
const LANGUAGES: Record<string, () => Promise<Texts>> = {
  en: async () => ENGLISH,
  de: () => pinned('de.js', async () => (await import('./de')).de),
};

/** The first of these languages that there is, and can be had; else English. */
export async function languageOf(...wanted: (string | null | undefined)[]): Promise<Language> {
  for (const tag of wanted) {
    if (!tag) continue;
    try {
      const locale = new Intl.Locale(tag);
      const texts = await LANGUAGES[locale.language]?.();
      if (texts) return { texts, locale: locale.toString() };
    } catch {
      // No language tag, or its file is not there.
    }
  }
  return { texts: ENGLISH, locale: 'en' };
}
