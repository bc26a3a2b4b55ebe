import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ENDPOINTS } from './endpoints.ts';
import { ATTENDED, type Gateway, referral, saying, startClient, startGateway, UBRN, UNATTENDED } from './gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
  gateway.answer = saying(200, referral(), { ETag: 'W/"8"' });
});
afterAll(async () => gateway[Symbol.asyncDispose]());

describe('the fence', () => {
  test('D2 B1: a loser sends nothing, by no endpoint and in no mode, and knows that nothing was sent', async () => {
    const { ers } = startClient(gateway.origin, { fence: () => false });
    for (const { id, run } of ENDPOINTS) {
      for (const context of [UNATTENDED, ATTENDED]) {
        const fate = await run(ers, context);
        expect([id, fate.kind, 'code' in fate && fate.code]).toEqual([id, 'retry', 'ERS_UNAVAILABLE']);
      }
    }
    expect(gateway.received).toEqual([]);
  });

  test('D2: a lease that is lost while a decision waits for its turn or its token is noticed before it is sent', async () => {
    let isHeld = true;
    const { ers } = startClient(gateway.origin, { fence: () => isHeld });
    const answerToken = gateway.answerToken;
    gateway.answerToken = (request, response) => {
      answerToken(request, response);
      isHeld = false;
    };
    const fate = await ers.sendDecision({ operation: 'A013', ubrn: UBRN, version: 7 }, UNATTENDED);
    gateway.answerToken = answerToken;
    expect([fate.kind, gateway.received]).toEqual(['retry', []]);
  });

  test('a connection that the fence left unused serves the next request, when the lease is held again', async () => {
    let isHeld = true;
    const { ers } = startClient(gateway.origin, { fence: () => isHeld });
    expect((await ers.fetchReferral(UBRN, UNATTENDED)).kind).toBe('ok');
    isHeld = false;
    expect((await ers.fetchReferral(UBRN, UNATTENDED)).kind).toBe('retry');
    isHeld = true;
    expect((await ers.fetchReferral(UBRN, UNATTENDED)).kind).toBe('ok');
    expect(gateway.received).toHaveLength(2);
  });
});
