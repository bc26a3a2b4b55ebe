import { describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, codeOf, outputsOf } from '../../mappings/index.ts';
import { CODES, type Store } from '../../server/core/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { otherwise, refusing } from '../store-otherwise.ts';
import { DIRECT, MINUTE, startWard, TRIAGE, type Ward } from './ward.ts';

const referred = async (ward: Ward, wish: Record<string, unknown> = {}) => {
  const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT, ...wish });
  await ward.intake.runOnce();
  return ubrn;
};
const lastOf = async (ward: Ward, ubrn: Parameters<Ward['tasksOf']>[0]): Promise<Task> => {
  const task = (await ward.tasksOf(ubrn)).at(-1);
  if (task === undefined) throw new Error('no Task');
  return task;
};
/** The referral's attachment, not the summary that e-RS makes. */
const attachedTo = async (ward: Ward, ubrn: Parameters<Ward['tasksOf']>[0]) =>
  (await ward.documentsOf(ubrn)).find(({ type }) => codeOf(type, CODE_SYSTEM.documentType) === 'attachment');
const ended = (task: Task) => [task.status, businessStatusOf(task)];

describe('a referral that left its list is settled by rereading it (1.8)', () => {
  const ROWS = [
    ['M-140', 'cancelled-by-referrer', ['cancelled', 'withdrawn'], undefined],
    ['M-142', 'rejected-in-ers', ['rejected', 'rejected'], 'decided'],
    ['M-149', 'accepted-in-ers', ['cancelled', 'withdrawn'], 'left-worklist'],
    ['M-150', 'appointment-cancelled-by-patient', ['cancelled', 'withdrawn'], undefined],
    ['M-150', 'did-not-attend', ['cancelled', 'withdrawn'], undefined],
    ['M-153', 'moved-to-another-provider', ['cancelled', 'withdrawn'], 'moved-away'],
  ] as const;

  test.each(ROWS)('%s: after %s its Task ends as %j', async (_rule, event, expected, why) => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward);
    ward.advance(MINUTE);
    await ward.happen(ubrn, event);
    await ward.intake.runOnce();
    const task = await lastOf(ward, ubrn);
    expect(ended(task)).toEqual(expected);
    if (why === 'decided') expect(outputsOf(task, 'decided-in-ers')[0]?.valueBoolean).toBe(true);
    else expect(codeOf(task.statusReason, CODE_SYSTEM.decisionIssue)).toBe(why);
    expect(await ward.referralOf(ubrn)).toBeDefined();
  });

  test('M-144: triaged in e-RS by somebody else, it ends with their outcome and comment', async () => {
    await using ward = await startWard({ services: [TRIAGE] });
    const ubrn = await referred(ward, { kind: 'triage', service: TRIAGE });
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'triaged-in-ers', { comments: 'Seen at the desk.' });
    await ward.intake.runOnce();
    const task = await lastOf(ward, ubrn);
    expect(ended(task)).toEqual(['accepted', 'accepted-book-later']);
    expect(task.note?.at(-1)?.text).toBe('Seen at the desk.');
  });

  test('4.6: reviewed again after its letter changed, it gets a second episode, and the first stays as it ended', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward);
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'accepted-in-ers');
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'clinical-information-updated');
    await ward.intake.runOnce();
    const tasks = await ward.tasksOf(ubrn);
    expect(tasks.map((task) => ended(task))).toEqual([
      ['cancelled', 'withdrawn'],
      ['requested', 'awaiting-review'],
    ]);
  });

  test('M-154: a patient whom e-RS hides leaves the Task open without decisions, with an alert', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward);
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'clinical-information-updated');
    await ward.happen(ubrn, 'patient-restricted');
    await ward.intake.runOnce();
    const task = await lastOf(ward, ubrn);
    expect(task.status).toBe('requested');
    expect(task.input?.some(({ type }) => codeOf(type, CODE_SYSTEM.taskParameter) === 'available-decision')).toBe(
      false,
    );
    expect(ward.alerts()).toContain('patient-error');
  });
});

