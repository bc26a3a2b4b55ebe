import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Resource } from '@medplum/fhirtypes';
import type { Store } from '../../server/core/index.ts';
import { inTrouble } from '../contract/in-trouble.ts';
import { type TroubledStore, troubled } from '../hapi/troubled.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { emptyProject } from './project.ts';

const REFERRALS = 10;
/** A command that kills the Medplum and starts it again, where it is this machine's. */
const { STORE_RESTART } = process.env;

/** Past the trouble. */
let straight: Store;
let store: TroubledStore;
let world: World;
let trial: ReturnType<typeof inTrouble>;
beforeAll(async () => {
  const project = await emptyProject();
  straight = await project.connect();
  store = await troubled(project.url);
  world = await startWorld({
    referrals: REFERRALS,
    remoteStore: { kind: 'medplum', url: store.url, credentials: project.credentials },
  });
  trial = inTrouble({ world, store, allOf });
}, 300_000);
afterAll(async () => {
  store.trouble = 'none';
  await world[Symbol.asyncDispose]();
  await Promise.all([store.close(), straight.close()]);
}, 60_000);

async function allOf<T extends Resource>(type: T['resourceType']): Promise<T[]> {
  const page = await straight.search(type, '_count=500');
  if (!page.ok) throw new Error(`${type}: ${page.code}`);
  return page.value.matches as unknown as T[];
}

/** Not waited for in place: product and simulator live in this process, and go on meanwhile. */
async function restart(): Promise<void> {
  const command = spawn(STORE_RESTART ?? '', { shell: true, stdio: 'ignore' });
  const code = await new Promise((resolve) => command.once('exit', resolve));
  if (code !== 0) throw new Error(`STORE_RESTART ended with ${code}`);
}

describe('a Medplum in trouble', () => {
  test('K1: a first load through lost answers, conflicts and refusals brings every referral in, and none twice, although the store chooses ids', async () => {
    await trial.expectFirstLoadWhole();
  }, 400_000);

  test('D1 D2 D3: decisions through lost answers, conflicts, refusals and slowness reach e-RS once each', async () => {
    await trial.expectDecisionsOnce();
  }, 400_000);

  (STORE_RESTART === undefined ? test.skip : test)(
    'D3: a decision written straight into Medplum, just before it is killed, reaches e-RS once when it is back',
    async () => {
      const [task = ''] = await trial.openBookings();
      const written = await straight.patch('Task', task, [{ op: 'replace', path: '/status', value: 'accepted' }]);
      expect(written.ok).toBe(true);
      await restart();
      await trial.untilAccepted([task]);
      await trial.expectAcceptedOnce([task]);
    },
    400_000,
  );
});
