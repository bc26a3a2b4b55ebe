import type { AuditEvent } from '@medplum/fhirtypes';
import { chainKey, createAudit } from '../../server/audit/index.ts';
import {
  type Alerts,
  ANYBODY,
  alertBoard,
  type Clock,
  type NotedAccess,
  type Store,
  type Stored,
} from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';

export const KEY = chainKey('the secret of an installation');

const AT = '2026-01-05T09:00:00.000Z';

/** A clock whose waits are over at once. */
export const hastyClock = (): Clock => ({
  now: () => new Date(AT),
  monotonicMs: () => performance.now(),
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
});

export const access = (more: Partial<NotedAccess> = {}): NotedAccess => ({
  interaction: 'read',
  type: 'Patient',
  id: 'p',
  status: 404,
  requestId: '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b',
  caller: ANYBODY,
  subjects: [],
  ...more,
});

/** A store in memory, and how to begin the trail of a process on it. */
export async function openTrail(dressedAs?: 'hapi' | 'medplum') {
  const clock = hastyClock();
  const store = await openEmbeddedStore({ clock, ...(dressedAs === undefined ? {} : { dressedAs }) });
  const alerts = alertBoard(() => clock.now());
  const lines: string[] = [];
  const write = (event: string, fields: object = {}) => {
    lines.push(JSON.stringify({ event, ...fields }));
  };
  const log = { info: write, warn: write, error: write };
  const begin = (on: Store = store, time: Clock = clock) =>
    createAudit({ store: on, clock: time, log, alerts, random: () => 0.5, key: KEY });
  return { store, alerts: alerts as Alerts, lines, begin };
}

export async function eventsIn(store: Store): Promise<Stored<AuditEvent>[]> {
  const page = await store.search('AuditEvent', '_count=500');
  if (!page.ok) throw new Error(page.code);
  return page.value.matches as Stored<AuditEvent>[];
}
