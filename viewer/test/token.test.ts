import { describe, expect, test } from 'vitest';
import { claimsOf } from '../src/token';

const encoded = (claims: unknown) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(claims))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const token = (claims: unknown) => `eyJ.${encoded(claims)}.sig`;
const marcus = {
  tenant: 'acme',
  sub: 'usr_1',
  role: 'admin',
  iat: 1000,
  exp: 1900,
  zoneinfo: 'Asia/Tōkyō',
  locale: 'de',
};

describe('claims', () => {
  test('are read as they were written, whatever the letters', () => {
    expect(claimsOf(token(marcus))).toMatchObject({ life: 900_000, zone: 'Asia/Tōkyō', locale: 'de' });
  });

  test('of a renewed token are the same reader, of anybody else another', () => {
    const { reader } = claimsOf(token(marcus));
    expect(claimsOf(token({ ...marcus, iat: 1800, exp: 2700, jti: 'x' })).reader).toBe(reader);
    for (const other of [
      { tenant: 'globex' },
      { sub: 'usr_2' },
      { role: 'member' },
      { filter: { category: ['auth'] } },
      { staff: true },
    ])
      expect(claimsOf(token({ ...marcus, ...other })).reader).not.toBe(reader);
  });

  test('tell who is shown a part of the log', () => {
    const whole = (more: object) => claimsOf(token({ ...marcus, ...more })).whole;
    expect([whole({}), whole({ role: 'member' }), whole({ filter: { category: ['auth'] } })]).toEqual([
      true,
      false,
      false,
    ]);
    expect(claimsOf('ind_live_abc').whole).toBe(true);
  });

  test.each(['ind_live_abc', 'a.b', 'a.!!.c', `a.${encoded(null)}.c`, `a.${encoded([1])}.c`, ''])(
    '%s has none',
    (text) => {
      const { life, zone, locale } = claimsOf(text);
      expect([life, zone, locale]).toEqual([null, null, null]);
    },
  );

  test('of other types are none', () => {
    const odd = claimsOf(token({ exp: '1900', iat: 1000, zoneinfo: 7, locale: {} }));
    expect([odd.life, odd.zone, odd.locale]).toEqual([null, null, null]);
  });

  test('a key, and no token, are readers of their own', () => {
    expect(claimsOf('ind_live_abc').reader).toBe('ind_live_abc');
    expect(claimsOf(null).reader).toBeNull();
    expect(claimsOf('x.y.z').reader).toBeNull();
  });
});
