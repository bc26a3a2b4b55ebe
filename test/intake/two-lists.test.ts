import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { reviewStatusOf, type Ubrn, type WorklistName, withReviewStatus } from '../../mappings/index.ts';
import type { DispatchRecord, WorklistRecord } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { MINUTE, SLOTLESS, startWard, type Ward } from './ward.ts';

const REVIEWS = 'REFERRALS_FOR_REVIEW';
const SLOTS = 'APPOINTMENT_SLOT_ISSUES';

/** A referral under review, and slot issues whose list can be made to name it as well. */
async function onBothLists(ward: Ward) {
  const ubrn = await ward.create({ kind: 'booked-direct', service: SLOTLESS });
  const slotIssue = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
  await ward.intake.runOnce();
  const record = await readRecord<WorklistRecord>(ward.store, 'ers-worklist', `${SLOTLESS}.${SLOTS}`);
  const id = record.ok ? record.value?.data.snapshots[0]?.binaryId : undefined;
  const raw = await ward.store.openBinary(id ?? '');
  if (!raw.ok) throw new Error(raw.code);
  const naming = (await text(raw.value.stream)).replaceAll(slotIssue, ubrn);
  const body = JSON.parse(naming) as Record<string, unknown>;
  /** One list is polled, and what follows of it for this referral is done. */
  async function poll(list: WorklistName, isNamed = true): Promise<void> {
    ward.advance(MINUTE);
    if (list === SLOTS && isNamed) await ward.fault({ endpoint: 'A008', kind: 'status', status: 200, body });
    expect(await ward.intake.poll(SLOTLESS, list)).toMatchObject({ ok: true });
    const isDone = async () => {
      const held = await readRecord<WorklistRecord>(ward.store, 'ers-worklist', `${SLOTLESS}.${list}`);
      return held.ok && held.value?.data.snapshots[0]?.reconciled === true;
    };
    for (let looks = 0; !(await isDone()) && looks < 500; looks += 1) await new Promise((go) => setTimeout(go, 10));
    // An answer that says what it said is marked already: its referrals are looked through in the background.
    for (let turns = 0; turns < 20; turns += 1) await new Promise((go) => setTimeout(go, 10));
  }
  return { ubrn, poll };
}

/** An accept of which nobody knows, from now on, whether e-RS has recorded it. */
async function acceptInDoubt(ward: Ward, ubrn: Ubrn): Promise<void> {
  const { requestId = '' } = ward.landing.index.byUbrn(ubrn) ?? {};
  const held = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', `${requestId}.1`);
  const [task] = await ward.tasksOf(ubrn);
  if (!held.ok || held.value === undefined || task === undefined) throw new Error('no review');
  const startedAt = ward.simulator.clock.now().toISOString();
  const baseline = withReviewStatus({ ...task, status: 'accepted' }, 'decision-sending');
  const decision: DispatchRecord['decision'] = {
    code: 'accept',
    command: { decision: 'accept' },
    queuedAt: startedAt,
    attempts: 1,
    resendUsed: false,
    probeUsed: true,
    wasUnknown: true,
    isUnknowable: true,
    lastAttempt: {
      number: 1,
      correlationId: 'c7b0c0c5-8a8e-4c3c-9a52-5f6c3b3c7d11',
      operation: 'A013',
      version: 0,
      bodyHash: 'of an empty body',
      mode: 'application',
      startedAt,
      outcome: 'unknown',
      isWitnessed: true,
    },
  };
  const written = await writeRecord(
    ward.store,
    'ers-dispatch',
    `${requestId}.1`,
    { ...held.value.data, baseline, decision },
    held.value,
  );
  const updated = await ward.store.update({ ...baseline, id: task.id });
  if (!written.ok || !updated.ok) throw new Error('not written');
}

const statusesOf = async (ward: Ward, ubrn: Ubrn) => (await ward.tasksOf(ubrn)).map((task) => reviewStatusOf(task));

describe('a referral that both lists of a service may name', () => {
  test('4.5 D3: an entry of before an accept whose answer was lost does not prove it unrecorded because the other list is polled later', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const { ubrn, poll } = await onBothLists(ward);
    await poll(REVIEWS);
    await acceptInDoubt(ward, ubrn);
    ward.advance(10 * MINUTE);
    await poll(SLOTS);
    expect(await statusesOf(ward, ubrn)).toEqual(['decision-sending']);
    await poll(REVIEWS);
    expect(await statusesOf(ward, ubrn)).toEqual(['decision-conflict']);
  }, 30_000);

  test('4.5 D3: missing from Referrals for Review before such an accept, it is not taken for recorded because it leaves the other list', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const { ubrn, poll } = await onBothLists(ward);
    await poll(SLOTS);
    await ward.happen(ubrn, 'hidden-from-worklists');
    await poll(REVIEWS);
    ward.advance(MINUTE);
    await acceptInDoubt(ward, ubrn);
    ward.advance(10 * MINUTE);
    await poll(SLOTS);
    await poll(SLOTS, false);
    expect(await statusesOf(ward, ubrn)).toEqual(['decision-sending']);
    await poll(REVIEWS);
    await poll(SLOTS, false);
    expect(await statusesOf(ward, ubrn)).toEqual(['accepted']);
  }, 30_000);

  test('4.6 K1: of a review that has ended one list that was polled since asks for the next, whatever the other said before', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const { ubrn, poll } = await onBothLists(ward);
    await poll(SLOTS);
    await ward.happen(ubrn, 'hidden-from-worklists');
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 404, ubrn });
    await poll(REVIEWS);
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn']);
    await ward.happen(ubrn, 'hidden-from-worklists', { isHidden: false });
    await poll(REVIEWS);
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn', 'awaiting-review']);
  }, 30_000);

  test('M-149: no decision is in doubt, so a review ends when its list is polled without it, however old the other answer is', async () => {
    await using ward = await startWard({ services: [SLOTLESS] });
    const { ubrn, poll } = await onBothLists(ward);
    ward.advance(60 * MINUTE);
    await ward.happen(ubrn, 'accepted-in-ers');
    await poll(REVIEWS);
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn']);
  }, 30_000);
});
