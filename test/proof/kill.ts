import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bundle, Task } from '@medplum/fhirtypes';
import {
  type DecisionCode,
  identifierOf,
  isFinal,
  isOpen,
  outputsOf,
  REVIEW_OUTCOME,
  reviewStatusOf,
  SYSTEM,
} from '../../mappings/index.ts';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { type Process, startProcess } from '../journeys/process.ts';
import { signIn } from '../sign-in.ts';
import { decided } from './clients.ts';
import { createDice } from './dice.ts';
import { GIVEN_BACK, type Intent } from './judge.ts';

/**
 * `npm run prove:kill -- --kills N [--seed S]`: the real process with its store on disk, killed at random moments while
 * referrals arrive and decisions are made through HTTP. e-RS lives in this process and is never killed. At the end e-RS,
 * and what the clients asked for, are held against what the facade shows.
 */
const argument = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const KILLS = argument('kills', 30);
const SEED = argument('seed', 1);
const dice = createDice(SEED, 7);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const SERVICES = [
  ['70101', 'booked-direct'],
  ['70102', 'booked-indirect'],
  ['70103', 'triage'],
] as const;
const REASON: Readonly<Record<string, string>> = {
  redirected: 'CANCEL_APPOINTMENT_ACTION_LATER',
  'accepted-book-later': 'ACCEPT_REFER_BOOK_LATER',
  'returned-with-advice': 'RETURN_TO_REFERRER_WITH_ADVICE',
};

interface InErs {
  readonly ubrn: string;
  readonly isReviewed: boolean;
  readonly worklists: readonly string[];
  readonly decisions: readonly { kind: string; reason?: string; comments?: string; by: 'api' | 'web' }[];
}

const simulator = await startSimulator({ port: 0, referrals: 0, seed: SEED, writeMs: 15 });
const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-prove-kill-'));
writeFileSync(join(directory, 'key.pem'), simulator.credentials.privateKeyPem, { mode: 0o600 });
const session = await signIn(simulator);
const SESSION = {
  'NHSD-User-Authorization': `Bearer ${session.token}`,
  'NHSD-End-User-Organisation-ODS': session.organisation,
  'NHSD-eRS-Business-Function': session.businessFunction,
};
const intents = new Map<string, Intent[]>();
/** The latest decision of each Task that the facade has taken. */
const promised = new Map<string, { readonly intent: Intent; readonly version: number }>();
const counts = { referrals: 0, asked: 0, answered: 0, unanswered: 0 };

/** Fails like a client whose server has died: without an answer. */
async function http(url: string, method: string, path: string, more: { body?: unknown; headers?: object } = {}) {
  counts.asked += 1;
  try {
    const answer = await fetch(`${url}/fhir/R4/${path}`, {
      method,
      headers: { 'Content-Type': 'application/fhir+json', ...more.headers },
      ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const json = (await answer.json().catch(() => undefined)) as unknown;
    counts.answered += 1;
    return { status: answer.status, json };
  } catch {
    counts.unanswered += 1;
    return { status: 0, json: undefined };
  }
}

async function control(ofSimulator: Simulator, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${ofSimulator.controlUrl}/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  return answer.json();
}

const environment = (): Record<string, string> => ({
  PORT: '0',
  DATA_DIR: join(directory, 'data'),
  ID_NAMESPACE_SECRET: 'a secret of the killed process',
  ERS_BASE_URL: simulator.baseUrl,
  ERS_TOKEN_URL: simulator.tokenUrl,
  ERS_TOKEN_AUDIENCE: simulator.credentials.tokenAudience,
  ERS_API_KEY: simulator.credentials.apiKey,
  ERS_KEY_ID: simulator.credentials.keyId,
  ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
  ERS_SERVICES: JSON.stringify(
    simulator.services
      .filter(({ id }) => SERVICES.some(([one]) => one === id))
      .map(({ id, name, lists }) => ({ id, name, lists, unattended: ['accept', 'accept-book-later'] })),
  ),
  ERS_REQUESTS_PER_SECOND: '200',
  ERS_POLLS_PER_DAY: '1000',
});

const serve = (): Promise<Process> => startProcess(['serve'], environment());

/** A process that is killed before it may have said that it is there: while it opens its store, takes the lease, recovers. */
async function stillborn(): Promise<void> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'serve'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: process.env['PATH'] ?? '', ...environment() },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await sleep(dice.integer(200, 2_000));
  child.kill('SIGKILL');
  await ended;
}

