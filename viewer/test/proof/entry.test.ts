import { describe, expect, it } from 'vitest';
import { toBase64url, utf8 } from '../../src/proof/bytes';
import { digestOf, openDisclosure, parseEntry } from '../../src/proof/entry';
import { events } from './vectors';

// docs/format.md, A worked example
const ENTRY =
  '{"_sd":["1U-w8R9TeTKr5QKi2ohEZ50eJmPWxk6sYtebTMRGkqE","CnxjqCq2BdlJBAoBLEJefkESDYwoNlJ_gxTRdILDoFo","j3HFX_gYWjxrXvpRJgyZl_jzhEHXslOHIBqdBhjtxBU"],"action":"user.role_changed","actor":{"id":"usr_7","type":"user"},"category":"access","id":"01a1ffff-d67c-7f3f-a2f5-cc1d387c8e11","occurred_at":"2026-11-21T21:25:19.100Z","operation":"updated","outcome":"success","prev":"0vVtF_a-x69t6tpGwfe_GKdry9oocsNT3m984tY3kBM","recorded_at":"2026-11-21T21:25:19.104723Z","seq":5576,"source":"api","targets":[{"id":"usr_9","type":"user"}],"v":1}';
const DISCLOSURE =
  'WyJIaVYzdkhoLTRENHFfUm9NQ2Z2b0R3IiwiY2hhbmdlcyIseyJyb2xlIjp7ImZyb20iOiJtZW1iZXIiLCJ0byI6ImFkbWluIn19XQ';

const swap = (one: string, other: string) => {
  expect(ENTRY).toContain(one);
  return ENTRY.replace(one, other);
};

describe('an entry', () => {
  it('is read where it is canonical', () => {
    expect(parseEntry(ENTRY)).toMatchObject({ seq: 5576, action: 'user.role_changed' });
    for (const { entry, seq } of events()) expect(parseEntry(entry ?? '').seq).toBe(seq);
  });

  it.each([
    ['a key that is there twice', swap('"seq":5576', '"seq":1,"seq":5576')],
    ['another key', swap('"v":1', '"v":1,"x":1')],
    ['a key that is missing', swap('"category":"access",', '')],
    ['another order', swap('"v":1}', '"targets":[],"v":1}')],
    ['a space', swap('"v":1', '"v": 1')],
    ['a newline at the end', `${ENTRY}\n`],
    ['a mark at the beginning', `\ufeff${ENTRY}`],
    ['another spelling of a number', swap('5576', '5576.0')],
    ['an exponent', swap('5576', '5.576e3')],
    ['a number that is too large', swap('5576', '9007199254740992')],
    ['a negative number', swap('5576', '-1')],
    ['a negative zero', swap('5576', '-0')],
    ['a leading zero', swap('5576', '05576')],
    ['a number as a text', swap('5576', '"5576"')],
    ['an escape that is not needed', swap('user.role', 'user\\u002erole')],
    ['a slash with an escape', swap('user.role', 'user\\/role')],
    ['an escape in capitals', swap('user.role', '\\u001F')],
    ['half of a character', swap('user.role', '\\ud800')],
    ['another version', swap('"v":1', '"v":2')],
    [
      'a digest twice',
      swap('"CnxjqCq2BdlJBAoBLEJefkESDYwoNlJ_gxTRdILDoFo"', '"1U-w8R9TeTKr5QKi2ohEZ50eJmPWxk6sYtebTMRGkqE"'),
    ],
    ['digests in another order', swap('"1U-w', '"zU-w')],
    ['a digest that is none', swap('"1U-w8', '"1U-w')],
    ['a digest that is no text', swap('"_sd":[', '"_sd":[1,')],
    ['no digests', swap('"_sd":[', '"_sd":null,"x":[')],
    ['an outcome of our own', swap('"success"', '"fine"')],
    ['a source of our own', swap('"source":"api"', '"source":"x"')],
    ['an id in capitals', swap('01a1ffff', '01A1FFFF')],
    ['a day that there is not', swap('2026-11-21T21:25:19.100Z', '2026-02-30T21:25:19.100Z')],
    ['an hour that there is not', swap('2026-11-21T21:25:19.104723Z', '2026-11-21T24:00:00.000000Z')],
    ['a fraction that is not written out', swap('19.100Z', '19.1Z')],
    ['a subject that is a list', swap('{"id":"usr_9","type":"user"}', '["usr_9"]')],
    ['a subject without a type', swap('{"id":"usr_9","type":"user"}', '{"id":"usr_9"}')],
    [
      'a subject that says more',
      swap('{"id":"usr_9","type":"user"}', '{"id":"usr_9","name":"x","type":"user"}'),
    ],
    ['an actor that is null', swap('{"id":"usr_7","type":"user"}', 'null')],
    ['too much', swap('user.role_changed', 'x'.repeat(33_000))],
    ['a list', `[${ENTRY}]`],
    ['nothing', ''],
    ['null', 'null'],
    ['depth', '['.repeat(30_000)],
  ])('is none with %s', (_what, text) => {
    expect(() => parseEntry(text)).toThrow();
  });
});

describe('a disclosure', () => {
  const text = (json: string) => toBase64url(utf8(json));
  const salt = 'HiV3vHh-4D4q_RoMCfvoDw';

  it('is read, and hashed as its text', async () => {
    expect(openDisclosure(DISCLOSURE)).toEqual({
      name: 'changes',
      value: { role: { from: 'member', to: 'admin' } },
    });
    expect(ENTRY).toContain(await digestOf(DISCLOSURE));
    expect(openDisclosure(text(`["${salt}","x",{ "a" : 1 }]`)).value).toEqual({ a: 1 });
    const odd = { '{"a":1,"a"': ['"a":', '\\"', 1.5e-7, -0.25], __proto: { a: { a: [] } }, '': null };
    expect(openDisclosure(text(`["${salt}","x",${JSON.stringify(odd)}]`)).value).toEqual(odd);
  });

  it.each([
    `["${salt}","x"]`,
    `["${salt}","x",1,2]`,
    `["${salt}","x", 1]`,
    `["${salt}","x",1 ]`,
    `["${salt}","x",1]\n`,
    ` ["${salt}","x",1]`,
    `\ufeff["${salt}","x",1]`,
    `["${salt}", "x",1]`,
    `["${salt}","\\u0078",1]`,
    `["${salt.slice(1)}","x",1]`,
    `["${salt.slice(0, -1)}x","x",1]`,
    `["${salt}","x",NaN]`,
    `["${salt}","x",{"amount":100,"amount":9}]`,
    `["${salt}","x",[{"a":{"b":"{","b" :1}}]]`,
    `["${salt}","x",{"a":1,"\\u0061":2}]`,
    `["${salt}","x",{"a":-1e400}]`,
    `["${salt}","x",]`,
    `{"a":1}`,
  ])('is none if it is written otherwise: %j', (json) => {
    expect(() => openDisclosure(text(json))).toThrow();
  });

  it.each([`${DISCLOSURE}=`, DISCLOSURE.slice(1), '_w', '', ' '])('is none if it is no text: %j', (given) => {
    expect(() => openDisclosure(given)).toThrow();
  });
});
