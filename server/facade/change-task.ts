import { randomUUID } from 'node:crypto';
import type { Task } from '@medplum/fhirtypes';
import {
  CODES,
  type Code,
  type DispatchRecord,
  isUnattended,
  type Stored,
  type StoreResult,
  type TransactionEntry,
  type UserSession,
  type VerifiedUser,
} from '../core/index.ts';
import type { Assessment } from '../decisions/index.ts';
import { readRecord, recordEntry } from '../store/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { readIfMatch, versionHeadersOf } from './etag.ts';
import { refuseForeignReferences } from './limited.ts';
import { readPreferences } from './negotiate.ts';
import { noticeOutcome, refuse, refuseDecision, refuseForStore, successOutcome } from './outcome.ts';
import { type Propose, taskTooLarge } from './propose.ts';
import { assess, loadReview, type Review, rulesFor } from './review.ts';
import type { Call, FacadeRoom } from './room.ts';
import type { Route } from './route.ts';
import { bytesOf } from './size.ts';
import { readSession } from './user-session.ts';
import { verifiedUser } from './verified-user.ts';
import { within } from './within.ts';

type TaskCall = Call<Extract<Route, { id: string; kind: 'update' | 'patch' }>>;

/** What could not be done beside the update itself. */
interface Notice {
  readonly code: Code;
  readonly text: string;
}

/**
 * Carries out a client's update of a review Task, which is the only thing that clients write.
 * Issues: version-required, version-conflict; those of decisions (4.8), nothing stored; engine-unavailable
 * Source: target-model 4.3, T-7, T-8, T-11..T-16
 */
export async function changeTask(room: FacadeRoom, call: TaskCall, propose: Propose): Promise<Answer> {
  const versionId = expectedVersion(call);
  if (typeof versionId !== 'string') return versionId;
  const carried = readSession(call.headers);
  if (isRefusal(carried)) return carried;

  let judged = await judgeUpdate(room, call, versionId, propose);
  if (isRefusal(judged)) return judged;
  let notice: Notice | undefined;
  if (isClaim(judged)) {
    // The clinician is about to read it: they should see what e-RS has now, or be told that they may not (T-11).
    notice = await refreshFirst(room, judged.review);
    judged = await judgeUpdate(room, call, versionId, propose);
    if (isRefusal(judged)) return judged;
  }
  const { review, assessment } = judged;
  switch (assessment.kind) {
    case 'unchanged':
      return answerTask(call, review.task, notice);
    case 'refused':
      return refuseDecision(assessment.issues);
    case 'annotated': {
      const maxBytes = room.limits.maxTaskBytes * 0.75;
      const isOfNotes = assessment.task.status === review.task.status;
      if (isOfNotes && (bytesOf(assessment.task) ?? 0) > maxBytes) return taskTooLarge(maxBytes);
      return storeWithRecord(room, call, review, assessment.task, review.record.data, notice);
    }
    case 'taken-back': {
      const { decision: _, deciding: __, ...undecided } = review.record.data;
      return storeWithRecord(room, call, review, assessment.task, undecided, notice);
    }
    case 'decided':
      return storeDecision(room, call, review, assessment, carried.session);
  }
}

/** The version that the reviewer saw (T-8). */
function expectedVersion({ headers }: TaskCall): string | Refusal {
  const ifMatch = readIfMatch(headers);
  if (ifMatch.kind === 'version') return ifMatch.versionId;
  return ifMatch.kind === 'absent'
    ? refuse('version-required')
    : refuse('parameter-invalid', { text: 'If-Match is the ETag of the Task as you read it, quotes included: W/"3".' });
}

interface Judged {
  readonly review: Review;
  readonly assessment: Assessment;
}

async function judgeUpdate(
  room: FacadeRoom,
  call: TaskCall,
  versionId: string,
  propose: Propose,
): Promise<Judged | Refusal> {
  const review = await loadReview(room, call.route.id);
  if (isRefusal(review)) return review;
  if (review.task.meta.versionId !== versionId) return refuse('version-conflict');
  const proposed = propose(review.task);
  if (isRefusal(proposed)) return proposed;
  const foreign = await refuseForeignReferences(room, call, review.task, proposed.task);
  if (foreign) return foreign;
  const rules = await rulesFor(room, review, proposed.task);
  if (isRefusal(rules)) return rules;
  return { review, assessment: assess(review, proposed.task, rules) };
}

const isClaim = ({ review, assessment }: Judged) =>
  assessment.kind === 'annotated' && review.task.status === 'requested' && assessment.task.status === 'received';

async function refreshFirst(room: FacadeRoom, { record }: Review): Promise<Notice | undefined> {
  const refresh = room.engine.refresh(record.data.serviceRequestId);
  const refreshed = await within(room.clock, room.limits.refreshWaitMs, refresh);
  if (!refreshed.isLate && refreshed.value.ok) return undefined;
  const code = refreshed.isLate || refreshed.value.ok ? 'ers-unavailable' : refreshed.value.code;
  room.log.warn('facade.claim.unrefreshed', { serviceRequestId: record.data.serviceRequestId, code });
  return { code, text: 'The referral could not be read from e-RS just now: it is shown as last known.' };
}