describe('a worklist that is not to be believed', () => {
  test('K1: one that e-RS does not deliver closes nothing, and is an alert that names it', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward);
    await ward.fault({ endpoint: 'A008', kind: 'truncate', times: 5 });
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'accepted-in-ers');
    await ward.intake.runOnce();
    expect(ended(await lastOf(ward, ubrn))).toEqual(['requested', 'awaiting-review']);
    expect(ward.alerts()).toContain('worklist-incomplete');
  });

  test('K1: one of 5,000 entries is read whole; one over 10 MB, which e-RS refuses, closes nothing, is an alert that names its service and says what to do, and holds up no other service', async () => {
    await using ward = await startWard({ services: [DIRECT, TRIAGE] });
    const booked = await referred(ward);
    await ward.control('POST', 'referrals', { kind: 'booked-direct', service: DIRECT, count: 5_200 });
    await ward.control('POST', 'referrals', { kind: 'triage', service: TRIAGE, count: 5_000 });
    ward.advance(MINUTE);
    await ward.happen(booked, 'accepted-in-ers');
    const running = ward.intake.runOnce();
    const read = () => ward.log.find(({ event, count }) => event === 'intake.worklist.read' && count === 5_000);
    // Both lists have been asked for, and the entries of the long one begin to land: enough, and stopped there.
    while (read() === undefined || (await ward.all<Task>('Task')).length < 5)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await ward.intake.stop();
    await running;
    expect(read()).toMatchObject({ service: TRIAGE });
    expect(read()?.bytes).toBeGreaterThan(7_500_000);
    expect(ward.standing()).toContainEqual(
      expect.objectContaining({ code: 'worklist-too-large', subject: `${DIRECT}.REFERRALS_FOR_REVIEW` }),
    );
    expect(CODES['worklist-too-large']).toMatchObject({
      acts: 'operator',
      remedy: expect.stringContaining('narrower'),
    });
    expect(ended(await lastOf(ward, booked))).toEqual(['requested', 'awaiting-review']);
  }, 60_000);

  test.each([502, 504])(
    'K1: a list that e-RS answers with %i may be too large as well: told when it happens a second time, and over with the next good answer',
    async (status) => {
      await using ward = await startWard({ services: [DIRECT] });
      const ubrn = await referred(ward);
      await ward.fault({ endpoint: 'A008', kind: 'status', status, times: 2 });
      await ward.intake.runOnce();
      expect(ward.alerts()).toEqual(['worklist-incomplete']);
      await ward.intake.runOnce();
      expect(ward.alerts()).toEqual(['worklist-incomplete', 'worklist-too-large']);
      expect(ended(await lastOf(ward, ubrn))).toEqual(['requested', 'awaiting-review']);
      ward.advance(MINUTE);
      await ward.happen(ubrn, 'priority-changed');
      await ward.intake.runOnce();
      expect(ward.alerts()).toEqual([]);
    },
  );

  test('K1: an alert about a list is over when the list is read again, although it says what it said before', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await referred(ward);
    await ward.fault({ endpoint: 'A008', kind: 'status', status: 500 });
    await ward.intake.runOnce();
    expect(ward.alerts()).toEqual(['worklist-too-large']);
    await ward.intake.runOnce();
    expect(ward.alerts()).toEqual([]);
  });

  test('K1: one that is suddenly empty closes nothing, until the next poll says so too', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrns = [];
    for (let index = 0; index < 6; index += 1)
      ubrns.push(await ward.create({ kind: 'booked-direct', service: DIRECT }));
    await ward.intake.runOnce();
    for (const ubrn of ubrns) await ward.happen(ubrn, 'hidden-from-worklists');
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    expect(ward.alerts()).toContain('worklist-suspiciously-empty');
    expect((await ward.all<Task>('Task')).map(({ status }) => status)).toEqual(Array(6).fill('requested'));
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    expect((await ward.all<Task>('Task')).map(({ status }) => status)).toEqual(Array(6).fill('cancelled'));
    expect(ward.alerts()).not.toContain('worklist-suspiciously-empty');
  });
});

