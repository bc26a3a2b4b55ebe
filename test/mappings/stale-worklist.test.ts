import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { idSpace, mapReferral, mapWorklist, serviceKey } from '../../mappings/index.ts';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/ers/${name}.json`, import.meta.url), 'utf8'));

test('M-65 K1: the service of a worklist that is older than the referral is there too, or its Task would point at nothing', () => {
  const list = mapWorklist(fixture('a008-referrals-for-review'), 'REFERRALS_FOR_REVIEW');
  const item = list.ok ? list.value.items[0] : undefined;
  if (item === undefined) throw new Error('the fixture has no entry');
  const stale = { ...item, service: { id: '990099', display: 'Where it was before' } };
  const mapped = mapReferral(fixture('a005-booked'), { ids: idSpace('test'), worklistItem: stale });
  const key = serviceKey('990099');
  const services = mapped.ok
    ? mapped.value.shared.filter(({ resourceType }) => resourceType === 'HealthcareService')
    : [];
  expect(services.flatMap(({ identifier }) => identifier?.map(({ value }) => value) ?? [])).toContain(key.value);
});
