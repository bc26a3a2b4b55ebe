import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { startProcess } from './process.ts';

let simulator: Simulator;
let directory: string;
beforeAll(async () => {
  simulator = await startSimulator({ port: 0, referrals: 2 });
  directory = mkdtempSync(join(tmpdir(), 'ers-fhir-one-'));
  writeFileSync(join(directory, 'key.pem'), simulator.credentials.privateKeyPem);
}, 60_000);
afterAll(async () => {
  await simulator.close();
  rmSync(directory, { recursive: true, force: true });
});

const serve = () =>
  startProcess(['serve'], {
    PORT: '0',
    DATA_DIR: join(directory, 'data'),
    ID_NAMESPACE_SECRET: 'a secret of this test',
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_TOKEN_AUDIENCE: simulator.credentials.tokenAudience,
    ERS_API_KEY: simulator.credentials.apiKey,
    ERS_KEY_ID: simulator.credentials.keyId,
    ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
    ERS_SERVICES: JSON.stringify(simulator.services.map(({ id, lists }) => ({ id, lists }))),
    // Longer than the test: whoever waited for it would be seen to.
    LEASE_SECONDS: '3600',
  });

const engineOf = async (url: string) =>
  ((await (await fetch(`${url}/health/ready`)).json()) as { engine: string }).engine;

describe('one data directory', () => {
  test('B1: lets one process work, refuses a second with a sentence, and is worked on at once after kill −9', async () => {
    const first = await serve();
    expect(await engineOf(first.url)).toBe('active');
    const refusal = await serve().then(
      () => 'it started',
      (error: Error) => error.message,
    );
    expect(refusal).toContain('DATA_DIR: The data directory is in use by another process');
    await first.end('SIGKILL');
    const next = await serve();
    expect(await engineOf(next.url)).toBe('active');
    expect(await next.end('SIGTERM')).toBe(0);
  }, 60_000);
});
