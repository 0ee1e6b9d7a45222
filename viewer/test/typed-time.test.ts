import { describe, expect, it } from 'vitest';
import { de } from '../src/locale/de';
import { en } from '../src/locale/en';
import { typedTime } from '../src/typed-time';

const now = new Date('2026-11-22T09:30:00Z');
const berlin = { zone: 'Europe/Berlin', locale: 'en-GB', words: en.range.words, now };
const german = { ...berlin, locale: 'de', words: de.range.words };
const american = { ...berlin, zone: 'America/New_York', locale: 'en-US' };

const since = (text: string, reading = berlin) => typedTime(text, false, reading)?.sent;
const until = (text: string, reading = berlin) => typedTime(text, true, reading)?.sent;

describe('typedTime', () => {
  it.each([
    ['3h', '3h'],
    [' 15 MIN ', '15m'],
    ['2 days ago', '2d'],
    ['last 2 weeks', '2w'],
    ['007d', '7d'],
  ])('%j is a span, which is sent as one and goes on sliding', (text, sent) => {
    expect(since(text)).toBe(sent);
  });

  it.each([
    ['2026-11-21', '2026-11-20T23:00:00Z'],
    ['2026-11-21 14:00', '2026-11-21T13:00:00Z'],
    ['2026-11-21T14:00', '2026-11-21T13:00:00Z'],
    ['2026-11-21 14:00:30', '2026-11-21T13:00:30Z'],
    ['2026-11-21T14:00:00Z', '2026-11-21T14:00:00Z'],
    ['2026-11-21T14:00:00.5-05:00', '2026-11-21T19:00:00.500Z'],
    ['21/11/2026, 14:00', '2026-11-21T13:00:00Z'],
    ['21.11.2026', '2026-11-20T23:00:00Z'],
    ['21.11.26 9:05', '2026-11-21T08:05:00Z'],
    ['2026-11', '2026-10-31T23:00:00Z'],
    ['14:00', '2026-11-22T13:00:00Z'],
    ['2pm', '2026-11-22T13:00:00Z'],
    ['today', '2026-11-21T23:00:00Z'],
    ['Yesterday 12:15 am', '2026-11-20T23:15:00Z'],
  ])('%j is a time of the zone, and sent exactly', (text, sent) => expect(since(text)).toBe(sent));

  it('a day or a month is meant to its end where the range ends', () => {
    expect(until('2026-11-21')).toBe('2026-11-21T23:00:00Z');
    expect(until('yesterday')).toBe('2026-11-21T23:00:00Z');
    expect(until('2026-10')).toBe('2026-10-31T23:00:00Z');
    expect(until('2026-11-21 14:00')).toBe('2026-11-21T13:00:00Z');
    expect(until('now')).toBe('');
  });

  it('a day on which clocks change has 23 or 25 hours', () => {
    expect([since('2026-10-25'), until('2026-10-25')]).toEqual([
      '2026-10-24T22:00:00Z',
      '2026-10-25T23:00:00Z',
    ]);
    expect([since('3/8/2026', american), until('3/8/2026', american)]).toEqual([
      '2026-03-08T05:00:00Z',
      '2026-03-09T04:00:00Z',
    ]);
    expect(since('14:00', { ...berlin, now: new Date('2026-03-29T00:10:00Z') })).toBe('2026-03-29T12:00:00Z');
  });

  it('reads strokes as the language writes them', () => {
    expect(since('11/21/2026', american)).toBe('2026-11-21T05:00:00Z');
    expect(since('11/21/2026')).toBeUndefined();
    expect(since('05/11/2026')).toBe('2026-11-04T23:00:00Z');
  });

  it('reads German words, and English ones and what the API takes beside them', () => {
    expect(since('gestern 14:00', german)).toBe('2026-11-21T13:00:00Z');
    expect(since('Heute', german)).toBe('2026-11-21T23:00:00Z');
    expect(since('vor 3 Stunden', german)).toBe('3h');
    expect(since('2 Tage', german)).toBe('2d');
    expect(until('jetzt', german)).toBe('');
    expect(since('yesterday', german)).toBe('2026-11-20T23:00:00Z');
    expect(since('7d', german)).toBe('7d');
  });

  it.each(['en-US', 'en-GB', 'en-CA', 'de', 'de-CH'])('reads what is written itself in %s', (locale) => {
    const at = Date.parse('2026-11-03T19:05:00Z');
    const day = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
    const all = { ...day, hour: '2-digit', minute: '2-digit', timeZone: 'Europe/Berlin' } as const;
    const text = new Intl.DateTimeFormat(locale, all).format(at);
    expect(since(text, { ...berlin, locale })).toBe('2026-11-03T19:05:00Z');
  });

  it.each([
    '',
    ' ',
    'tomorrow',
    'gestern',
    '3',
    '3x',
    '0h',
    '1month',
    '-3h',
    '3h 5m',
    '999999w',
    '24:00',
    '12:60',
    '13pm',
    '0am',
    '14',
    '2026-02-30',
    '2026-13',
    '2026-11 14:00',
    '0026-11-21',
    '9999-12-31',
    '31.11.2026',
    '21.11.',
    '2026-11-21T14:00:00+99',
    '<b>',
    '١٢:٠٠',
    '14:00 14:00',
  ])('%j is no time', (text) => expect(typedTime(text, false, berlin)).toBeNull());
});
