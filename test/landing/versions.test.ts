import { expect, test } from '@jest/globals';
import type { ServiceRequest } from '@medplum/fhirtypes';
import { ersVersionOf } from '../../mappings/index.ts';
import { parseUbrn } from '../../server/core/index.ts';
import { openWard } from '../dispatch/ward.ts';

test('K4 I-12: what was read of e-RS before what the store has is not landed: the version never goes back', async () => {
  await using ward = await openWard();
  const ubrn = await ward.refer('booked-direct');
  const parsed = parseUbrn(ubrn);
  if (parsed === undefined) throw new Error('no UBRN');
  const context = { correlationId: 'versions', priority: 'routine' } as const;
  const earlier = await ward.ers.fetchReferral(parsed, context);
  if (earlier.kind !== 'ok') throw new Error(earlier.code);
  await ward.control('POST', `referrals/${ubrn}/events`, { type: 'clinical-information-updated' });
  await ward.poll(ubrn);
  const { serviceRequestId } = await ward.recordOf(ubrn);
  const shown = async () => {
    const read = await ward.store.read('ServiceRequest', serviceRequestId);
    if (!read.ok) throw new Error(read.code);
    return [read.value.meta.versionId, ersVersionOf(read.value as ServiceRequest)];
  };
  const before = await shown();
  expect(before[1]).toBeGreaterThan(earlier.value.version);
  const late = { source: earlier.value.source, items: undefined, review: () => ({ alerts: [] }) };
  expect((await ward.landing.land(late)).kind).toBe('stale');
  expect(await shown()).toEqual(before);
}, 30_000);
