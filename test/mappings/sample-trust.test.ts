import { expect, test } from '@jest/globals';
import { accountForLeaves, mapReferral } from '../../mappings/index.ts';
import { startFarSide } from '../simulator/far-side.ts';
import { ids } from './fixtures.ts';
import { faultsOf, resourcesOf } from './r4.ts';

interface Source {
  contained: unknown[] | null;
  extension: unknown[] | null;
  supportingInfo: unknown[] | null;
}

test('G-1 K3: every referral of the sample trust is mapped to valid R4 and no value is lost, whatever is odd or null in it (1.11)', async () => {
  await using side = await startFarSide({ referrals: 24 });
  const { referrals } = (await side.control('GET', '/referrals')).json;
  const sources: Source[] = [];
  for (const { ubrn } of referrals) sources.push((await side.send('GET', `/STU3/ReferralRequest/${ubrn}`)).json);
  for (const member of ['contained', 'extension', 'supportingInfo'] as const)
    expect(sources.filter((source) => source[member] === null)).toHaveLength(1);
  const shortlists = sources.flatMap(({ contained }) => contained ?? []).filter(hasNullExtension);
  expect(shortlists).toEqual([expect.objectContaining({ resourceType: 'List', id: 'shortlist' })]);
  for (const source of sources) {
    const mapped = mapReferral(source, { ids });
    expect(mapped.ok && resourcesOf(mapped.value).flatMap(faultsOf)).toEqual([]);
    expect(accountForLeaves(source, 'referral').unaccounted).toEqual([]);
  }
}, 30_000);

const hasNullExtension = (resource: unknown): boolean =>
  (resource as { extension?: unknown[] | null }).extension === null;
