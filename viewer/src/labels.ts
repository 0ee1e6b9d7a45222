import type { Texts } from './locale';

/** What is logged of those who only look at the log. */
export const LOOKING = ['audit_log.viewed', 'audit_log.searched', 'audit_log.token_issued'];

/** "Actor"; of a changed field its name, in words, and the side: "Role (new)" for `changes.role.to`. */
export function fieldLabel(texts: Texts, name: string): string {
  const { fields, sides } = texts.labels;
  if (Object.hasOwn(fields, name)) return fields[name as keyof typeof fields];
  const [, field = name, side] = /^changes\.(.+?)(?:\.(from|to))?$/s.exec(name) ?? [];
  return side ? sides[side as keyof typeof sides](words(field)) : words(field);
}

/** "Sign-in" for `auth`; what has no label is shown as it is, actions and types of targets in words. */
export function valueLabel(texts: Texts, name: string, value: string): string {
  if (name.startsWith('changes.')) {
    if (value === '*') return texts.labels.changed;
    return (
      (value === 'true' || value === 'false' ? texts.labels.switched[value] : value) || texts.labels.empty
    );
  }
  if (value.includes('*')) return value;
  if (name === 'action') return words(value);
  const labels: unknown = Object.hasOwn(texts.labels, name)
    ? texts.labels[name as keyof Texts['labels']]
    : null;
  const found =
    labels && Object.hasOwn(labels, value) ? (labels as Record<string, string>)[value] : undefined;
  return found ?? (name === 'target_type' ? words(value) : value);
}

/** Words that are written in capitals wherever they stand. */
const CAPITALS = /\b(api|id|ip|mfa|saml|scim|sso|totp|url)\b/gi;

/** "User role changed" for `user.role_changed`. */
export function words(name: string): string {
  const spaced = name.replaceAll(/[._]+/g, ' ').trim();
  return (spaced.charAt(0).toUpperCase() + spaced.slice(1)).replace(CAPITALS, (word) => word.toUpperCase());
}
