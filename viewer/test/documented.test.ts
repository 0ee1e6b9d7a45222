import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (ending: string) =>
  readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => readFileSync(`src/${path}`, 'utf8'))
    .join('\n');
const page = readFileSync('../docs/viewer.md', 'utf8');
const named = (text: string, name: RegExp) =>
  [...new Set([...text.matchAll(name)].map(([, one]) => one))].sort();

// What hosts build upon: the page names all of it, and nothing that is not there.
describe('docs/viewer.md', () => {
  it('lists the parts that there are', () => {
    const given = [...read('.ts').matchAll(/\bpart=(?:"([^"]*)"|\$\{[^}]*'([^']*)' : '([^']*)'\})/g)];
    const parts = given.flatMap(([, ...lists]) => lists).flatMap((list) => list?.split(' ') ?? []);
    const simple = parts.filter((part) => !part.includes('$'));
    const [, table = ''] = /for `::part\(…\)`:(.*?)\n\nThe names/s.exec(page) ?? [];
    const documented = named(table, /`([a-z-]+)`/g).filter((part) => !/^(lock|ledger)-/.test(part ?? ''));
    expect(documented).toEqual([...new Set(simple)].sort());
  });

  it('lists the custom properties that are read', () => {
    const property = /(--audit-log-[a-z-]*[a-z])/g;
    expect(named(page, property)).toEqual(named(read('.css'), property));
  });

  it('lists the attributes', () => {
    const [, block = ''] =
      /static override properties = \{(.*?)\n {2}\};/s.exec(readFileSync('src/audit-log.ts', 'utf8')) ?? [];
    const attributes = [...block.matchAll(/^ {4}(\w+): \{(.*)\},$/gm)].flatMap(
      ([, name = '', options = '']) =>
        options.includes('attribute: false') ? [] : [/attribute: '([^']+)'/.exec(options)?.[1] ?? name],
    );
    const [, table = ''] = /## Attributes\n(.*?)\n\nAll are/s.exec(page) ?? [];
    expect(named(table, /^\| `([a-z-]+)`/gm)).toEqual(attributes.sort());
  });
});
