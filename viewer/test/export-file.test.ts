import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../src/event';
import { fileHead, fileLine, fileName } from '../src/export-file';

const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  id: '01a1ee50-7898-76ca-aec2-494db507df53',
  tenant_id: 'northwind',
  seq: 7,
  action: 'user.role_changed',
  sentence: 'Ana made Tom an admin',
  occurred_at: '2026-11-21T09:30:00.123Z',
  recorded_at: '2026-11-21T09:30:00.223344Z',
  actor: { type: 'user', id: 'usr_1', name: 'Ana' },
  targets: [],
  outcome: 'success',
  source: 'ui',
  category: null,
  operation: null,
  severity: null,
  registered: true,
  leaf_hash: 'abc',
  entry: '{}',
  disclosures: ['x'],
  ...more,
});

/** A reader of RFC 4180, strict, and apart from what is tested. */
function read(text: string): string[][] {
  const rows: string[][] = [[]];
  let rest = text;
  while (rest) {
    const found = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest);
    if (!found) throw new Error(`no CSV: ${rest.slice(0, 80)}`);
    rows.at(-1)?.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    rest = rest.slice(found[0].length);
    if (found[3] === '\r\n' && rest) rows.push([]);
  }
  return rows;
}

const sentence = (text: string) => read(fileLine('csv', event({ sentence: text })))[0]?.[1];

describe('a CSV file', () => {
  it('begins with the mark of UTF-8 and its columns, and every line has a cell for each', () => {
    const head = fileHead('csv');
    expect(head.startsWith('\uFEFFoccurred_at,sentence,action,')).toBe(true);
    const columns = read(head.slice(1))[0];
    expect(columns).toHaveLength(27);
    const full = event({
      changes: { 'a,"b"': { from: 'x\r\ny', to: null } },
      metadata: { quote: '"', line: '\n' },
      targets: [{ type: 'user', id: 'usr_2', name: 'Müller; "Tom"' }],
    });
    expect(read(fileLine('csv', full))[0]).toHaveLength(27);
    const cells = Object.fromEntries(
      columns?.map((name, n) => [name, read(fileLine('csv', full))[0]?.[n]]) ?? [],
    );
    expect(JSON.parse(cells.changes ?? '')).toEqual(full.changes);
    expect(JSON.parse(cells.metadata ?? '')).toEqual(full.metadata);
    expect(JSON.parse(cells.targets ?? '')).toEqual(full.targets);
    expect(cells.seq).toBe('7');
    expect(cells.category).toBe('');
  });

  it('keeps separators, quotes, line breaks and any script in their cell', () => {
    for (const text of ['a,b', 'say "hi"', 'a\nb', 'a\r\nb', '"', '""', ',', 'שלום', '\u202Eabc', '🙂', '']) {
      expect(sentence(text)).toBe(text);
    }
  });

  it('lets no cell begin a formula', () => {
    const formulas = [
      '=1+1',
      '+1',
      '-1',
      '@SUM(A1)',
      '\t=1',
      '\r=1',
      '\n=1',
      '  =1',
      '＝1',
      '＠x',
      '\tx',
      "=cmd|' /C calc'!A0",
    ];
    for (const text of formulas) expect(sentence(text)).toMatch(/^'/);
    for (const text of ['a=1', '1-1', 'ana@acme.example', '#1', "'=1"]) expect(sentence(text)).toBe(text);
  });

  it('nor what would be a cell of its own where semicolons, tabs or lines part them', () => {
    for (const text of ['a;=1+1', 'a; +http://x', 'a\t@x', 'a\n=1', 'a\r\n-1', '\r=1', '\t\t+1', ';=1']) {
      expect(sentence(text)).not.toMatch(/[;\t\r\n]\s*[=+\-@]/);
    }
    expect(sentence('a;=1+1')).toBe("a;'=1+1");
    expect(sentence('a; b')).toBe('a; b');
  });
});

describe('a file of JSON Lines', () => {
  it('has events as the API gives them, unchanged, but for what is only there to be hashed', () => {
    const text = fileLine('jsonl', event({ sentence: '=1\n+1', metadata: { a: { b: [1, null] } } }));
    expect(fileHead('jsonl')).toBe('');
    expect(text.indexOf('\n')).toBe(text.length - 1);
    const { entry, disclosures, ...rest } = event({ sentence: '=1\n+1', metadata: { a: { b: [1, null] } } });
    expect([entry, disclosures]).toEqual(['{}', ['x']]);
    expect(JSON.parse(text)).toEqual(rest);
  });
});

describe("a file's name", () => {
  it('says whose log it is and of which day, and is no path', () => {
    expect(fileName('csv', 'northwind', '2026-11-21')).toBe('audit-log-northwind-2026-11-21.csv');
    expect(fileName('jsonl', '../a:b/c', '2026-11-21')).toBe('audit-log-.._a_b_c-2026-11-21.jsonl');
  });
});
