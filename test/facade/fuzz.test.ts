import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SERVED_TYPES, servedOperations } from '../../conformance/index.ts';
import { type Asked, asked, parameters, patch, query } from '../fuzz/requests.ts';
import { startFacade, type World } from './world.ts';

/** The same requests each time; a failure prints the shortest one that still fails. */
const RUNS = { seed: 20261125, numRuns: 300 };

let world: World;
beforeAll(async () => {
  world = await startFacade();
  const at = '2026-01-05T09:00:00.000Z';
  world.engine.answers.reconcile = async () => ({
    ok: true,
    value: { at, balances: true, services: [], exceptions: [] },
  });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

async function ask(one: Asked): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(world.url);
  const target = `/fhir/R4${one.path}${one.query === '' ? '' : `?${one.query}`}`;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      { hostname, port, method: one.method, path: target, headers: one.headers, agent: false },
      resolve,
    );
    sent.on('error', reject);
    sent.end(one.method === 'GET' || one.method === 'HEAD' ? undefined : one.body);
  });
  return { status: answer.statusCode ?? 0, text: (await buffer(answer)).toString('utf8') };
}

/** Every status that was answered: a fuzz that only ever meets one closed door proves nothing of the others. */
const seen = new Set<number>();

async function isAnswered(one: Asked): Promise<void> {
  const { status, text } = await ask(one);
  seen.add(status);
  expect(status).toBeLessThan(500);
  if (status >= 400 && one.method !== 'HEAD') {
    const outcome = JSON.parse(text);
    expect(outcome.resourceType).toBe('OperationOutcome');
    expect(outcome.issue[0].details.text).not.toMatch(/undefined|\[object|Basic|SQL/);
  }
}

describe('whatever is asked, by three hundred arbitrary requests', () => {
  test('the facade answers, never by 500, and says what is wrong in an OperationOutcome', async () => {
    await fc.assert(fc.asyncProperty(asked, isAnswered), RUNS);
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
  }, 120_000);

  test('so it does for arbitrary searches of each type', async () => {
    const search = fc.record({ type: fc.constantFrom(...SERVED_TYPES), query });
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const property = fc.asyncProperty(search, ({ type, query: text }) =>
      isAnswered({ method: 'POST', path: `/${type}/_search`, query: '', headers: form, body: text }),
    );
    await fc.assert(property, RUNS);
  }, 120_000);

  test('and for arbitrary patches of the Task as it is', async () => {
    const property = fc.asyncProperty(patch, async (operations) => {
      const headersOfPatch = {
        'If-Match': `W/"${(await world.task()).meta.versionId}"`,
        'Content-Type': 'application/json-patch+json',
      };
      await isAnswered({
        method: 'PATCH',
        path: '/Task/task-1',
        query: '',
        headers: headersOfPatch,
        body: JSON.stringify(operations),
      });
    });
    await fc.assert(property, RUNS);
  }, 120_000);

  test('and for arbitrary Parameters of each operation', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...servedOperations),
      parameters,
      ({ type, code, level }, given) => {
        const id = level === 'instance' ? (type === 'ServiceRequest' ? '/referral-1' : '/task-1') : '';
        const at = `${type === undefined ? '' : `/${type}`}${id}/$${code}`;
        const headersOfCall = { 'Content-Type': 'application/fhir+json' };
        return isAnswered({ method: 'POST', path: at, query: '', headers: headersOfCall, body: JSON.stringify(given) });
      },
    );
    await fc.assert(property, RUNS);
  }, 120_000);

  test('these requests came through every door: answers of each kind were among them', () => {
    expect([...seen]).toEqual(expect.arrayContaining([200, 304, 400, 404, 405, 406, 415, 421, 422]));
  });
});
