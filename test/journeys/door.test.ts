import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { makeCertificate } from '../self-signed.ts';
import { type Process, startProcess } from './process.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const { cert, key } = makeCertificate();

let simulator: Simulator;
let directory: string;
let server: Process;
let url: string;

/** A command as its user calls it, who trusts the site's own certificate. */
const ers = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem'), ...environment },
  });

const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const asked = request(`${url}${path}`, { ca: cert, headers, servername: '' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
    });
    asked.on('error', reject).end();
  });

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, referrals: 2 });
  directory = mkdtempSync(join(tmpdir(), 'ers-fhir-door-'));
  const keep = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const entry = ers(['token', '--new-client', 'epr', '--key', join(directory, 'epr.json')]).stdout;
  const port = await freePort();
  url = `https://127.0.0.1:${port}`;
  const certificate = keep('cert.pem', cert);
  server = await startProcess(['serve'], {
    HOST: '0.0.0.0',
    PORT: String(port),
    PUBLIC_URL: url,
    TLS_CERT_FILE: certificate,
    TLS_KEY_FILE: keep('key.pem', key),
    AUTH_CLIENTS_FILE: keep('clients.json', `[${entry}]`),
    DATA_DIR: join(directory, 'data'),
    ID_NAMESPACE_SECRET: 'a secret of this test',
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_TOKEN_AUDIENCE: simulator.credentials.tokenAudience,
    ERS_API_KEY: simulator.credentials.apiKey,
    ERS_KEY_ID: simulator.credentials.keyId,
    ERS_PRIVATE_KEY_FILE: keep('ers-key.pem', simulator.credentials.privateKeyPem),
    ERS_SERVICES: JSON.stringify(simulator.services.map(({ id, lists }) => ({ id, lists }))),
  });
}, 60_000);
afterAll(async () => {
  await server.end('SIGTERM');
  await simulator.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('a server with a certificate and clients of its own', () => {
  test('binds beyond loopback, and takes the token that its command gets for the client', async () => {
    expect(await get('/fhir/R4/Task')).toMatchObject({ status: 401 });
    const got = ers(['token', '--key', join(directory, 'epr.json'), '--url', url]);
    expect(got.stderr).toBe('');
    const bearer = { Authorization: `Bearer ${got.stdout.trim()}` };
    expect(await get('/fhir/R4/Task', bearer)).toMatchObject({ status: 200 });
    expect(await get('/fhir/R4/AuditEvent', bearer)).toMatchObject({ status: 403 });
  }, 30_000);

  test('answers to its own name only, token or not', async () => {
    expect(await get('/fhir/R4/metadata', { Host: 'stranger.example' })).toMatchObject({ status: 421 });
    expect(await get('/fhir/R4/metadata')).toMatchObject({ status: 200 });
  });

  test('says in its statement and its smart-configuration where tokens are had', async () => {
    const statement = (await get('/fhir/R4/metadata')).text;
    const smart = (await get('/fhir/R4/.well-known/smart-configuration')).text;
    expect(JSON.parse(smart)).toMatchObject({ issuer: url, token_endpoint: `${url}/auth/token` });
    expect(statement).toContain(`"valueUri":"${url}/auth/token"`);
    expect(JSON.parse((await get('/auth/jwks')).text)).toEqual({
      keys: [expect.not.objectContaining({ d: expect.anything() })],
    });
  });

  test('P1: writes no token and no assertion into its log', () => {
    expect(server.output()).not.toMatch(/eyJ[\w-]{10}/);
  });
});

describe('the commands', () => {
  test('that ask a server say what it refused them for, and take their token from ACCESS_TOKEN', async () => {
    const { stderr, status } = ers(['poll', simulator.services[0]?.id ?? '', '--url', url]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/token/)]);
    const { stdout: token } = ers(['token', '--key', join(directory, 'epr.json'), '--url', url]);
    const answered = ers(['poll', simulator.services[0]?.id ?? '', '--url', url], { ACCESS_TOKEN: token.trim() });
    expect([answered.status, answered.stderr]).toEqual([1, expect.stringContaining('ers/operator')]);
  }, 30_000);

  test('token says why there is none: a stranger’s key, a file without a key, a file that is there already', () => {
    const stranger = join(directory, 'stranger.json');
    expect(ers(['token', '--new-client', 'stranger', '--key', stranger]).status).toBe(0);
    const refused = ers(['token', '--key', stranger, '--url', url]);
    expect([refused.status, refused.stdout, refused.stderr]).toEqual([
      1,
      '',
      expect.stringContaining('by a key of the client'),
    ]);
    expect(ers(['token', '--key', join(directory, 'cert.pem'), '--url', url]).stderr).toContain('--key');
    expect(ers(['token', '--new-client', 'stranger', '--key', stranger]).stderr).toContain('exists already');
  }, 30_000);
});
