/** Bytes, and the texts that stand for them: each has one spelling here, and every other is refused. */
export type Bytes = Uint8Array<ArrayBuffer>;

export function utf8(text: string): Bytes {
  // What is no text would be hashed as another one.
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate is no text');
  return new TextEncoder().encode(text);
}

export function toBase64(bytes: Bytes): string {
  let characters = '';
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/** RFC 4648 section 4, with padding. Throws for whatever `toBase64` would not have written. */
export function fromBase64(text: string): Bytes {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new TypeError('not canonical base64');
  return bytes;
}

export function toBase64url(bytes: Bytes): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** RFC 4648 section 5, without padding. Throws for whatever `toBase64url` would not have written. */
export function fromBase64url(text: string): Bytes {
  if (/[+/=]/.test(text)) throw new TypeError('not base64url');
  const padding = '='.repeat((4 - (text.length % 4)) % 4);
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + padding);
}

export function isEqual(one: Bytes, other: Bytes): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

export async function sha256(...parts: Bytes[]): Promise<Bytes> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
}
