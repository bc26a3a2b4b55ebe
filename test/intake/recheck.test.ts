import { describe, expect, test } from '@jest/globals';
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
});
