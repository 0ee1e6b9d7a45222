import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/event';
import { checkSealed as checkFor, type Reader, type Records, recordsOf } from '../../src/proof/check';
import { events } from './vectors';

const all = events();
const numbered = (seq: number) =>
  events().find((event) => event.seq === seq && !event.withheld) as AuditEvent;
const member = () => events().find((event) => event.withheld) as AuditEvent;
const digests = new Set(numbered(6).metadata?.digests as string[]);
const RECORDS = new Map([[6, digests]]);

const reader = { tenant: events()[0]?.tenant_id ?? '', seesAll: true };
/** As whoever it is shown to: what is withheld is shown to a member. */
const checkSealed = (event: AuditEvent, records?: Records, who: Reader = reader) =>
  checkFor(event, { ...who, seesAll: who.seesAll && !event.withheld }, records);

async function failed(event: AuditEvent, records?: Records) {
  const { steps } = await checkSealed(event, records);
  return steps
    .filter(({ verdict }) => verdict === 'failed')
    .map(({ name, names }) => [name, ...(names ?? [])]);
}

describe('what the ledger sealed', () => {
  it.each(all)('holds: $seq $action', async (event) => {
    const { steps, leafText } = await checkSealed(event, RECORDS);
    expect(steps.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
    expect(leafText).toBe(event.leaf_hash);
    expect(steps.map(({ name }) => name)).toEqual(['hash', 'form', 'parts', 'shown']);
  });
});

describe('whatever is displayed otherwise is named', () => {
  const changes: [string, (event: AuditEvent) => void][] = [
    [
      'action',
      (e) => {
        e.action = 'user.joined';
      },
    ],
    [
      'id',
      (e) => {
        e.id = e.id.replace('1', '2');
      },
    ],
    [
      'seq',
      (e) => {
        e.seq += 1;
      },
    ],
    [
      'occurred_at',
      (e) => {
        e.occurred_at = '2026-11-21T09:30:01.001Z';
      },
    ],
    [
      'recorded_at',
      (e) => {
        e.recorded_at = '2026-11-21T09:30:01.000001Z';
      },
    ],
    [
      'outcome',
      (e) => {
        e.outcome = 'denied';
      },
    ],
    [
      'source',
      (e) => {
        e.source = 'api';
      },
    ],
    [
      'category',
      (e) => {
        e.category = 'auth';
      },
    ],
    [
      'operation',
      (e) => {
        e.operation = 'created';
      },
    ],
    [
      'registered',
      (e) => {
        e.registered = true;
      },
    ],
    [
      'actor',
      (e) => {
        e.actor.id = 'usr_8';
      },
    ],
    [
      'actor',
      (e) => {
        e.actor.type = 'system';
      },
    ],
    [
      'actor',
      (e) => {
        e.actor.name = 'Somebody';
      },
    ],
    [
      'actor',
      (e) => {
        delete e.actor.email;
      },
    ],
    [
      'actor',
      (e) => {
        delete e.actor.impersonator;
      },
    ],
    [
      'actor',
      (e) => {
        if (e.actor.impersonator) e.actor.impersonator.reason = 'none';
      },
    ],
    [
      'targets',
      (e) => {
        e.targets.pop();
      },
    ],
    [
      'targets',
      (e) => {
        e.targets.reverse();
      },
    ],
    [
      'targets',
      (e) => {
        e.targets = e.targets.map((target) => ({ ...target, name: 'X' }));
      },
    ],
    [
      'targets',
      (e) => {
        (e as unknown as Record<string, unknown>).targets = 'none';
      },
    ],
    [
      'changes',
      (e) => {
        e.changes = {};
      },
    ],
    [
      'changes',
      (e) => {
        delete e.changes;
      },
    ],
    [
      'changes',
      (e) => {
        if (e.changes) e.changes.role = { from: 'member', to: 'owner' };
      },
    ],
    [
      'changes',
      (e) => {
        if (e.changes) e.changes.note = {};
      },
    ],
    [
      'context',
      (e) => {
        if (e.context) e.context.ip_address = '203.0.113.8';
      },
    ],
    [
      'context',
      (e) => {
        delete e.context;
      },
    ],
    [
      'metadata',
      (e) => {
        if (e.metadata) e.metadata.ticket = '4513';
      },
    ],
    [
      'metadata',
      (e) => {
        if (e.metadata) e.metadata.more = null;
      },
    ],
    [
      'metadata',
      (e) => {
        if (e.metadata) e.metadata.ticket = ['4512'];
      },
    ],
    [
      'metadata',
      (e) => {
        e.metadata = JSON.parse(JSON.stringify(e.metadata).replace('__proto__', '_proto_'));
      },
    ],
  ];

  it.each(changes)('%s (%#)', async (name, change) => {
    const event = numbered(1);
    change(event);
    expect(await failed(event)).toEqual([['shown', name]]);
  });

  it('also the fingerprint', async () => {
    const event = { ...numbered(1), leaf_hash: numbered(4).leaf_hash };
    expect(await failed(event)).toEqual([['hash'], ['shown', 'leaf_hash']]);
  });

  it('and what was not sealed at all', async () => {
    expect(await failed({ ...numbered(5), metadata: { a: 1 } })).toEqual([['shown', 'metadata']]);
    expect(await failed({ ...numbered(4), changes: { role: { to: 'x' } } })).toEqual([['shown', 'changes']]);
  });

  it('also the tenant, which is that of whoever looks', async () => {
    expect(await failed({ ...numbered(1), tenant_id: 'other' })).toEqual([['shown', 'tenant_id']]);
  });

  it.each([{}, { id: null }, '', 0])('also somebody of support who is nobody: %j', async (impersonator) => {
    for (const seq of [1, 4, 5]) {
      const event = numbered(seq);
      const actor = { ...event.actor, impersonator } as AuditEvent['actor'];
      expect(await failed({ ...event, actor })).toEqual([['shown', 'actor']]);
    }
  });

  it('and what no entry could hold is not checked', async () => {
    const { steps } = await checkSealed({
      ...numbered(1),
      approved_by: 'CEO',
      constructor: 1,
    } as unknown as AuditEvent);
    expect(steps[3]).toMatchObject({ verdict: 'unchecked', names: ['approved_by', 'constructor'] });
    const odd = { ...numbered(5), context: 'approved' } as unknown as AuditEvent;
    expect(await failed(odd)).toEqual([['shown', 'context']]);
  });

  it('but not the order of keys, nor what is empty', async () => {
    const event = numbered(1);
    event.context = Object.fromEntries(Object.entries(event.context ?? {}).reverse());
    expect(await failed(event)).toEqual([]);
    expect(await failed({ ...numbered(5), context: {}, changes: {}, metadata: {} })).toEqual([]);
  });
});

describe('an entry whose text was altered', () => {
  it('has another fingerprint, and says other things than are displayed', async () => {
    const event = numbered(1);
    event.entry = event.entry?.replace('"usr_7"', '"usr_8"') ?? '';
    expect(await failed(event)).toEqual([['hash'], ['shown', 'leaf_hash', 'actor']]);
  });

  it('is none where it is no entry', async () => {
    for (const entry of ['', '{}', `${numbered(1).entry} `, '\ud800'])
      expect((await failed({ ...numbered(1), entry })).flat()).toContain('form');
  });

  it('is altered if the service says so', async () => {
    expect(await failed({ ...numbered(1), altered: ['entry'] })).toEqual([['hash']]);
  });

  it('cannot be checked if it was not given', async () => {
    const { entry: _, ...event } = numbered(1);
    await expect(checkSealed(event)).rejects.toThrow();
  });
});

describe('disclosures', () => {
  const without = (event: AuditEvent, n: number) => ({
    ...event,
    disclosures: event.disclosures?.toSpliced(n, 1) ?? [],
  });

  it('are all there, though nothing of one is displayed', async () => {
    const event = numbered(1);
    for (const [n, group] of ['actor', 'changes', 'context', 'metadata', 'targets'].entries()) {
      const found = (await failed(without(event, n))).flat();
      expect(found).toContain('parts');
      expect(found).toContain(group);
    }
    const hidden = without({ ...event, metadata: {} }, 3);
    expect(await failed(hidden)).toEqual([['parts']]);
  });

  it('are of this entry, once', async () => {
    const event = numbered(1);
    const [first = '', ...rest] = event.disclosures ?? [];
    const foreign = numbered(3).disclosures?.[0] ?? '';
    expect((await failed({ ...event, disclosures: [foreign, ...rest] })).flat()).toContain('parts');
    expect((await failed({ ...event, disclosures: [first, first, ...rest] })).flat()).toContain('parts');
    expect((await failed({ ...event, disclosures: [`${first}A`, ...rest] })).flat()).toContain('parts');
    expect((await failed({ ...event, altered: ['metadata'] })).flat()).toContain('parts');
  });
});

describe('what was erased', () => {
  const event = () => numbered(2);

  it('is accounted for by a later record that lists it', async () => {
    expect(recordsOf(event())).toEqual([6]);
    const { steps } = await checkSealed(event(), RECORDS);
    expect(steps[2]).toMatchObject({ verdict: 'ok', why: 'erased', names: ['actor', 'context'] });
  });

  it('cannot be checked without the record', async () => {
    for (const records of [new Map(), new Map([[6, null]])]) {
      const { steps } = await checkSealed(event(), records);
      expect(steps[2]).toMatchObject({ verdict: 'unchecked', why: 'erasure', names: ['actor', 'context'] });
    }
  });

  it('is missing where the record lists something else, or is of an earlier entry', async () => {
    expect(await failed(event(), new Map([[6, new Set(['x'])]]))).toEqual([['parts']]);
    expect(await failed({ ...event(), erased: { actor: 1, context: 1 } }, new Map([[1, digests]]))).toEqual([
      ['parts', 'actor', 'context'],
    ]);
  });

  it('is missing where nobody says that it was erased', async () => {
    const { erased: _, ...silent } = event();
    expect(await failed(silent)).toEqual([['parts']]);
    expect(await failed({ ...event(), erased: { actor: 6 } })).toEqual([['parts']]);
  });

  it('is not displayed', async () => {
    const forged = { ...event(), actor: { ...event().actor, name: 'Somebody else' } };
    expect(await failed(forged, RECORDS)).toEqual([['shown', 'actor']]);
    expect(await failed({ ...event(), context: { ip_address: '::1' } })).toEqual([['shown', 'context']]);
  });

  it.each([
    ['a part that is there', { ...numbered(1), erased: { actor: 6 } }],
    ['nothing', { ...numbered(1), erased: {} }],
    ['no part of an event', { ...numbered(1), erased: { severity: 6 } }],
    ['a part that is there, besides others', { ...event(), erased: { ...event().erased, changes: 6 } }],
    ['a part that never was', { ...numbered(5), erased: { metadata: 6 } }],
    ['by no number', { ...event(), erased: { actor: 'x', context: 6 } }],
    ['by an earlier entry', { ...event(), erased: { actor: 1, context: 6 } }],
  ])('is not what is said to be: %s', async (_, forged) => {
    for (const records of [RECORDS, new Map()])
      expect((await failed(forged as AuditEvent, records)).map(([name]) => name)).toEqual(['parts']);
  });

  it('is not another part than is said', async () => {
    expect(await failed({ ...event(), erased: { actor: 6 } }, RECORDS)).toEqual([['parts']]);
  });
});

describe('what members are not shown', () => {
  it('is not checkable by them, and said so', async () => {
    const { steps } = await checkSealed(member());
    expect(steps[2]).toMatchObject({ verdict: 'unchecked', why: 'withheld' });
    expect(steps[3]).toMatchObject({ verdict: 'unchecked', why: 'partial', names: ['context'] });
  });

  it('hides no more than it says', async () => {
    const event = member();
    expect(await failed({ ...event, disclosures: event.disclosures?.slice(1) ?? [] })).toContainEqual([
      'parts',
    ]);
    expect(await failed({ ...event, withheld: ['metadata'] })).not.toEqual([]);
    expect(await failed({ ...event, metadata: { ticket: '4512' } })).toEqual([['shown', 'metadata']]);
    expect(await failed({ ...event, context: { ip_address: '203.0.113.7' } })).toEqual([
      ['shown', 'context'],
    ]);
    expect(await failed({ ...event, changes: {} })).toEqual([['shown', 'changes']]);
  });

  it('is counted, as which it is is the service’s word', async () => {
    const { steps } = await checkSealed(member());
    const { disclosures = [], entry = '' } = member();
    expect(steps[2]?.count).toBe(JSON.parse(entry)._sd.length - disclosures.length);
  });

  it('is nothing where whoever looks may see everything', async () => {
    const { steps } = await checkFor(member(), reader);
    expect(steps[2]).toMatchObject({ verdict: 'failed', why: 'held' });
    const invented = { ...numbered(1), withheld: ['user_agent'] };
    expect((await checkFor(invented, reader)).steps[2]).toMatchObject({ verdict: 'failed', why: 'held' });
  });

  it('excuses no context of an event that has none', async () => {
    expect(await failed({ ...numbered(5), withheld: ['ip_address'], context: { request_id: 'x' } })).toEqual([
      ['shown', 'context'],
    ]);
  });
});

it('survives whatever it is given', async () => {
  const odd = [null, 1, 'x', [], {}, [[]], { a: null }];
  for (const field of [
    'actor',
    'targets',
    'changes',
    'context',
    'metadata',
    'erased',
    'withheld',
    'altered',
    'disclosures',
  ])
    for (const value of odd) {
      const event = { ...numbered(1), [field]: value } as AuditEvent;
      await checkSealed(event).catch((error: unknown) => expect(error).toBeInstanceOf(TypeError));
    }
});
