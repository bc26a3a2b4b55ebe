import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, inputOf, outputsOf } from '../../mappings/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import type { World } from './world.ts';

const reviewOutcome = (code: string) => ({ coding: [{ system: CODE_SYSTEM.reviewOutcome, code }] });
const add = (path: string, value: unknown) => ({ op: 'add', path, value });
const status = (value: 'accepted' | 'rejected') => ({ op: 'replace', path: '/status', value });
const parameter = (code: string, value: object) => ({
  type: { coding: [{ system: CODE_SYSTEM.taskParameter, code }] },
  ...value,
});

/** The documented one-line PATCHes, with what e-RS must get and hold afterwards (target-model 4.3, 4.8). */
export const DECISIONS = [
  {
    name: 'accept',
    kind: 'booked-direct',
    patch: [status('accepted')],
    endpoint: 'A013',
    body: undefined,
    state: 'BOOKED',
    businessStatus: 'accepted',
  },
  {
    name: 'reject',
    kind: 'booked-indirect',
    patch: [
      status('rejected'),
      add('/statusReason', {
        coding: [{ system: CODE_SYSTEM.appointmentCancellationReason, code: 'SERVICE_INAPPROPRIATE' }],
      }),
      add('/note', [{ text: 'Please refer to the community clinic of Zqcanary.' }]),
      add('/output', [parameter('appointment-cancelled-in-pas', { valueBoolean: true })]),
    ],
    endpoint: 'A014',
    body: {
      rejectionReason: 'SERVICE_INAPPROPRIATE',
      rejectionComments: 'Please refer to the community clinic of Zqcanary.',
      appointmentCancelledInPAS: true,
    },
    state: 'REJECTED',
    businessStatus: 'rejected',
  },
  {
    name: 'redirect',
    kind: 'booked-direct',
    patch: [
      status('accepted'),
      add('/statusReason', reviewOutcome('CANCEL_APPOINTMENT_ACTION_LATER')),
      add('/note', [{ text: 'Rebook into the rapid access clinic of Zqcanary.' }]),
      add('/output', [
        parameter('priority', { valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.priority, code: 'URGENT' }] } }),
      ]),
    ],
    endpoint: 'A022',
    body: { comments: 'Rebook into the rapid access clinic of Zqcanary.', priority: 'URGENT' },
    state: 'TRIAGED_PROVIDER_TO_ACTION',
    businessStatus: 'redirected',
  },
  {
    name: 'triage accept',
    kind: 'triage',
    patch: [
      status('accepted'),
      add('/statusReason', reviewOutcome('ACCEPT_REFER_BOOK_LATER')),
      add('/note', [{ text: 'To be booked soon.' }]),
    ],
    endpoint: 'A028',
    body: { reviewOutcome: 'ACCEPT_REFER_BOOK_LATER', reviewComments: 'To be booked soon.', reviewPriority: 'ROUTINE' },
    state: 'TRIAGED_PROVIDER_TO_ACTION',
    businessStatus: 'accepted-book-later',
  },
  {
    name: 'triage return',
    kind: 'triage',
    patch: [
      status('rejected'),
      add('/statusReason', reviewOutcome('RETURN_TO_REFERRER_WITH_ADVICE')),
      add('/note', [{ text: 'No further action needed.' }]),
    ],
    endpoint: 'A028',
    body: { reviewOutcome: 'RETURN_TO_REFERRER_WITH_ADVICE', reviewComments: 'No further action needed.' },
    state: 'TRIAGE_RESPONSE',
    businessStatus: 'returned-with-advice',
  },
  {
    name: 'slot issue accept',
    kind: 'slot-issue',
    patch: [status('accepted'), add('/note', [{ text: 'To be booked when there is a slot.' }])],
    endpoint: 'A028',
    body: {
      reviewOutcome: 'ACCEPT_REFER_BOOK_LATER',
      reviewComments: 'To be booked when there is a slot.',
      reviewPriority: 'ROUTINE',
    },
    state: 'TRIAGED_PROVIDER_TO_ACTION',
    businessStatus: 'accepted-book-later',
  },
  {
    name: 'slot issue return',
    kind: 'slot-issue',
    patch: [
      status('rejected'),
      add('/statusReason', reviewOutcome('RETURN_TO_REFERRER_WITH_ADVICE')),
      add('/note', [{ text: 'Please ask for advice first.' }]),
    ],
    endpoint: 'A028',
    body: { reviewOutcome: 'RETURN_TO_REFERRER_WITH_ADVICE', reviewComments: 'Please ask for advice first.' },
    state: 'TRIAGE_RESPONSE',
    businessStatus: 'returned-with-advice',
  },
] as const;

interface Parameters {
  readonly parameter?: readonly {
    name: string;
    valueString?: string;
    valueBoolean?: boolean;
    valueCoding?: { code: string };
  }[];
}
/** What a Parameters body says, name by name. */
const said = (body: unknown) => {
  const parameters = (typeof body === 'string' ? JSON.parse(body) : body) as Parameters | undefined;
  return Object.fromEntries(
    (parameters?.parameter ?? []).map(({ name, valueString, valueBoolean, valueCoding }) => [
      name,
      valueString ?? valueBoolean ?? valueCoding?.code,
    ]),
  );
};

