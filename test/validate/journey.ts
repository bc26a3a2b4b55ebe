import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Resource } from '@medplum/fhirtypes';
import { SERVED_TYPES } from '../../conformance/index.ts';
import { CODE_SYSTEM } from '../../mappings/index.ts';
import type { ResourceType, Store } from '../../server/core/index.ts';
import { DECISIONS, refer } from '../journeys/five-decisions.ts';
import { startWorld, type World } from '../journeys/world.ts';

/** What others do in e-RS to referrals that we hold, one referral each. */
const EVENTS = [
  { type: 'attachment-added' },
  { type: 'attachment-removed' },
  { type: 'priority-changed' },
  { type: 'clinical-information-updated' },
  { type: 'appointment-moved' },
  { type: 'accepted-in-ers' },
  { type: 'rejected-in-ers' },
  { type: 'cancelled-by-referrer' },
  { type: 'appointment-cancelled-by-patient' },
  { type: 'did-not-attend' },
] as const;

const EXAMPLES = join(resolve(process.env['ERS_SHARED'] ?? '../shared'), 'ers/examples/stu3');

/**
 * Loads a simulated trust and e-RS's published examples, makes every decision, lets others act in e-RS; then every version of
 * every resource of the types that we serve, and what the facade says of itself.
 */
export async function writtenByAJourney(): Promise<readonly Resource[]> {
  await using world = await startWorld({ referrals: 60, returnedState: 'TRIAGE_RESPONSE' });
  await world.settled();
  await fetchExamples(world);
  for (const decision of DECISIONS) {
    const { ubrn, task } = await refer(world, decision.kind);
    const answer = await world.patch(task, decision.patch);
    if (answer.status !== 200) throw new Error(`${decision.name}: ${answer.status} ${await answer.text()}`);
    await world.settled();
    const statuses = (await world.calls(decision.endpoint))
      .filter((call) => call.ubrn === ubrn)
      .map((one) => one.status);
    if (statuses[0] !== 200) throw new Error(`${decision.name} did not reach e-RS: ${statuses}`);
  }
  await redirectWithFile(world);
  for (const event of EVENTS) {
    const { ubrn } = await refer(world, 'booked-direct');
    if (event.type === 'attachment-removed') await world.control('POST', `referrals/${ubrn}/events`, EVENTS[0]);
    await world.control('POST', `referrals/${ubrn}/events`, event);
    await ask(world, 'ServiceRequest/$ers-fetch', { ubrn });
  }
  await world.settled();
  return [...(await versionsIn(world.product.store)), (await (await world.get('metadata')).json()) as Resource];
}

async function fetchExamples(world: World): Promise<void> {
  if (!existsSync(EXAMPLES)) throw new Error(`e-RS's published examples are not in ${EXAMPLES}: set ERS_SHARED`);
  const { referrals } = await world.control<{ referrals: readonly string[] }>('POST', 'load', { directory: EXAMPLES });
  if (referrals.length === 0) throw new Error('the simulator took none of the published examples');
  for (const ubrn of referrals) await ask(world, 'ServiceRequest/$ers-fetch', { ubrn });
  await world.settled();
}

async function redirectWithFile(world: World): Promise<void> {
  const { task } = await refer(world, 'booked-direct');
  const made = await fetch(`${world.fhir}/Task/${task.id}/$ers-attach`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain', 'Content-Disposition': 'attachment; filename="rapid access.txt"' },
    body: 'Synthetic form.',
  });
  const { id } = (await made.json()) as { id: string };
  const output = {
    type: { coding: [{ system: CODE_SYSTEM.taskParameter, code: 'attachment' }] },
    valueReference: { reference: `DocumentReference/${id}` },
  };
  const [status, reason, note] = DECISIONS[2].patch;
  const answer = await world.patch(task, [status, reason, note, { op: 'add', path: '/output', value: [output] }]);
  if (answer.status !== 200) throw new Error(`redirect with a file: ${answer.status} ${await answer.text()}`);
  await world.settled();
}

async function ask(world: World, operation: string, given: Readonly<Record<string, string>>): Promise<void> {
  const parameter = Object.entries(given).map(([name, valueString]) => ({ name, valueString }));
  const answer = await fetch(`${world.fhir}/${operation}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Parameters', parameter }),
  });
  if (!answer.ok) throw new Error(`${operation}: ${answer.status} ${await answer.text()}`);
}

async function versionsIn(store: Store): Promise<readonly Resource[]> {
  const all: Resource[] = [];
  for (const type of SERVED_TYPES) all.push(...(await versionsOf(store, type)));
  return all;
}

async function versionsOf(store: Store, type: ResourceType): Promise<readonly Resource[]> {
  const all: Resource[] = [];
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await store.history(type, undefined, { count: 500, ...(next === undefined ? {} : { next }) });
    if (!page.ok) throw new Error(`history of ${type}: ${page.code}`);
    all.push(...page.value.entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource])));
    next = page.value.next;
  }
  return all;
}
