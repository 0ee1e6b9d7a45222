import { act, createElement } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AuditLog } from '../react/index.js';

// The element itself is tried in a real browser; here it is what React is told that counts.
vi.mock('../dist/audit-log.js', () => ({}));

let root: Root;
let place: HTMLElement;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  place = document.body.appendChild(document.createElement('div'));
  root = createRoot(place);
});

afterEach(async () => {
  await act(async () => root.unmount());
  place.remove();
});

const shown = () => place.querySelector('audit-log') as HTMLElement & { renewToken: unknown };

test('properties become attributes, and functions do not', async () => {
  const renewToken = async () => 'eyJ';
  await act(async () =>
    root.render(
      createElement(AuditLog, {
        api: 'https://audit.example',
        timeZone: 'Europe/Berlin',
        className: 'wide',
        renewToken,
      }),
    ),
  );
  expect(shown().getAttributeNames().sort()).toEqual(['api', 'class', 'time-zone']);
  expect(shown().getAttribute('time-zone')).toBe('Europe/Berlin');
  expect(shown().renewToken).toBe(renewToken);
});

test('a property that goes away takes its attribute along', async () => {
  await act(async () => root.render(createElement(AuditLog, { vkey: 'pinned', theme: 'dark' })));
  await act(async () => root.render(createElement(AuditLog, { vkey: 'pinned' })));
  expect(shown().getAttributeNames()).toEqual(['vkey']);
  expect(shown().renewToken).toBeNull();
});

test('events arrive with what they tell, and at the latest listener alone', async () => {
  const [first, second] = [vi.fn(), vi.fn()];
  await act(async () => root.render(createElement(AuditLog, { onState: first })));
  await act(async () => root.render(createElement(AuditLog, { onState: second })));
  shown().dispatchEvent(new CustomEvent('audit-log-state', { detail: { query: 'since=7d', open: null } }));
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledExactlyOnceWith({ query: 'since=7d', open: null });
});
