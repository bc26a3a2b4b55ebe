import { Readable } from 'node:stream';
import type { Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { searchParameters } from '../../conformance/index.ts';
import { decisionAttachment } from '../../mappings/index.ts';
import { type ActiveEngine, buildActiveEngine } from '../../server/active-engine.ts';
import { Secret } from '../../server/config/index.ts';
import {
  type Alerts,
  alertBoard,
  type Log,
  type Store,
  type Stored,
  Turns,
  type UserSession,
} from '../../server/core/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { makeUnboundSimulator } from '../../simulator/index.ts';
import { decided, spoiled, takesFile, touched, type Wish, withFile } from './clients.ts';
import { createDice, type Dice } from './dice.ts';
import { LATEST_MS, StoreWeather, storeThroughDoor } from './doors.ts';
import { callFacade } from './facade-caller.ts';
import { type Answered, type Asked, ask } from './in-memory-http.ts';
import { InMemoryNetwork } from './in-memory-network.ts';
import { type InErs, type Intent, Judge } from './judge.ts';
import { DECIDING, endpointOf, Steps } from './labels.ts';
import { type Death, Life } from './life.ts';
import type { Step } from './script.ts';
import { stillCrypto } from './still-crypto.ts';
import { never, VirtualTime } from './virtual-time.ts';

const ORIGIN = 'http://127.0.0.1:9';
const START = new Date('2027-03-01T09:00:00Z');
const MINUTE = 60_000;
/** After the last fault: what is in flight ends, what is to be given back is, and every list is read again and again. */
const SETTLING_MS = 24 * MINUTE;
const POLL_MS = 6 * MINUTE;
/** Sooner ends than in a hospital's day, or a run would have to live through one. */
const TEMPO = {
  scanEveryMs: 60_000,
  sweepEveryMs: 240_000,
  accountEveryMs: 5 * MINUTE,
  policy: { authorisationTimeoutMs: 12 * MINUTE, maxAgeMs: 10 * MINUTE },
};
const SERVICES = {
  'booked-direct': '70101',
  'booked-indirect': '70102',
  triage: '70103',
  'slot-issue': '70104',
} as const;

/** What decides in e-RS itself, and of what. */
const DECIDES_IN_ERS = new Map<string, 'booking' | 'triage'>([
  ['accepted-in-ers', 'booking'],
  ['rejected-in-ers', 'booking'],
  ['redirected-in-ers', 'booking'],
  ['triaged-in-ers', 'triage'],
  ['returned-in-ers', 'triage'],
]);

/** All of one name: e-RS takes none twice, and it is the engine's to tell them apart. */
const FILE = { title: 'form.txt', contentType: 'text/plain' } as const;

/** What a run came to. */
export interface Verdict {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Deaths of the process, by door and phase. */
  readonly deaths: readonly string[];
  readonly notes: ReadonlyMap<string, number>;
  readonly doors: number;
  /** Of them those of the process that lived last. */
  readonly lastDoors: number;
  /** What happened, line by line, if it was asked for. */
  readonly trace: readonly string[];
  /** Milliseconds that passed in the run. */
  readonly livedMs: number;
}

export interface RunOptions {
  readonly isTraced?: boolean;
  /** How often a hint of the store is lost; 0.2 unless said. */
  readonly deafness?: number;
  /** How long all settles after the last fault. */
  readonly settlingMs?: number;
  /** No process lives at the end: what is to be judged is what it would have had to mend. */
  readonly isDeadAtTheEnd?: boolean;
  /** A death planned for the first process, before anything happens; for sweeps over all doors. */
  readonly death?: Death;
  /** What the poll ledger permits; else there is none, and polls come at their interval. */
  readonly pollsPerDay?: number;
}

/** Runs a script to its end, lets all settle, and judges. Source: issue 5, Proof */
export async function run(seed: number, script: readonly Step[], options: RunOptions = {}): Promise<Verdict> {
  const inUse = script.flatMap((step) => (step.do === 'refer' ? [SERVICES[step.kind as keyof typeof SERVICES]] : []));
  const world = await World.open(seed, new Set(inUse), options);
  try {
    if (options.death) world.life.plan(options.death);
    for (const step of script) await world.perform(step);
    await world.settle(options);
    return world.verdict();
  } finally {
    await world.close();
  }
}

type Unbound = Awaited<ReturnType<typeof makeUnboundSimulator>>;

class World {
  readonly #seed: number;
  /** Services to which somebody is referred: the others would be polled for nothing. */
  readonly #inUse: ReadonlySet<string>;
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  readonly #simulator: Unbound;
  readonly #store: Store;
  readonly #judge: Judge;
  readonly #weather = new StoreWeather();
  readonly #steps = new Steps();
  readonly #deaths: string[] = [];
  readonly #trace: string[] = [];
  readonly #isTraced: boolean;
  readonly #deafness: number;
  readonly #pollsPerDay: number | undefined;
  readonly #unattended: readonly ('accept' | 'accept-book-later' | 'return-with-advice')[];
  /** The Task as some client saw it last, perhaps long ago. */
  readonly #screens = new Map<string, Stored<Task>>();
  readonly #ubrns: string[] = [];
  #session: { session: UserSession; untilMs: number } | undefined;
  #isSignedIn: boolean;
  #downMs = 0;
  #deathOfNext: Death | undefined;
  #doors = 0;
  #tokens = 0;
  #engine: ActiveEngine | undefined;
  #alerts: Alerts | undefined;
  #app: ReturnType<typeof createFacade> | undefined;
  life: Life;

  static async open(
    seed: number,
    inUse: ReadonlySet<string>,
    { isTraced = false, deafness = 0.2, pollsPerDay }: RunOptions,
  ): Promise<World> {
    stillCrypto();
    const time = new VirtualTime(START);
    const simulator = await makeUnboundSimulator(
      {
        seed: seed % 100_000,
        referrals: 0,
        clock: time.simulatorClock(),
        openQuestions: seed % 4 === 0 ? 'documented' : 'by-seed',
        writeMs: 3,
      },
      ORIGIN,
    );
    const store = await openEmbeddedStore({
      // No turn of the store takes long here, and its yielding would only cost turns.
      clock: { now: () => time.now(), monotonicMs: () => 0, sleep: (ms) => time.sleep(ms) },
      searchParameters,
    });
    const world = new World({ seed, inUse, time, simulator, store, isTraced, deafness, pollsPerDay });
    world.#start();
    return world;
  }

  constructor(parts: {
    seed: number;
    inUse: ReadonlySet<string>;
    time: VirtualTime;
    simulator: Unbound;
    store: Store;
    isTraced: boolean;
    deafness: number;
    pollsPerDay: number | undefined;
  }) {
    const { seed, inUse, time, simulator, store, isTraced } = parts;
    this.#deafness = parts.deafness;
    this.#pollsPerDay = parts.pollsPerDay;
    this.#inUse = inUse;
    this.#seed = seed;
    this.#time = time;
    this.#simulator = simulator;
    this.#store = store;
    this.#isTraced = isTraced;
    this.#dice = createDice(seed, 1);
    this.#isSignedIn = this.#dice.chance(0.7);
    this.#unattended = this.#dice.chance(0.5) ? ['accept', 'accept-book-later', 'return-with-advice'] : [];
    this.#judge = new Judge(store, (path) => simulator.control('GET', path).value);
    this.life = this.#bear();
  }

  #bear(): Life {
    const number = this.#deaths.length + 1;
    const life = new Life(number, (label, phase) => {
      this.#deaths.push(`${label} | ${phase}`);
      this.#say(`process ${number} dies ${phase} "${label}"`);
      void this.#time.sleep(this.#downMs).then(() => this.#start());
    });
    if (number > 1 && this.#deathOfNext) {
      life.plan(this.#deathOfNext);
      this.#deathOfNext = undefined;
    }
    return life;
  }

  /** The process starts: rooms of its own over the store that is there. */
  #start(): void {
    this.#doors += this.life.doors;
    if (this.life.isOver) this.life = this.#bear();
    const life = this.life;
    const time = this.#time;
    const dice = createDice(this.#seed, 100 + life.number);
    const clock = time.clockOf(life);
    const log = this.#log(life);
    const secret = 'a secret of the proof';
    const alerts = alertBoard(() => clock.now());
    const store = storeThroughDoor({
      store: this.#store,
      life,
      time,
      dice: createDice(this.#seed, 300 + life.number),
      weather: this.#weather,
      steps: this.#steps,
      deafness: this.#deafness,
      onWrite: (entries) => {
        if (this.#isTraced && entries.some(({ kind }) => kind !== 'delete'))
          for (const entry of entries)
            if (entry.kind !== 'delete' && entry.resource.resourceType === 'Task') this.#sayTask(entry.resource, life);
        this.#judge.wrote(entries, life);
      },
    });
    const shared = { store, clock, log, alerts };
    const engine = buildActiveEngine({
      ...shared,
      server: {
        port: 0,
        host: '127.0.0.1',
        publicUrl: undefined,
        dataDirectory: '',
        idNamespaceSecret: new Secret(secret),
        refuseIdentifiersInUrls: false,
        decisionDelaySeconds: this.#seed % 5 === 0 ? 20 : 0,
        userRestricted: 'wait',
        authorisationTimeoutHours: 24,
        conflictResend: 'when-unchanged',
        maxCommentLength: 2_000,
        maxFileBytes: 10_000_000,
        leaseSeconds: 30,
        logLevel: 'info',
      },
      ers: {
        ...this.#simulator.credentials,
        baseUrl: this.#simulator.baseUrl,
        tokenUrl: this.#simulator.tokenUrl,
        privateKeyPem: new Secret(this.#simulator.credentials.privateKeyPem),
        services: this.#simulator.services
          .filter(({ id }) => this.#inUse.has(id))
          .map(({ id, name, bookableType, lists }) => ({
            id,
            name,
            lists: [...lists],
            unattended: this.#unattended,
            ...(bookableType === 'TRIAGE' ? {} : { bookableType }),
          })),
        requestsPerSecond: undefined,
        pollsPerDay: this.#pollsPerDay,
        proxy: undefined,
      },
      turns: new Turns(),
      random: () => dice.next(),
      dispatcher: new InMemoryNetwork({
        carry: (asked) => this.#carry(asked, life, dice),
        gaveUp: (asked) => this.#gaveUp(asked, life),
      }),
      mayWork: () => true,
      pollIntervalMs: POLL_MS,
      standingSession: async () => this.#standing(),
      tempo: TEMPO,
    });
    this.#engine = engine;
    this.#alerts = alerts;
    this.#app = createFacade({
      ...shared,
      engine,
      registry: new Registry(),
      secret,
      publicUrl: ORIGIN,
      version: '0.0.0-proof',
      refuseIdentifiersInUrls: false,
    });
    engine.start();
  }

  /** The network between a process and e-RS. */
  async #carry(asked: Asked, life: Life, dice: Dice): Promise<Answered> {
    if (life.isOver) return never();
    const time = this.#time;
    time.sign();
    const endpoint = endpointOf(asked.url);
    const isDeciding = DECIDING.has(endpoint);
    if (isDeciding) this.#judge.sent(endpoint, asked, life, time.elapsedMs);
    if (endpoint === 'A020') this.#judge.uploads(asked);
    const there = async (): Promise<Answered> => {
      if (isDeciding && life.isOver) this.#judge.arrivedLate(asked);
      const answered = await ask(this.#simulator.handle, asked);
      time.sign();
      if (isDeciding) this.#judge.done(asked);
      const location = endpoint === 'A020' && answered.head?.headers['Location'];
      if (location) this.#judge.files.taken(asked, location);
      const isNews =
        !['A004', 'A008', 'TOKEN'].includes(endpoint) || answered.head?.status !== 200 || !answered.isWhole;
      if (isNews)
        this.#say(
          `process ${life.number}${life.isOver ? ' (dead)' : ''}: ${endpoint} ${/\d{12}/.exec(asked.url)?.[0] ?? ''} ${asked.headers['if-match'] ?? ''} → ${answered.head?.status ?? 'nothing'}${answered.isWhole ? '' : ', cut'}`,
        );
      return answered;
    };
    return life.through(
      this.#steps.ofCall(asked, life.number),
      async () => {
        await time.sleep(dice.integer(2, 60));
        const answered = await there();
        await time.sleep(dice.integer(2, 60));
        if (isDeciding && !life.isOver) this.#judge.concluded(asked);
        return answered;
      },
      (work) => void time.sleep(dice.integer(1, LATEST_MS)).then(isDeciding ? there : work),
    );
  }

  #gaveUp(asked: Asked, life: Life): void {
    if (life.isOver || !DECIDING.has(endpointOf(asked.url))) return;
    this.#judge.concluded(asked);
    this.#judge.arrivedLate(asked);
  }

  async #standing(): Promise<UserSession | undefined> {
    if (!this.#isSignedIn) return undefined;
    if (this.#session === undefined || this.#session.untilMs <= this.#time.elapsedMs)
      this.#session = this.#signIn(3_600);
    return this.#session.session;
  }

  #signIn(seconds: number): { session: UserSession; untilMs: number } {
    const organisation = this.#simulator.credentials.odsCode;
    const { value } = this.#simulator.control('POST', 'users', {
      sdsUserId: '555000000102',
      roles: ['SERVICE_PROVIDER_CLINICIAN'],
      organisations: [organisation],
      expiresInSeconds: seconds,
    });
    const token = (value as { userToken: string }).userToken;
    const untilMs = this.#time.elapsedMs + (seconds - 60) * 1000;
    return { session: { token, organisation, businessFunction: 'SERVICE_PROVIDER_CLINICIAN' }, untilMs };
  }

  async perform(step: Step): Promise<void> {
    this.#say(`step ${JSON.stringify(step)}`);
    switch (step.do) {
      case 'refer': {
        const { value } = this.#simulator.control('POST', 'referrals', {
          kind: step.kind,
          priority: step.priority,
          service: SERVICES[step.kind as keyof typeof SERVICES],
          attachments: Array.from({ length: step.attachments }, (_, index) => ({
            title: `letter ${index}.txt`,
            contentType: 'text/plain',
            ...(this.#dice.chance(0.3) ? { availableAfterSeconds: this.#dice.integer(10, 600) } : {}),
          })),
        });
        this.#ubrns.push((value as { ubrn: string }).ubrn);
        break;
      }
      case 'happen':
        this.#happen(step);
        break;
      case 'decide': {
        const task = await this.#someTask(step.on);
        if (task) await this.#decide(task, step);
        break;
      }
      case 'bulk':
        await this.#decideAll(step.choice);
        break;
      case 'touch': {
        const task = await this.#someTask(step.on);
        if (task) await this.#touch(task, step);
        break;
      }
      case 'spoil': {
        const task = await this.#someTask(step.on);
        if (task) await this.#spoil(task, step);
        break;
      }
      case 'fault':
        this.#simulator.control('POST', 'faults', step.fault);
        break;
      case 'store-trouble':
        this.#weather.brew(step.trouble, step.times);
        break;
      case 'kill':
        if (step.isNext) this.#deathOfNext = { after: step.doors, phase: step.phase };
        else {
          this.#downMs = step.downMs;
          if (!this.life.isOver) this.life.plan({ after: step.doors, phase: step.phase });
        }
        break;
      case 'refresh': {
        const task = await this.#someTask(step.on);
        const id = task?.focus?.reference?.split('/')[1];
        if (id) this.#call('POST', `/fhir/R4/ServiceRequest/${id}/$ers-refresh`, {});
        break;
      }
      case 'reopen': {
        const task = await this.#someTask(step.on);
        if (task === undefined) break;
        this.#judge.meddled(task.id);
        this.#call('POST', `/fhir/R4/Task/${task.id}/$ers-reopen`, {});
        break;
      }
      case 'poll': {
        const service = [...this.#inUse].toSorted()[step.service % this.#inUse.size];
        const body = { resourceType: 'Parameters', parameter: [{ name: 'service', valueString: service }] };
        for (let time = 0; time < step.times; time += 1)
          this.#call('POST', '/fhir/R4/$ers-poll', { 'content-type': 'application/fhir+json' }, body);
        break;
      }
      case 'send': {
        const task = await this.#someTask(step.on);
        if (task) this.#call('POST', `/fhir/R4/Task/${task.id}/$ers-send-decision`, this.#sessionHeaders());
        break;
      }
      case 'session':
        this.#isSignedIn = step.is !== 'out';
        this.#session = step.is === 'short' ? { ...this.#signIn(61), untilMs: Number.POSITIVE_INFINITY } : undefined;
        break;
      case 'clear':
        this.#clear();
        break;
    }
    await this.#time.pass(step.afterMs);
  }

  #clear(): void {
    this.#simulator.control('DELETE', 'faults');
    this.#weather.clear();
    if (this.#session?.untilMs === Number.POSITIVE_INFINITY) this.#session = undefined;
  }

  #happen({ on, event, trouble }: Extract<Step, { do: 'happen' }>): void {
    const ubrn = this.#ubrns[on % this.#ubrns.length];
    const look = () => this.#simulator.control('GET', `referrals/${ubrn}`).value as InErs;
    const inErs = look();
    // What e-RS's own users can do: nobody decides twice, and each kind of referral in its way.
    const isTriage = inErs.state !== 'BOOKED';
    const decides = DECIDES_IN_ERS.get(event);
    if (decides && (inErs.isReviewed || isTriage !== (decides === 'triage'))) return;
    if (inErs.state === 'CANCELLED_REFERRAL') return;
    if (event === 'rebooked' && !inErs.isReviewed) return;
    const bookable = [SERVICES['booked-direct'], SERVICES['booked-indirect']].filter((one) => this.#inUse.has(one));
    if (event === 'rebooked-elsewhere' && bookable.length === 0) return;
    const change = {
      'pas-trouble': { type: 'pas-trouble', trouble: trouble ?? 'silent' },
      'shown-on-worklists': { type: 'hidden-from-worklists', isHidden: false },
      'rebooked-elsewhere': { type: 'rebooked', service: bookable[on % bookable.length] },
    }[event as string] ?? { type: event };
    const { status } = this.#simulator.control('POST', `referrals/${ubrn}/events`, change);
    if (event === 'moved-to-another-provider' && status === 200) this.#judge.movedAway(ubrn ?? '');
    if (event === 'attachment-removed') this.#judge.files.tookOff(ubrn ?? '', inErs.attachments, look().attachments);
    this.#say(`e-RS: ${event} on ${ubrn} (${status})`);
  }

  async #tasks(): Promise<Stored<Task>[]> {
    const page = await this.#store.search('Task', '_count=500');
    return page.ok ? (page.value.matches as Stored<Task>[]) : [];
  }

  /** Mostly one that is not closed. */
  async #someTask(on: number): Promise<Stored<Task> | undefined> {
    const tasks = await this.#tasks();
    const open = tasks.filter(({ status }) => status !== 'cancelled');
    const some = open.length > 0 && on % 10 !== 0 ? open : tasks;
    return some[on % Math.max(some.length, 1)];
  }

  #token(): string {
    this.#tokens += 1;
    return `${this.#tokens}`;
  }

  async #decide(task: Stored<Task>, step: Extract<Step, { do: 'decide' }>): Promise<void> {
    const seen = step.isBlind ? (this.#screens.get(task.id) ?? task) : task;
    this.#screens.set(task.id, task);
    const token = this.#token();
    const wish = decided(seen, step.choice, step.manner, token);
    if (step.file === undefined || !takesFile(seen, step.choice)) return this.#write(seen, wish, step);
    const bytes = Buffer.from(`a form, to go with ${token}`);
    if (step.file === 'facade') {
      this.#attachThroughFacade(seen, bytes, (reference) => {
        void this.#write(seen, withFile(wish, reference), step);
      });
      return;
    }
    const reference = await this.#attachInStore(seen, bytes);
    await this.#write(seen, withFile(wish, reference), step);
  }

  async #write(seen: Stored<Task>, wish: Wish, { door, isBlind }: Extract<Step, { do: 'decide' }>): Promise<void> {
    if (door !== 'store') return this.#putThroughFacade(seen, wish, door === 'facade-with-session');
    if (wish.intent) this.#judge.intends(wish.intent);
    const options = isBlind ? {} : { ifMatch: seen.meta.versionId };
    const written = await this.#store.update({ ...wish.task, id: seen.id }, options);
    this.#time.sign();
    this.#say(`a client writes ${wish.task.status} straight into the store (${written.ok ? 'stored' : written.code})`);
    this.#heard(wish, written.ok, seen.id);
  }

  /** What the facade refuses goes without its decision: the client does not decide by halves. */
  #attachThroughFacade({ id }: Stored<Task>, bytes: Buffer, attached: (reference: string) => void): void {
    const headers = { 'content-type': FILE.contentType, 'content-disposition': `attachment; filename="${FILE.title}"` };
    this.#call('POST', `/fhir/R4/Task/${id}/$ers-attach`, headers, bytes, (status, body) => {
      if (status !== 201) return;
      const reference = `DocumentReference/${(JSON.parse(body) as { id: string }).id}`;
      this.#judge.files.attached(reference, bytes);
      attached(reference);
    });
  }

  /** As a client of the store does what the facade would do for it. */
  async #attachInStore(task: Stored<Task>, bytes: Buffer): Promise<string> {
    const stored = await this.#store.putBinary(Readable.from([bytes]), { contentType: FILE.contentType });
    if (!stored.ok) throw new Error('the store of the proof keeps what clients write');
    const { id: binaryId, size, sha1 } = stored.value;
    const about = { serial: sha1, at: this.#time.now().toISOString() };
    const created = await this.#store.create(decisionAttachment(task, { ...FILE, binaryId, size, sha1 }, about));
    if (!created.ok) throw new Error('the store of the proof keeps what clients write');
    const reference = `DocumentReference/${created.value.resource.id}`;
    this.#judge.files.attached(reference, bytes);
    return reference;
  }

  /** All that is open, in one transaction, behind the facade's back. */
  async #decideAll(choice: number): Promise<void> {
    const open = (await this.#tasks()).filter(({ status }) => status === 'requested' || status === 'received');
    const wishes = open.map((task) => ({ task, wish: decided(task, choice, 'sound', this.#token()) }));
    if (wishes.length === 0) return;
    for (const { wish } of wishes) if (wish.intent) this.#judge.intends(wish.intent);
    const written = await this.#store.transaction(
      wishes.map(({ task, wish }) => ({
        kind: 'put' as const,
        resource: { ...wish.task, id: task.id },
        ifMatch: task.meta.versionId,
      })),
    );
    this.#say(`a client decides ${wishes.length} in one transaction (${written.ok ? 'stored' : written.code})`);
    for (const { task, wish } of wishes) this.#heard(wish, written.ok, task.id);
  }

  /** What the store said to a client's write. */
  #heard({ intent }: Wish, isStored: boolean, taskId: string): void {
    if (intent === undefined) this.#judge.meddled(taskId);
    else if (isStored) this.#judge.stored(intent, this.#time.now().toISOString());
    else this.#judge.forget(intent);
  }

  #putThroughFacade(seen: Stored<Task>, { task, intent: wished }: Wish, isSession: boolean): void {
    const intent = wished && this.#judge.intends({ ...wished, onVersion: seen.meta.versionId });
    const askedAt = this.#time.now().toISOString();
    const headers = {
      'content-type': 'application/fhir+json',
      'if-match': `W/"${seen.meta.versionId}"`,
      ...(isSession ? this.#sessionHeaders() : {}),
    };
    this.#call('PUT', `/fhir/R4/Task/${seen.id}`, headers, task, (status) => {
      if (intent === undefined) return;
      if (status >= 400 && status < 500) this.#judge.forget(intent);
      else if (status < 300) this.#judge.stored(intent, askedAt);
    });
    if (intent === undefined) this.#judge.meddled(seen.id);
  }

  async #touch(task: Stored<Task>, { how, door }: Extract<Step, { do: 'touch' }>): Promise<void> {
    const wanted = touched(task, how, this.#token());
    const intent = how === 'take-back' || how === 'claim' ? this.#judge.latestIntent(task.id) : undefined;
    const isDecided = task.status === 'accepted' || task.status === 'rejected';
    const isTakenBack = intent !== undefined && isDecided;
    this.#judge.meddled(task.id);
    if (door !== 'store') {
      const headers = { 'content-type': 'application/fhir+json', 'if-match': `W/"${task.meta.versionId}"` };
      this.#call('PUT', `/fhir/R4/Task/${task.id}`, headers, wanted, (status) => {
        if (status >= 300) return;
        if (isTakenBack && this.#judge.latestIntent(task.id) === intent) this.#judge.forget(intent as Intent);
        if (isDecided && wanted.status !== task.status) this.#judge.takenBackOn(task.id, task.meta.versionId);
      });
      return;
    }
    const written = await this.#store.update({ ...wanted, id: task.id }, { ifMatch: task.meta.versionId });
    this.#say(`a client makes a ${how} straight in the store (${written.ok ? 'stored' : written.code})`);
  }

  async #spoil(task: Stored<Task>, { how }: Extract<Step, { do: 'spoil' }>): Promise<void> {
    this.#judge.meddled(task.id);
    const wanted = spoiled(task, how);
    const written =
      wanted === undefined
        ? await this.#store.remove('Task', task.id)
        : await this.#store.update({ ...wanted, id: task.id });
    this.#say(`somebody spoils Task ${task.id}: ${how} (${written.ok ? 'stored' : written.code})`);
  }

  #sessionHeaders(): Record<string, string> {
    const { session } = this.#session ?? this.#signIn(600);
    return {
      'nhsd-user-authorization': `Bearer ${session.token}`,
      'nhsd-end-user-organisation-ods': session.organisation,
      'nhsd-ers-business-function': session.businessFunction,
    };
  }

  /** A client's request; its answer comes when it comes, or never. */
  #call(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body?: unknown,
    heard: (status: number, body: string) => void = () => undefined,
  ): void {
    const life = this.life;
    if (life.isOver || this.#app === undefined) return;
    void callFacade(this.#app, method, url, headers, body).then(({ status, body: answered }) => {
      this.#time.sign();
      if (life.isOver) return;
      this.#say(
        `the facade answers ${method} ${url.split('/').slice(3, 5).join('/')} with ${status} ${status >= 400 ? (/"code":"([a-z-]+)"\}\]/.exec(answered)?.[1] ?? '') : ''}`,
      );
      // A harness that the facade does not let in would prove nothing of it.
      if (status === 421 || status === 500) this.#judge.violations.push(`harness: the facade answers ${status}`);
      this.#judge.note(`facade ${method} ${url.includes('$') ? url.slice(url.indexOf('$')) : 'Task'} ${status}`);
      heard(status, answered);
    });
  }

  /** Faults end, the process lives, time passes. */
  async settle({ settlingMs = SETTLING_MS, isDeadAtTheEnd = false }: RunOptions): Promise<void> {
    this.#say('settling');
    this.#clear();
    this.life.spare();
    this.#isSignedIn = true;
    if (isDeadAtTheEnd) this.life.end();
    await this.#time.pass(settlingMs);
    if (isDeadAtTheEnd || settlingMs === 0) await this.#time.rest();
    if (this.#alerts === undefined || this.#engine === undefined) return;
    await this.#judge.atRest(this.#alerts);
    if (isDeadAtTheEnd) return;
    const account = await this.#time.until(this.#engine.reconcile());
    this.#judge.account(account.ok ? account.value : undefined, this.#alerts);
  }

  verdict(): Verdict {
    return {
      seed: this.#seed,
      violations: this.#judge.violations,
      deaths: this.#deaths,
      notes: this.#judge.notes,
      doors: this.#doors + this.life.doors,
      lastDoors: this.life.doors,
      trace: this.#trace,
      livedMs: this.#time.elapsedMs,
    };
  }

  async close(): Promise<void> {
    this.life.end();
    await this.#store.close();
  }

  #log(life: Life): Log {
    const at =
      (level: string) =>
      (event: string, fields: object = {}): void => {
        if (this.#isTraced && !event.startsWith('ers.') && !event.startsWith('facade.request'))
          this.#say(`process ${life.number} ${level} ${event} ${JSON.stringify(fields)}`);
        // The engine's own word for a defect: an exception that nobody expected.
        if (level === 'error' && /\.failed$/.test(event))
          this.#judge.violations.push(`defect: ${event} ${JSON.stringify(fields)}`);
      };
    return { info: at('info'), warn: at('warn'), error: at('error') };
  }

  #sayTask(task: Task, life: Life): void {
    const status = task.businessStatus?.coding?.[0]?.code;
    this.#say(
      `process ${life.number} writes Task ${task.id} of ${task.focus?.identifier?.value}: ${task.status}, ${status}`,
    );
  }

  #say(line: string): void {
    if (this.#isTraced) this.#trace.push(`${(this.#time.elapsedMs / 1000).toFixed(3).padStart(9)}  ${line}`);
  }
}
