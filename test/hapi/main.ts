import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

/** What `npm run test:hapi` does: builds HAPI from Maven Central, then hands over to jest. */

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');

const fail = (text: string): never => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};

/** The first line of what a program says of its version; undefined: it is not there. */
function versionOf(program: string, flag: string): string | undefined {
  const ran = spawnSync(program, [flag], { encoding: 'utf8' });
  return ran.status === 0 ? `${ran.stdout}${ran.stderr}` : undefined;
}

const java = versionOf('java', '-version');
const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
if (major < 17)
  fail(
    `test:hapi runs a real HAPI FHIR server and needs Java 17 or newer; ${java === undefined ? 'there is none' : `this is ${major}`}. Install a JDK (Debian: openjdk-17-jdk-headless).`,
  );
if (versionOf('mvn', '-version') === undefined)
  fail('test:hapi gets the HAPI FHIR server from Maven Central and needs Maven. Install it (Debian: maven).');

const args = process.argv.slice(2);
const at = args.indexOf('--postgres');
const postgres = at < 0 ? undefined : args[at + 1];
if (at >= 0 && !/^postgres(ql)?:\/\//.test(postgres ?? ''))
  fail(
    '--postgres takes the address of a server on which a database may be made and dropped: postgresql://postgres@127.0.0.1:5432',
  );

// The first build fetches some 330 MB into ~/.m2; the later ones find all there.
const maven = ['-B', '-q', '-f', join(HERE, 'pom.xml'), 'process-classes'];
if (spawnSync('mvn', ['-o', ...maven]).status !== 0) {
  const built = spawnSync('mvn', maven, { stdio: ['ignore', 2, 2] });
  if (built.status !== 0) fail('Maven could not build test/hapi: is Maven Central within reach?');
}

const jest = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--experimental-vm-modules',
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    '--config',
    join(ROOT, 'jest.hapi.config.js'),
    ...(at < 0 ? args : args.toSpliced(at, 2)),
  ],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...(postgres === undefined ? {} : { HAPI_POSTGRES: postgres }) },
  },
);
process.exit(jest.status ?? 1);
