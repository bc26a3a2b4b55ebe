import { describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM } from '../../mappings/index.ts';
import { businessStatusOf, sessionHeaders, signIn } from '../sign-in.ts';
import { startWorld, type World } from './world.ts';

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];
const takeBack = [{ op: 'replace', path: '/status', value: 'received' }];
const giveBack = (note: string) => [
  { op: 'replace', path: '/status', value: 'rejected' },
  {
    op: 'add',
    path: '/statusReason',
    value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code: 'RETURN_TO_REFERRER_WITH_ADVICE' }] },
  },
  { op: 'add', path: '/note', value: [{ text: note }] },
];

async function refer(world: World, kind: 'booked-direct' | 'triage'): Promise<string> {
  const needed = kind === 'triage' ? 'TRIAGE' : 'DIRECTLY_BOOKABLE';
  const service = world.simulator.services.find(({ bookableType }) => bookableType === needed)?.id;
  const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', { kind, service });
  await world.settled();
  return ubrn;
}

async function until(world: World, ubrn: string, isThere: (task: Task) => boolean): Promise<Task> {
  for (const endMs = performance.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const task = await world.taskOf(ubrn);
    if (isThere(task)) return task;
    if (performance.now() > endMs) throw new Error(`the Task stays ${businessStatusOf(task)}`);
  }
}

const codesOf = async (answer: Response): Promise<(string | undefined)[]> => {
  const { issue } = (await answer.json()) as OperationOutcome;
  return issue.map(({ details }) => details?.coding?.[0]?.code);
};

describe('what a site decides about decisions', () => {
  test('T-14: DECISION_DELAY_SECONDS: within it a decision can be taken back and is never sent; no other leaves before it', async () => {
    const delaySeconds = 3;
    await using world = await startWorld({ referrals: 0, site: { decisionDelaySeconds: delaySeconds } });
    const [taken, kept] = [await refer(world, 'booked-direct'), await refer(world, 'booked-direct')];
    const decidedAtMs = Date.now();
    for (const ubrn of [taken, kept]) expect((await world.patch(await world.taskOf(ubrn), accept)).status).toBe(200);
    const queued = await until(world, taken, (task) => businessStatusOf(task) === 'decision-queued');
    expect((await world.patch(queued, takeBack)).status).toBe(200);
    await until(world, kept, (task) => businessStatusOf(task) === 'accepted');
    await world.settled();
    const calls = await world.calls('A013');
    expect(calls.map(({ ubrn }) => ubrn)).toEqual([kept]);
    expect(Date.parse(calls[0]?.at ?? '')).toBeGreaterThanOrEqual(decidedAtMs + delaySeconds * 1000);
    expect((await world.taskOf(taken)).status).toBe('received');
  }, 60_000);

  test('4.7: USER_RESTRICTED_DECISIONS=refuse: one without a clinician is 403 and nothing is stored, but for what goes unattended', async () => {
    await using world = await startWorld({
      referrals: 0,
      isSignedIn: false,
      unattended: ['accept'],
      site: { userRestricted: 'refuse' },
    });
    const [unattended, restricted] = [await refer(world, 'booked-direct'), await refer(world, 'triage')];
    const refused = await world.patch(await world.taskOf(restricted), giveBack('Please ask for advice.'));
    expect([refused.status, await codesOf(refused)]).toEqual([403, ['user-session-required']]);
    expect((await world.taskOf(restricted)).status).toBe('requested');
    expect((await world.patch(await world.taskOf(unattended), accept)).status).toBe(200);
    await until(world, unattended, (task) => businessStatusOf(task) === 'accepted');
    const session = sessionHeaders(await signIn(world.simulator));
    const sent = await world.patch(await world.taskOf(restricted), giveBack('Please ask for advice.'), session);
    expect(sent.status).toBe(200);
    await until(world, restricted, (task) => businessStatusOf(task) === 'returned-with-advice');
  }, 60_000);

  test('E-9b: AUTHORISATION_TIMEOUT_HOURS: a decision that waits longer for a clinician opens its Task again', async () => {
    const site = { authorisationTimeoutHours: 2 / 3600 };
    await using world = await startWorld({ referrals: 0, isSignedIn: false, site });
    const ubrn = await refer(world, 'triage');
    expect((await world.patch(await world.taskOf(ubrn), giveBack('Please ask for advice.'))).status).toBe(200);
    const task = await until(world, ubrn, (now) => businessStatusOf(now) === 'decision-expired');
    expect(task.status).toBe('requested');
    expect(await world.calls('A028')).toEqual([]);
  }, 60_000);

  test.each(['when-unchanged', 'never'] as const)(
    '4.5 E-5: CONFLICT_RESEND=%s: a new version that changed nothing under a decision',
    async (conflictResend) => {
      await using world = await startWorld({ referrals: 0, site: { conflictResend } });
      const ubrn = await refer(world, 'booked-direct');
      await world.control('POST', `referrals/${ubrn}/events`, { type: 'internal-version-bump' });
      expect((await world.patch(await world.taskOf(ubrn), accept)).status).toBe(200);
      const ended = conflictResend === 'never' ? 'decision-conflict' : 'accepted';
      await until(world, ubrn, (task) => businessStatusOf(task) === ended);
      const statuses = (await world.calls('A013')).map(({ status }) => status);
      expect(statuses).toEqual(conflictResend === 'never' ? [409] : [409, 200]);
    },
    60_000,
  );

  test('T-2: MAX_COMMENT_LENGTH: a longer note is refused at the facade, and straight in the store', async () => {
    await using world = await startWorld({ referrals: 0, site: { maxCommentLength: 10 } });
    const ubrn = await refer(world, 'triage');
    const refused = await world.patch(await world.taskOf(ubrn), giveBack('Eleven char'));
    expect([refused.status, await codesOf(refused)]).toEqual([422, ['comment-too-long']]);
    const { store } = world.product;
    const task = await world.taskOf(ubrn);
    const written = await store.patch('Task', task.id, giveBack('Eleven char') as never);
    expect(written.ok).toBe(true);
    const invalid = await until(world, ubrn, (now) => businessStatusOf(now) === 'decision-invalid');
    expect(invalid.statusReason?.coding?.[0]?.code).toBe('comment-too-long');
    expect(await world.calls('A028')).toEqual([]);
    const another = await refer(world, 'triage');
    expect((await world.patch(await world.taskOf(another), giveBack('Ten chars.'))).status).toBe(200);
    await until(world, another, (now) => businessStatusOf(now) === 'returned-with-advice');
  }, 60_000);
});
