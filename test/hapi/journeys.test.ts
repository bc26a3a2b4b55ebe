import { afterAll, beforeAll, describe } from '@jest/globals';
import { fiveDecisions } from '../journeys/five-decisions.ts';
import { restartWithUnchangedLists } from '../journeys/restart.ts';
import { startWorld, type World, type WorldOptions } from '../journeys/world.ts';
import { type HapiServer, startHapi } from './server.ts';

let server: HapiServer;

const worldOverHapi = (options: WorldOptions): Promise<World> =>
  startWorld({ ...options, remoteStore: { kind: 'hapi', url: server.url, credentials: undefined } });

describe('over a HAPI of its own', () => {
  beforeAll(async () => {
    server = await startHapi();
  });
  afterAll(async () => server.stop());

  fiveDecisions(
    'the five decisions',
    () => worldOverHapi({ referrals: 0, returnedState: 'TRIAGE_RESPONSE' }),
    async (_world, { id }, operations) => {
      const answer = await fetch(`${server.url}/Task/${id}`, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json-patch+json' },
        body: JSON.stringify(operations),
      });
      return answer.ok;
    },
  );
});

describe('over another', () => {
  beforeAll(async () => {
    server = await startHapi();
  });
  afterAll(async () => server.stop());

  restartWithUnchangedLists(() => worldOverHapi({ referrals: 12 }));
});
