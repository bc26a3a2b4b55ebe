import { describe, expect, test } from '@jest/globals';
import type { ServiceRequest } from '@medplum/fhirtypes';
import { startWard } from './ward.ts';

/** Where in the sample trust each irregularity stands. */
const CONTAINED_IS_NULL = 20;
const EXTENSION_IS_NULL = 21;

describe('members that e-RS may send as null (1.11)', () => {
  test('K1 K2: a referral without contained resources is open for review, one without extensions is there as the relation of another; neither is an alert, nor read again', async () => {
    await using ward = await startWard({ referrals: 24 });
    const { referrals } = await ward.control<{ referrals: { ubrn: string }[] }>('GET', 'referrals');
    const ubrnOf = (index: number) => referrals[index]?.ubrn ?? '';
    await ward.intake.runOnce();
    const [bare] = await ward.tasksOf(ubrnOf(CONTAINED_IS_NULL));
    expect(bare).toMatchObject({ status: 'requested', businessStatus: { coding: [{ code: 'awaiting-review' }] } });
    const offered = bare?.input?.flatMap(({ valueCodeableConcept }) => valueCodeableConcept?.coding?.[0]?.code ?? []);
    expect(offered).toEqual(expect.arrayContaining(['accept', 'reject', 'redirect']));
    const related = await ward.referralOf(ubrnOf(EXTENSION_IS_NULL));
    expect(related).toMatchObject({ status: 'active', identifier: [{ value: ubrnOf(EXTENSION_IS_NULL) }, {}] });
    expect(await ward.tasksOf(ubrnOf(EXTENSION_IS_NULL))).toEqual([]);
    const naming = (await ward.all<ServiceRequest>('ServiceRequest')).filter((one) =>
      JSON.stringify(one).includes(`ServiceRequest/${related?.id}`),
    );
    expect(naming).toHaveLength(1);
    expect(ward.alerts()).toEqual([]);
    const before = await ward.versions();
    await ward.intake.runOnce();
    expect(await ward.versions()).toEqual(before);
  }, 30_000);
});
