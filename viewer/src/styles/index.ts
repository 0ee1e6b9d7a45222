import { unsafeCSS } from 'lit';
import controls from './controls.css?inline';
import theme from './theme.css?inline';

const parts = import.meta.glob<string>(
  ['../parts/*.css', '!../parts/{changes,details,exporting,json,keys,neighbours,proof}.css'],
  { eager: true, query: '?inline', import: 'default' },
);

/** Of what is opened later: it fills this with later.ts, once it is there. */
export const later = new CSSStyleSheet();

/** Our own files, put in by the build: nothing of a page or an event ever gets here. */
export const styles = [...[theme, controls, ...Object.values(parts)].map((css) => unsafeCSS(css)), later];
