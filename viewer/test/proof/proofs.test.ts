import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Api } from '../../src/api';
import { Cell } from '../../src/cell';
import type { AuditEvent } from '../../src/event';
import { Problem } from '../../src/problem';
import { Checker } from '../../src/proof/checker';
import { Findings } from '../../src/proof/findings';
import type { Trust } from '../../src/proof/trust';
import { Proofs } from '../../src/proofs';
import { Query } from '../../src/query';
import type { Timeline } from '../../src/timeline';
import { events, SIZE, vectors } from './vectors';

/** A service that answers what it is told to. */
class Service {
  address = 'https://audit.example';
  claims = { tenant: events()[0]?.tenant_id, role: 'admin' };
  size = SIZE;
  notes = vectors.notes;
  asked: string[] = [];
  problem: Problem | null = null;
  wrong: Record<number, string[]> = {};
  consistency: string[] | null | undefined;

  async json(path: string, parameters: Iterable<readonly [string, string]> = []): Promise<unknown> {
    const given = [...parameters];
    this.asked.push(path);
    if (this.problem) throw this.problem;
    const value = (name: string) => given.find(([known]) => known === name)?.[1] ?? '';
    if (path.endsWith('/consistency')) {
      const key = `${value('from')} ${value('to')}`;
      const proof = this.consistency === undefined ? vectors.consistency[key] : this.consistency;
      if (!proof) throw new Problem(422, 'invalid_parameter', 'beyond');
      return { proof };
    }
    if (path.endsWith('/feed'))
      return { data: events().filter(({ seq }) => seq === Number(value('after')) + 1) };
    const seqs = given.map(([, seq]) => Number(seq));
    const proofs = vectors.proofs[this.size] ?? {};
    return {
      checkpoint: this.notes[this.size],
      size: this.size,
      proofs: seqs
        .filter((n) => n < this.size)
        .map((seq) => ({ seq, hashes: this.wrong[seq] ?? proofs[seq] })),
      unsigned: seqs.filter((n) => n >= this.size),
      altered: [],
    };
  }

  async event(id: string): Promise<AuditEvent> {
    return events().find((event) => event.id === id) as AuditEvent;
  }

  async send(path: string) {
    const text = path.endsWith('/vkeys') ? `${vectors.keys[0]}\n` : this.notes[this.size];
    return { text: async () => text };
  }
}

/** A list that is still on its way: nothing is looked for in it. */
const LIST = {
  timeline: Object.assign(new Cell(null), { loading: true }) as unknown as Timeline,
  query: new Cell(Query.ALL),
};

let service: Service;
let proofs: Proofs;

function look(pinned: string | null = vectors.keys[0]): Proofs {
  proofs?.stop();
  proofs = new Proofs();
  proofs.pin(pinned);
  proofs.begin((keys) => new Checker(service as unknown as Api, keys, LIST));
  return proofs;
}

async function checked(rows: readonly AuditEvent[]): Promise<string[]> {
  proofs.want(rows);
  await vi.waitFor(() => {
    for (const row of rows) expect(['unknown', 'checking']).not.toContain(proofs.stateOf(row));
  });
  return rows.map((row) => proofs.stateOf(row));
}

beforeEach(() => {
  localStorage.clear();
  vi.setSystemTime(new Date(rows().at(-1)?.recorded_at ?? '').getTime() + 5000);
  service = new Service();
  look();
});
afterEach(() => {
  proofs.stop();
  vi.useRealTimers();
});

const rows = () => events().filter((event) => !event.withheld && !event.erased);

