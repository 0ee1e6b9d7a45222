import { html, nothing, type TemplateResult } from 'lit';
import type { Actor } from '../event';
import { key, person, system } from '../icons';
import { styled } from '../styled';
import type { Viewer } from '../viewer';

/** Pictures that could not be shown: they are not asked for again each time a row comes into sight. */
const broken = new Set<string>();

/**
 * Who did it, for the eye: a picture of the host's over initials, or an icon. The sentence beside it says it in words. Where
 * somebody acted as another it is theirs, who acted.
 */
export function avatar(viewer: Viewer, actor: Actor): TemplateResult {
  if (actor.type !== 'user' && !actor.impersonator) {
    return html`<span class="row-avatar icon-only" aria-hidden="true">${actor.type === 'system' ? system : key}</span>`;
  }
  const { id, name, email } = actor.impersonator ?? actor;
  const letters = initials(name || email || id || '', viewer.when.value.locale);
  const template = viewer.avatars.value;
  const picture = template && id ? template.replaceAll('{id}', encodeURIComponent(id)) : null;
  const failed = ({ target }: Event) => {
    if (picture) broken.add(picture);
    (target as HTMLImageElement).hidden = true;
  };
  return html`<span class="row-avatar" aria-hidden="true" ${styled({ '--row-hue': `${hue(id ?? letters)}` })}>
    ${letters || person}
    ${picture && !broken.has(picture) ? html`<img src=${picture} alt="" width="24" height="24" loading="lazy" decoding="async" referrerpolicy="no-referrer" @error=${failed} />` : nothing}
  </span>`;
}

/** "SC" for Sarah Chen, "Ž" for žofie: the first letters of the first word and of the last one; '' where there is none. */
export function initials(name: string, locale: string): string {
  const words = name.replace(/@.*/s, '').match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => (word?.match(/^.\p{M}*/su)?.[0] ?? '').toLocaleUpperCase(locale)).join('');
}

/** The same for the same id, anywhere: FNV-1a, in degrees. */
export function hue(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % 360;
}
