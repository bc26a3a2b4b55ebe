import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeClientKey } from '../../server/access/index.ts';
import { readAuditConfig, readConfig, readDemoConfig, Secret, VARIABLES } from '../../server/config/index.ts';
import { makeCertificate } from '../self-signed.ts';

let directory: string;
let complete: Record<string, string>;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ers-fhir-config-'));
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = join(directory, 'key.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  complete = {
    ID_NAMESPACE_SECRET: 'a secret of sixteen characters',
    ERS_BASE_URL: 'https://ers.example/referrals/FHIR/',
    ERS_TOKEN_URL: 'https://ers.example/oauth2/token',
    ERS_API_KEY: 'key',
    ERS_PRIVATE_KEY_FILE: key,
    ERS_KEY_ID: 'kid-1',
    ERS_SERVICES: '[{"id":"11002","lists":["REFERRALS_FOR_REVIEW"],"unattended":["accept"]}]',
  };
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('the environment', () => {
  test('a complete one is read, with defaults for what it leaves out', () => {
    const read = readConfig(complete);
    if (!read.ok) throw new Error(read.faults.join(' '));
    expect(read.config.server).toMatchObject({ port: 8080, host: '127.0.0.1', refuseIdentifiersInUrls: false });
    expect(read.config.ers).toMatchObject({
      baseUrl: 'https://ers.example/referrals/FHIR',
      requestsPerSecond: 10,
      pollsPerDay: 2,
    });
    expect(read.config.ers.services).toEqual([
      { id: '11002', lists: ['REFERRALS_FOR_REVIEW'], unattended: ['accept'] },
    ]);
    expect(read.config.ers.tokenAudience).toBe('https://ers.example/oauth2/token');
  });

  test('every fault is reported at once, each with its variable and what it means', () => {
    const read = readConfig({ PORT: 'eighty', HOST: '0.0.0.0', ERS_SERVICES: '[{"id":"x"}]' });
    if (read.ok) throw new Error('a faulty environment was accepted');
    const named = [
      'PORT',
      'HOST',
      'ID_NAMESPACE_SECRET',
      'ERS_BASE_URL',
      'ERS_TOKEN_URL',
      'ERS_API_KEY',
      'ERS_PRIVATE_KEY_FILE',
      'ERS_KEY_ID',
      'ERS_SERVICES',
    ];
    expect(named.filter((name) => !read.faults.some((fault) => fault.startsWith(name)))).toEqual([]);
  });

  test('a bind beyond loopback is refused while there is no authentication', () => {
    expect(readDemoConfig({ ID_NAMESPACE_SECRET: 'a secret of sixteen characters', HOST: '0.0.0.0' })).toMatchObject({
      ok: false,
    });
  });

  test('a bind beyond loopback wants authentication, TLS, and a name where it is every address', async () => {
    const keep = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const { cert, key } = makeCertificate();
    const { jwks } = await makeClientKey('epr');
    const clients = keep(
      'clients.json',
      JSON.stringify([{ clientId: 'epr', jwks, scopes: ['system/*.rs'], services: 'all' }]),
    );
    const issuer = { AUTH_ISSUER: 'https://as.example', AUTH_JWKS_URL: 'https://as.example/jwks' };
    const tls = { TLS_CERT_FILE: keep('cert.pem', cert), TLS_KEY_FILE: keep('tls-key.pem', key) };
    const proxy = { PUBLIC_URL: 'https://fhir.trust.example' };
    const faultsOf = (more: Record<string, string>) => {
      const read = readConfig({ ...complete, ...more });
      return read.ok ? [] : read.faults.map((fault) => /loopback: (\w+)/.exec(fault)?.[1] ?? fault.split(' ')[0]);
    };
    const there = { HOST: '192.0.2.1' };
    expect(faultsOf(there)).toEqual(['without', 'patients']);
    expect(faultsOf({ ...there, ...tls })).toEqual(['without']);
    expect(faultsOf({ ...there, ...issuer })).toEqual(['patients']);
    expect(faultsOf({ ...there, ...issuer, PUBLIC_URL: 'http://fhir.trust.example' })).toEqual(['patients']);
    expect(faultsOf({ ...there, ...issuer, ...tls })).toEqual([]);
    expect(faultsOf({ ...there, ...issuer, ...proxy })).toEqual([]);
    expect(faultsOf({ ...there, AUTH_CLIENTS_FILE: clients, ...tls })).toEqual([]);
    expect(faultsOf({ HOST: '0.0.0.0', ...issuer, ...tls })).toEqual(['PUBLIC_URL']);
    expect(faultsOf({ HOST: '0.0.0.0', ...issuer, ...tls, ...proxy })).toEqual([]);
    expect(faultsOf({ ...tls, TLS_KEY_FILE: complete['ERS_PRIVATE_KEY_FILE'] ?? '' })).toEqual(['TLS_CERT_FILE']);
    expect(faultsOf({ ...issuer, AUTH_JWKS_URL: 'http://as.example/jwks' })).toContain('AUTH_JWKS_URL');
    expect(faultsOf({ AUTH_ISSUER: 'https://as.example' })).toEqual(['AUTH_ISSUER']);
  });

  test('an e-RS beyond this machine is reached by https only, since tokens and patients travel there', () => {
    const read = readConfig({
      ...complete,
      ERS_BASE_URL: 'http://ers.example/FHIR',
      ERS_TOKEN_URL: 'http://ers.example/t',
    });
    expect(read.ok ? [] : read.faults.map((fault) => fault.split(':')[0])).toEqual([
      'ERS_BASE_URL must begin with https',
      'ERS_TOKEN_URL must begin with https',
    ]);
    const local = { ERS_BASE_URL: 'http://127.0.0.1:9100/FHIR', ERS_TOKEN_URL: 'http://[::1]:9100/oauth2/token' };
    expect(readConfig({ ...complete, ...local }).ok).toBe(true);
  });

  test('a data folder that is a file, or under one, is a fault like any other', () => {
    const file = complete['ERS_PRIVATE_KEY_FILE'] ?? '';
    for (const wrong of [file, join(file, 'below')]) {
      const read = readConfig({ ...complete, DATA_DIR: wrong, PORT: 'x' });
      expect(read.ok ? [] : read.faults).toEqual([
        expect.stringContaining('PORT'),
        expect.stringContaining('DATA_DIR'),
      ]);
    }
    expect(readConfig({ ...complete, DATA_DIR: join(directory, 'to', 'be', 'made') }).ok).toBe(true);
  });

  test.each(['hapi', 'medplum'])('the audit trail of %s is looked for at STORE_URL, not in a folder', (store) => {
    const remote = {
      ID_NAMESPACE_SECRET: 'a secret of sixteen characters',
      STORE: store,
      STORE_URL: 'https://store.example/fhir',
      STORE_CLIENT_ID: 'ers-fhir',
      STORE_CLIENT_SECRET: 'its secret',
    };
    const read = readAuditConfig(remote);
    expect(read).toMatchObject({
      ok: true,
      config: { remoteStore: { kind: store, url: 'https://store.example/fhir' } },
    });
    const { STORE_URL: _, ...nowhere } = remote;
    expect(readAuditConfig(nowhere)).toEqual({ ok: false, faults: [expect.stringContaining('STORE_URL')] });
  });

  test('the demo reports every fault of its own variables at once', () => {
    const read = readDemoConfig({
      SIMULATOR_PORT: 'abc',
      ERS_REQUESTS_PER_SECOND: 'x',
      PORT: '-1',
      ID_NAMESPACE_SECRET: 'short',
    });
    expect(read.ok ? [] : read.faults.map((fault) => fault.split(' ')[0])).toEqual([
      'PORT',
      'ID_NAMESPACE_SECRET',
      'SIMULATOR_PORT',
      'ERS_REQUESTS_PER_SECOND',
    ]);
  });

  test('D4: reject and redirect cannot be configured as unattended, because e-RS takes them from a clinician only', () => {
    const services = '[{"id":"11002","unattended":["reject"]}]';
    expect(readConfig({ ...complete, ERS_SERVICES: services })).toMatchObject({ ok: false });
  });

  test('a poll split names each list of its service and wants no more than e-RS permits', () => {
    const split = (pollSplit: object) =>
      readConfig({
        ...complete,
        ERS_SERVICES: JSON.stringify([
          { id: '1', lists: ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'], pollSplit },
        ]),
      });
    expect(split({ REFERRALS_FOR_REVIEW: 1, APPOINTMENT_SLOT_ISSUES: 1 })).toMatchObject({
      config: { ers: { services: [{ pollSplit: { REFERRALS_FOR_REVIEW: 1, APPOINTMENT_SLOT_ISSUES: 1 } }] } },
    });
    expect(split({ REFERRALS_FOR_REVIEW: 2 })).toMatchObject({ ok: false });
    expect(split({ REFERRALS_FOR_REVIEW: 2, APPOINTMENT_SLOT_ISSUES: 0 })).toMatchObject({ ok: false });
    expect(split({ REFERRALS_FOR_REVIEW: 2, APPOINTMENT_SLOT_ISSUES: 1 })).toMatchObject({
      ok: false,
      faults: [expect.stringContaining('wants 3')],
    });
  });

  test('a service that is named twice is a fault, because its polls would be spent twice', () => {
    expect(readConfig({ ...complete, ERS_SERVICES: '[{"id":"1"},{"id":"1"}]' })).toMatchObject({ ok: false });
  });

  test('a secret can come as a file, so that it stands in no environment; both at once is a fault', () => {
    const file = join(directory, 'secret');
    writeFileSync(file, 'a secret of sixteen characters\n');
    const { ID_NAMESPACE_SECRET: _, ...rest } = complete;
    const read = readConfig({ ...rest, ID_NAMESPACE_SECRET_FILE: file });
    expect(read.ok && read.config.server.idNamespaceSecret.reveal()).toBe('a secret of sixteen characters');
    expect(readConfig({ ...complete, ID_NAMESPACE_SECRET_FILE: file })).toMatchObject({
      faults: [expect.stringContaining('both set')],
    });
    expect(readConfig({ ...rest, ID_NAMESPACE_SECRET_FILE: join(directory, 'none') })).toMatchObject({
      faults: ['ID_NAMESPACE_SECRET_FILE: the file cannot be read.'],
    });
  });

  test('P1: a secret prints as [secret], whichever way it is printed', () => {
    const secret = new Secret('hush');
    expect([`${secret}`, JSON.stringify({ secret }), inspect({ secret })].join(' ')).not.toContain('hush');
    expect(secret.reveal()).toBe('hush');
  });

  test('the table of the README lists the same variables, defaults and meanings', async () => {
    const { readFileSync } = await import('node:fs');
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const rows = Object.entries(VARIABLES).map(([name, about]) => {
      const unit = 'unit' in about && about.unit !== undefined ? ` ${about.unit}` : '';
      const standard = 'default' in about && about.default !== undefined ? `\`${about.default}\`${unit}` : '';
      return `| \`${name}\` | ${standard} | ${about.meaning} |`;
    });
    expect(rows.filter((row) => !readme.includes(row))).toEqual([]);
  });
});
