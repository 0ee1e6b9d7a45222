import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from '../../src/proof/bytes';
import { openCheckpoint, parseCheckpoint } from '../../src/proof/checkpoint';
import { openNote, parseNote, parseVkey, parseVkeys } from '../../src/proof/note';
import { hex, SIZE, vectors } from './vectors';

// c2sp.org/signed-note
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const LINE =
  '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
const NOTE = `This is an example message.\n\n${LINE}`;
const KIND = (kind: string) => expect.objectContaining({ kind });

describe('a verifier key', () => {
  it('is read', async () => {
    expect(await parseVkey(VKEY)).toMatchObject({ vkey: VKEY, name: 'example.com/foo' });
  });

  it.each([
    VKEY.replace('530d903a', '530D903A'),
    VKEY.replace('530d903a', '530d903b'),
    VKEY.replace('foo', 'fou'),
    VKEY.replace('Aeky', 'Aukl'),
    VKEY.replace('+Aeky', '+AeKy'),
    `${VKEY} `,
    `${VKEY}\n`,
    `${VKEY}=`,
    VKEY.slice(0, -4),
    VKEY.replace('example.com/foo', 'a b'),
    '',
    '+530d903a+AA==',
  ])('is refused where it is written otherwise: %j', async (vkey) => {
    await expect(parseVkey(vkey)).rejects.toThrow();
  });

  it.each([
    [0],
    [1],
    [...fromBase64('JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU=')],
    [...fromBase64('JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/IU=')],
    [0xec, ...Array(30).fill(0xff), 0x7f],
    [0xee, ...Array(30).fill(0xff), 0xff],
  ])('is refused where everything is signed under it: %j …', async (...bytes) => {
    const key = new Uint8Array(33);
    key.set([1, ...bytes]);
    const name = new TextEncoder().encode('x\n');
    const id = new Uint8Array(
      await crypto.subtle.digest('SHA-256', Uint8Array.from([...name, ...key])),
    ).slice(0, 4);
    const vkey = `x+${hex(id)}+${toBase64(key)}`;
    await expect(parseVkey(vkey)).rejects.toThrow();
  });

  it('stands one a line, and lines that are none do not count', async () => {
    expect(await parseVkeys(`\n ${VKEY} \nsomething else\n${vectors.keys[0]}\n`)).toHaveLength(2);
    expect(await parseVkeys('nothing')).toEqual([]);
  });
});

describe('a signed note', () => {
  const key = () => parseVkey(VKEY);

  it('is opened with the key that signed it, whatever other lines there are', async () => {
    const other = `— example.org/witness ${toBase64(new Uint8Array(76))}\n`;
    for (const note of [NOTE, NOTE + other, NOTE.replace(LINE, other + LINE)])
      expect((await openNote(note, [await key()])).text).toBe('This is an example message.\n');
  });

  it('says who contradicts: another text under a key that is trusted is wrong, not unsigned', async () => {
    await expect(openNote(NOTE.replace('example', 'exemple'), [await key()])).rejects.toEqual(KIND('wrong'));
    await expect(openNote(NOTE, await parseVkeys(vectors.keys.join('\n')))).rejects.toEqual(KIND('unsigned'));
    await expect(openNote(NOTE, [])).rejects.toEqual(KIND('unsigned'));
  });

  it.each([
    NOTE.trimEnd(),
    NOTE.replace('\n\n', '\n'),
    NOTE.replace('— ', '- '),
    NOTE.replace('— ', '—'),
    NOTE.replaceAll('\n', '\r\n'),
    `${NOTE}\n`,
    `${NOTE}x\n`,
    NOTE.replace('message', 'mess\tage'),
    NOTE.replace('message', 'mess\u0000age'),
    NOTE.replace('message', 'mess\ud800age'),
    NOTE.replace('/foo Uw2Q', '/foo  Uw2Q'),
    NOTE.replace('aQM=', 'aQN='),
    'text\n\n— name AAAA\n',
    `text\n\n${LINE.repeat(101)}`,
    '',
  ])('is refused where it is none: %j', (note) => {
    expect(() => parseNote(note)).toThrow(KIND('malformed'));
  });
});

describe('a checkpoint', () => {
  const root = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';

  it('is three lines', async () => {
    expect(await parseCheckpoint(`a/b\n9007199254740991\n${root}\n`)).toMatchObject({ size: 2 ** 53 - 1 });
    expect(await parseCheckpoint('a/b\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n')).toMatchObject({
      size: 0,
    });
  });

  it.each([
    `a/b\n01\n${root}\n`,
    `a/b\n+1\n${root}\n`,
    `a/b\n1_0\n${root}\n`,
    `a/b\n1e3\n${root}\n`,
    `a/b\n１\n${root}\n`,
    `a/b\n9007199254740992\n${root}\n`,
    `a/b\n-1\n${root}\n`,
    `a/b\n\n${root}\n`,
    `a/b\n0\n${root}\n`,
    `a b\n1\n${root}\n`,
    `\n1\n${root}\n`,
    `a/b\n1\n${root}`,
    `a/b\n1\n${root}\nextension\n`,
    `a/b\n1\n${root}\n\n`,
    `a/b\n1\n${root.slice(4)}\n`,
    `a/b\n1\n${root.replace('A=', 'B=')}\n`,
    `a/b\n1\n${root} \n`,
  ])('is nothing else: %j', async (text) => {
    await expect(parseCheckpoint(text)).rejects.toEqual(KIND('malformed'));
  });

  it('is believed under the key of its own ledger alone', async () => {
    const note = vectors.notes[SIZE] ?? '';
    const [own, another] = await parseVkeys(vectors.keys.join('\n'));
    const other = await parseVkey(vectors.other);
    if (!own || !another) throw new Error('no keys');
    expect(await openCheckpoint(note, [other, another, own])).toMatchObject({
      checkpoint: { size: SIZE },
      key: own,
    });
    await expect(openCheckpoint(note, [other, another])).rejects.toEqual(KIND('unsigned'));
    const renamed = note.replace(`— ${own.name} `, `— ${other.name} `);
    await expect(openCheckpoint(renamed, [other])).rejects.toThrow();
    const bigger = note.replace(`\n${SIZE}\n`, `\n${SIZE + 1}\n`);
    await expect(openCheckpoint(bigger, [own])).rejects.toEqual(KIND('wrong'));
  });
});
