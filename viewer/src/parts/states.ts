import { html, nothing, type TemplateResult } from 'lit';
import { close, empty, search } from '../icons';
import { fieldLabel } from '../labels';
import { Query } from '../query';
import type { Viewer } from '../viewer';

/** What stands where there are no rows. */
export function instead(viewer: Viewer): TemplateResult {
  const { timeline, query } = viewer;
  if (timeline.problem)
    return html`<audit-log-problem .viewer=${viewer} .problem=${timeline.problem}></audit-log-problem>`;
  if (timeline.loading || timeline.loadingMore) return skeleton(viewer, 14);
  if (timeline.hasMore) return searching(viewer);
  return query.value.isEmpty ? emptyLog(viewer) : nothingFound(viewer);
}

/** What stands below the last row. */
export function ending(viewer: Viewer): TemplateResult {
  const { timeline, texts, query } = viewer;
  const { problem, failed, loadingMore, partial, hasMore } = timeline;
  if (problem && failed === 'more')
    return html`<audit-log-problem slim .viewer=${viewer} .problem=${problem}></audit-log-problem>`;
  if (loadingMore) return skeleton(viewer, 3);
  if (partial && hasMore) return searching(viewer);
  if (hasMore) return html`<div class="list-end"></div>`;
  const { beginning, end } = texts.value.list;
  return html`<p class="list-end muted">${query.value.isEmpty ? beginning : end}</p>`;
}

/** The service's time was up: whoever asked decides whether it is worth more. */
function searching(viewer: Viewer): TemplateResult {
  const t = viewer.texts.value.states;
  return html`<div class="state slim">
    <div class="state-words"><strong>${t.partial}</strong><p class="muted">${t.partialHint}</p></div>
    <div class="state-actions"><button type="button" class="button" @click=${() => viewer.timeline.more()}>${t.goOn}</button></div>
  </div>`;
}

function emptyLog(viewer: Viewer): TemplateResult {
  const t = viewer.texts.value.states;
  return html`<div class="state" part="empty">
    <span class="state-icon">${empty}</span>
    <div class="state-words"><h2 class="heading">${t.empty}</h2><p class="muted">${t.emptyHint}</p></div>
  </div>`;
}

function nothingFound(viewer: Viewer): TemplateResult {
  const { query, texts, timeline } = viewer;
  const { states } = texts.value;
  const { q, since, until, terms } = query.value;
  const ask = (other: Query) => () => {
    query.value = other;
  };
  const items = timeline.understood?.items ?? [q].filter(Boolean);
  const asked = [
    ...items.map((item, at) => ({
      what: item,
      rest: query.value.searching(items.toSpliced(at, 1).join(' ')),
    })),
    ...terms.map((term) => ({
      what: `${(term.not ? states.without : String)(fieldLabel(texts.value, term.name))}: ${viewer.label(term)}`,
      rest: query.value.only(terms.filter((other) => other !== term)),
    })),
  ];
  const isTimed = (since || until) && (q || terms.length > 0);
  return html`<div class="state" part="empty">
    <span class="state-icon">${search}</span>
    <div class="state-words">
      <h2 class="heading">${states.nothing}</h2>
      <p class="muted">${states.nothingHint}</p>
    </div>
    ${
      asked.length > 1
        ? html`<div class="state-asked" role="group" aria-label=${states.leaveOut}>
            <span class="muted">${states.leaveOut}</span>
            ${asked.map(
              ({
                what,
                rest,
              }) => html`<button type="button" class="button" aria-label=${states.searchWithout(what)} @click=${ask(rest)}>
              <span class="state-what">${what}</span>${close}
            </button>`,
            )}
          </div>`
        : nothing
    }
    <div class="state-actions">
      <button type="button" class="button primary" @click=${ask(Query.ALL)}>${states.clear}</button>
      ${isTimed ? html`<button type="button" class="button" @click=${ask(query.value.within('', ''))}>${states.allTime}</button>` : nothing}
    </div>
  </div>`;
}

/** Rows to come, for the eye; a screen reader is told when they are there. */
function skeleton(viewer: Viewer, rows: number): TemplateResult {
  return html`<div class="skeleton" aria-label=${viewer.texts.value.states.loading} role="img">
    ${Array.from({ length: rows }, () => html`<div class="skeleton-row"><span></span><span></span><span></span></div>`)}
  </div>`;
}
