import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mutated } from './mutated.ts';
import { MUTATIONS } from './mutations.ts';

/**
 * `npm run prove:mutations [-- --only WORDS] [--tests-only]`: takes each guard out of a copy of the tree, runs the tests that should
 * notice and the proof, and prints who did. Fails when a guard can go unnoticed, or its source has moved.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const PARTS = [
  'mappings',
  'conformance',
  'server',
  'simulator',
  'test',
  'docs',
  'bench',
  'README.md',
  'CHANGELOG.md',
  'package.json',
  'jest.config.js',
  'tsconfig.json',
];
const PROOF_SEEDS = 60;
const NODE = ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0204'];
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const at = process.argv.indexOf('--only');
const only = at < 0 ? undefined : process.argv[at + 1];
/** The proof is not asked: it takes most of the time, and what it meets is chance. */
const isProofAsked = !process.argv.includes('--tests-only');
const wanted = MUTATIONS.filter(({ guard }) => only === undefined || guard.includes(only));

function failingTests(tree: string, tests: readonly string[]): string[] {
  if (tests.length === 0) return [];
  const report = join(tree, 'report.json');
  const jest = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    ...tests,
    '--runInBand',
    '--json',
    `--outputFile=${report}`,
  ];
  const { stderr } = spawnSync(process.execPath, [...NODE, ...jest], {
    cwd: tree,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 100_000_000,
    timeout: 240_000 + tests.length * 30_000,
    killSignal: 'SIGKILL',
  });
  if (!existsSync(report)) throw new Error(`the tests did not come to an end: ${tests.join(' ')}`);
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { assertionResults: { status: string; title: string }[] }[];
  };
  const failed = testResults.flatMap(({ assertionResults }) =>
    assertionResults.flatMap(({ status, title }) => (status === 'failed' ? [title] : [])),
  );
  return stderr.includes('\nP1: ')
    ? [...failed, 'P1 over every line that was logged (test/safety/judge-run.ts)']
    : failed;
}

/** The first violation that the proof meets, and the seed. */
function provedWrong(tree: string): string | undefined {
  if (!isProofAsked) return undefined;
  const proof = ['test/proof/main.ts', '--seeds', String(PROOF_SEEDS), '--no-shrink', '--until-failure'];
  const { stdout } = spawnSync(process.execPath, [...NODE, ...proof], {
    cwd: tree,
    encoding: 'utf8',
    timeout: 600_000,
  });
  const [, seed, violation] = /^Seed (\d+) failed:\n {2}(.*)$/m.exec(stdout) ?? [];
  return seed === undefined
    ? undefined
    : `seed ${seed}: ${violation?.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\b0\d{11}\b/g, '…')}`;
}

/** What was proved: a commit, or one and what was changed since. */
function commit(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=7', '--exclude=*'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return stdout.trim();
}

const startedAt = commit();
let unnoticed = 0;
const rows: string[] = [];
// First of all: a mutation whose source has moved is known before an hour is spent.
for (const mutation of wanted) mutated(ROOT, mutation);
for (const mutation of [...wanted, undefined]) {
  const tree = mkdtempSync(join(tmpdir(), 'ers-fhir-mutant-'));
  try {
    for (const part of PARTS) cpSync(join(ROOT, part), join(tree, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    if (mutation === undefined) {
      say('nothing taken out: the same tests, all to pass');
      const failed = [
        ...failingTests(tree, [...new Set(wanted.flatMap(({ tests }) => tests))]),
        provedWrong(tree),
      ].flatMap((one) => one ?? []);
      if (failed.length > 0) {
        say(`  they fail without a mutation: ${failed.join('; ')}`);
        unnoticed += 1;
      }
      continue;
    }
    for (const { path, source } of mutated(tree, mutation)) writeFileSync(join(tree, path), source);
    const tests = failingTests(tree, mutation.tests);
    const proof = provedWrong(tree);
    // A named test has to notice: the proof alone may have met it by chance.
    const isNoticed = tests.length > 0;
    if (!isNoticed) unnoticed += 1;
    say(`${isNoticed ? 'noticed  ' : 'UNNOTICED'}  ${mutation.guard}`);
    for (const title of tests) say(`    test: ${title}`);
    if (isProofAsked) say(`    proof: ${proof ?? `nothing in ${PROOF_SEEDS} seeds`}`);
    const [first = '–'] = tests;
    const cells = [mutation.guard, `${tests.length}`, first, ...(isProofAsked ? [proof ?? '–'] : [])];
    rows.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
const head = ['Guard taken out', 'Tests that fail', 'The first of them', ...(isProofAsked ? ['The proof'] : [])];
say(`\n| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n${rows.join('\n')}`);
say(`${new Date().toISOString().slice(0, 10)}, commit ${startedAt}: ${wanted.length} guards, ${unnoticed} unnoticed`);
process.exitCode = unnoticed === 0 ? 0 : 1;