/** Creates a referral at the simulator as a referrer would, for a service that such a one goes to; it and its review Task, landed. */
export async function refer(world: World, kind: string): Promise<{ ubrn: string; task: Task & { id: string } }> {
  const bookable =
    kind === 'booked-direct' || kind === 'slot-issue'
      ? 'DIRECTLY_BOOKABLE'
      : kind === 'booked-indirect'
        ? 'INDIRECTLY_BOOKABLE'
        : 'TRIAGE';
  const service = world.simulator.services.find(({ bookableType }) => bookableType === bookable)?.id;
  const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', { kind, service, priority: 'ROUTINE' });
  await world.settled();
  return { ubrn, task: await world.taskOf(ubrn) };
}

/** Changes a Task in the store itself, as a program would that knows nothing of the facade; whether that was done. */
export type WriteStraight = (world: World, task: { id: string }, operations: readonly unknown[]) => Promise<boolean>;

const throughTheDoor: WriteStraight = async ({ product }, { id }, operations) =>
  (await product.store.patch('Task', id, operations)).ok;

/** Each decision by the two ways in which one can be made, over whatever store the world has. */
export function fiveDecisions(
  name: string,
  start: () => Promise<World>,
  writeStraight: WriteStraight = throughTheDoor,
): void {
  describe(name, () => {
    let world: World;
    beforeAll(async () => {
      world = await start();
    }, 180_000);
    afterAll(async () => world[Symbol.asyncDispose]());

    const referredTask = (kind: string) => refer(world, kind);

    async function expectRecorded(decision: (typeof DECISIONS)[number], ubrn: string, before: Task): Promise<void> {
      await world.settled();
      const task = await world.taskOf(ubrn);
      expect(businessStatusOf(task)).toBe(decision.businessStatus);
      const there = await world.control<{ state: string; version: number }>('GET', `referrals/${ubrn}`);
      expect(there.state).toBe(decision.state);
      expect(outputsOf(task, 'recorded-version')[0]?.valueUnsignedInt).toBe(there.version);
      const calls = (await world.calls(decision.endpoint)).filter((call) => call.ubrn === ubrn);
      const reviewed = before.extension?.find(({ url }) => url.endsWith('/ers-version'))?.valueUnsignedInt;
      expect(calls.map((call) => [call.status, call.ifMatch])).toEqual([[200, `W/"${reviewed}"`]]);
      expect(said(calls[0]?.requestBody)).toEqual(decision.body ?? {});
      expect(inputOf(task, 'available-decision')).toBeUndefined();
    }

    test.each(DECISIONS)(
      '4.3 D3: $name by one PATCH at the facade reaches e-RS exactly once, and the Task ends $businessStatus',
      async (decision) => {
        const { ubrn, task } = await referredTask(decision.kind);
        const answer = await world.patch(task, decision.patch);
        expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
        await expectRecorded(decision, ubrn, task);
      },
    );

    test('T-6 D3: a redirect with a file that was attached at the facade reaches e-RS once, with the file, and both ends show it', async () => {
      const { ubrn, task } = await referredTask('booked-direct');
      const made = await fetch(`${world.fhir}/Task/${task.id}/$ers-attach`, {
        method: 'POST',
        headers: {
          'Content-Type': 'text/plain',
          'Content-Disposition': 'attachment; filename="rapid access.txt"',
          'Content-Description': 'Rapid access form',
        },
        body: 'Synthetic form.',
      });
      const { id } = (await made.json()) as { id: string };
      expect(made.status).toBe(201);
      const reference = `DocumentReference/${id}`;
      const [decided, code, note] = DECISIONS[2].patch;
      const output = add('/output', [parameter('attachment', { valueReference: { reference } })]);
      const answer = await world.patch(task, [decided, code, note, output]);
      expect(answer.status).toBe(200);
      await world.settled();
      expect(businessStatusOf(await world.taskOf(ubrn))).toBe('redirected');
      const there = await world.control<{ attachments: { title: string }[] }>('GET', `referrals/${ubrn}`);
      expect(there.attachments.map(({ title }) => title)).toEqual(['rapid access.txt']);
      const calls = (await world.calls('A022')).filter((call) => call.ubrn === ubrn);
      expect(calls.map(({ status, mode }) => [status, mode])).toEqual([[200, 'user']]);
      const ours = (await (await world.get(reference)).json()) as { status: string };
      expect(ours.status).toBe('current');
      const all = (await (
        await world.get(`DocumentReference?related=ServiceRequest/${(await world.referralOf(ubrn)).id}`)
      ).json()) as {
        entry: { resource: { description?: string } }[];
      };
      // Ours, and e-RS's own copy of it.
      expect(all.entry.filter(({ resource }) => resource.description === 'Rapid access form')).toHaveLength(2);
    });

    test.each(DECISIONS)(
      '4.3 D3: $name written straight into the store by another program reaches e-RS exactly once, too',
      async (decision) => {
        const { ubrn, task } = await referredTask(decision.kind);
        expect(await writeStraight(world, task, decision.patch)).toBe(true);
        await expectRecorded(decision, ubrn, task);
      },
    );
  });
}
