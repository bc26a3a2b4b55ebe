import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import { cancellation, codeOf, DIRECT, ifMatch, startFarSide, TRIAGE, worklistRequest } from './far-side.ts';

const SEEDS = Array.from({ length: 12 }, (_, seed) => seed + 1);

/** What a question is answered with, by the documented reading and by each of some seeds. */
async function answersTo<T>(ask: (side: FarSide) => Promise<T>): Promise<{ documented: T; bySeed: Set<T> }> {
  const bySeed = new Set<T>();
  for (const seed of SEEDS) {
    await using side = await startFarSide({ seed, openQuestions: 'by-seed' });
    bySeed.add(await ask(side));
  }
  await using side = await startFarSide();
  return { documented: await ask(side), bySeed };
}
const brief = (reply: Reply): string => [reply.status, codeOf(reply)].filter(Boolean).join(' ');
const accept = (side: FarSide, ubrn: string, version: number): Promise<Reply> =>
  side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, { headers: ifMatch(version) });

describe('what nobody knows, answered each way by seed', () => {
  test('a stale version on a referral of the wrong state is a conflict of versions, or by seed one of states', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const ubrn = await side.create(DIRECT);
      const version = await side.versionOf(ubrn);
      await side.control('POST', `/referrals/${ubrn}/events`, { type: 'rejected-in-ers' });
      return brief(await accept(side, ubrn, version));
    });
    expect(documented).toBe('409');
    expect(bySeed).toEqual(new Set(['409', '422 INVALID_REQUEST_STATE']));
  });

  test('a stale version alone is a conflict of versions, whatever is looked at first', async () => {
    const { bySeed } = await answersTo(async (side) => {
      const ubrn = await side.create(DIRECT);
      return brief(await accept(side, ubrn, (await side.versionOf(ubrn)) - 1));
    });
    expect(bySeed).toEqual(new Set(['409']));
  });

  test('a second acceptance is refused, or by seed taken like the first, since the first leaves no trace', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const ubrn = await side.create(DIRECT);
      await side.control('POST', `/referrals/${ubrn}/events`, { type: 'accepted-in-ers' });
      return brief(await accept(side, ubrn, await side.versionOf(ubrn)));
    });
    expect(documented).toBe('422 INVALID_REQUEST_STATE');
    expect(bySeed).toEqual(new Set(['422 INVALID_REQUEST_STATE', '200']));
  });

  test('identity headers of an application are refused, or by seed ignored; the audit names them all the same', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const headers = { 'NHSD-End-User-Organisation-ODS': 'ZZ1' };
      const { status } = await side.send('GET', '/STU3/CodeSystem/PRIORITY', { headers });
      expect((await side.control('GET', '/audit')).json.badHeaders).toEqual({ 'nhsd-end-user-organisation-ods': 1 });
      return status;
    });
    expect([documented, bySeed]).toEqual([403, new Set([403, 200])]);
  });

  test('a referral that awaits triage is cancelled with reasons of either kind, or by seed with those that end a triage only', async () => {
    const cancel = async (side: FarSide, reason: string): Promise<string> => {
      const ubrn = await side.create(TRIAGE);
      const user = await side.signIn();
      const headers = { ...user.headers, ...ifMatch(await side.versionOf(ubrn)) };
      const json = cancellation(reason, 'Comment');
      return brief(
        await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.cancelReferral`, {
          token: user.token,
          headers,
          json,
        }),
      );
    };
    const { documented, bySeed } = await answersTo(async (side) =>
      [await cancel(side, 'TRIAGE_ENDED'), await cancel(side, 'PATIENT_DIED')].join(', '),
    );
    expect(documented).toBe('200, 200');
    expect(bySeed).toEqual(new Set(['200, 200', '200, 422 INAPPROPRIATE_VALUE']));
  });

  test('A006 is still served, or by seed gone', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const ubrn = await side.create({ ...DIRECT, attachments: [{ title: 'a.pdf', contentType: 'application/pdf' }] });
      const { binaryId } = (await side.control('GET', `/referrals/${ubrn}`)).json.attachments[0];
      return (await side.send('GET', `/STU3/Binary/${binaryId}`)).status;
    });
    expect([documented, bySeed]).toEqual([200, new Set([200, 404])]);
  });

  test('an empty list has no entries, or by seed no `entry`', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const json = worklistRequest('REFERRALS_FOR_REVIEW', '70101');
      return JSON.stringify((await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json })).json.entry);
    });
    expect([documented, bySeed]).toEqual(['[]', new Set(['[]', undefined])]);
  });

  test('a list over 10 MB is answered with 500, or by seed with 502 or 504', async () => {
    const bySeed = new Set<number>();
    for (const seed of SEEDS) {
      await using side = await startFarSide({ seed, openQuestions: 'by-seed', largestWorklistBytes: 100 });
      const json = worklistRequest('REFERRALS_FOR_REVIEW', '70101');
      bySeed.add((await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json })).status);
    }
    expect(bySeed).toEqual(new Set([500, 502, 504]));
  });
});