async function tasksOf(url: string, query: string): Promise<Task[]> {
  const tasks: Task[] = [];
  let next: string | undefined = `Task?${query}&_count=500`;
  while (next !== undefined) {
    const { json } = await http(url, 'GET', next);
    const bundle = json as Bundle<Task> | undefined;
    tasks.push(...(bundle?.entry ?? []).flatMap(({ resource }) => resource ?? []));
    const link: string | undefined = bundle?.link?.find(({ relation }) => relation === 'next')?.url;
    next = link?.split('/fhir/R4/')[1];
  }
  return tasks;
}

const poll = (url: string, service: string) =>
  http(url, 'POST', '$ers-poll', {
    body: { resourceType: 'Parameters', parameter: [{ name: 'service', valueString: service }] },
  });

let token = 0;
async function decide(url: string, task: Task): Promise<void> {
  token += 1;
  const wish = decided(task, dice.integer(0, 999), 'sound', `k${token}`);
  const ubrn = task.focus?.identifier?.value ?? '';
  if (wish.intent) intents.set(ubrn, [...(intents.get(ubrn) ?? []), wish.intent]);
  const headers = { 'If-Match': `W/"${task.meta?.versionId}"`, ...(dice.chance(0.7) ? SESSION : {}) };
  const { status, json } = await http(url, 'PUT', `Task/${task.id}`, { body: wish.task, headers });
  // What was answered is promised; what was cut off may have come into the store or not.
  if (status === 200 && wish.intent)
    promised.set(task.id ?? '', { intent: wish.intent, version: Number((json as Task).meta?.versionId ?? 0) });
  else if (status === 0) promised.delete(task.id ?? '');
}

/** What happens while a process lives: referrals arrive, lists are read, people decide, and some do so in e-RS. */
async function load(url: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const [service, kind] = dice.pick(SERVICES as unknown as [(typeof SERVICES)[number]]);
    await control(simulator, 'POST', 'referrals', { kind, service, priority: 'ROUTINE' });
    counts.referrals += 1;
    await Promise.all([
      poll(url, service),
      (async () => {
        const open = await tasksOf(url, 'status=requested,received');
        const some = open.toSorted(() => dice.next() - 0.5).slice(0, 4);
        await Promise.all(some.map((task) => decide(url, task)));
        const [unlucky] = open;
        if (unlucky && dice.chance(0.1)) {
          const ubrn = unlucky.focus?.identifier?.value ?? '';
          const inErs = (await control(simulator, 'GET', `referrals/${ubrn}`)) as InErs & { state?: string };
          if (!inErs.isReviewed && inErs.state === 'BOOKED')
            await control(simulator, 'POST', `referrals/${ubrn}/events`, { type: 'accepted-in-ers' });
        }
      })(),
      release(url),
    ]);
  }
}

/** A clinician sends what waits for one. */
async function release(url: string): Promise<void> {
  const waiting = await tasksOf(url, 'business-status=awaiting-user-authorisation');
  await Promise.all(
    waiting.slice(0, 5).map((task) => http(url, 'POST', `Task/${task.id}/$ers-send-decision`, { headers: SESSION })),
  );
}

const SETTLING_MS = 400_000;

/**
 * Every list is read, what waits is sent, until nothing is in flight any more. A decision that e-RS refuses after an attempt that
 * nobody heard of waits until that can be at work no more: five minutes (4.5, D3).
 */
async function settle(url: string): Promise<void> {
  const untilMs = performance.now() + SETTLING_MS;
  for (let rounds = 0; performance.now() < untilMs; rounds += 1) {
    for (const [service] of SERVICES) await poll(url, service);
    await release(url);
    const inFlight = await tasksOf(url, 'business-status=decision-queued,decision-sending,awaiting-user-authorisation');
    const undecided = await tasksOf(url, 'status=accepted,rejected&business-status:missing=true');
    if (inFlight.length + undecided.length === 0 && rounds >= 3) return;
    await sleep(2_000);
  }
}

const isKind = (decision: DecisionCode, kind: string, reason: string | undefined): boolean =>
  decision === 'accept'
    ? kind === 'accepted'
    : decision === 'reject'
      ? kind === 'rejected'
      : kind === 'proposed' && reason === REVIEW_OUTCOME[decision];

/** Whether a version since then said why the decision was given back. */
async function wasGivenBack(url: string, task: Task, since: number): Promise<boolean> {
  const { json } = await http(url, 'GET', `Task/${task.id}/_history?_count=500`);
  const versions = ((json as Bundle<Task> | undefined)?.entry ?? []).flatMap(({ resource }) => resource ?? []);
  return versions.some(
    (one) => Number(one.meta?.versionId) > since && GIVEN_BACK.has(reviewStatusOf(one) ?? 'awaiting-review'),
  );
}

