import { beforeAll, describe } from '@jest/globals';
import { fiveDecisions } from '../journeys/five-decisions.ts';
import { restartWithUnchangedLists } from '../journeys/restart.ts';
import { startWorld, type World, type WorldOptions } from '../journeys/world.ts';
import { emptyProject, type MedplumProject } from './project.ts';

let project: MedplumProject;

const worldOverMedplum = (options: WorldOptions): Promise<World> =>
  startWorld({ ...options, remoteStore: { kind: 'medplum', url: project.url, credentials: project.credentials } });

describe('over a project of its own', () => {
  beforeAll(async () => {
    project = await emptyProject();
  });

  fiveDecisions(
    'the five decisions',
    () => worldOverMedplum({ referrals: 0, returnedState: 'TRIAGE_RESPONSE' }),
    async (_world, { id }, operations) => {
      const { credentials, url } = project;
      const basic = Buffer.from(`${credentials.id}:${credentials.secret.reveal()}`).toString('base64');
      const answer = await fetch(`${url}/Task/${id}`, {
        method: 'PATCH',
        headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/json-patch+json' },
        body: JSON.stringify(operations),
      });
      return answer.ok;
    },
  );
});

describe('over it when it is empty again', () => {
  beforeAll(async () => {
    project = await emptyProject();
  });

  restartWithUnchangedLists(() => worldOverMedplum({ referrals: 12 }));
});
