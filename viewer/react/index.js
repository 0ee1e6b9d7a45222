'use client';

import { createElement, useEffect, useRef } from 'react';

const EVENTS = { onState: 'audit-log-state', onExport: 'audit-log-export' };

/**
 * `<AuditLog api="…" token="…" vkey="…" renewToken={async () => …} />`, for React 18 and later. Every attribute of the
 * element is a property here, in camel case; `renewToken`, `onState` and `onExport` are functions.
 */
export function AuditLog({ renewToken, onState, onExport, ...given }) {
  const element = useRef(null);

  // The element is a browser's: on a server there is none to define.
  useEffect(() => void import('../dist/audit-log.js'), []);

  useEffect(() => {
    element.current.renewToken = renewToken ?? null;
  }, [renewToken]);

  useEffect(() => {
    const log = element.current;
    const told = { onState, onExport };
    const listeners = Object.entries(EVENTS).map(([name, type]) => [
      type,
      (event) => told[name]?.(event.detail),
    ]);
    for (const [type, listener] of listeners) log.addEventListener(type, listener);
    return () => {
      for (const [type, listener] of listeners) log.removeEventListener(type, listener);
    };
  }, [onState, onExport]);

  const attributes = Object.entries(given).map(([name, value]) => [
    name === 'className' ? 'class' : name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    value ?? undefined,
  ]);
  return createElement('audit-log', { ...Object.fromEntries(attributes), ref: element });
}
