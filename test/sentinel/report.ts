import { text } from 'node:stream/consumers';
import { expect } from '@jest/globals';
import type { Extension, MeasureReport } from '@medplum/fhirtypes';
import { CODE_SYSTEM } from '../../mappings/index.ts';
import type { WorklistRecord } from '../../server/core/index.ts';
import { listRecords } from '../../server/store/index.ts';
import type { World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';

export const reportFrom = async (world: { fhir: string }, query = '') => {
  const answer = await fetch(`${world.fhir}/$ers-reconciliation${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as MeasureReport;
};
/** Counts by population, summed over the services. */
export const totals = ({ group = [] }: MeasureReport): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const { population = [] } of group)
    for (const { code, count = 0 } of population) {
      const name = code?.coding?.[0]?.code ?? '';
      sums[name] = (sums[name] ?? 0) + count;
    }
  return sums;
};
export const part = (extension: readonly Extension[] | undefined, name: string) =>
  extension?.[0]?.extension?.find(({ url }) => url === name);
export const exceptionsOf = ({ evaluatedResource = [] }: MeasureReport) =>
  evaluatedResource.map(({ extension, ...named }) => ({
    ...named,
    code: part(extension, 'code')?.valueCoding?.code,
    missing: part(extension, 'missing')?.valueCode,
    task: part(extension, 'task')?.valueReference?.reference,
  }));

export async function refer(world: World, count: number): Promise<string[]> {
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const ubrns = [];
  for (let index = 0; index < count; index += 1) {
    const wish = { kind: 'booked-direct', service, priority: 'ROUTINE' };
    ubrns.push((await world.control<{ ubrn: string }>('POST', 'referrals', wish)).ubrn);
  }
  await world.settled();
  return ubrns;
}

export const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];
export const reject = [
  { op: 'replace', path: '/status', value: 'rejected' },
  {
    op: 'add',
    path: '/statusReason',
    value: { coding: [{ system: CODE_SYSTEM.appointmentCancellationReason, code: 'SERVICE_INAPPROPRIATE' }] },
  },
];

/** The alerts as readiness shows them. */
export async function standingIn(world: World): Promise<{ code: string; count: number }[]> {
  const ready = await fetch(`${world.product.url}/health/ready`);
  return ((await ready.json()) as { alerts: { code: string; count: number }[] }).alerts;
}

/** The latest answer that names a referral, as it came. */
export async function rawWorklist(world: World): Promise<string> {
  const { store } = world.product;
  const records = await listRecords<WorklistRecord>(store, 'ers-worklist');
  const found = records.ok ? records.value.find(({ data }) => (data.snapshots[0]?.count ?? 0) > 0) : undefined;
  const opened = await store.openBinary(found?.data.snapshots[0]?.binaryId ?? '');
  if (!opened.ok) throw new Error(opened.code);
  return text(opened.value.stream);
}

/** Waits until something is so; an error, where it is not within twenty seconds. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + 20_000; !(await isSo()); ) {
    if (performance.now() > endMs) throw new Error('it is not so');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The businessStatus of the latest review of a referral. */
export const statusOf = async (world: World, ubrn: string): Promise<string | undefined> =>
  businessStatusOf(await world.taskOf(ubrn));
