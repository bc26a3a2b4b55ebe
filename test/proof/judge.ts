import { text } from 'node:stream/consumers';
import type { Basic, DocumentReference, Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import {
  codingOf,
  type DecisionCode,
  decisionOf,
  ersVersionOf,
  identifierOf,
  isFinal,
  isOpen,
  outputsOf,
  reviewStatusOf,
  SYSTEM,
} from '../../mappings/index.ts';
import type {
  Account,
  Alerts,
  DispatchRecord,
  QuarantineRecord,
  Store,
  SyncRecord,
  TransactionEntry,
  WorklistRecord,
} from '../../server/core/index.ts';
import { listRecords } from '../../server/store/index.ts';
import { Files, type Linked } from './files.ts';
import type { Asked } from './in-memory-http.ts';
import { recordIn, ubrnOf } from './labels.ts';
import type { Life } from './life.ts';

/** A decision that e-RS holds, as the simulator's control door tells it. */
interface Truth {
  readonly version: number;
  readonly kind: 'accepted' | 'rejected' | 'proposed' | 'cancelled';
  readonly reason?: string;
  readonly comments?: string;
  readonly by: 'api' | 'web';
  readonly correlationId?: string;
}
export interface InErs {
  readonly ubrn: string;
  readonly state: string;
  readonly version: number;
  readonly isReviewed: boolean;
  readonly isTriageable: boolean;
  readonly worklists: readonly string[];
  readonly decisions: readonly Truth[];
  readonly attachments: readonly Linked[];
}

/** What a Task says that was given back with its decision. */
export const GIVEN_BACK: ReadonlySet<string> = new Set([
  'decision-invalid',
  'decision-conflict',
  'decision-refused',
  'decision-expired',
  'delivery-failed',
]);

/** More attempts than these in so short a time are no back-off. */
const BURST = 6;
const BURST_MS = 10_000;

/** What a client asked for with one update, if the rules allow it at all. */
export interface Intent {
  readonly taskId: string;
  readonly decision: DecisionCode;
  readonly reason?: string;
  readonly comment?: string;
  /** References to the files that go with it. */
  readonly files?: readonly string[];
  /** The version that it was written upon through the facade. */
  readonly onVersion?: string;
}

/** An attempt as its mark in the store says, before it leaves. */
interface Mark {
  readonly taskId: string;
  /** Tells one decision of a client from the next on the same Task. */
  readonly queuedAt: string;
  readonly ubrn: string;
  readonly operation: string;
  readonly version: number;
}

const OPERATION: Readonly<Record<DecisionCode, string>> = {
  accept: 'A013',
  reject: 'A014',
  redirect: 'A022',
  'accept-book-later': 'A028',
  'return-with-advice': 'A028',
};
const OUTCOME: Readonly<Record<string, DecisionCode>> = {
  accepted: 'accept',
  rejected: 'reject',
  redirected: 'redirect',
  'accepted-book-later': 'accept-book-later',
  'returned-with-advice': 'return-with-advice',
};
const REASON: Readonly<Partial<Record<DecisionCode, string>>> = {
  redirect: 'CANCEL_APPOINTMENT_ACTION_LATER',
  'accept-book-later': 'ACCEPT_REFER_BOOK_LATER',
  'return-with-advice': 'RETURN_TO_REFERRER_WITH_ADVICE',
};

/**
 * Holds the invariants of architecture.md against all that is written and sent, while it happens and once all is at
 * rest. It takes e-RS's word for the truth, and the clients' own words for what they wanted; nothing of the engine's.
 */
export class Judge {
  readonly violations: string[] = [];
  readonly files = new Files((rule, what) => this.#fault(rule, what));
  readonly notes = new Map<string, number>();
  readonly #ask: (path: string) => unknown;
  readonly #store: Store;
  readonly #intents: Intent[] = [];
  /** The intent of each Task on which nobody has written since. */
  readonly #latest = new Map<string, Intent>();
  /** When an intent is known to have come into the store. */
  readonly #storedAt = new Map<Intent, string>();
  /** Intents that a client took back, with the facade's word that they are gone. */
  readonly #gone = new Set<Intent>();
  readonly #marks = new Map<string, Mark>();
  /** When the decision was queued that stood on a Task last. */
  readonly #queuedAt = new Map<string, string>();
  readonly #versions = new Map<string, number>();
  /** Writes that a life has sent and not been answered, by UBRN. */
  readonly #inFlight = new Map<string, { life: number; correlationId: string }>();
  /** Correlation ids of writes that e-RS may still be at work on. */
  readonly #underWay = new Set<string>();
  readonly #seen = new Set<string>();
  /** When writes left, by UBRN. */
  readonly #sentAt = new Map<string, number[]>();
  /** Referrals that another provider has now: e-RS shows us nothing of them any more. */
  readonly #moved = new Set<string>();
  #reading: Promise<unknown> = Promise.resolve();

  constructor(store: Store, ask: (path: string) => unknown) {
    this.#store = store;
    this.#ask = ask;
  }

  movedAway(ubrn: string): void {
    this.#moved.add(ubrn);
  }

  intends(intent: Intent): Intent {
    this.#intents.push(intent);
    this.#latest.set(intent.taskId, intent);
    return intent;
  }

  /** The store has it, and whoever wrote it knows that. */
  stored(intent: Intent, at: string): void {
    this.#storedAt.set(intent, at);
  }

  /** Somebody wrote on a Task: what was decided before is no longer all that was wanted of it. */
  meddled(taskId: string): void {
    this.#latest.delete(taskId);
  }

  /** The facade said that nothing of it was stored, or that it was taken back. */
  forget(intent: Intent): void {
    this.#gone.add(intent);
  }

  /**
   * A client took back what that version said. A decision that the facade took upon the same version made none of its own, or one of
   * the two had been refused: it said again what was there, and went with it (seed 900137).
   */
  takenBackOn(taskId: string, versionId: string): void {
    for (const intent of this.#intents)
      if (intent.taskId === taskId && intent.onVersion === versionId) this.#gone.add(intent);
  }

  latestIntent(taskId: string): Intent | undefined {
    return this.#intents.findLast((intent) => intent.taskId === taskId && !this.#gone.has(intent));
  }

  /** The engine's writes, at the moment when the store has carried them out. */
  wrote(entries: readonly TransactionEntry[], life: Life): void {
    for (const entry of entries) {
      if (entry.kind === 'delete') continue;
      const { resource } = entry;
      if (resource.resourceType === 'Task') this.#wroteTask(resource, life);
      else if (resource.resourceType === 'ServiceRequest') {
        const version = ersVersionOf(resource);
        if (version !== undefined) this.#never(`ServiceRequest/${resource.id}`, version);
      } else if (resource.resourceType === 'Basic') this.#wroteRecord(resource);
    }
  }

  /** A decision leaves for e-RS. */
  sent(endpoint: string, asked: Asked, life: Life, atMs: number): void {
    const ubrn = ubrnOf(asked.url) ?? '';
    const correlationId = String(asked.headers['x-correlation-id'] ?? '');
    const mark = this.#marks.get(correlationId);
    if (mark === undefined)
      this.#fault('D2', `${endpoint} left for ${ubrn} before the store held the mark of its attempt`);
    else {
      const ifMatch = asked.headers['if-match'];
      if (ifMatch !== `W/"${mark.version}"` || mark.ubrn !== ubrn)
        this.#fault('D2', `${endpoint} for ${ubrn} with If-Match ${ifMatch}, not as its mark says (${mark.version})`);
      this.#heldAgainstIntents(endpoint, mark, asked.body);
      this.files.linked(correlationId, wordsOf(asked.body).urls);
    }
    const lately = (this.#sentAt.get(ubrn) ?? []).filter((ms) => ms > atMs - BURST_MS);
    this.#sentAt.set(ubrn, [...lately, atMs]);
    if (lately.length >= BURST)
      this.#fault('E-8', `${endpoint} left for ${ubrn} more than ${BURST} times in ${BURST_MS / 1000} seconds`);
    const other = this.#inFlight.get(ubrn);
    if (other !== undefined && other.life === life.number)
      this.#fault('D1', `${endpoint} left for ${ubrn} while another write of the same process was in flight`);
    this.#inFlight.set(ubrn, { life: life.number, correlationId });
    this.#underWay.add(correlationId);
  }

  /** A file leaves for e-RS. */
  uploads(asked: Asked): void {
    this.note('a file was uploaded');
    this.files.leaves(asked, (taskId) =>
      this.#intents.flatMap((intent) => (intent.taskId === taskId ? (intent.files ?? []) : [])),
    );
  }

  /** A process no longer waits for the answer: it was heard, or its time is over. */
  concluded(asked: Asked): void {
    const ubrn = ubrnOf(asked.url) ?? '';
    if (this.#inFlight.get(ubrn)?.correlationId === asked.headers['x-correlation-id']) this.#inFlight.delete(ubrn);
  }

  /** e-RS has done with it, whether or not anybody hears. */
  done(asked: Asked): void {
    this.#underWay.delete(String(asked.headers['x-correlation-id'] ?? ''));
  }

  /** All is at rest: nothing is in flight, faults are gone, every list has been read since. */
  async atRest(alerts: Alerts): Promise<void> {
    await this.#reading;
    const { referrals } = this.#ask('referrals') as { referrals: InErs[] };
    const tasks = await this.#all<Task>('Task');
    const landed = new Set(
      (await this.#all<ServiceRequest>('ServiceRequest')).map((one) => identifierOf(one, SYSTEM.ubrn)),
    );
    const quarantine = await listRecords<QuarantineRecord>(this.#store, 'ers-quarantine');
    const kept = new Set(quarantine.ok ? quarantine.value.map(({ data }) => data.ubrn) : []);
    const records = await listRecords<DispatchRecord>(this.#store, 'ers-dispatch');
    const recordOf = new Map((records.ok ? records.value : []).map(({ data }) => [data.taskId, data]));
    const standing = alerts.standing();

    for (const ubrn of this.#seen)
      if (!landed.has(ubrn) && !kept.has(ubrn))
        this.#fault('K1', `${ubrn} was seen on a worklist and is neither in the store nor in quarantine`);

    for (const inErs of referrals) {
      const { ubrn } = inErs;
      const isHere = !this.#moved.has(ubrn);
      if (isHere && inErs.worklists.length > 0 && !landed.has(ubrn) && !kept.has(ubrn))
        this.#fault('K1', `${ubrn} is on a worklist and is neither in the store nor in quarantine`);
      const ours = tasks
        .filter(({ focus }) => focus?.identifier?.value === ubrn)
        .toSorted((a, b) => episodeOf(a) - episodeOf(b));
      const list = asksOn(inErs);
      if (isHere && list !== undefined && landed.has(ubrn)) {
        const latest = ours.at(-1);
        const status = latest && reviewStatusOf(latest);
        const isAlerted = standing.some(
          ({ code, subject }) =>
            code === 'decided-but-listed' &&
            (subject === latest?.id || latest?.focus?.reference?.endsWith(`/${subject}`)),
        );
        this.note(`asked for review on ${list}`);
        if (status === undefined || (isFinal(status) && !isAlerted))
          this.#fault('D3', `${ubrn} is on ${list}, to be reviewed, and its latest Task is ${status ?? 'missing'}`);
      }
      if (isHere && inErs.worklists.length > 0 && landed.has(ubrn) && kept.has(ubrn))
        this.#fault('K1', `${ubrn} has landed, and is in quarantine all the same`);
      for (const task of ours) this.#restingTask(task, inErs, recordOf.get(task.id ?? ''), alerts);
      for (const key of ours.slice(0, -1))
        if (!isFinal(reviewStatusOf(key) ?? 'awaiting-review'))
          this.#fault('D3', `${ubrn} has an open Task beside a later one`);
    }
    for (const [intent, at] of this.#storedAt)
      if (this.#latest.get(intent.taskId) === intent && !this.#gone.has(intent))
        await this.#isNotLost(
          intent,
          at,
          tasks.find(({ id }) => id === intent.taskId),
        );
    for (const truth of referrals.flatMap(({ decisions }) => decisions)) {
      if (truth.by === 'api' && !this.#marks.has(truth.correlationId ?? ''))
        this.#fault('D2', `e-RS recorded ${truth.kind} by a call that no attempt in the store tells of`);
    }
    for (const { decisions } of referrals) this.#onceEach(decisions);
    for (const { ubrn, decisions, attachments } of referrals) {
      const ours = decisions.flatMap(({ by, correlationId = '' }) => (by === 'api' ? correlationId : []));
      const linked = this.files.atRest(ubrn, ours, attachments);
      for (let file = 0; file < linked; file += 1) this.note('a file is linked');
    }
  }

  /**
   * What a client decided came to an end that the client can see: the review is closed, its outcome is in doubt, it waits
   * for a clinician, or a version of the Task since then said why it was given back.
   */
  async #isNotLost({ taskId, decision }: Intent, at: string, task: Task | undefined): Promise<void> {
    const status = task && reviewStatusOf(task);
    if (status !== undefined && !isOpen(status)) return;
    const history = await this.#store.history('Task', taskId, { count: 500, since: at });
    const entries = history.ok ? history.value.entries : [];
    const isGivenBack = entries.some(
      ({ resource }) => resource?.resourceType === 'Task' && GIVEN_BACK.has(reviewStatusOf(resource) ?? ''),
    );
    if (!isGivenBack)
      this.#fault(
        'K1',
        `${decision} of Task ${taskId} was stored, and nothing came of it: the Task is ${status ?? 'missing'}`,
      );
  }

  /**
   * One success a decision; where e-RS asked again in between and somebody decided anew, that is another one. The one
   * exception is e-RS's: whether it refuses to accept what is accepted is not known, and
   * the one probe of 4.5, which alone can tell, then meets an e-RS that takes it again and changes nothing.
   */
  #onceEach(decisions: readonly Truth[]): void {
    const byTask = new Map<string, number[]>();
    for (const [index, truth] of decisions.entries()) {
      const mark = truth.by === 'api' ? this.#marks.get(truth.correlationId ?? '') : undefined;
      const key = `${mark?.taskId}, decided ${mark?.queuedAt}`;
      if (mark !== undefined) byTask.set(key, [...(byTask.get(key) ?? []), index]);
    }
    for (const [taskId, [first, second, ...more]] of byTask) {
      if (first === undefined || second === undefined) continue;
      const isProbe =
        more.length === 0 &&
        second === first + 1 &&
        decisions[first]?.kind === 'accepted' &&
        decisions[second]?.kind === 'accepted';
      if (isProbe) this.note('a probe was taken by an e-RS that accepts twice');
      else this.#fault('D2', `e-RS recorded ${2 + more.length} decisions of one review (Task ${taskId})`);
    }
  }

  /** The sentinel's own account, once all is at rest: seen = open + decided + explained; and it tells what an alert tells. */
  account(account: Account | undefined, alerts: Alerts): void {
    if (account === undefined) {
      this.#fault('K1', 'the sentinel gives no account at rest');
      return;
    }
    if (!account.balances)
      this.#fault('K1', `the account does not balance at rest: ${JSON.stringify(account.services)}`);
    const told = new Set(account.exceptions.flatMap(({ code, taskId }) => (code === 'outcome-unknown' ? taskId : [])));
    for (const { code, subject } of alerts.standing()) {
      if (code !== 'outcome-unknown') continue;
      this.note('outcome-unknown at rest');
      if (!told.has(subject))
        this.#fault('D2', `the outcome of Task ${subject} is an alert, and no exception of the account`);
    }
  }

  #restingTask(task: Task, inErs: InErs, record: DispatchRecord | undefined, alerts: Alerts): void {
    const { ubrn } = inErs;
    const status = reviewStatusOf(task);
    if (status === undefined) {
      this.#fault('D3', `a Task of ${ubrn} has no businessStatus at rest`);
      return;
    }
    this.note(`ended ${status}`);
    if (isFinal(status)) {
      this.#isTrue(task, inErs, 'at rest');
      return;
    }
    const ownSuccess = inErs.decisions.some((truth) => truth === inErs.decisions.at(-1) && this.#isOf(truth, task));
    if (isOpen(status) && task.status !== 'requested' && task.status !== 'received')
      this.#fault('T-9', `a Task of ${ubrn} is ${status} at rest, and no worklist of clients finds it: ${task.status}`);
    if (isOpen(status)) {
      if (inErs.isReviewed) this.#fault('D3', `a Task of ${ubrn} is ${status} at rest, and e-RS has it decided`);
      return;
    }
    if (status === 'decision-sending') {
      const isUnknowable = record?.decision?.isUnknowable === true;
      const isAlerted = alerts
        .standing()
        .some(({ code, subject }) => code === 'outcome-unknown' && subject === task.id);
      if (!(isUnknowable || this.#moved.has(ubrn)) || !isAlerted)
        this.#fault('D2', `a Task of ${ubrn} is still being sent at rest without being known as unknowable`);
      return;
    }
    if (ownSuccess) this.#fault('D3', `a Task of ${ubrn} is ${status} at rest, and e-RS has recorded its decision`);
    if (status === 'decision-queued') this.#fault('D2', `a Task of ${ubrn} is still queued at rest`);
  }

  #wroteTask(task: Task, life: Life): void {
    const status = reviewStatusOf(task);
    const ubrn = task.focus?.identifier?.value;
    if (status === undefined || ubrn === undefined) return;
    const inErs = this.#ask(`referrals/${ubrn}`) as InErs;
    if (inErs.decisions === undefined) return;
    const failed = decisionOf(task, 'failed-decision');
    const isRecorded = inErs.decisions.some(
      (truth) =>
        failed !== undefined && isKind(truth, failed) && this.#isOfLatest(truth, task) && !this.#lateness(truth),
    );
    if (isRecorded)
      this.#fault('D3', `a Task of ${ubrn} says as ${status} that ${failed} failed, and e-RS has recorded it`);
    if (isFinal(status)) this.#isTrue(task, inErs, `written by process ${life.number}`);
    if (!isOpen(status)) return;
    const last = inErs.decisions.at(-1);
    const isOurs = last !== undefined && this.#isOf(last, task);
    if (isOurs && inErs.isReviewed) {
      if (this.#lateness(last)) this.note('opened while a write of a dead or given-up call was under way');
      else this.#fault('D3', `a Task of ${ubrn} was opened as ${status}, and e-RS has recorded its decision`);
    }
  }

  /** A final businessStatus means that e-RS recorded it. */
  #isTrue(task: Task, inErs: InErs, when: string): void {
    const status = reviewStatusOf(task) ?? '';
    if (status === 'withdrawn') {
      // It says that nobody can say, which is no claim.
      const isUnknown = outputsOf(task, 'outcome-unknown').length > 0;
      if (isUnknown) this.note('withdrawn with its outcome unknown');
      const last = inErs.decisions.at(-1);
      if (!isUnknown && last !== undefined && this.#isOf(last, task) && !this.#lateness(last))
        this.#fault('D3', `a Task of ${inErs.ubrn} is withdrawn ${when}, and e-RS has recorded its decision`);
      return;
    }
    const decision = OUTCOME[status];
    if (decision === undefined) {
      this.#fault('D3', `a Task of ${inErs.ubrn} is ${status}, which is no outcome`);
      return;
    }
    const fits = inErs.decisions.filter((truth) => isKind(truth, decision));
    const isInErs = outputsOf(task, 'decided-in-ers').length > 0;
    const isInferred = outputsOf(task, 'outcome-inferred').length > 0;
    if (isInErs || isInferred) {
      this.note(isInferred ? 'inferred from a list' : 'decided in e-RS');
      if (fits.length === 0)
        this.#fault('D3', `a Task of ${inErs.ubrn} says ${status} ${when}, and e-RS has no such decision`);
      return;
    }
    const own = fits.filter((truth) => this.#isOf(truth, task));
    if (own.length === 0)
      this.#fault('D3', `a Task of ${inErs.ubrn} says ${status} ${when}, and e-RS has not recorded it`);
    const version = outputsOf(task, 'recorded-version')[0]?.valueUnsignedInt;
    if (version === undefined || own.every((truth) => truth.version > version))
      this.#fault('D3', `a Task of ${inErs.ubrn} names version ${version}, at which e-RS had not recorded it`);
  }

  #isOf(truth: Truth, task: Task): boolean {
    return truth.by === 'api' && this.#marks.get(truth.correlationId ?? '')?.taskId === task.id;
  }

  /** Of the decision that stood on the Task last: an earlier one may have been recorded of what e-RS asked then (seed 2964). */
  #isOfLatest(truth: Truth, task: Task): boolean {
    const mark = this.#marks.get(truth.correlationId ?? '');
    return this.#isOf(truth, task) && mark?.queuedAt === this.#queuedAt.get(mark?.taskId ?? '');
  }

  #late = new Set<string>();
  /** e-RS is still at it after the process has died or given up waiting: no reading before could show it. */
  arrivedLate(asked: Asked): void {
    this.#late.add(String(asked.headers['x-correlation-id'] ?? ''));
  }
  #lateness = ({ correlationId }: Truth): boolean => this.#late.has(correlationId ?? '');

  #wroteRecord(resource: Basic): void {
    const record = recordIn(resource);
    if (record?.kind === 'ers-dispatch') {
      const { taskId, ubrn, decision, ended } = record.data as DispatchRecord;
      this.files.wroteRecord(record.data as DispatchRecord);
      if (decision) this.#queuedAt.set(taskId, decision.queuedAt);
      const attempt = decision?.lastAttempt;
      if (attempt?.outcome === 'unknown')
        this.#marks.set(attempt.correlationId, {
          taskId,
          queuedAt: decision?.queuedAt ?? '',
          ubrn,
          operation: attempt.operation,
          version: attempt.version,
        });
      if (ended?.recorded) this.note('recorded');
    } else if (record?.kind === 'ers-sync') {
      const { requestId, version } = record.data as SyncRecord;
      this.#never(`sync ${requestId}`, version);
    } else if (record?.kind === 'ers-worklist') {
      const binaryId = (record.data as WorklistRecord).snapshots[0]?.binaryId;
      if (binaryId !== undefined) this.#reading = Promise.all([this.#reading, this.#look(binaryId)]);
    }
  }

  async #look(binaryId: string): Promise<void> {
    const opened = await this.#store.openBinary(binaryId);
    if (!opened.ok) return;
    const json = await text(opened.value.stream);
    for (const [, ubrn] of json.matchAll(/ReferralRequest\/(\d{12})/g)) if (ubrn !== undefined) this.#seen.add(ubrn);
  }

  /** K4: never lower than before. */
  #never(what: string, version: number): void {
    const before = this.#versions.get(what) ?? 0;
    if (version < before) this.#fault('K4', `${what} went from version ${before} back to ${version}`);
    this.#versions.set(what, Math.max(before, version));
  }

  #heldAgainstIntents(endpoint: string, { taskId }: Mark, body: Buffer | undefined): void {
    const { urls, ...said } = wordsOf(body);
    const intents = this.#intents.filter((intent) => intent.taskId === taskId);
    const isMeant = (intent: Intent) =>
      OPERATION[intent.decision] === endpoint &&
      intent.comment === said.comment &&
      (endpoint !== 'A014' || intent.reason === said.reason) &&
      (endpoint !== 'A028' || REASON[intent.decision] === said.outcome);
    const meant = intents.filter(isMeant);
    if (meant.length === 0)
      this.#fault('D4', `${endpoint} left with ${JSON.stringify(said)}, which no client asked of Task ${taskId}`);
    else if (!meant.some((intent) => this.files.areThose(urls, intent.files)))
      this.#fault('T-6', `${endpoint} left with ${urls.length} files, which are not those of its decision`);
    else if (meant.every((intent) => this.#gone.has(intent)))
      this.#fault('D4', `${endpoint} left although its decision was refused or taken back, and the client was told so`);
  }

  note(what: string): void {
    this.notes.set(what, (this.notes.get(what) ?? 0) + 1);
  }

  #fault(rule: string, what: string): void {
    const line = `${rule}: ${what}`;
    if (!this.violations.includes(line)) this.violations.push(line);
  }

  async #all<T extends Resource>(type: 'Task' | 'ServiceRequest'): Promise<T[]> {
    const page = await this.#store.search(type, '_count=500');
    return page.ok ? (page.value.matches as unknown as T[]) : [];
  }
}

/** The list on which e-RS asks for a review; a slot issue is to be triaged where A029 says so (T-10). */
const asksOn = ({ worklists, isTriageable }: InErs): string | undefined =>
  worklists.find((list) => list === 'REFERRALS_FOR_REVIEW' || (list === 'APPOINTMENT_SLOT_ISSUES' && isTriageable));

const episodeOf = (task: Task): number => Number(identifierOf(task, SYSTEM.reviewTask)?.split('.').at(-1) ?? 0);

function isKind({ kind, reason }: Truth, decision: DecisionCode): boolean {
  if (decision === 'accept') return kind === 'accepted';
  if (decision === 'reject') return kind === 'rejected';
  return kind === 'proposed' && reason === REASON[decision];
}

/** What is said in a decision's body: its comment, its reason to reject, its outcome; and the files that it links. */
function wordsOf(body: Buffer | undefined): Words {
  if (body === undefined) return { urls: [] };
  const { parameter: parameters } = JSON.parse(body.toString('utf8')) as { parameter?: Said[] };
  const string = (...names: string[]) => parameters?.find(({ name }) => names.includes(name))?.valueString;
  const code = (name: string) => parameters?.find((one) => one.name === name)?.valueCoding?.code;
  const comment = string('rejectionComments', 'comments', 'reviewComments');
  const reason = code('rejectionReason');
  const outcome = code('reviewOutcome');
  return {
    ...(comment === undefined ? {} : { comment }),
    ...(reason === undefined ? {} : { reason }),
    ...(outcome === undefined ? {} : { outcome }),
    urls: (parameters ?? []).flatMap(({ resource }) => resource?.content?.[0]?.attachment?.url ?? []),
  };
}

interface Words {
  readonly comment?: string;
  readonly reason?: string;
  readonly outcome?: string;
  readonly urls: readonly string[];
}
interface Said {
  readonly name: string;
  readonly valueString?: string;
  readonly valueCoding?: { readonly code?: string };
  readonly resource?: DocumentReference;
}

/** The decision that a Task offers, for clients who look before they decide. */
export const offeredBy = (task: Task): readonly string[] =>
  (task.input ?? []).flatMap((input) =>
    input.type.coding?.[0]?.code === 'available-decision' ? (codingOf(input)?.code ?? []) : [],
  );
