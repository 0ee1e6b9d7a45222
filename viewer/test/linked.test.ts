import { expect, it } from 'vitest';
import type { AuditEvent } from '../src/event';
import { asked } from '../src/parts/linked';

const ID = '01a202ce-0000-7000-8000-00000000000a';
const event = { id: ID } as AuditEvent;

it('shows the event that the address names, and no other that was sealed as well', () => {
  expect(asked(event, ID)).toBe(event);
  expect(asked(event, ID.toUpperCase())).toBe(event);
  for (const answer of [{ ...event, id: ID.replace('a2', 'b2') }, {}, null])
    expect(asked(answer as AuditEvent, ID)).toMatchObject({ status: 0, code: 'unreadable' });
});
