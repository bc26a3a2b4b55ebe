import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { COMMANDS, helpOf } from '../../server/commands/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const main = (...args: string[]) =>
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
  });

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

  test('an environment that does not suffice ends with 1 and names every fault', () => {
    const { status, stderr } = main('serve');
    expect(status).toBe(1);
    expect(stderr).toContain('ERS_API_KEY');
    expect(stderr).toContain('ERS_SERVICES');
  });
});
