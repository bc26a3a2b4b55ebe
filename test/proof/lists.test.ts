import { expect, test } from '@jest/globals';
import { refusal } from '../ers-refusal.ts';
import { decision, referral } from './lives.ts';
import { run } from './run.ts';
import type { Step } from './script.ts';

test('D3 4.5: an accept that reading cannot tell is opened by a list that still names it long after, although that says what it said before', async () => {
  const fault = (more: Readonly<Record<string, unknown>>): Step => ({
    do: 'fault',
    fault: { kind: 'status', times: 1, after: 0, ...more },
    afterMs: 0,
  });
  const script: Step[] = [
    { do: 'session', is: 'in', afterMs: 0 },
    referral('booked-direct'),
    { do: 'clear', afterMs: 640_000 },
    // Lost, moved in version only while nobody can read it, and its probe refused for a reason of e-RS's own.
    fault({ endpoint: 'A013', status: 500 }),
    fault({ endpoint: 'A013', status: 422, body: refusal('INVALID_REQUEST_STATE') }),
    fault({ endpoint: 'A005', status: 503, retryAfterSeconds: 5 }),
    { ...decision(0), on: 1, afterMs: 200 },
    { do: 'happen', on: 0, event: 'internal-version-bump', afterMs: 60_000 },
  ];
  const { violations, notes } = await run(4, script);
  expect([violations, notes.get('ended decision-conflict')]).toEqual([[], 1]);
}, 30_000);
