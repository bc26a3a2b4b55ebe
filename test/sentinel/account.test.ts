import { describe, expect, test } from '@jest/globals';
import type { Basic } from '@medplum/fhirtypes';
import { identifierSystem, type SeenRecord } from '../../server/core/index.ts';
import { listRecords } from '../../server/store/index.ts';
import { DIRECT, MINUTE, SLOTLESS, startWard, TRIAGE } from '../intake/ward.ts';
import { startPost } from './post.ts';

describe('seen = open + decided + explained', () => {
  test('K1: after a first load each service has seen what e-RS lists there, and all of it is open', async () => {
    await using post = await startPost({ referrals: 15 });
    await post.ward.intake.runOnce();
    const account = await post.account();
    const listed = post.ward.intake.readiness().services;
    expect(account.balances).toBe(true);
    expect(account.exceptions).toEqual([]);
    for (const { service, seen, open } of account.services) {
      expect({ service, seen }).toEqual({ service, seen: listed.find((one) => one.service === service)?.listed });
      expect(open).toBe(seen);
    }
    expect(account.services.reduce((sum, { seen }) => sum + seen, 0)).toBeGreaterThan(5);
  }, 30_000);

  test('K1: what was decided in e-RS is decided, what e-RS asks for no more is withdrawn, and both stay seen', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrns = [];
    for (let index = 0; index < 4; index += 1)
      ubrns.push(await ward.create({ kind: 'booked-direct', service: DIRECT }));
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 4, open: 4 });
    ward.advance(MINUTE);
    await ward.happen(ubrns[0] ?? '', 'rejected-in-ers');
    await ward.happen(ubrns[1] ?? '', 'cancelled-by-referrer');
    await ward.happen(ubrns[2] ?? '', 'moved-to-another-provider');
    await ward.intake.runOnce();
    expect(await post.ofService()).toEqual({
      service: DIRECT,
      seen: 4,
      open: 1,
      inFlight: 0,
      decided: 1,
      explained: 2,
      explanations: { withdrawn: 2, unasked: 0, quarantined: 0, arriving: 0 },
      missing: 0,
    });
    expect((await post.account('afresh')).balances).toBe(true);
  });

  test('4.6: a referral that is reviewed again is open again, and was seen once', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'accepted-in-ers');
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, open: 0, explained: 1 });
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'clinical-information-updated');
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, open: 1, explained: 0, missing: 0 });
  });

  test('K1 G-1: a referral that cannot be kept is explained by its quarantine, and named by its number only', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    const account = await post.account();
    expect(account.balances).toBe(true);
    expect(account.services[0]).toMatchObject({ seen: 1, explanations: { quarantined: 1 } });
    expect(account.exceptions).toMatchObject([{ code: 'referral-quarantined', service: DIRECT, ubrn }]);
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'internal-version-bump');
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, open: 1, explained: 0, missing: 0 });
  });

  test('K1: parked in the middle of a load, what has not landed is on its way, before and after the restart', async () => {
    await using post = await startPost({ referrals: 16, services: [DIRECT], pollsPerDay: 1 });
    const { ward } = post;
    const firstRun = ward.intake.runOnce();
    while ((await ward.all('ServiceRequest')).length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    await ward.intake.stop();
    await firstRun;
    const parked = await post.ofService();
    expect(parked.explanations.arriving).toBeGreaterThan(0);
    expect(parked).toMatchObject({ missing: 0, seen: parked.open + parked.explained });
    await ward.restart();
    expect(await post.ofService()).toEqual(parked);
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: parked.seen, open: parked.seen, explained: 0, missing: 0 });
  }, 30_000);

  test('K1: one that left its list before e-RS answered for it is brought in all the same', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 4 });
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, open: 0, explanations: { arriving: 1 } });
    ward.advance(MINUTE);
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 4 });
    await ward.happen(ubrn, 'rejected-in-ers');
    await ward.intake.runOnce();
    expect(await ward.referralOf(ubrn)).toBeDefined();
    expect(await post.ofService()).toMatchObject({ seen: 1, explanations: { unasked: 1 }, missing: 0 });
  });

  test('K1: one that e-RS no longer shows when it is first read is kept in quarantine, although it is on no list', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 4 });
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'moved-to-another-provider');
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 4 });
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, explanations: { quarantined: 1 }, missing: 0 });
  });

  test('each service has an account of its own, slot issues included', async () => {
    await using post = await startPost({ services: [TRIAGE, SLOTLESS] });
    const { ward } = post;
    await ward.create({ kind: 'triage', service: TRIAGE });
    await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.intake.runOnce();
    const { services, balances } = await post.account();
    expect(balances).toBe(true);
    expect(services.map(({ service, seen, open }) => ({ service, seen, open }))).toEqual([
      { service: TRIAGE, seen: 1, open: 1 },
      { service: SLOTLESS, seen: 1, open: 1 },
    ]);
  });
});

describe('what is seen', () => {
  test('is written once: neither an unchanged list nor a changed one without news writes it again', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const versions = async () =>
      (await ward.all<Basic>('Basic'))
        .filter(({ identifier }) => identifier?.[0]?.system === identifierSystem('ers-seen'))
        .map(({ id, meta }) => `${id}/${meta?.versionId}`);
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    const first = await versions();
    expect(first).toHaveLength(1);
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'priority-changed', { priority: 'URGENT' });
    await ward.intake.runOnce();
    expect(await versions()).toEqual(first);
    await ward.restart();
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    expect(await versions()).not.toEqual(first);
  });

  test('is noted with the poll that first named it', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const first = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    const second = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    const records = await listRecords<SeenRecord>(ward.store, 'ers-seen');
    expect(records.ok && records.value.map(({ key, data }) => ({ key, polls: data.polls }))).toEqual([
      {
        key: `${DIRECT}.1`,
        polls: [
          { list: 'REFERRALS_FOR_REVIEW', polledAt: '2027-03-01T09:00:00.000Z', ubrns: [first] },
          { list: 'REFERRALS_FOR_REVIEW', polledAt: '2027-03-01T09:01:00.000Z', ubrns: [second] },
        ],
      },
    ]);
  });
});
