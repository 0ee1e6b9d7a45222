/** What the viewer reads of its token before the service said anything: when to ask for another, and how to show times. */
export interface Claims {
  /** Milliseconds for which it is good from its making on. By its own times alone: the clock here may be wrong. */
  life: number | null;
  /** Whose log it shows, to whom and how much of it: a renewed token says the same. Of a key, itself. Null: nobody knows. */
  reader: string | null;
  tenant: string | null;
  /** `admin`, or `member`, who is shown a part. */
  role: string | null;
  /** Every event of the tenant is shown. */
  whole: boolean;
  zone: string | null;
  locale: string | null;
}

/**
 * Of a viewer token (docs/viewer-tokens.md); of anything else, such as a key, nothing. Nothing is verified: what the
 * token opens the service decides.
 */
export function claimsOf(token: string | null): Claims {
  const nothing = {
    life: null,
    reader: token,
    tenant: null,
    role: null,
    whole: true,
    zone: null,
    locale: null,
  };
  const part = token?.split('.')[1];
  if (!part) return nothing;
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) =>
      c.charCodeAt(0),
    );
    const { exp, iat, tenant, sub, role, filter, staff, zoneinfo, locale } = JSON.parse(
      new TextDecoder().decode(bytes),
    );
    return {
      life: typeof exp === 'number' && typeof iat === 'number' ? (exp - iat) * 1000 : null,
      reader: JSON.stringify([tenant, sub, role, filter, staff]),
      tenant: typeof tenant === 'string' ? tenant : null,
      role: typeof role === 'string' ? role : null,
      whole: role !== 'member' && !filter,
      zone: typeof zoneinfo === 'string' ? zoneinfo : null,
      locale: typeof locale === 'string' ? locale : null,
    };
  } catch {
    return { ...nothing, reader: null };
  }
}
