import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { startFarSide } from '../simulator/far-side.ts';
import { compileContract } from './check-exchange.ts';
import { driveEverything } from './drive-everything.ts';
import { isWaived, unexplainedOf, WAIVERS } from './waivers.ts';

const SHARED = resolve(process.env['ERS_SHARED'] ?? '../shared');

/** A seed by which a booking system in trouble fails A022 as it fails A014. */
const AS_A014 = 9;

test('every request that e-RS takes and every answer that the simulator gives obeys the e-RS contract, but for waivers that cite their evidence and are all needed', async () => {
  const { check, findings, respelt } = await compileContract(SHARED);
  for (const way of [{}, { openQuestions: 'by-seed' }, { openQuestions: 'by-seed', seed: AS_A014 }] as const) {
    await using side = await startFarSide({ referrals: 48, checkExchange: check, ...way });
    await driveEverything(side);
  }
  expect(respelt()).toBeGreaterThan(0);
  expect(unexplainedOf(findings)).toEqual([]);
  const unused = WAIVERS.filter((waiver) => !findings.some((finding) => isWaived(finding, waiver)));
  expect(unused.map(({ evidence }) => evidence)).toEqual([]);
}, 60_000);

test('the contract check can fail: a mutant of each kind is found', async () => {
  const { check } = await compileContract(SHARED);
  const good = {
    endpoint: 'A013',
    method: 'POST',
    path: '/STU3/ReferralRequest/000000070000/$ers.acceptReferral',
    requestHeaders: { authorization: 'Bearer x', 'if-match': 'W/"4"' },
    requestBody: Buffer.alloc(0),
    status: 409,
    answerHeaders: {},
    answerBody: undefined,
  };
  expect(check(good)).toEqual([]);
  expect(check({ ...good, requestHeaders: { authorization: 'Bearer x' } })).toEqual(['header If-Match is missing']);
  expect(check({ ...good, requestHeaders: { ...good.requestHeaders, 'if-match': '4' } })).toHaveLength(1);
  expect(check({ ...good, requestBody: Buffer.from('{}') })).toEqual(['a body where none belongs']);
  expect(check({ ...good, status: 418 })).toEqual(['status 418 is not in the contract']);
  const answered = { ...good, status: 200, answerHeaders: { 'Content-Type': 'application/fhir+json', ETag: 'W/"5"' } };
  expect(check({ ...answered, answerBody: Buffer.from('{"resourceType":"ReferralRequest"}') }).length).toBeGreaterThan(
    0,
  );
  expect(check({ ...answered, answerHeaders: { ETag: 'W/"5"', 'Content-Type': 'text/html' } })).toHaveLength(1);
  const query = 'focus=ReferralRequest/000000070000/_history/4&intent=proposal&status=ready';
  const task = { ...good, endpoint: 'A029', method: 'GET', path: `/STU3/Task?${query}` };
  const problemsOf = (path: string): string[] => check({ ...task, path }).filter((each) => each.startsWith('query'));
  expect(problemsOf(task.path)).toEqual([]);
  expect(problemsOf(task.path.replace('ready', 'draft'))).toEqual([
    expect.stringMatching(/^query status must be equal to one of the allowed values/),
  ]);
  expect(problemsOf(`${task.path}&intent=order`)).toHaveLength(1);
  expect(problemsOf(task.path.replace('&status=ready', ''))).toEqual(['query status is missing']);
  expect(check({ ...good, path: '/STU3/Nothing' })).toEqual(['the contract knows no such operation']);
});
