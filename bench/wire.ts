import type { Bundle, Task } from '@medplum/fhirtypes';
import { medianOf, percentileOf, type Row } from './measure.ts';
import { FHIR, json, refer, SIMULATOR, startPair, until } from './processes.ts';

/** The first ten are warm-up; of fewer than a hundred the 99th percentile would be the largest. */
const DECISIONS = 210;

interface Arrival {
  readonly at: string;
  readonly endpoint: string;
  readonly seq: number;
  readonly ubrn?: string;
}

/**
 * PATCH sent by a client → the e-RS request arrives at the simulator, both over loopback sockets, one at a time, each when the
 * one before is final and nothing waits for e-RS. Server and simulator are processes of their own: in one, each would wait
 * while the other collects its garbage.
 */
export async function benchWire(): Promise<Row[]> {
  const ubrns: string[] = [];
  const services = [{ id: '70101', bookableType: 'DIRECTLY_BOOKABLE', unattended: ['accept'] }];
  await using _ = await startPair(services, async () => {
    for (let index = 0; index < DECISIONS; index += 1) {
      ubrns.push(await refer({ kind: 'booked-direct', service: '70101' }));
    }
  });
  await until('the last Task', async () => {
    const { total } = await json<Bundle>(`${FHIR}/Task?status=requested&_summary=count`);
    return total === DECISIONS ? true : undefined;
  });
  let seen = 0;
  const newCalls = async (): Promise<readonly Arrival[]> => {
    const { calls } = await json<{ calls: Arrival[] }>(`${SIMULATOR}/simulator/calls?after=${seen}`);
    seen = calls.at(-1)?.seq ?? seen;
    return calls;
  };
  const took: number[] = [];
  for (const ubrn of ubrns) {
    const task = await until('the Task', async () => {
      const query = `focus:ServiceRequest.identifier=https://fhir.nhs.uk/Id/UBRN|${ubrn}&status=requested`;
      return (await json<Bundle<Task>>(`${FHIR}/Task?${query}`)).entry?.[0]?.resource;
    });
    await newCalls();
    const sentAt = performance.timeOrigin + performance.now();
    await json(`${FHIR}/Task/${task.id}`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': `W/"${task.meta?.versionId}"` },
      body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
    });
    const accepted = await until('the accept', async () =>
      (await newCalls()).find((call) => call.endpoint === 'A013' && call.ubrn === ubrn),
    );
    took.push(Date.parse(accepted.at) - sentAt);
    await until('the Task that says so', async () => {
      const { businessStatus } = await json<Task>(`${FHIR}/Task/${task.id}`);
      return businessStatus?.coding?.[0]?.code === 'accepted' ? true : undefined;
    });
  }
  const counted = took.slice(10);
  const spread = { min: Math.min(...counted), max: Math.max(...counted), unit: 'ms' as const };
  return [
    { what: 'PATCH at the facade → e-RS request received, p50', median: medianOf(counted), ...spread, aim: '≤ 10 ms' },
    {
      what: 'PATCH at the facade → e-RS request received, p99',
      median: percentileOf(counted, 99),
      ...spread,
      aim: '≤ 50 ms',
    },
  ];
}