/** A claim, a release, a note, an owner, a decision taken back: the engine's picture moves with the Task (architecture 1). */
async function storeWithRecord(
  room: FacadeRoom,
  call: TaskCall,
  { task: before, record }: Review,
  task: Task,
  data: DispatchRecord,
  notice: Notice | undefined,
): Promise<Answer> {
  const written = await room.store.transaction([
    { kind: 'put', resource: stamped(room, before, task), ifMatch: before.meta.versionId },
    recordEntry(room.store, 'ers-dispatch', record.key, { ...data, baseline: task }, record),
  ] satisfies TransactionEntry[]);
  if (!written.ok) return refuseForStore(written);
  return answerTask(call, written.value[0] as Stored<Task>, notice);
}

/**
 * The decision is the client's own write: the engine finds it by the Task's state, with or without the hint. A session
 * sends what came with it, or nobody does until another one is given (4.7).
 */
async function storeDecision(
  room: FacadeRoom,
  call: TaskCall,
  { task: before, record }: Review,
  decided: Extract<Assessment, { kind: 'decided' }>,
  session: UserSession | undefined,
): Promise<Answer> {
  const { store, engine, refuseUserRestricted } = room;
  if (session === undefined && refuseUserRestricted !== undefined) {
    // Files are uploaded by users only (T-6).
    const needsUser =
      decided.attachments.length > 0 ||
      !isUnattended(refuseUserRestricted.services, record.data.reviewed.service, decided.decision);
    if (needsUser) return refuse('user-session-required');
  }
  // A session cannot wait: without an engine to use it the decision would be stored but not sent (architecture 3).
  if (session && !(await engine.isAtHand())) return refuse('engine-unavailable');
  const user = await verifiedUser(room, call.caller);
  if (isRefusal(user)) return user;
  const id = randomUUID();
  const written = await writeDecision(room, before, record, decided, {
    id,
    ...user,
    isInSession: session !== undefined,
  });
  if (!written.ok) return refuseForStore(written);
  if (session === undefined) {
    engine.wake(before.id);
    return answerTask(call, written.value, undefined);
  }
  const sent = await within(room.clock, room.limits.sendWaitMs, engine.send(before.id, session, id));
  const notice: Notice | undefined =
    sent.isLate || sent.value.ok || sent.value.code === 'engine-answer-lost'
      ? undefined
      : {
          code: sent.value.code,
          text: `The decision is stored and was not sent: ${CODES[sent.value.code].happened} It waits as its businessStatus says.`,
        };
  const now = await store.read('Task', before.id);
  return answerTask(call, now.ok ? now.value : written.value, notice);
}

interface HowDecided {
  readonly id: string;
  readonly user?: VerifiedUser;
  readonly isInSession: boolean;
}

/** Writes the decided Task and, where there is something to say of it, how it came: in one transaction. */
async function writeDecision(
  room: FacadeRoom,
  before: Stored<Task>,
  { key, data: known }: Review['record'],
  decided: Extract<Assessment, { kind: 'decided' }>,
  how: HowDecided,
): Promise<StoreResult<Stored<Task>>> {
  const { store } = room;
  const task = stamped(room, before, decided.task);
  const ifMatch = before.meta.versionId;
  // What was noted of an earlier decision must not be taken for a word on this one.
  const isNoted = how.user !== undefined || how.isInSession || known.deciding !== undefined;
  if (!isNoted) return store.update(task, { ifMatch });
  for (let tries = 1; ; tries += 1) {
    const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
    if (!record.ok) return record;
    if (record.value === undefined) return { ok: false, code: 'conflict' };
    const data: DispatchRecord = { ...record.value.data, deciding: { command: decided.command, ...how } };
    const written = await store.transaction([
      { kind: 'put', resource: task, ifMatch },
      recordEntry(store, 'ers-dispatch', key, data, record.value),
    ] satisfies TransactionEntry[]);
    if (written.ok) return { ok: true, value: written.value[0] as Stored<Task> };
    // The engine keeps its own books in the record while the Task stays as it is; only the latter is the client's affair.
    if (written.code !== 'conflict' || tries === WRITE_TRIES) return written;
    const now = await store.read('Task', before.id);
    if (!now.ok || now.value.meta.versionId !== ifMatch) return written;
  }
}

const WRITE_TRIES = 4;

const stamped = ({ clock }: FacadeRoom, before: Stored<Task>, task: Task) => ({
  ...task,
  id: before.id,
  lastModified: clock.now().toISOString(),
});

/** Answers as `Prefer: return` asks. A notice also goes into a Warning header, for clients that want the Task only. */
function answerTask({ headers }: TaskCall, task: Stored<Task>, notice: Notice | undefined): Answer {
  const { returns } = readPreferences(headers);
  const about = {
    ...versionHeadersOf(task),
    ...(notice === undefined ? {} : { Warning: `199 ers-fhir "${notice.code}: ${notice.text}"` }),
  };
  if (returns === 'minimal') return { status: 204, headers: { ...about, 'Preference-Applied': 'return=minimal' } };
  if (returns === 'representation') return { status: 200, body: task, headers: about };
  const text = `The Task is stored as version ${task.meta.versionId}.`;
  const body = notice === undefined ? successOutcome(text) : noticeOutcome(text, notice.code, notice.text);
  return { status: 200, body, headers: { ...about, 'Preference-Applied': 'return=OperationOutcome' } };
}
