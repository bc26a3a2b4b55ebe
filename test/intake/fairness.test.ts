import { describe, expect, test } from '@jest/globals';
import { createPace } from '../../server/budget/pace.ts';
import type { Log } from '../../server/core/index.ts';
import { createFakeClock } from '../budget/fake-clock.ts';
import { DIRECT, MINUTE, startWard, TRIAGE } from './ward.ts';

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('fair between services', () => {
  test('a service with very many new referrals keeps no other waiting: lists are resumed side by side after a break', async () => {
    await using ward = await startWard({ services: [DIRECT, TRIAGE] });
    for (let index = 0; index < 30; index += 1) await ward.create({ kind: 'booked-direct', service: DIRECT });
    const urgent = await ward.create({ kind: 'triage', service: TRIAGE, priority: 'URGENT' });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 31 * 4 });
    await ward.intake.runOnce();
    expect(await ward.all('ServiceRequest')).toEqual([]);
    await ward.control('DELETE', 'faults');
    await ward.newCalls();
    const { calls: before } = await ward.control<{ calls: { seq: number }[] }>('GET', 'calls');
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    const { calls } = await ward.control<{ calls: { endpoint: string; ubrn?: string }[] }>(
      'GET',
      `calls?after=${before.at(-1)?.seq ?? 0}`,
    );
    const reads = calls.filter(({ endpoint }) => endpoint === 'A005').map(({ ubrn }) => ubrn);
    expect(reads).toHaveLength(31);
    expect(reads.indexOf(urgent)).toBeLessThan(8);
  }, 30_000);

  test('of the same priority, each service has its turn: whoever had one stands at the end of the line', async () => {
    const clock = createFakeClock();
    const pace = createPace({ clock, random: () => 0.5, log: SILENT, requestsPerSecond: 10 });
    const turns: string[] = [];
    // Each service has no more requests under way than this, however long its list.
    const worker = async (service: string, calls: number) => {
      for (let call = 0; call < calls; call += 1) {
        const turn = await pace.admit('routine');
        turn?.sent();
        turns.push(service);
      }
    };
    const many = Array.from({ length: 6 }, () => worker('large', 100));
    const few = worker('small', 10);
    await clock.advance(20_000);
    await few;
    expect(turns.lastIndexOf('small')).toBeLessThan(80);
    await clock.advance(60_000);
    await Promise.all(many);
  });
});
