import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import type { DocumentReference, ServiceRequest, Task } from '@medplum/fhirtypes';
import { availableDecisionsOf, taskCodeOf } from '../../mappings/index.ts';
import { DIRECT, MINUTE, SLOTLESS, startWard } from './ward.ts';

const isRead = (endpoint: string) => ['A005', 'A007', 'A042'].includes(endpoint);

describe('a first load', () => {
  test('K1: each entry of each worklist ends as a referral with an open review, its Patient and its summary', async () => {
    await using ward = await startWard({ referrals: 15 });
    await ward.intake.runOnce();
    const listed = ward.intake.readiness().services.reduce((sum, { listed: count }) => sum + count, 0);
    const tasks = await ward.all<Task>('Task');
    const referrals = await ward.all<ServiceRequest>('ServiceRequest');
    const documents = await ward.all<DocumentReference>('DocumentReference');
    expect(listed).toBeGreaterThan(5);
    expect(tasks).toHaveLength(listed);
    expect(tasks.every(({ status }) => status === 'requested')).toBe(true);
    const ids = new Set(referrals.map(({ id }) => `ServiceRequest/${id}`));
    expect(tasks.filter(({ focus }) => !ids.has(focus?.reference ?? ''))).toEqual([]);
    const summaries = documents.filter(({ type }) => type?.coding?.[0]?.code === 'clinical-information-summary');
    expect(summaries.length).toBeGreaterThanOrEqual(listed);
    for (const { content } of summaries) {
      const file = await ward.store.openBinary(content[0]?.attachment.url?.split('/')[1] ?? '');
      expect(file.ok && file.value.contentType).toBe('application/pdf');
      if (file.ok) expect((await buffer(file.value.stream)).subarray(0, 5).toString()).toBe('%PDF-');
    }
  }, 30_000);

  test('K2: run again over the same lists, it reads no referral and writes no clinical resource', async () => {
    await using ward = await startWard({ referrals: 12, services: [DIRECT, SLOTLESS] });
    await ward.intake.runOnce();
    const before = await ward.versions();
    await ward.newCalls();
    await ward.intake.runOnce();
    expect((await ward.newCalls()).filter(isRead)).toEqual([]);
    expect(await ward.versions()).toEqual(before);
  }, 30_000);

  test('K1 K2: parked in the middle and started again, it finishes from the stored answer without another poll', async () => {
    await using ward = await startWard({ referrals: 16, services: [DIRECT], pollsPerDay: 1 });
    // More than are brought in at the same time.
    for (let index = 0; index < 12; index += 1) await ward.create({ kind: 'booked-direct', service: DIRECT });
    const firstRun = ward.intake.runOnce();
    while ((await ward.all('ServiceRequest')).length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    await ward.intake.stop();
    await firstRun;
    const parked = (await ward.all('ServiceRequest')).length;
    await ward.restart();
    await ward.newCalls();
    await ward.intake.runOnce();
    const calls = await ward.newCalls();
    const listed = ward.intake.readiness().services[0]?.listed ?? 0;
    expect(parked).toBeLessThan(listed);
    expect(calls.filter((endpoint) => endpoint === 'A008')).toEqual([]);
    expect((await ward.all('Task')).length).toBe(listed);
  }, 30_000);

  test('shows how far it is over all lists together, the same after a restart in the middle, and counts nothing that was not done', async () => {
    await using ward = await startWard({ referrals: 30, pollsPerDay: 4 });
    const load = () => ward.intake.readiness().firstLoad;
    // More than are brought in at the same time.
    for (let index = 0; index < 12; index += 1) await ward.create({ kind: 'booked-direct', service: DIRECT });
    const firstRun = ward.intake.runOnce();
    while ((await ward.all('ServiceRequest')).length < 3) await new Promise((resolve) => setTimeout(resolve, 2));
    await ward.intake.stop();
    await firstRun;
    const landed = (await ward.all('Task')).length;
    const listed = () => ward.intake.readiness().services.reduce((sum, { listed: count }) => sum + count, 0);
    const inLog = () => ward.log.filter(({ event }) => event === 'intake.load.progress');
    expect(inLog()).toEqual([]);
    await ward.restart();
    const seen: { done: number; left: number }[] = [];
    const secondRun = ward.intake.runOnce();
    const look = () => {
      const one = load();
      const last = seen.at(-1);
      if (one !== undefined && (one.done !== last?.done || one.left !== last.left)) seen.push(one);
    };
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([
        secondRun.then(() => true),
        new Promise<boolean>((resolve) => setTimeout(resolve, 1, false)),
      ]);
      look();
    }
    expect(ward.intake.readiness().rooms['intake']).toBe('ok');
    expect(load()).toBeUndefined();
    expect(landed).toBeLessThan(listed());
    expect((await ward.all('Task')).length).toBe(listed());
    expect(seen.length).toBeGreaterThan(2);
    for (const { done, left } of seen) expect(done + left).toBeLessThanOrEqual(listed());
    expect(inLog().at(-1)).toMatchObject({ left: 0 });
  }, 30_000);

  test('of lists on which nothing is left to do, and nothing ever was, is over at once', async () => {
    await using ward = await startWard({ services: [DIRECT, SLOTLESS], referrals: 0 });
    await ward.intake.runOnce();
    expect(ward.intake.readiness()).toMatchObject({ rooms: { intake: 'ok' } });
    expect(ward.intake.readiness().firstLoad).toBeUndefined();
  }, 30_000);

  test('I-10: a slot issue carries no version, so it is read once a day and not oftener', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const ubrn = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.intake.runOnce();
    expect(await ward.tasksOf(ubrn)).toHaveLength(1);
    await ward.newCalls();
    ward.advance(23 * 60 * MINUTE);
    await ward.intake.runOnce();
    expect(await ward.newCalls()).not.toContain('A005');
    ward.advance(2 * 60 * MINUTE);
    await ward.intake.runOnce();
    expect((await ward.newCalls()).filter((endpoint) => endpoint === 'A005')).toHaveLength(1);
  }, 30_000);

  test('T-10: a slot issue for which A029 does not answer is in the store, and is asked about again until it offers its decisions', async () => {
    await using ward = await startWard({ services: [SLOTLESS], pollsPerDay: 2 });
    const ubrn = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.fault({ endpoint: 'A029', kind: 'status', status: 503, times: 2 });
    for (const _ of ward.simulator.services.find(({ id }) => id === SLOTLESS)?.lists ?? []) await ward.intake.runOnce();
    const codeAndOffer = async () =>
      (await ward.tasksOf(ubrn)).map((task) => [taskCodeOf(task), availableDecisionsOf(task)]);
    expect(await codeAndOffer()).toEqual([['resolve-slot-issue', []]]);
    // Minutes later, also by a process that has just started; no poll is spent on it.
    await ward.restart();
    for (const minutes of [3, 5]) {
      ward.advance(minutes * MINUTE);
      await ward.intake.runOnce();
    }
    expect(await codeAndOffer()).toEqual([['review-slot-issue', ['accept-book-later', 'return-with-advice']]]);
    expect((await ward.newCalls()).filter((endpoint) => endpoint === 'A008')).toHaveLength(2);
    ward.advance(60 * MINUTE);
    await ward.intake.runOnce();
    expect(await ward.newCalls()).not.toContain('A005');
  }, 30_000);

  test('T-10: what else lands a slot issue while A029 does not answer puts off nothing', async () => {
    await using ward = await startWard({ services: [SLOTLESS], pollsPerDay: 2 });
    const ubrn = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.fault({ endpoint: 'A029', kind: 'status', status: 503, times: 1 });
    for (const _ of ward.simulator.services.find(({ id }) => id === SLOTLESS)?.lists ?? []) await ward.intake.runOnce();
    const [request] = await ward.all<ServiceRequest>('ServiceRequest');
    expect(await ward.intake.refresh(request?.id ?? '')).toMatchObject({ ok: true });
    ward.advance(5 * MINUTE);
    await ward.intake.runOnce();
    expect((await ward.tasksOf(ubrn)).map(taskCodeOf)).toEqual(['review-slot-issue']);
  }, 30_000);

  test('T-10 K1: while A029 does not answer a slot issue is read and settled like any other, and a passing refusal passes', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const ubrn = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.fault({ endpoint: 'A029', kind: 'status', status: 503, times: 1_000 });
    for (let hours = 0; hours < 3; hours += 1) {
      ward.advance(60 * MINUTE);
      await ward.intake.runOnce();
    }
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 403, times: 1 });
    ward.advance(20 * MINUTE);
    await ward.intake.runOnce();
    expect(ward.alerts()).not.toContain('referral-quarantined');
    await ward.happen(ubrn, 'cancelled-by-referrer');
    ward.advance(5 * MINUTE);
    await ward.intake.runOnce();
    expect((await ward.tasksOf(ubrn)).map(({ status }) => status)).toEqual(['cancelled']);
  }, 30_000);

  test('I-12 K4: a change at e-RS is taken over at the next poll, and its version only rises', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT, priority: 'ROUTINE' });
    await ward.intake.runOnce();
    const before = await ward.referralOf(ubrn);
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'priority-changed', { priority: 'URGENT' });
    await ward.intake.runOnce();
    const after = await ward.referralOf(ubrn);
    expect(after?.priority).toBe('urgent');
    expect(versionOf(after)).toBeGreaterThan(versionOf(before) ?? Number.POSITIVE_INFINITY);
    expect((await ward.tasksOf(ubrn)).map(({ businessStatus }) => businessStatus?.coding?.[0]?.code)).toEqual([
      'referral-changed',
    ]);
  }, 30_000);

  test('A007 is asked for once a version: a new version has a new summary, and the older file stays', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    const [first] = await ward.documentsOf(ubrn);
    await ward.happen(ubrn, 'clinical-information-updated');
    await ward.newCalls();
    await ward.intake.runOnce();
    expect((await ward.newCalls()).filter((endpoint) => endpoint === 'A007')).toHaveLength(1);
    const [second] = await ward.documentsOf(ubrn);
    const urls = [first, second].map((document) => document?.content[0]?.attachment.url ?? '');
    expect(new Set(urls).size).toBe(2);
    for (const url of urls) {
      const opened = await ward.store.openBinary(url.split('/')[1] ?? '');
      expect(opened.ok).toBe(true);
      if (opened.ok) expect((await buffer(opened.value.stream)).length).toBeGreaterThan(0);
    }
  }, 30_000);
});

const versionOf = (referral: ServiceRequest | undefined): number =>
  referral?.extension?.find(({ url }) => url.endsWith('/ers-version'))?.valueUnsignedInt ?? -1;
