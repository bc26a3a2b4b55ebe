import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** What jest says of a run; as much of it as is told on. */
interface Results {
  readonly startTime: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** What the server that was run says of itself. */
export interface ServerSays {
  readonly software: string;
  readonly database: string;
}

export interface Report {
  /** Of the file in docs/reports. */
  readonly name: string;
  readonly command: string;
  readonly commit: string;
  /** Files of jest's results, and of `ServerSays`. */
  readonly results: string;
  readonly server: string;
}

/** The commit that is checked out, and whether the tree differs from it; reports aside, which a run writes itself. */
export function commitNow(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', '.', ':!docs/reports');
  return `${git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : ', with changes that are not committed'}`;
}

/** Writes docs/reports/NAME.md; answers where it is. */
export function writeReport({ name, command, commit, results, server }: Report): string {
  const read = JSON.parse(readFileSync(results, 'utf8')) as Results;
  const { software, database } = JSON.parse(readFileSync(server, 'utf8')) as ServerSays;
  const files = read.testResults.map((file) => ({ ...file, place: relative(ROOT, file.name) }));
  const all = files.flatMap(({ assertionResults }) => assertionResults);
  const count = (tests: readonly { status: string }[], status: string) =>
    tests.filter((one) => one.status === status).length;
  const rows = files
    .toSorted((a, b) => (a.place < b.place ? -1 : 1))
    .map(
      ({ place, startTime, endTime, assertionResults: tests }) =>
        `| \`${place}\` | ${count(tests, 'passed')} | ${tests.length - count(tests, 'passed')} | ${((endTime - startTime) / 1000).toFixed(0)} s |`,
    );
  const broken = files.filter(({ assertionResults }) => assertionResults.length === 0).map(({ place }) => place);
  const others = all
    .filter(({ status }) => status !== 'passed')
    .map(({ status, fullName }) => `${status}: ${fullName}`);
  const faults = [...broken.map((place) => `did not run: ${place}`), ...others];
  const path = join(ROOT, 'docs/reports', `${name}.md`);
  mkdirSync(join(ROOT, 'docs/reports'), { recursive: true });
  writeFileSync(
    path,
    [
      `# ${software} on ${database}`,
      '',
      `Written by \`${command}\`.`,
      '',
      '| | |',
      '|---|---|',
      `| Date | ${new Date(read.startTime).toISOString().slice(0, 16)}Z |`,
      `| Commit | ${commit} |`,
      `| Server | ${software}, as its CapabilityStatement says |`,
      `| Database | ${database} |`,
      `| Machine | ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 1e9)} GB, Node ${process.versions.node}, other work beside it |`,
      `| Tests | ${count(all, 'passed')} passed, ${faults.length} failed or not run |`,
      '',
      '| File | Passed | Failed or not run | Took |',
      '|---|---|---|---|',
      ...rows,
      ...(faults.length === 0 ? [] : ['', ...faults.map((fault) => `- ${fault}`)]),
      '',
    ].join('\n'),
  );
  return relative(ROOT, path);
}