describe('events', () => {
  it('are proven under a pinned key, each asked for once', async () => {
    const all = rows();
    expect(new Set(await checked(all))).toEqual(new Set(['proven']));
    expect(proofs.standing).toMatchObject({ by: 'page', known: null, checkpoint: { size: SIZE } });
    const before = service.asked.length;
    await checked(all);
    await checked(rows());
    expect(service.asked.length).toBe(before);
  });

  it('are unpinned where nobody but the service says which key it is', async () => {
    look(null);
    expect(new Set(await checked(rows()))).toEqual(new Set(['unpinned']));
  });

  it('are altered one by one', async () => {
    const all = rows();
    if (all[2]) all[2].outcome = 'denied';
    expect(await checked(all)).toEqual(all.map((_, i) => (i === 2 ? 'altered' : 'proven')));
    expect([...proofs.altered]).toEqual([all[2]?.id]);
  });

  it('are altered where the tree has another entry at their place', async () => {
    const fifth = vectors.proofs[SIZE]?.[5] ?? [];
    service.wrong = { 4: fifth, 5: fifth.slice(1) };
    const all = rows();
    const states = await checked(all);
    expect(all.filter((_, i) => states[i] === 'altered').map(({ seq }) => seq)).toEqual([4, 5]);
  });

  it('are nothing where no proof is given, but what is displayed otherwise shows all the same', async () => {
    service.problem = new Problem(0, 'offline', 'no network');
    const all = rows();
    if (all[1]) all[1].action = 'user.joined';
    expect(await checked(all)).toEqual(all.map((_, i) => (i === 1 ? 'altered' : 'unavailable')));
    expect(proofs.obstacle?.kind).toBe('offline');
  });

  it('wait for the next checkpoint where they are newer', async () => {
    service.size = SIZE - 2;
    const all = rows();
    expect(await checked(all)).toEqual(all.map(({ seq }) => (seq < SIZE - 2 ? 'proven' : 'waiting')));
  });

  it('are judged by what is displayed, and not by their id', async () => {
    const [row] = rows();
    if (!row) throw new Error('no row');
    expect(await checked([row])).toEqual(['proven']);
    expect(await checked([{ ...row, outcome: 'denied' }])).toEqual(['altered']);
    expect(proofs.stateOf(row)).toBe('proven');
  });

  it('have their erasure looked up at once', async () => {
    const erased = events().find((event) => event.erased) as AuditEvent;
    expect(await checked([erased])).toEqual(['proven']);
    expect(proofs.resultOf(erased)?.steps[2]).toMatchObject({ verdict: 'ok', why: 'erased' });
    await proofs.checker?.again(erased);
    expect(await checked([erased])).toEqual(['proven']);
  });

  it('are not altered because their erasure is not signed yet', async () => {
    service.size = 6;
    const [erased] = events().filter((event) => event.erased);
    if (!erased) throw new Error('no erasure');
    expect(await checked([erased])).toEqual(['partial']);
    service.size = SIZE;
    await vi.waitFor(() => expect(proofs.stateOf(erased)).toBe('proven'), 8000);
  }, 10_000);

  it('are proven in part where something is withheld from a member, and altered where it is from an admin', async () => {
    const withheld = () => events().filter((event) => event.withheld);
    expect(new Set(await checked(withheld()))).toEqual(new Set(['altered']));
    service.claims.role = 'member';
    look();
    expect(new Set(await checked(withheld()))).toEqual(new Set(['partial']));
  });

  it('do not wait for a signature for ever', async () => {
    service.size = 3;
    const late = rows().filter(({ seq }) => seq >= 3);
    expect(new Set(await checked(late))).toEqual(new Set(['waiting']));
    vi.setSystemTime(Date.now() + 3600_000);
    look();
    expect(new Set(await checked(late))).toEqual(new Set(['unavailable']));
    expect(proofs.resultOf(late[0] as AuditEvent)?.missing).toBe('overdue');
  });

  it('of another tenant than the token’s are altered, whichever key is pinned for it', async () => {
    look(null);
    await checked(rows());
    await proofs.remember(vectors.keys[0]);
    const others = rows().map((event) => ({ ...event, tenant_id: 'acme2' }));
    expect(new Set(await checked(others))).toEqual(new Set(['altered']));
    expect(proofs.standing?.by).toBe('browser');
  });

  it('are not checked where the file that checks could not be loaded', () => {
    const [event] = rows() as [AuditEvent];
    proofs = new Proofs();
    proofs.want([event]);
    expect(proofs.stateOf(event)).toBe('unknown');
    proofs.begin(null);
    expect(proofs.stateOf(event)).toBe('unavailable');
    expect(proofs.obstacle?.kind).toBe('missing');
  });
});

