import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chainKey, createAudit } from '../../server/audit/index.ts';
import { audit as command } from '../../server/commands/audit.ts';
import { WrongUse } from '../../server/commands/index.ts';
import { alertBoard } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { access, eventsIn, hastyClock } from './trail.ts';

const SECRET = 'the secret of this installation';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ers-fhir-audit-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function write(change: 'nothing' | 'delete one') {
  const clock = hastyClock();
  const store = await openEmbeddedStore({ directory, clock });
  const ignore = () => {};
  const log = { info: ignore, warn: ignore, error: ignore };
  const alerts = alertBoard(() => clock.now());
  const trail = createAudit({ store, clock, log, alerts, random: () => 0.5, key: chainKey(SECRET) });
  for (let index = 0; index < 5; index += 1) trail.noteAccess(access());
  await trail.settled();
  const second = (await eventsIn(store)).find((event) => JSON.stringify(event).includes('"valuePositiveInt":2'));
  if (change === 'delete one') await store.remove('AuditEvent', second?.id ?? '');
  await store.close();
}

async function run(environment: Record<string, string>, ...args: string[]) {
  const said: string[] = [];
  const say = (text: string) => {
    said.push(text);
  };
  const code = await command.run({ args, environment, version: '0', say, complain: say });
  return { code, said: said.join('\n') };
}

describe('npm run ers -- audit verify', () => {
  test('says that the trail is whole, of how many events', async () => {
    await write('nothing');
    expect(await run({ DATA_DIR: directory, ID_NAMESPACE_SECRET: SECRET }, 'verify')).toEqual({
      code: 0,
      said: 'The audit trail is whole: 5 AuditEvents in 1 chains.',
    });
  });

  test('ends with 1 and names the first broken link', async () => {
    await write('delete one');
    const { code, said } = await run({ DATA_DIR: directory, ID_NAMESPACE_SECRET: SECRET }, 'verify');
    expect(code).toBe(1);
    expect(said).toMatch(/chain [0-9a-f-]{36}, event 2: is missing$/);
  });

  test('says what it lacks: the secret, the store, the word', async () => {
    const { code, said } = await run({ DATA_DIR: directory }, 'verify');
    expect(code).toBe(3);
    expect(said).toContain('ID_NAMESPACE_SECRET');
    expect(said).toContain('no embedded store');
    await expect(run({}, 'prune')).rejects.toThrow(WrongUse);
  });
});
