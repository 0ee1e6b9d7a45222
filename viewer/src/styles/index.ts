import { unsafeCSS } from 'lit';
import controls from './controls.css?inline';
import theme from './theme.css?inline';

const parts = import.meta.glob<string>('../parts/*.css', {
  eager: true,
  query: '?inline',
  import: 'default',
});

/** Our own files, put in by the build: nothing of a page or an event ever gets here. */
export const styles = [theme, controls, ...Object.values(parts)].map((css) => unsafeCSS(css));
