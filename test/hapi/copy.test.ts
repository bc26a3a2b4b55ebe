import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { searchParameters } from '../../conformance/index.ts';
import { systemClock } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { startWorld } from '../journeys/world.ts';
import { type HapiServer, startHapi } from './server.ts';

const ROOT = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-copy-hapi-'));
/** Of all kinds, with files of awkward names and up to 6 MB: of these HAPI takes a second each on a test's machine. */
const AWKWARD = 24;
/** For the number: all are of one kind. */
const PLAIN = 480;
const LETTERS = ['referral.pdf', 'letter.pdf', 'results.pdf'].map((title) => ({
  title,
  contentType: 'application/pdf',
}));

let hapi: HapiServer;

beforeAll(async () => {
  hapi = await startHapi();
  const source = await openEmbeddedStore({ directory, clock: systemClock, searchParameters });
  await using world = await startWorld({ referrals: AWKWARD, store: source });
  await world.settled();
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  await world.control('POST', 'referrals', { kind: 'booked-direct', service, attachments: LETTERS, count: PLAIN });
  await world.settled();
  await world.product.stop();
  await source.close();
}, 900_000);
afterAll(async () => {
  await hapi.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

interface Run {
  readonly child: ChildProcess;
  said(): string;
  readonly ended: Promise<unknown>;
}

function startCopy(): Run {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'copy', '--from', 'embedded', '--to', 'hapi'],
    { cwd: ROOT, env: { PATH: process.env['PATH'], DATA_DIR: directory, STORE_URL: hapi.url } },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  return { child, said: () => said, ended: once(child, 'exit') };
}

/** Kills the command once it has said this. */
async function killedAt(line: RegExp): Promise<string> {
  const run = startCopy();
  while (!line.test(run.said())) {
    if (run.child.exitCode !== null) throw new Error(`It ended before: ${run.said()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  run.child.kill('SIGKILL');
  await run.ended;
  return run.said();
}

/** What a run wrote, by the last word on each type: it counts on from page to page. */
const written = (said: string): number =>
  [
    ...new Map(
      [...said.matchAll(/^copy {4}(\w+): \d+ looked at, (\d+) written/gm)].map(([, type, count]) => [type, count]),
    ),
  ]
    .map(([, count]) => Number(count))
    .reduce((all, count) => all + count, 0);

test('10,000 resources and files, copied into a real HAPI by a command that is killed twice, are the same by count and hash in the end', async () => {
  const first = await killedAt(/^copy {4}ServiceRequest: [1-9]/m);
  const second = await killedAt(/^copy {4}DocumentReference: [1-9]/m);
  expect([written(first), written(second)].every((count) => count > 0)).toBe(true);
  const last = startCopy();
  await last.ended;
  expect([last.child.exitCode, last.said()]).toEqual([0, expect.stringContaining('Both stores hold the same')]);
  const [, all = '', now = ''] =
    /Both stores hold the same: (\d+) resources and files, (\d+) of them written now/.exec(last.said()) ?? [];
  expect(Number(all)).toBeGreaterThan(10_000);
  expect(Number(now)).toBe(written(last.said()));
  expect(Number(now)).toBeLessThan(Number(all) - written(first));
  const again = startCopy();
  await again.ended;
  expect([again.child.exitCode, again.said()]).toEqual([
    0,
    expect.stringContaining(`Both stores hold the same: ${all} resources and files`),
  ]);
}, 1_800_000);
