import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { fiveDecisions } from '../journeys/five-decisions.ts';
import { startWorld } from '../journeys/world.ts';
import { startFarSide } from '../simulator/far-side.ts';
import { type Contract, compileContract } from './check-exchange.ts';
import { driveClient } from './drive-client.ts';
import { unexplainedOf } from './waivers.ts';

const SHARED = resolve(process.env['ERS_SHARED'] ?? '../shared');

let contract: Contract;
beforeAll(async () => {
  contract = await compileContract(SHARED);
}, 30_000);

const OPEN = ['ok', 'ok', 'ok'];
const USERS = [expect.stringMatching(/^ERS_/), 'ok', 'ok'];

test("every endpoint of the product's client obeys the e-RS contract, unattended, for a clinician and for an administrator who acts for one", async () => {
  await using side = await startFarSide({ referrals: 24, checkExchange: contract.check });
  const before = contract.findings.length;
  const became = await driveClient(side);
  expect(became).toEqual({
    ...Object.fromEntries(['A004', 'A005', 'A006', 'A007', 'A008', 'A013', 'A024', 'A025'].map((id) => [id, OPEN])),
    ...Object.fromEntries(['A028', 'A029', 'A036', 'A042'].map((id) => [id, OPEN])),
    ...Object.fromEntries(['A014', 'A020', 'A022', 'A030', 'A038'].map((id) => [id, USERS])),
    A040: [expect.stringMatching(/^ERS_/), expect.stringMatching(/^ERS_/), 'ok'],
  });
  expect(unexplainedOf(contract.findings.slice(before))).toEqual([]);
  const { json } = await side.control('GET', '/audit');
  // The waived ones: the audit counts what breaks the text of the contract.
  expect(json.schemaFailures).toBeGreaterThan(0);
}, 60_000);

test('where nobody checks, the audit says that it does not know of the schema', async () => {
  await using side = await startFarSide();
  expect((await side.control('GET', '/audit')).json.schemaFailures).toBeNull();
});

describe('the five decisions, held against the e-RS contract', () => {
  fiveDecisions('with each exchange checked', () =>
    startWorld({ referrals: 0, returnedState: 'TRIAGE_RESPONSE', checkExchange: contract.check }),
  );

  test('nothing that the product sent or was answered breaks the contract, but for waivers', () => {
    expect(unexplainedOf(contract.findings)).toEqual([]);
  });
});
