import { html, nothing } from 'lit';
import type { Observable } from '../cell';
import * as icons from '../icons';
import { fieldLabel } from '../labels';
import { define, Part } from '../part';
import type { Query, Term } from '../query';

/** The filters of the query, values of one filter together: "Outcome is Failure or Denied". */
export class Chips extends Part {
  protected override watched(): Observable[] {
    return [this.viewer.query, this.viewer.directory, this.viewer.timeline];
  }

  override render() {
    const { terms } = this.viewer.query.value;
    if (terms.length === 0) return nothing;
    const t = this.t.chips;
    return html`<ul class="chips" part="filters" aria-label=${t.label}>
      ${grouped(terms).map((group) => this.#group(group))}
      ${
        terms.length > 1
          ? html`<li><button class="link chips-clear" type="button" @click=${() => this.#keep([], -1)}>${t.clear}</button></li>`
          : nothing
      }
    </ul>`;
  }

  #group(group: Term[]) {
    const [first] = group;
    if (!first) return nothing;
    const t = this.t.chips;
    const field = fieldLabel(this.t, first.name);
    const verb = first.not ? t.isNot : t.is;
    const whole = `${field} ${verb} ${group.map((term) => this.viewer.label(term)).join(` ${t.or} `)}`;
    const turned = first.not ? t.include(whole) : t.exclude(whole);
    return html`<li class="chips-group ${first.not ? 'not' : ''}" part="filter">
      <button class="chips-turn" type="button" title=${turned} aria-label=${turned} @click=${() => this.#turn(group)}>
        <span class="chips-field">${field}</span> <span class="chips-verb">${verb}</span>
      </button>
      ${group.map((term, at) => this.#value(term, at > 0))}
    </li>`;
  }

  #value(term: Term, isFurther: boolean) {
    const t = this.t.chips;
    const label = this.viewer.label(term);
    const whole = `${fieldLabel(this.t, term.name)} ${term.not ? t.isNot : t.is} ${label}`;
    return html`${isFurther ? html`<span class="chips-or muted">${t.or}</span>` : nothing}
      <span class="chips-value" title=${term.value}>${label}</span>
      <button class="chips-remove" type="button" title=${t.remove(whole)} aria-label=${t.remove(whole)} @click=${() => this.#remove(term, whole)}>
        ${icons.close}
      </button>`;
  }

  /** Looks for what was left out, or the other way round. */
  #turn(group: Term[]): void {
    const { query } = this.viewer;
    query.value = group.reduce<Query>((found, term) => found.with({ ...term, not: !term.not }), query.value);
    const place = grouped(query.value.terms).findIndex((now) => now.some((term) => turns(term, group)));
    void this.updateComplete.then(() => this.querySelectorAll<HTMLElement>('.chips-turn')[place]?.focus());
  }

  #remove(term: Term, whole: string): void {
    const { terms } = this.viewer.query.value;
    this.viewer.announcements.say(this.t.chips.removed(whole));
    this.#keep(
      terms.filter((other) => other !== term),
      terms.indexOf(term),
    );
  }

  /** The focus goes to the filter that is now in the place of the one that was removed, or to the search box. */
  #keep(terms: readonly Term[], place: number): void {
    const { query } = this.viewer;
    query.value = query.value.only(terms);
    void this.updateComplete.then(() => {
      const left = this.querySelectorAll<HTMLElement>('.chips-remove');
      const next = left[Math.min(place, left.length - 1)];
      if (next) next.focus();
      else this.parentElement?.querySelector<HTMLElement>('.search-field')?.focus();
    });
  }
}

/** Terms stand in order, so that those of one filter follow each other. */
function grouped(terms: readonly Term[]): Term[][] {
  const groups: Term[][] = [];
  for (const term of terms) {
    const last = groups.at(-1);
    if (last?.[0]?.name === term.name && last[0].not === term.not) last.push(term);
    else groups.push([term]);
  }
  return groups;
}

const turns = ({ name, value }: Term, group: Term[]) =>
  group.some((term) => term.name === name && term.value === value);

define('audit-log-chips', Chips);
