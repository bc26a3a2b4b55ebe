import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Resource } from '@medplum/fhirtypes';
import { conformanceResources } from '../../conformance/index.ts';
import { ukCoreProfile } from '../../mappings/index.ts';

const HERE = import.meta.dirname;
const MODULE = resolve(HERE, '../hapi/target');

/** One thing that HL7's validator has to say of a resource. */
export interface Finding {
  readonly severity: string;
  /** `Task/1/_history/2`. */
  readonly of: string;
  readonly place: string;
  readonly text: string;
}

const nameOf = ({ resourceType, id = '', meta }: Resource) =>
  `${resourceType}/${id}/_history/${meta?.versionId ?? '0'}`;

/**
 * Validates resources under base R4, the profiles that they name and the UK Core profile of their type, all together in one
 * run of the validator, which takes a while to start. It knows UK Core, what conformance/ publishes and the CodeSystems among
 * the resources; a profile or an extension that is in none of these is an error.
 */
export async function validate(resources: readonly Resource[]): Promise<readonly Finding[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-validate-'));
  try {
    const ours = join(directory, 'ours');
    const written = join(directory, 'written');
    const save = (into: string, all: readonly Resource[]) => {
      all.forEach((resource, index) => {
        writeFileSync(join(into, `${index}.json`), JSON.stringify(resource));
      });
    };
    mkdirSync(ours);
    mkdirSync(written);
    save(ours, [...conformanceResources(), ...resources.filter(({ resourceType }) => resourceType === 'CodeSystem')]);
    save(written, resources);
    const said = await run([
      ...[ukCoreDirectory(), join(HERE, 'stubs'), ours].flatMap((definitions) => ['-defs', definitions]),
      '-also',
      ukCoreProfile('%s'),
      written,
    ]);
    const lines = said
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
    const [done, count] = lines.pop() ?? [];
    if (done !== 'DONE' || Number(count) !== resources.length)
      throw new Error(`the validator did not finish: ${said.slice(-2000)}`);
    return lines.map(([severity = '', file = '', place = '', text = '']) => {
      const resource = resources[Number.parseInt(file, 10)];
      if (resource === undefined) throw new Error(`the validator said what nobody understands: ${severity} ${file}`);
      return { severity, of: nameOf(resource), place, text };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function ukCoreDirectory(): string {
  const named = process.env['UKCORE_DIR'];
  if (named === undefined) throw new Error('UKCORE_DIR names no UK Core: run `npm run test:validate`');
  return named;
}

/** What the validator prints; its log goes elsewhere. */
async function run(args: readonly string[]): Promise<string> {
  const classpath = `${join(MODULE, 'classes')}:${readFileSync(join(MODULE, 'classpath.txt'), 'utf8')}`;
  const child = spawn(
    'java',
    ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classpath, 'testhapi.Validate', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const printed: Buffer[] = [];
  const complained: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => complained.push(chunk));
  const code = await new Promise((done) => child.once('close', done));
  if (code !== 0 && code !== 1)
    throw new Error(`the validator failed: ${Buffer.concat(complained).toString().slice(-2000)}`);
  return Buffer.concat(printed).toString();
}