describe('files', () => {
  const attachment = (availability: string, more = {}) => ({
    title: 'letter.pdf',
    contentType: 'application/pdf',
    availability,
    ...more,
  });

  test('1.6.1: a PENDING file is looked at again after five minutes, and lands when its scan has ended', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward, { attachments: [attachment('PENDING', { availableAfterSeconds: 200 })] });
    expect(await attachedTo(ward, ubrn)).toMatchObject({ docStatus: 'preliminary' });
    ward.advance(2 * MINUTE);
    await ward.newCalls();
    await ward.intake.runOnce();
    expect(await ward.newCalls()).not.toContain('A042');
    ward.advance(4 * MINUTE);
    await ward.intake.runOnce();
    const document = await attachedTo(ward, ubrn);
    expect(document).toMatchObject({ docStatus: 'final' });
    expect(document?.content[0]?.attachment.url).toMatch(/^Binary\//);
  });

  test('1.6.1: a file with a threat is never downloaded, and is shown with its state', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await referred(ward, { attachments: [attachment('THREATS_FOUND')] });
    const document = await attachedTo(ward, ubrn);
    expect(document?.content[0]?.attachment.url).toBeUndefined();
    expect(JSON.stringify(document)).toContain('THREATS_FOUND');
    expect(await ward.newCalls()).not.toContain('A042');
  });

  test('1.6.1: a link that expired before the file was fetched is renewed once, and the file lands in the same run', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await ward.fault({ endpoint: 'OBJECT-STORE', kind: 'delay', delayMs: 400 });
    const ubrn = await ward.create({
      kind: 'booked-direct',
      service: DIRECT,
      attachments: [attachment('AVAILABLE', { bytes: 50_000 })],
    });
    const running = ward.intake.runOnce();
    const isLinked = async () =>
      (await ward.control<{ calls: { endpoint: string; status: number }[] }>('GET', 'calls')).calls.some(
        ({ endpoint, status }) => endpoint === 'A042' && status === 307,
      );
    while (!(await isLinked())) await new Promise((resolve) => setTimeout(resolve, 5));
    ward.advance(MINUTE);
    await running;
    expect((await ward.newCalls()).filter((endpoint) => endpoint === 'A042')).toHaveLength(2);
    expect((await attachedTo(ward, ubrn))?.content[0]?.attachment).toMatchObject({
      size: 50_000,
      url: expect.stringMatching(/^Binary\//),
    });
    expect(ward.alerts()).toEqual([]);
  });

  test('1.6.1: a download that broke in the middle is never taken for a file, and is tried again', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await ward.fault({ endpoint: 'OBJECT-STORE', kind: 'truncate', times: 1 });
    const ubrn = await referred(ward, { attachments: [attachment('AVAILABLE', { bytes: 50_000 })] });
    expect((await attachedTo(ward, ubrn))?.content[0]?.attachment.url).toBeUndefined();
    expect(ward.alerts()).toContain('attachment-unavailable');
    ward.advance(6 * MINUTE);
    await ward.intake.runOnce();
    expect((await attachedTo(ward, ubrn))?.content[0]?.attachment.url).toMatch(/^Binary\//);
    expect(ward.alerts()).not.toContain('attachment-unavailable');
  });
});

