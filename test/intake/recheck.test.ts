import { describe, expect, test } from '@jest/globals';
import type { SyncRecord } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { DAY, DIRECT, MINUTE, startWard, TRIAGE, type Ward } from './ward.ts';

const reads = async (ward: Ward) => (await ward.newCalls()).filter((endpoint) => endpoint === 'A005').length;

/** A referral that has been on its list and has left it. */
async function left(ward: Ward, wish: Record<string, unknown>, event: string) {
  const ubrn = await ward.create(wish);
  await ward.intake.runOnce();
  ward.advance(MINUTE);
  await ward.happen(ubrn, event);
  await ward.intake.runOnce();
  await ward.newCalls();
  return ubrn;
}

/** How often it is read in so many days, looked for twice a day. */
async function readsIn(ward: Ward, days: number): Promise<number> {
  let count = 0;
  for (let half = 0; half < days * 2; half += 1) {
    ward.advance(DAY / 2);
    await ward.intake.runOnce();
    count += await reads(ward);
  }
  return count;
}

describe('a referral that left its lists is read again until it is terminal', () => {
  test('with its appointment ahead: daily, so that analysts see when it moves', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await left(ward, { kind: 'booked-direct', service: DIRECT, appointmentInDays: 30 }, 'accepted-in-ers');
    expect(await readsIn(ward, 6)).toBe(6);
  }, 30_000);

  test('awaiting an administrator: daily', async () => {
    await using ward = await startWard({ services: [TRIAGE] });
    await left(ward, { kind: 'triage', service: TRIAGE }, 'triaged-in-ers');
    expect(await readsIn(ward, 4)).toBe(4);
  }, 30_000);

  test('once its appointment has passed: weekly', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await left(ward, { kind: 'booked-direct', service: DIRECT, appointmentInDays: 2 }, 'accepted-in-ers');
    await readsIn(ward, 3);
    expect(await readsIn(ward, 14)).toBe(2);
  }, 30_000);

  test('cancelled, it is terminal: never again', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await left(ward, { kind: 'booked-direct', service: DIRECT }, 'cancelled-by-referrer');
    expect(await readsIn(ward, 10)).toBe(0);
  }, 30_000);

  test('while e-RS is down many that are due are not asked for at full pace', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    // One stays, since a list that empties itself is not believed.
    await ward.create({ kind: 'booked-direct', service: DIRECT, appointmentInDays: 30 });
    const ubrns = [];
    for (let index = 0; index < 12; index += 1)
      ubrns.push(await ward.create({ kind: 'booked-direct', service: DIRECT, appointmentInDays: 30 }));
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    for (const ubrn of ubrns) await ward.happen(ubrn, 'accepted-in-ers');
    await ward.intake.runOnce();
    await ward.newCalls();
    ward.advance(DAY + MINUTE);
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 1000 });
    await ward.intake.runOnce();
    await ward.intake.runOnce();
    const asked = await reads(ward);
    expect(asked).toBeLessThanOrEqual(5 * 4);
    expect(asked).toBeGreaterThan(0);
  }, 30_000);

  /** Referrals that left their list a day ago, so that they are due; one stays, since a list that empties itself is not believed. */
  async function dueFor(ward: Ward, count: number): Promise<string[]> {
    await ward.create({ kind: 'booked-direct', service: DIRECT, appointmentInDays: 30 });
    const ubrns = [];
    for (let index = 0; index < count; index += 1)
      ubrns.push(await ward.create({ kind: 'booked-direct', service: DIRECT, appointmentInDays: 30 }));
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    for (const ubrn of ubrns) await ward.happen(ubrn, 'accepted-in-ers');
    await ward.intake.runOnce();
    ward.advance(DAY + MINUTE);
    await ward.newCalls();
    return ubrns;
  }

  /** How often A005 is asked for in so many hours, in which it is looked for what is due every five minutes. */
  async function readsInHours(ward: Ward, hours: number): Promise<number> {
    for (let minute = 0; minute < hours * 60; minute += 5) {
      ward.advance(5 * MINUTE);
      await ward.intake.runOnce();
    }
    return reads(ward);
  }

  const isDue = (ward: Ward, ubrn: string) =>
    (ward.landing.index.byUbrn(ubrn)?.dueAt ?? '') <= ward.simulator.clock.now().toISOString();
  const bare = (id: string) => ({ resourceType: 'ReferralRequest', id, meta: { versionId: '99' } });
  const UNREADABLE: [string, (ward: Ward, ubrn: string) => Promise<void>][] = [
    ['refuses by 401', (ward, ubrn) => unreadable(ward, ubrn, { status: 401 })],
    ['refuses by 403', (ward, ubrn) => unreadable(ward, ubrn, { status: 403 })],
    ['takes for a wrong request', (ward, ubrn) => unreadable(ward, ubrn, { status: 400 })],
    ['answers with what cannot be landed', (ward, ubrn) => unreadable(ward, ubrn, { status: 200, body: bare(ubrn) })],
    ['answers with an older version', aheadOfErs],
  ];
  const unreadable = (ward: Ward, ubrn: string, how: Record<string, unknown>) =>
    ward.fault({ endpoint: 'A005', kind: 'status', times: 10_000, ubrn, ...how });

  /** The store has a higher version of it than e-RS will show. */
  async function aheadOfErs(ward: Ward, ubrn: string): Promise<void> {
    const { requestId = '' } = ward.landing.index.byUbrn(ubrn) ?? {};
    const held = await readRecord<SyncRecord>(ward.store, 'ers-sync', requestId);
    if (!held.ok || held.value === undefined) throw new Error('no sync record');
    await writeRecord(ward.store, 'ers-sync', requestId, { ...held.value.data, version: 99 }, held.value);
  }

  test.each(UNREADABLE)(
    'I-10: one that e-RS %s is asked for at growing intervals, and not at every look',
    async (_how, happen) => {
      await using ward = await startWard({ services: [DIRECT] });
      const [ubrn = ''] = await dueFor(ward, 1);
      await happen(ward, ubrn);
      const asked = await readsInHours(ward, 4);
      expect(asked).toBeGreaterThan(4);
      // A 401 is asked twice, with a fresh token.
      expect(asked).toBeLessThan(20);
      if (happen === aheadOfErs) return;
      await ward.control('DELETE', 'faults');
      await readsInHours(ward, 1.1);
      expect(isDue(ward, ubrn)).toBe(false);
    },
    60_000,
  );

  test('I-10: many that are refused in a row are refused for one reason, and the rest begins; what is not refused has its turn first', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrns = await dueFor(ward, 14);
    for (const ubrn of ubrns.slice(0, 12))
      await ward.fault({ endpoint: 'A005', kind: 'status', status: 403, times: 1_000, ubrn });
    await ward.intake.runOnce();
    await ward.intake.runOnce();
    expect(await reads(ward)).toBe(5);
    await readsInHours(ward, 1);
    expect(ubrns.map((ubrn) => isDue(ward, ubrn))).toEqual(ubrns.map((_, index) => index < 12));
  }, 60_000);
});
