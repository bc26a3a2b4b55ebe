import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');

/** Ends a command of package.json with a sentence that says what is missing. */
export function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** What a program says of its version; undefined: it is not there. */
function versionOf(program: string, flag: string): string | undefined {
  const ran = spawnSync(program, [flag], { encoding: 'utf8' });
  return ran.status === 0 ? `${ran.stdout}${ran.stderr}` : undefined;
}

/**
 * Builds the Java module beside this file, with all that it needs from Maven Central; or ends the process and says why not.
 * @param what the command that was called, and what it runs
 */
export function buildModule(what: string): void {
  const java = versionOf('java', '-version');
  const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  if (major < 17)
    fail(
      `${what} and needs Java 17 or newer; ${java === undefined ? 'there is none' : `this is ${major}`}. Install a JDK (Debian: openjdk-17-jdk-headless).`,
    );
  if (versionOf('mvn', '-version') === undefined)
    fail(`${what}, which Maven gets from Maven Central: there is no Maven. Install it (Debian: maven).`);
  // The first build fetches some 330 MB into ~/.m2; the later ones find all there.
  const maven = ['-B', '-q', '-f', join(HERE, 'pom.xml'), 'process-classes'];
  if (spawnSync('mvn', ['-o', ...maven]).status === 0) return;
  // A registry that fails once in a thousand files fails such a build now and then: what came stays, and the rest is asked again.
  for (let tries = 0; tries < 3; tries += 1)
    if (spawnSync('mvn', ['-U', ...maven], { stdio: ['ignore', 2, 2] }).status === 0) return;
  fail('Maven could not build test/hapi, asked three times: is Maven Central within reach?');
}

/** Runs jest; how it ended. */
export function jestStatus(config: string, args: readonly string[], environment: Record<string, string> = {}): number {
  const jest = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      join(ROOT, 'node_modules/jest/bin/jest.js'),
      '--config',
      join(ROOT, config),
      ...args,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...environment } },
  );
  return jest.status ?? 1;
}

/** Hands over to jest, and ends as it ends. */
export function runJest(config: string, args: readonly string[], environment: Record<string, string> = {}): never {
  process.exit(jestStatus(config, args, environment));
}
