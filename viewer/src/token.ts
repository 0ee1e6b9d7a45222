/** What the viewer reads of its token before the service said anything: when to ask for another, and how to show times. */
export interface Claims {
  /** Milliseconds since 1970. */
  expires: number | null;
  zone: string | null;
  locale: string | null;
}

/**
 * Of a viewer token (docs/viewer-tokens.md); of anything else, such as a key, nothing. Nothing is verified: what the
 * token opens the service decides.
 */
export function claimsOf(token: string | null): Claims {
  const nothing = { expires: null, zone: null, locale: null };
  const part = token?.split('.')[1];
  if (!part) return nothing;
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) =>
      c.charCodeAt(0),
    );
    const { exp, zoneinfo, locale } = JSON.parse(new TextDecoder().decode(bytes));
    return {
      expires: typeof exp === 'number' ? exp * 1000 : null,
      zone: typeof zoneinfo === 'string' ? zoneinfo : null,
      locale: typeof locale === 'string' ? locale : null,
    };
  } catch {
    return nothing;
  }
}
