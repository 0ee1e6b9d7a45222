import { svg, type TemplateResult } from 'lit';

/** Icons of 16 units, drawn in lines, in the text's colour. They say nothing to a screen reader: what holds one has a name. */
const icon = (paths: TemplateResult) =>
  svg`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${paths}</svg>`;

export const search = icon(svg`<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3 3"/>`);
export const close = icon(svg`<path d="m4 4 8 8m0-8-8 8"/>`);
export const down = icon(svg`<path d="m4 6 4 4 4-4"/>`);
export const right = icon(svg`<path d="m6 4 4 4-4 4"/>`);
export const back = icon(svg`<path d="m10 4-4 4 4 4"/>`);
export const lock = icon(
  svg`<rect x="3.5" y="7" width="9" height="6.5" rx="1.5"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>`,
);
export const more = icon(svg`<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.2"/>`);
export const calendar = icon(
  svg`<rect x="2.5" y="3.5" width="11" height="10" rx="1.5"/><path d="M2.5 6.5h11M5.5 2v3m5-3v3"/>`,
);
export const bookmark = icon(svg`<path d="M4.5 2.5h7v11L8 10.75 4.5 13.5z"/>`);
export const download = icon(svg`<path d="M8 2.5v7.5m-3-3 3 3 3-3m-8 6h10"/>`);
export const copy = icon(
  svg`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2"/>`,
);
export const filters = icon(svg`<path d="M2.5 4.5h11m-9 3.5h7m-5 3.5h3"/>`);
export const sidebar = icon(svg`<rect x="2" y="3" width="12" height="10" rx="1.5"/><path d="M6.5 3v10"/>`);
export const include = icon(svg`<path d="M8 3.5v9M3.5 8h9"/>`);
export const exclude = icon(svg`<path d="M3.5 8h9"/>`);
export const warning = icon(svg`<path d="M8 2.5 14 13H2zM8 6.5v3m0 1.8v.01"/>`);
export const check = icon(svg`<path d="m3.5 8.5 3 3 6-7"/>`);
export const help = icon(
  svg`<circle cx="8" cy="8" r="5.75"/><path d="M6.4 6.4c.2-1 .8-1.5 1.7-1.5 1 0 1.7.6 1.7 1.5 0 1.3-1.8 1.3-1.8 2.7m0 1.9v.01"/>`,
);
export const recent = icon(svg`<circle cx="8" cy="8" r="5.75"/><path d="M8 4.75V8l2.25 1.5"/>`);
export const edit = icon(
  svg`<path d="m3 13 .6-2.9 7-7a1.1 1.1 0 0 1 1.6 0l.7.7a1.1 1.1 0 0 1 0 1.6l-7 7z"/>`,
);
export const trash = icon(svg`<path d="M3 4.5h10M6.5 4.5v-2h3v2m-5 0 .6 9h5.8l.6-9M6.75 7v4m2.5-4v4"/>`);
export const mask = icon(
  svg`<path d="M2 5.2c2-1.1 4-1 6 .2 2-1.2 4-1.3 6-.2 0 4-1.4 6.3-3.5 6.3-1.5 0-1.8-1.2-2.5-1.2s-1 1.2-2.5 1.2C3.4 11.5 2 9.2 2 5.2zM5 7.7h1.5m3 0H11"/>`,
);
export const key = icon(svg`<circle cx="5" cy="11" r="2.5"/><path d="m6.8 9.2 6.7-6.7m-2.5 2.5 2 2"/>`);
export const keyboard = icon(
  svg`<rect x="1.5" y="4" width="13" height="8.5" rx="1.5"/><path d="M4 6.8h.01M6.7 6.8h.01M9.3 6.8h.01M12 6.8h.01M5 9.8h6"/>`,
);
export const person = icon(
  svg`<circle cx="8" cy="5.5" r="2.75"/><path d="M2.75 13.5a5.25 5.25 0 0 1 10.5 0"/>`,
);
export const system = icon(
  svg`<circle cx="8" cy="8" r="2"/><path d="M8 2v2m0 8v2M2 8h2m8 0h2M3.75 3.75l1.4 1.4m5.7 5.7 1.4 1.4m0-8.5-1.4 1.4m-5.7 5.7-1.4 1.4"/>`,
);
export const offline = icon(
  svg`<path d="M2.5 7a8 8 0 0 1 11 0M4.75 9.5a4.75 4.75 0 0 1 6.5 0M8 12v.01M3 2.5l10 11"/>`,
);
export const up = icon(svg`<path d="M8 13V3M4 7l4-4 4 4"/>`);
export const lockProven = icon(
  svg`<rect x="3.5" y="7" width="9" height="6.5" rx="1.5"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2m-4 3.3 1.1 1.1 2-2.1"/>`,
);
export const lockPartial = icon(
  svg`<rect x="3.5" y="7" width="9" height="6.5" rx="1.5"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2m-4.25 3.25h3.5"/>`,
);
export const lockOff = icon(
  svg`<path d="M5.5 7V5a2.5 2.5 0 0 1 4.7-1.2M6.5 7H11a1.5 1.5 0 0 1 1.5 1.5V12m-1.2 1.5H5A1.5 1.5 0 0 1 3.5 12V8.5A1.5 1.5 0 0 1 4 7.4M2.5 2.5l11 11"/>`,
);
export const dot = icon(svg`<circle cx="8" cy="8" r="1.25"/>`);
export const empty = icon(svg`<path d="M2.5 9.5 4.25 3h7.5l1.75 6.5v3.5h-11zm0 0h3l1 1.5h3l1-1.5h3"/>`);
