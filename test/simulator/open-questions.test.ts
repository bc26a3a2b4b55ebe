import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import {
  cancellation,
  codeOf,
  DIRECT,
  ifMatch,
  outcome,
  redirection,
  SLOT_ISSUE,
  startFarSide,
  TRIAGE,
  worklistRequest,
} from './far-side.ts';

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

  const triage = async (side: FarSide, ubrn: string): Promise<string> => {
    const json = outcome('ACCEPT_REFER_BOOK_LATER', 'Book', 'ROUTINE');
    const headers = ifMatch(await side.versionOf(ubrn));
    return brief(await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.recordReviewOutcome`, { headers, json }));
  };
  const isToBeReviewed = async (side: FarSide, ubrn: string): Promise<boolean> => {
    const focus = `ReferralRequest/${ubrn}/_history/${await side.versionOf(ubrn)}`;
    return (await side.send('GET', `/STU3/Task?focus=${focus}&intent=proposal&status=ready`)).text.includes(
      'RECORD_REVIEW_OUTCOME',
    );
  };

  test('which slot issues wait for a review A029 alone tells, and A028 keeps to it: all, or by seed those of some services, or some of one service', async () => {
    const { documented, bySeed } = await answersTo(async (side) => {
      const ways: string[] = [];
      for (const service of ['70101', '70104']) {
        const told: boolean[] = [];
        for (let left = 6; left > 0; left -= 1) {
          const ubrn = await side.create({ ...SLOT_ISSUE, service });
          const isTold = await isToBeReviewed(side, ubrn);
          expect(await triage(side, ubrn)).toBe(isTold ? '200' : '422 INVALID_REQUEST_STATE');
          told.push(isTold);
        }
        ways.push(told.every(Boolean) ? 'all' : told.some(Boolean) ? 'some' : 'none');
      }
      return ways.join(', ');
    });
    expect(documented).toBe('all, all');
    expect(bySeed).toEqual(new Set(['all, all', 'all, none', 'none, all', 'some, some']));
  });

  test('a slot issue that is on both lists waits for a review, whatever the seed', async () => {
    for (const seed of SEEDS) {
      await using side = await startFarSide({ seed, referrals: 24, openQuestions: 'by-seed' });
      const { referrals } = (await side.control('GET', '/referrals')).json;
      const [both] = referrals.filter(({ worklists }: { worklists: string[] }) => worklists.length === 2);
      expect(await isToBeReviewed(side, both.ubrn)).toBe(true);
    }
  });

  const redirectInTrouble = async (side: FarSide, trouble: string): Promise<string> => {
    const ubrn = await side.create(DIRECT);
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'pas-trouble', trouble });
    const { token, headers } = await side.signIn();
    const path = `/STU3/ReferralRequest/${ubrn}/$ers.cancelAppointmentActionLater`;
    const options = { token, headers: { ...headers, ...ifMatch(await side.versionOf(ubrn)) } };
    const reply = await side.send('POST', path, { ...options, json: redirection('Rebook') });
    const { state } = (await side.control('GET', `/referrals/${ubrn}`)).json;
    return `${brief(reply)} ${state}`;
  };

  test('a booking system in trouble is not heard of in A022, or by seed fails it as it fails A014, or as 500', async () => {
    const { documented, bySeed } = await answersTo(async (side) =>
      [await redirectInTrouble(side, 'refused'), await redirectInTrouble(side, 'error')].join(', '),
    );
    const unheard = '200 TRIAGED_PROVIDER_TO_ACTION, 200 TRIAGED_PROVIDER_TO_ACTION';
    expect(documented).toBe(unheard);
    expect(bySeed).toEqual(
      new Set([
        unheard,
        '422 UNABLE_TO_CANCEL_APPOINTMENT BOOKED, 502 PAS_RESPONDED_WITH_ERROR BOOKED',
        '500 BOOKED, 500 BOOKED',
      ]),
    );
  });

  test('by seed a silent booking system has redirected some referrals and not others, whether A022 said 504 or 500', async () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      await using side = await startFarSide({ seed, openQuestions: 'by-seed' });
      for (let left = 4; left > 0; left -= 1) seen.add(await redirectInTrouble(side, 'silent'));
    }
    expect([...seen].sort()).toEqual([
      '200 TRIAGED_PROVIDER_TO_ACTION',
      '500 BOOKED',
      '500 TRIAGED_PROVIDER_TO_ACTION',
      '504 PAS_NOT_RESPONDING BOOKED',
      '504 PAS_NOT_RESPONDING TRIAGED_PROVIDER_TO_ACTION',
    ]);
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