describe('keys', () => {
  it('that did not sign the ledger prove nothing', async () => {
    look(vectors.keys[1]);
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
    expect(proofs.obstacle?.kind).toBe('other_key');
    look('nonsense');
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
    expect(proofs.obstacle?.kind).toBe('bad_key');
  });

  it('that somebody pinned here count more than the page’s, and are remembered', async () => {
    look(null);
    const all = rows();
    await checked(all);
    expect(await proofs.remember('nonsense')).toBe(false);
    expect(await proofs.remember(vectors.keys[1])).toBe(true);
    expect(new Set(await checked(all))).toEqual(new Set(['unavailable']));
    expect(await proofs.remember(` ${vectors.keys[0]}\n`)).toBe(true);
    expect(new Set(await checked(all))).toEqual(new Set(['proven']));
    look(vectors.keys[1]);
    expect(new Set(await checked(rows()))).toEqual(new Set(['proven']));
    expect(proofs.standing?.by).toBe('browser');
    await proofs.remember(null);
    await checked(all);
    expect(proofs.obstacle?.kind).toBe('other_key');
  });

  it('make nothing proven that was found out under another', async () => {
    look(null);
    service.notes = vectors.notes_of_another_key;
    service.send = async (path: string) => ({
      text: async () => (path.endsWith('/vkeys') ? `${vectors.keys[1]}\n` : service.notes[service.size]),
    });
    const forged = rows();
    expect(new Set(await checked(forged))).toEqual(new Set(['unpinned']));
    proofs.pin(vectors.keys[0]);
    expect(new Set(forged.map((row) => proofs.stateOf(row)))).toEqual(new Set(['unknown']));
    service.notes = {};
    service.json = async () => ({ checkpoint: vectors.notes[SIZE], proofs: [], altered: [] });
    await proofs.checker?.look('acme');
    await checked(forged);
    expect(new Set(forged.map((row) => proofs.stateOf(row)))).toEqual(new Set(['unavailable']));
    expect([proofs.checker?.findings.proven, proofs.seen]).toEqual([0, forged.length]);
  });

  it('in whose name a signature is forged contradict everything', async () => {
    service.notes = { [SIZE]: (vectors.notes[SIZE] ?? '').replace(`\n${SIZE}\n`, `\n${SIZE + 1}\n`) };
    expect(new Set(await checked(rows()))).toEqual(new Set(['altered']));
    expect(proofs.contradiction?.kind).toBe('signature');
  });
});

