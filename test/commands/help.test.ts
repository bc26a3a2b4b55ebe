import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { COMMANDS, helpOf } from '../../server/commands/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const mainIn =
  (environment: Record<string, string>) =>
  (...args: string[]) =>
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', ...environment },
    });
const main = mainIn({});

describe("the operator's door", () => {
  test('each command explains itself: what it does, each option that it takes, each exit code', () => {
    for (const command of COMMANDS) {
      const help = helpOf(command);
      expect(help).toContain(`${command.summary}.`);
      const options = [...command.takes.matchAll(/--[a-z-]+/g)].map(([option]) => option);
      expect(options.filter((option) => !command.help.includes(`  ${option}`))).toEqual([]);
      expect(help.match(/^ {2}\d {2}\S/gm)).toHaveLength(Object.keys(command.exitCodes).length + 1);
    }
  });

  test('what was compiled once is kept beside the modules, for the start after a kill', () => {
    const cache = join(ROOT, 'node_modules/.cache/ers-fhir');
    rmSync(cache, { recursive: true, force: true });
    expect(main('--help').status).toBe(0);
    expect(readdirSync(cache, { recursive: true }).length).toBeGreaterThan(100);
  });

  test('help names every command, and help of a command runs nothing', () => {
    const { stdout, status } = main('--help');
    expect(status).toBe(0);
    expect(COMMANDS.filter(({ name }) => !stdout.includes(`\n  ${name} `))).toEqual([]);
    expect(main('serve', '--help')).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('Exit codes'),
    });
  });

  test('a wrong use ends with 2 and says what is wrong, so that a script can tell it from a failure', () => {
    expect(main('fly')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('no command fly') });
    expect(main('fetch')).toMatchObject({ status: 2, stderr: expect.stringContaining('Name one UBRN') });
    expect(main('account', '--colour')).toMatchObject({ status: 2, stderr: expect.stringContaining('--colour') });
  });

  test('a demo that cannot start says so in a sentence for each fault, and shows no stack', async () => {
    const bad = main('demo', '--data', join(ROOT, 'no-such-folder'));
    expect(bad).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^- --data: the folder cannot be read\.\n$/),
    });
    expect(main('demo', '--dta', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('--dta') });
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const busy = mainIn({ SIMULATOR_PORT: String(port), PORT: '0' })('demo');
    await new Promise((resolve) => taken.close(resolve));
    expect(busy).toMatchObject({ status: 1, stderr: `SIMULATOR_PORT: 127.0.0.1:${port} is taken.\n` });
  });

  test('an environment that does not suffice ends with 1 and names every fault', () => {
    const { status, stderr } = main('serve');
    expect(status).toBe(1);
    expect(stderr).toContain('ERS_API_KEY');
    expect(stderr).toContain('ERS_SERVICES');
  });
});
