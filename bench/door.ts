import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { searchParameters } from '../conformance/index.ts';
import { createAccess, makeClientKey, makeIssuerKey, readClients, tokenRequest } from '../server/access/index.ts';
import { chainKey, createAudit } from '../server/audit/index.ts';
import { alertBoard, type Engine, type Log, type Store, systemClock } from '../server/core/index.ts';
import { createFacade, type FacadeOptions } from '../server/facade/index.ts';
import { openEmbeddedStore } from '../server/store/index.ts';
import { percentileOf, type Row } from './measure.ts';

const READS = 2_000;
const WARM_UP = 200;
/** One client asks as fast as it can here. */
const UNHURRIED = { clientRequestsPerSecond: Number.MAX_SAFE_INTEGER };
const SECRET = 'a secret of this bench';
const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A read of a Task, with a token that is checked and an AuditEvent, against one that asks and notes nothing; turn about. */
export async function benchDoor(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-door-'));
  const store = await openEmbeddedStore({ directory, clock: systemClock, searchParameters });
  const made = await store.create({ resourceType: 'Task', status: 'requested', intent: 'order' });
  if (!made.ok) throw new Error(made.code);
  const path = `/fhir/R4/Task/${made.value.resource.id}`;
  const alerts = alertBoard(() => systemClock.now());
  const audit = createAudit({
    store,
    clock: systemClock,
    log: SILENT,
    alerts,
    random: () => 0.5,
    key: chainKey(SECRET),
  });
  const publicUrl = 'https://bench.example';
  const { own, jwks } = await makeClientKey('bench');
  const clients = readClients(JSON.stringify([{ clientId: 'bench', jwks, scopes: ['system/*.rs'], services: 'all' }]));
  if (!clients.ok) throw new Error(clients.faults.join());
  const key = await makeIssuerKey();
  const config = { kind: 'built-in', key, clients: clients.clients, tokenSeconds: 3_600 } as const;
  const access = await createAccess(config, publicUrl, systemClock);
  const form = await tokenRequest(own, {
    tokenUrl: `${publicUrl}/auth/token`,
    scope: undefined,
    nowMs: Date.now(),
  });
  const granted = await access.issuer?.grant(form);
  const bearer = { Authorization: `Bearer ${granted?.body['access_token']}` };

  const open = await serve({ store, alerts, publicUrl });
  const closed = await serve({ store, alerts, publicUrl, access, audit, limits: UNHURRIED });
  try {
    const times: { open: number[]; closed: number[] } = { open: [], closed: [] };
    for (let index = -WARM_UP; index < READS; index += 1) {
      const [bare, guarded] = [await timed(open.url + path, {}), await timed(closed.url + path, bearer)];
      if (index < 0) continue;
      times.open.push(bare);
      times.closed.push(guarded);
    }
    const added = (percent: number) => percentileOf(times.closed, percent) - percentileOf(times.open, percent);
    const row = (what: string, median: number, aim?: string): Row => ({
      what,
      median,
      unit: 'ms',
      ...(aim === undefined ? {} : { aim }),
    });
    return [
      row('read of a Task without authentication and audit, p50', percentileOf(times.open, 50)),
      row('authentication and audit add to a read, p50', added(50), '≤ 0.3 ms'),
      row('authentication and audit add to a read, p99', added(99)),
    ];
  } finally {
    open.close();
    closed.close();
    await audit.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function timed(url: string, headers: Record<string, string>): Promise<number> {
  const startedMs = performance.now();
  const answer = await fetch(url, { headers });
  await answer.arrayBuffer();
  const tookMs = performance.now() - startedMs;
  if (answer.status !== 200) throw new Error(`${answer.status}`);
  return tookMs;
}

async function serve(
  more: { store: Store } & Pick<FacadeOptions, 'alerts' | 'publicUrl' | 'access' | 'audit' | 'limits'>,
): Promise<{ url: string; close(): void }> {
  const engine = { wake: () => undefined, readiness: () => ({ ready: true }) } as unknown as Engine;
  const facade = createFacade({
    ...more,
    engine,
    clock: systemClock,
    log: SILENT,
    registry: new Registry(),
    secret: SECRET,
    version: '0.0.0-bench',
  });
  const server = createServer(facade);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
