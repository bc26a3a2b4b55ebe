import { startWorld } from '../test/journeys/world.ts';
import { medianOf, percentileOf, type Row } from './measure.ts';

/** The first ten are warm-up; of fewer than a hundred the 99th percentile would be the largest. */
const DECISIONS = 210;

/** PATCH sent by a client → the e-RS request arrives at the simulator, both over loopback sockets, one at a time. */
export async function benchWire(): Promise<Row[]> {
  await using world = await startWorld({ referrals: 0 });
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const ubrns: string[] = [];
  for (let index = 0; index < DECISIONS; index += 1) {
    const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', { kind: 'booked-direct', service });
    ubrns.push(ubrn);
  }
  await world.settled();
  const took: number[] = [];
  for (const ubrn of ubrns) {
    const task = await world.taskOf(ubrn);
    const sentAt = performance.timeOrigin + performance.now();
    await world.patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }]);
    await world.product.settled();
    const call = (await world.calls('A013')).find((candidate) => candidate.ubrn === ubrn);
    if (call === undefined) throw new Error('an accept did not reach the simulator');
    took.push(Date.parse(call.at) - sentAt);
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