/** What is wrong at the end, line by line. */
async function judge(
  url: string,
): Promise<{ lost: string[]; doubled: string[]; lies: string[]; by: Map<string, number> }> {
  const { referrals } = (await control(simulator, 'GET', 'referrals')) as { referrals: InErs[] };
  const tasks = await tasksOf(url, '');
  const byUbrn = new Map<string, Task[]>();
  for (const task of tasks) {
    const ubrn = task.focus?.identifier?.value ?? '';
    byUbrn.set(ubrn, [...(byUbrn.get(ubrn) ?? []), task]);
  }
  const lost: string[] = [];
  const doubled: string[] = [];
  const lies: string[] = [];
  const by = new Map<string, number>();
  for (const { ubrn, decisions, isReviewed, worklists } of referrals) {
    const ours = byUbrn.get(ubrn) ?? [];
    const own = decisions.filter((one) => one.by === 'api');
    // Whoever was decided in e-RS before we ever saw him has no Task, and needs none (M-156).
    if (ours.length === 0 && (worklists.length > 0 || own.length > 0)) lost.push(`${ubrn} has no Task`);
    if (own.length > 1) doubled.push(`${ubrn}: ${own.map(({ kind }) => kind).join(', ')}`);
    for (const { comments, kind, reason } of own) {
      const isAsked = (intents.get(ubrn) ?? []).some(
        (intent) => intent.comment === comments && isKind(intent.decision, kind, reason),
      );
      if (!isAsked) lies.push(`${ubrn}: e-RS was told what no client asked`);
    }
    for (const task of ours) {
      const status = reviewStatusOf(task) ?? 'awaiting-review';
      const promise = promised.get(task.id ?? '');
      if (promise !== undefined && isOpen(status) && !(await wasGivenBack(url, task, promise.version)))
        lost.push(`${promise.intent.decision} of Task ${task.id} was taken, and nothing came of it`);
      by.set(status, (by.get(status) ?? 0) + 1);
      const key = identifierOf(task, SYSTEM.reviewTask);
      const last = decisions.at(-1);
      if (isOpen(status)) {
        if (isReviewed) lies.push(`${key} is ${status}, and e-RS has it decided`);
      } else if (!isFinal(status)) lies.push(`${key} is ${status} at rest`);
      else if (status === 'withdrawn') {
        if (worklists.length > 0 && ours.length === 1) lies.push(`${key} is withdrawn, and e-RS lists it`);
      } else {
        const kind = status === 'accepted' || status === 'rejected' ? status : 'proposed';
        const isTrue = last?.kind === kind && (kind !== 'proposed' || last.reason === REASON[status]);
        const isOwn = outputsOf(task, 'decided-in-ers').length + outputsOf(task, 'outcome-inferred').length === 0;
        if (!isTrue || (isOwn && last?.by !== 'api')) lies.push(`${key} is ${status}, and e-RS says ${last?.kind}`);
      }
    }
  }
  return { lost, doubled, lies, by };
}

const startedMs = performance.now();
let killed = 0;
let early = 0;
let upMs = 0;
let faults = 1;
try {
  while (killed < KILLS) {
    if (dice.chance(1 / 3)) {
      await stillborn();
      killed += 1;
      early += 1;
      continue;
    }
    const bornMs = performance.now();
    const life = await serve();
    upMs += performance.now() - bornMs;
    let isOver = false;
    const loaded = load(life.url, () => isOver);
    await sleep(dice.integer(20, 900));
    isOver = true;
    await life.end('SIGKILL');
    killed += 1;
    await loaded;
    if (killed % 25 === 0) say(`${killed} kills, ${counts.referrals} referrals, ${counts.asked} requests`);
  }
  const last = await serve();
  await settle(last.url);
  const { lost, doubled, lies, by } = await judge(last.url);
  const code = await last.end('SIGTERM');
  for (const [status, count] of [...by].toSorted()) say(`  ${String(count).padStart(6)}  ${status}`);
  for (const line of [...lost, ...doubled, ...lies]) say(`  WRONG ${line}`);
  const seconds = (performance.now() - startedMs) / 1000;
  say(
    `${killed} kills, ${early} of them while starting, in ${seconds.toFixed(0)} s (start to ready ${(upMs / (killed - early)).toFixed(0)} ms); ${counts.referrals} referrals, ${counts.answered} requests answered, ${counts.unanswered} cut off: ${lost.length} lost, ${doubled.length} doubled, ${lies.length} Tasks that lie`,
  );
  faults = lost.length + doubled.length + lies.length + (code === 0 ? 0 : 1);
} finally {
  await simulator.close();
  rmSync(directory, { recursive: true, force: true });
}
process.exitCode = faults === 0 ? 0 : 1;
