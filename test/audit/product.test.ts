import { describe, expect, test } from '@jest/globals';
import type { AuditEvent, Bundle } from '@medplum/fhirtypes';
import { SYSTEM } from '../../mappings/index.ts';
import { chainKey, verifyAudit } from '../../server/audit/index.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { eventsIn } from './trail.ts';

/** The secret that the world is started with. */
const KEY = chainKey('a secret of this test world');
const REQUEST_ID = '1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b';
const CORRELATION_ID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

async function eventsOf(world: World): Promise<readonly AuditEvent[]> {
  await world.settled();
  return eventsIn(world.product.store);
}

/** Without asking the product for anything more. */
async function later(world: World): Promise<readonly AuditEvent[]> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return eventsIn(world.product.store);
}

const detailOf = (event: AuditEvent | undefined, type: string) =>
  event?.entity?.flatMap(({ detail = [] }) => detail).find((one) => one.type === type)?.valueString;

const ofRead = (events: readonly AuditEvent[], code: string) =>
  events.find(({ subtype }) => subtype?.[0]?.code === code && subtype[0].system?.includes('restful-interaction'));

const bundleOf = async (world: World, path: string) => ((await (await world.get(path)).json()) as Bundle).entry ?? [];

describe('the audit trail of the product', () => {
  test('each access to patient data has its AuditEvent, with the fields that the NHS asks for', async () => {
    await using world = await startWorld({ referrals: 1 });
    await world.settled();
    const { ubrn } = (await world.control<{ referrals: { ubrn: string }[] }>('GET', 'referrals')).referrals[0] ?? {};
    const referral = await world.referralOf(ubrn ?? '');
    await world.get('metadata');
    const headers = {
      'X-Request-Id': REQUEST_ID,
      'X-Correlation-ID': CORRELATION_ID,
      'NHSD-User-Authorization': 'Bearer a-token-that-nobody-keeps',
      'NHSD-End-User-Organisation-ODS': 'R69',
      'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
    };
    await fetch(`${world.fhir}/ServiceRequest/${referral.id}`, { headers });
    await world.get('Patient/nobody');
    const events = await eventsOf(world);
    const read = events.find((event) => detailOf(event, 'X-Request-ID') === REQUEST_ID);
    expect(read).toMatchObject({
      action: 'R',
      outcome: '0',
      outcomeDesc: 'HTTP 200',
      recorded: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      agent: [
        { altId: 'anonymous', requestor: true },
        {
          who: { identifier: { system: SYSTEM.organisation, value: 'R69' } },
          role: [{ text: 'SERVICE_PROVIDER_CLINICIAN' }],
        },
      ],
      entity: [
        {
          what: { reference: `ServiceRequest/${referral.id}`, identifier: { system: SYSTEM.ubrn, value: ubrn } },
        },
        { what: { reference: referral.subject.reference } },
      ],
    });
    expect(detailOf(read, 'X-Correlation-ID')).toBe(CORRELATION_ID);
    const search = ofRead(events, 'search-type');
    expect(Buffer.from(search?.entity?.[0]?.query ?? '', 'base64').toString()).toContain(ubrn);
    expect(events.filter(({ outcome }) => outcome === '4').map(({ entity }) => entity?.[0]?.name)).toEqual([
      'Patient/nobody',
    ]);
    expect(JSON.stringify(events)).not.toContain('nobody-keeps');
    expect(events.filter((event) => JSON.stringify(event).includes('metadata'))).toEqual([]);
    // An operator finds who saw this patient, and this UBRN.
    const seen = await bundleOf(world, `AuditEvent?entity=${referral.subject.reference}`);
    expect(seen.length).toBeGreaterThan(1);
    const byUbrn = await bundleOf(world, `AuditEvent?entity:identifier=${SYSTEM.ubrn}|${ubrn}&_count=100`);
    expect(byUbrn.length).toBeGreaterThan(1);
  });

  test('each e-RS call and each decision has one, and the whole trail verifies after a restart', async () => {
    await using world = await startWorld({ referrals: 0 });
    const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', {
      kind: 'booked-direct',
      service: world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id,
    });
    await world.settled();
    const task = await world.taskOf(ubrn);
    await world.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer', times: 1 });
    const answer = await world.patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }]);
    expect(answer.status).toBe(200);
    for (let tries = 0; tries < 100; tries += 1) {
      await world.settled();
      const { businessStatus } = await world.taskOf(ubrn);
      if (businessStatus?.coding?.[0]?.code === 'accepted') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await world.restart();
    const called = async () =>
      (await world.calls()).flatMap(({ endpoint }) => (/^A0\d\d$/.test(endpoint) ? [endpoint] : []));
    const witnessed = (events: readonly AuditEvent[]) =>
      events.flatMap(({ subtype }) => subtype?.[0]?.code?.match(/^A\d{3}$/)?.[0] ?? []);
    let events = await eventsOf(world);
    for (let tries = 0; tries < 50 && witnessed(events).length < (await called()).length; tries += 1)
      events = await later(world);
    expect(witnessed(events).toSorted()).toEqual((await called()).toSorted());
    const verified = await verifyAudit(world.product.store, KEY);
    expect(verified).toMatchObject({ ok: true, value: { breaks: [], events: events.length } });
    // Nobody writes it through the facade.
    const id = (events[0] as { id?: string }).id;
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST'])
      expect((await fetch(`${world.fhir}/AuditEvent/${id}`, { method })).status).toBe(405);
  }, 60_000);
});