describe('this browser remembers', () => {
  const old = () => rows().filter(({ seq }) => seq < 3);

  async function earlier(size: number): Promise<void> {
    service.size = size;
    await checked(old());
    service.size = SIZE;
    look();
  }

  it('the newest checkpoint, which the next one has to continue', async () => {
    await earlier(3);
    expect(new Set(await checked(rows()))).toEqual(new Set(['proven']));
    expect(service.asked.filter((path) => path.endsWith('/consistency'))).toHaveLength(1);
    expect(proofs.standing?.known).toMatchObject({ size: 3 });
  });

  it('and sees that history was rewritten, though the key signed it', async () => {
    await earlier(SIZE);
    service.notes = { [SIZE]: vectors.another_history };
    expect(new Set(await checked(rows()))).toEqual(new Set(['altered']));
    expect(proofs.contradiction).toMatchObject({ kind: 'rewritten', known: { size: SIZE } });
    expect(proofs.contradiction?.note).toBe(vectors.another_history);
  });

  it.each([[null], [[]], [vectors.consistency[`3 ${SIZE}`]?.toReversed()]])(
    'and believes no other proof (%#)',
    async (proof) => {
      await earlier(3);
      service.consistency = proof as string[] | null;
      expect(new Set(await checked(rows()))).toEqual(new Set(['altered']));
      expect(proofs.contradiction?.kind).toBe('rewritten');
    },
  );

  it('nothing that nobody’s key signed, and what it remembers until it is told to forget', async () => {
    look(null);
    await checked(rows());
    expect(Object.keys(localStorage)).toEqual([]);
    look();
    await earlier(SIZE);
    service.notes = { [SIZE]: vectors.another_history };
    look();
    await checked(rows());
    expect(proofs.contradiction).not.toBeNull();
    proofs.forget();
    expect(Object.keys(localStorage)).toEqual([]);
    await checked(rows());
    expect(proofs.contradiction).toBeNull();
  });

  it('and sees that entries were removed', async () => {
    await earlier(SIZE);
    service.size = 3;
    service.consistency = null;
    expect(new Set(await checked(old()))).toEqual(new Set(['altered']));
    expect(proofs.contradiction).toMatchObject({
      kind: 'shrunk',
      known: { size: SIZE },
      checkpoint: { size: 3 },
    });
  });

  it('but takes an older answer of a ledger that has not lost anything', async () => {
    await earlier(SIZE);
    service.size = 3;
    expect(new Set(await checked(old()))).toEqual(new Set(['proven']));
  });

  it('and waits where it cannot ask', async () => {
    await earlier(3);
    service.json = async (path: string) => {
      if (path.endsWith('/consistency')) throw new Problem(0, 'offline', 'no network');
      return Service.prototype.json.call(
        new Service(),
        path,
        rows().map(({ seq }) => ['seq', `${seq}`] as const),
      );
    };
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
    expect(proofs.contradiction).toBeNull();
  });

  it('nothing where there is no storage, or nonsense in it', async () => {
    for (const key of ['checkpoint indelible.local/01JD7Z0000000000000000000A', 'vkeys acme'])
      localStorage.setItem(`indelible ${service.address} ${key}`, '{"size":"x"');
    localStorage.removeItem(`indelible ${service.address} vkeys acme`);
    look();
    expect(new Set(await checked(rows()))).toEqual(new Set(['proven']));
    const broken = vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
      throw new Error('denied');
    });
    look();
    expect(new Set(await checked(rows()))).toEqual(new Set(['proven']));
    broken.mockRestore();
  });
});

describe('a browser that cannot check', () => {
  it('says so', async () => {
    vi.stubGlobal('crypto', {});
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
    expect(proofs.obstacle?.kind).toBe('insecure');
    vi.unstubAllGlobals();
    const lacking = vi
      .spyOn(crypto.subtle, 'importKey')
      .mockRejectedValue(new DOMException('no', 'NotSupportedError'));
    look();
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
    expect(proofs.obstacle?.kind).toBe('ed25519');
    lacking.mockRestore();
  });
});

it('keeps the sealed text of all that was proven, to be checked under another key', () => {
  const findings = new Findings({} as Trust);
  const [row] = rows() as [AuditEvent];
  const many = Array.from({ length: 3000 }, (_, n) => ({ ...row, id: `${n}` }));
  for (const one of many) findings.settle(one, [{ name: 'included', verdict: 'ok' }], null);
  expect(findings.proven).toBe(3000);
  expect(many.filter(({ entry, disclosures }) => entry === undefined || disclosures === undefined)).toEqual(
    [],
  );
});

it('takes no nonsense for a proof', async () => {
  for (const answer of [
    {},
    { checkpoint: 1 },
    { checkpoint: 'x', proofs: [] },
    null,
    { checkpoint: vectors.notes[SIZE] },
  ]) {
    service = new Service();
    service.json = async () => answer;
    look();
    expect(new Set(await checked(rows()))).toEqual(new Set(['unavailable']));
  }
});