describe('quarantine', () => {
  test('K1 G-1: a referral that cannot be read is kept aside with an alert, stops no other, and lands when it can', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const first = await ward.create({ kind: 'booked-direct', service: DIRECT });
    const second = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    expect(ward.alerts()).toContain('referral-quarantined');
    expect(await ward.all<Task>('Task')).toHaveLength(1);
    ward.advance(MINUTE);
    for (const ubrn of [first, second]) await ward.happen(ubrn, 'internal-version-bump');
    await ward.intake.runOnce();
    expect(await ward.all<Task>('Task')).toHaveLength(2);
    expect(ward.alerts()).not.toContain('referral-quarantined');
  });

  test('M-42 K1: one whose patient the store has twice is not given to either: kept aside with an alert, and lands when they are merged', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const identifier = [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9990000018' }];
    const twins = [];
    for (const family of ['Example', 'Sample'])
      twins.push(await ward.store.create({ resourceType: 'Patient', identifier, name: [{ family }] }));
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT, nhsNumber: '9990000018' });
    await ward.intake.runOnce();
    expect(ward.alerts()).toEqual(expect.arrayContaining(['patient-ambiguous', 'referral-quarantined']));
    expect(await ward.all('ServiceRequest')).toEqual([]);
    const [first, second] = twins.map((made) => (made.ok ? made.value.resource : undefined));
    if (first === undefined || second === undefined) throw new Error('no Patients');
    await ward.store.patch('Patient', second.id, [
      { op: 'add', path: '/link', value: [{ other: { reference: `Patient/${first.id}` }, type: 'replaced-by' }] },
    ]);
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'internal-version-bump');
    await ward.intake.runOnce();
    expect((await ward.referralOf(ubrn))?.subject.reference).toBe(`Patient/${first.id}`);
    expect(ward.alerts()).not.toContain('patient-ambiguous');
  });

  test('K1: one that the store would not keep aside is not forgotten when the process ends: the stored list brings it again', async () => {
    let isRefusing = true;
    await using ward = await startWard({
      services: [DIRECT],
      pollsPerDay: 1,
      around: (store) => refusing(store, (entries) => isRefusing && JSON.stringify(entries).includes('ers-quarantine')),
    });
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    isRefusing = false;
    await ward.restart();
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    expect(ward.alerts()).toContain('referral-quarantined');
    expect([...(await ward.landing.quarantined())]).toHaveLength(1);
  });

  test('K1: what leaves quarantine while the list of it is being read, or by somebody’s hand, is there no more, nor its alert', async () => {
    let held: { readonly reached: () => void; readonly until: Promise<void> } | undefined;
    const around = (store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name, target) as unknown;
          if (name !== 'search') return typeof value === 'function' ? value.bind(target) : value;
          return async (...asked: Parameters<Store['search']>) => {
            const answer = await target.search(...asked);
            const hold = held;
            if (hold === undefined || !JSON.stringify(asked).includes('ers-quarantine')) return answer;
            held = undefined;
            hold.reached();
            await hold.until;
            return answer;
          };
        },
      });
    await using ward = await startWard({ services: [DIRECT], around });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    expect(ward.alerts()).toContain('referral-quarantined');
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    held = { reached: reached.resolve, until: released.promise };
    const reading = ward.landing.quarantined();
    await reached.promise;
    await ward.intake.runOnce(); // it lands
    released.resolve();
    await reading;
    expect([[...(await ward.landing.quarantined())], ward.alerts()]).toEqual([[], []]);
    await ward.landing.quarantine({ service: DIRECT, ubrn, codes: ['patient-ambiguous'] });
    const kept = await ward.store.search('Basic', 'code=ers-quarantine');
    for (const { id } of kept.ok ? kept.value.matches : []) await ward.store.remove('Basic', id);
    expect([[...(await ward.landing.quarantined())], ward.alerts()]).toEqual([[], []]);
  });

  test('K1: one in quarantine is tried again at every poll, although the list says what it said', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    expect(await ward.all<Task>('Task')).toEqual([]);
    await ward.intake.runOnce();
    expect(await ward.all<Task>('Task')).toHaveLength(1);
    expect([...(await ward.landing.quarantined())]).toEqual([]);
  });

  test('K1: one that landed, and that the store would not let go of quarantine, leaves it with the next list', async () => {
    let isRefusing = true;
    await using ward = await startWard({
      services: [DIRECT],
      around: (store) =>
        otherwise(store, {
          remove: async (type, id, more) =>
            isRefusing ? { ok: false, code: 'unavailable' } : store.remove(type, id, more),
        }),
    });
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    await ward.intake.runOnce();
    expect(await ward.all<Task>('Task')).toHaveLength(1);
    expect(ward.alerts()).toContain('referral-quarantined');
    isRefusing = false;
    await ward.restart();
    await ward.intake.runOnce();
    expect([...(await ward.landing.quarantined())]).toEqual([]);
    expect(ward.alerts()).not.toContain('referral-quarantined');
  });

  const REFUSED = [
    ['the application, by 401', { endpoint: 'A005', kind: 'status', status: 401, times: 4 }],
    ['the application, by 403', { endpoint: 'A005', kind: 'status', status: 403, times: 2 }],
  ] as const;

  test.each(REFUSED)(
    'K1 E-7: one that is not shown because e-RS refuses %s, is not kept aside for that, and lands minutes later without another poll',
    async (_whom, fault) => {
      await using ward = await startWard({ services: [DIRECT], pollsPerDay: 1 });
      await ward.create({ kind: 'booked-direct', service: DIRECT });
      await ward.fault(fault);
      await ward.intake.runOnce();
      await ward.newCalls();
      await ward.intake.runOnce();
      expect(await ward.newCalls()).not.toContain('A005');
      for (let minutes = 0; minutes < 8; minutes += 1) {
        expect([...(await ward.landing.quarantined())]).toEqual([]);
        ward.advance(MINUTE);
        await ward.intake.runOnce();
      }
      expect(await ward.all<Task>('Task')).toHaveLength(1);
      expect(ward.alerts()).toEqual([]);
      expect(await ward.newCalls()).not.toContain('A008');
    },
  );

  test('K1: one that e-RS refuses for longer is kept aside with an alert, is asked for at growing intervals all the same, and lands as soon as it may', async () => {
    await using ward = await startWard({ services: [DIRECT], pollsPerDay: 1 });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    const other = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 403, times: 1_000, ubrn });
    await ward.intake.runOnce();
    expect(await ward.tasksOf(other)).toHaveLength(1);
    await ward.newCalls();
    const pass = async (hours: number) => {
      for (let minutes = 0; minutes < hours * 60; minutes += 5) {
        ward.advance(5 * MINUTE);
        await ward.intake.runOnce();
      }
    };
    await pass(4);
    expect([...(await ward.landing.quarantined())]).toEqual([ubrn]);
    expect(ward.alerts()).toEqual(['referral-quarantined']);
    const asked = (await ward.newCalls()).filter((endpoint) => endpoint === 'A005').length;
    expect(asked).toBeGreaterThan(4);
    expect(asked).toBeLessThan(10);
    await ward.control('DELETE', 'faults');
    await pass(1.1);
    expect(await ward.tasksOf(ubrn)).toHaveLength(1);
    expect([...(await ward.landing.quarantined())]).toEqual([]);
    expect(ward.alerts()).toEqual([]);
  }, 30_000);

  test('K2: a related referral is kept too, with its own documents and without a review', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const earlier = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.happen(earlier, 'accepted-in-ers');
    const later = await referred(ward, { relatedTo: earlier });
    expect(await ward.referralOf(earlier)).toBeDefined();
    expect(await ward.tasksOf(earlier)).toEqual([]);
    expect(await ward.tasksOf(later)).toHaveLength(1);
  });
});
