import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import type { Bundle } from '@medplum/fhirtypes';
import { startSimulator } from '../simulator/index.ts';
import { startProcess } from '../test/journeys/process.ts';
import { percentileOf } from './measure.ts';
import type { Figures } from './store-door.ts';
import type { Place } from './store-places.ts';

const SERVICE = '70101';
const READS = 1_000;
const WARM_UPS = 100;
const SEARCHES = 100;

/**
 * The server as a process of its own before a simulated e-RS without limits: a first load, then its facade, one caller.
 * @param referrals how many; the third of them with a file, the next with two
 */
export async function measureLoad(place: Place, referrals: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-load-'));
  const simulator = await startSimulator({ port: 0, referrals: 0 });
  const { credentials } = simulator;
  writeFileSync(join(directory, 'key.pem'), credentials.privateKeyPem, { mode: 0o600 });
  for (let index = 0; index < referrals; index += 1) {
    const attachments = Array.from({ length: index % 3 }, (_, file) => ({
      title: `letter-${file + 1}.pdf`,
      contentType: 'application/pdf',
      bytes: 20_000,
      availability: 'AVAILABLE',
    }));
    const wish = { kind: 'booked-direct', service: SERVICE, priority: 'ROUTINE', attachments };
    const made = await fetch(`${simulator.controlUrl}/referrals`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(wish),
    });
    if (!made.ok) throw new Error(await made.text());
  }
  const server = await startProcess(['serve'], {
    PORT: '0',
    DATA_DIR: join(directory, 'data'),
    ...place.environment,
    LOG_LEVEL: 'info',
    ID_NAMESPACE_SECRET: 'a secret of this bench',
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_API_KEY: credentials.apiKey,
    ERS_KEY_ID: credentials.keyId,
    ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
    ERS_SERVICES: JSON.stringify([{ id: SERVICE, lists: ['REFERRALS_FOR_REVIEW'] }]),
    ERS_REQUESTS_PER_SECOND: '1000',
    ERS_POLLS_PER_DAY: '1000',
  });
  try {
    const startedMs = performance.now();
    await loaded(server.url, referrals);
    const seconds = (performance.now() - startedMs) / 1000;
    const figures: Figures = new Map([
      [`first load of ${referrals} referrals, s`, seconds],
      ['… referrals a second', referrals / seconds],
    ]);
    await measureFacade(`${server.url}/fhir/R4`, place, figures);
    figures.set('memory of the server at its peak, MB', peakMb(server.child.pid));
    const ofStore = await place.memoryMb();
    if (ofStore !== undefined) figures.set('memory of the store’s own processes after it, MB', ofStore);
    return figures;
  } finally {
    await server.end('SIGTERM');
    await simulator.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureFacade(facade: string, { direct, headers }: Place, figures: Figures): Promise<void> {
  const ids = await taskIds(facade);
  const owner = await ownerOf(facade, ids[0] ?? '');
  const s1 = `Task?owner=${owner}&status=requested,received&_include=Task:focus&_include=Task:patient&_count=50`;
  const bases = [
    ['facade', facade],
    ['direct', direct],
  ] as const;
  for (const [what, times, path] of [
    ['read of a Task', READS, (index: number) => `Task/${ids[index % ids.length]}`],
    ['S-1, 50 Tasks with includes', SEARCHES, () => s1],
  ] as const) {
    const took = new Map<string, number[]>(bases.map(([name]) => [name, []]));
    // In turn, so that what else the machine does strikes both alike.
    for (let index = -WARM_UPS; index < times; index += 1)
      for (const [name, base] of bases) {
        if (base === undefined) continue;
        const more = name === 'direct' ? { 'Cache-Control': 'no-cache', ...headers } : {};
        const ms = await timed(`${base}/${path(index + WARM_UPS)}`, more);
        if (index >= 0) took.get(name)?.push(ms);
      }
    for (const percent of [50, 99]) {
      const [through = [], straight = []] = [took.get('facade'), took.get('direct')];
      const ms = percentileOf(through, percent);
      figures.set(`${what}, facade, p${percent}, ms`, ms);
      if (straight.length === 0) continue;
      const directMs = percentileOf(straight, percent);
      figures.set(`${what}, direct, p${percent}, ms`, directMs);
      figures.set(`${what}, facade − direct, p${percent}, ms`, ms - directMs);
    }
  }
}

async function timed(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const startedMs = performance.now();
  const answer = await fetch(url, { headers });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${answer.status}`);
  return performance.now() - startedMs;
}

async function taskIds(facade: string): Promise<readonly string[]> {
  const bundle = (await (await fetch(`${facade}/Task?_count=200&_elements=id`)).json()) as Bundle;
  return (bundle.entry ?? []).flatMap(({ resource }) => resource?.id ?? []);
}

async function ownerOf(facade: string, id: string): Promise<string> {
  const task = (await (await fetch(`${facade}/Task/${id}`)).json()) as { owner?: { reference?: string } };
  return task.owner?.reference ?? '';
}

/** All is landed, files included; twenty minutes at most. */
async function loaded(url: string, referrals: number): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < 1_200_000; await passed(250)) {
    const ready = (await (await fetch(`${url}/health/ready`)).json()) as {
      firstLoad?: unknown;
      services: { listed: number; lastPolledAt?: string }[];
    };
    const [service] = ready.services;
    if (ready.firstLoad !== undefined || service?.lastPolledAt === undefined || service.listed !== referrals) continue;
    const counted = (await (await fetch(`${url}/fhir/R4/Task?_summary=count`)).json()) as Bundle;
    if (counted.total === referrals) return;
  }
  throw new Error('the load did not come to an end');
}

const peakMb = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1000;
