import fc from 'fast-check';
import { startFacade, type World } from '../facade/world.ts';
import { type Asked, asked, near } from './requests.ts';
import { endFuzzing, type Manner, send } from './send.ts';

/** Requests that are made out of one seed; a failing one is found again by its number. */
const BATCH = 500;
const TOKEN = 'the-token-of-the-fuzz';

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** Only this one, by its number from 0. */
  readonly only?: number | undefined;
  /** At the same time. */
  readonly parallel: number;
  readonly say: (line: string) => void;
}

export interface FuzzEnd {
  readonly statuses: ReadonlyMap<number, number>;
  readonly failures: readonly string[];
  readonly perSecond: number;
  readonly peakMb: number;
}

interface Wish {
  readonly number: number;
  readonly one: Asked;
  readonly manner: Manner;
  readonly hasToken: boolean;
}

const manner = fc.oneof(
  { weight: 470, arbitrary: fc.constant<Manner>('whole') },
  { weight: 10, arbitrary: fc.constant<Manner>('slow') },
  { weight: 10, arbitrary: fc.constant<Manner>('cut') },
  { weight: 9, arbitrary: fc.constant<Manner>('raw') },
  { weight: 1, arbitrary: fc.constant<Manner>('huge') },
);
const wish = fc.record({
  one: fc.oneof(asked, near),
  manner,
  hasToken: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
});

function wishesOf(seed: number, batch: number): Wish[] {
  return fc
    .sample(wish, { seed: seed + batch, numRuns: BATCH })
    .map((one, index) => ({ ...one, number: batch * BATCH + index }));
}

/** One facade that asks nobody, and one that takes one token only. */
async function openDoors(): Promise<World[]> {
  const caller = {
    clientId: 'fuzz',
    user: undefined,
    scopes: ['system/*.cruds', 'ers/operator'],
    services: 'all' as const,
  };
  const closed = await startFacade({
    access: {
      authenticate: async ({ authorization }) =>
        authorization === `Bearer ${TOKEN}`
          ? { ok: true, caller }
          : { ok: false, code: 'token-missing', challenge: 'Bearer' },
      smartConfiguration: {},
      tokenUrl: undefined,
    },
  } as Parameters<typeof startFacade>[0]);
  const doors = [await startFacade(), closed];
  for (const { engine } of doors)
    engine.answers.reconcile = async () => ({
      ok: true,
      value: { at: '2026-01-05T09:00:00.000Z', balances: true, services: [], exceptions: [] },
    });
  return doors;
}

/** Sends mutated requests over sockets to a facade without and one with authentication, and judges each answer. */
export async function fuzz({ requests, seed, only, parallel, say }: FuzzOptions): Promise<FuzzEnd> {
  const doors = await openDoors();
  const statuses = new Map<number, number>();
  const failures: string[] = [];
  let peakMb = 0;
  let done = 0;
  const startedMs = performance.now();

  async function sendOne({ number, one, manner: how, hasToken }: Wish): Promise<void> {
    const door = doors[number % 2];
    if (door === undefined) return;
    const { status, text } = await send(door.url, one, how, hasToken ? TOKEN : undefined);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const why = faultOf(one, how, status, text);
    if (why === undefined) return;
    failures.push(`${why}: --seed ${seed} --only ${number}: ${how} ${JSON.stringify(one).slice(0, 1_000)}`);
    say(failures.at(-1) ?? '');
  }

  const first = only === undefined ? 0 : Math.floor(only / BATCH);
  const last = only === undefined ? Math.ceil(requests / BATCH) - 1 : first;
  for (let batch = first; batch <= last; batch += 1) {
    const waiting = wishesOf(seed, batch).filter(({ number }) =>
      only === undefined ? number < requests : number === only,
    );
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        await sendOne(next);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: parallel }, work));
    for (const { log } of doors) {
      for (const line of log) if (line.level === 'error') failures.push(`error logged: ${JSON.stringify(line)}`);
      (log as unknown[]).length = 0;
    }
    peakMb = Math.max(peakMb, process.memoryUsage().rss / 1e6);
    if (batch % 20 === 19) say(`${done} requests, ${Math.round(process.memoryUsage().rss / 1e6)} MB`);
  }
  const perSecond = done / ((performance.now() - startedMs) / 1000);
  // Whatever came before, an ordinary question is answered.
  for (const { fhir } of doors) {
    const answer = await fetch(`${fhir}/Task/task-1`, { headers: { Authorization: `Bearer ${TOKEN}` } });
    if (answer.status !== 200) failures.push(`afterwards an ordinary read is answered by ${answer.status}`);
  }
  endFuzzing();
  await Promise.all(doors.map((door) => door[Symbol.asyncDispose]()));
  return { statuses, failures, perSecond, peakMb };
}

/** What is wrong with an answer, if anything. */
function faultOf({ method }: Asked, how: Manner, status: number, text: string): string | undefined {
  if (status === 0) return how === 'whole' || how === 'slow' ? `no answer (${text})` : undefined;
  if (status >= 500) return `answered by ${status}`;
  if (status < 400 || method === 'HEAD' || how === 'raw') return undefined;
  try {
    const { resourceType } = JSON.parse(text) as { resourceType?: unknown };
    return resourceType === 'OperationOutcome' ? undefined : 'a refusal that is no OperationOutcome';
  } catch {
    return how === 'whole' ? 'a refusal that is no JSON' : undefined;
  }
}
