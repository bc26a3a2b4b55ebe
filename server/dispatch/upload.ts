import { randomUUID } from 'node:crypto';
import {
  type AttachedFile,
  attachedFile,
  freshFileName,
  isSameJson,
  type UploadedAttachment,
} from '../../mappings/index.ts';
import type { DispatchRecord, Fate, StoreResult, TransactionEntry } from '../core/index.ts';
import { afterAnswer, type DeliveryStep, invalid, type QueuedDecision, uploadRefused } from '../decisions/index.ts';
import { loadReview, type Review } from '../reviews/index.ts';
import { recordEntry } from '../store/index.ts';
import { afterFailure, type InHand, later, type Next, reload } from './next.ts';
import type { DispatchRoom } from './room.ts';
import type { IdentifiedSession } from './sessions.ts';
import { attemptAudit } from './witness.ts';
import { contentOf, writeStep } from './write.ts';

// Uploads change no referral: e-RS purges a file that nothing links. What must not happen is that a decision goes without
// its files, or that a file is linked twice, or under a name that e-RS refuses. Steps, and what a crash right after each
// leaves behind:
//   1a write the name under which the file goes, and what was taken over: the name is spent; the next upload takes another.
//   1b call e-RS (A020): perhaps a loose file under that name, which e-RS purges; uploaded again under another name.
//   1c write what e-RS's answer means, with the AuditEvent of the upload, in one transaction: its URL of the file into the
//     decision, so that it is not uploaded again, and the next one is, or the decision goes; or as in step 4 of deliver
//     queued, waiting or given back. A file that is gone from the store gives the decision back before 1a.
// Until the decision itself is sent it can be taken back (T-14): what was uploaded for it then stays loose. Another
// decision uploads anew, since e-RS may have purged the file meanwhile.

/** What became of the next upload. `rule`: what the answer means is to be written as for the decision itself (E-7..E-9). */
export type Upload =
  | { readonly kind: 'none-left' }
  | { readonly kind: 'next'; readonly next: Next }
  | {
      readonly kind: 'rule';
      readonly hand: InHand;
      readonly decision: QueuedDecision;
      readonly step: DeliveryStep;
      readonly witnesses: readonly TransactionEntry[];
    };

const next = (one: Next): Upload => ({ kind: 'next', next: one });
const written = (result: StoreResult<unknown>): Upload => next(result.ok ? reload : afterFailure(result));

/** Uploads the next file that goes with a decision and is not in e-RS yet. Runs in the referral's turn. Source: T-6, A020 */
export async function uploadNext(
  options: DispatchRoom,
  hand: InHand,
  decision: QueuedDecision,
  identified: IdentifiedSession | undefined,
): Promise<Upload> {
  const waiting = (decision.attachments ?? []).find(({ uploaded }) => uploaded === undefined);
  if (waiting === undefined) return { kind: 'none-left' };
  // nextDelivery lets a decision with attachments go with a session only.
  if (identified === undefined) return { kind: 'rule', hand, decision, step: { kind: 'await-user' }, witnesses: [] };
  const file = await fileOf(options, hand.step.record, waiting.reference);
  if (!file.ok) return next(later(file.retryAfterMs));
  if (file.value === undefined) return giveBack(options, hand);
  if (!(await options.people.place(identified.sdsUserId))) return next(later());

  // Another engine may be at work: what is found next is its, or ours once we hold the lease again.
  if (options.fence?.() === false) return next(later());
  // Step 1a
  const uploadNames = hand.step.record.uploadNames ?? [];
  const fileName = freshFileName(file.value.title, uploadNames);
  const record = { ...hand.step.record, uploadNames: [...uploadNames, fileName] };
  const named = await writeStep(options, hand.review, { ...hand.step, record });
  if (!named.ok) return written(named);

  // Step 1b
  const bytes = await options.store.openBinary(file.value.binaryId);
  if (!bytes.ok) return next(later(bytes.retryAfterMs));
  // Where the store does not say, the length is what was counted when the file came in.
  const { stream, size = file.value.size } = bytes.value;
  const { contentType, description } = file.value;
  const correlationId = randomUUID();
  const { taskId, ubrn } = record;
  const fate = await options.ers.uploadFile(
    { ubrn, fileName, contentType, size, stream },
    { correlationId, priority: 'decision', session: identified.session },
  );
  options.log[fate.kind === 'ok' ? 'info' : 'warn']('dispatch.file.answered', {
    taskId,
    operation: 'A020',
    bytes: size,
    correlationId,
    ...(fate.kind === 'ok' ? {} : { code: fate.code }),
    ...(fate.kind === 'ok' || fate.refusal?.ersCode === undefined ? {} : { ersCode: fate.refusal.ersCode }),
  });
  const about = { reference: waiting.reference, correlationId, description, sender: identified.sdsUserId };
  return answered(options, hand.review.key, taskId, decision, about, fate);
}

interface About {
  readonly reference: string;
  readonly correlationId: string;
  readonly description: string | undefined;
  readonly sender: string;
}

/** Step 1c: what e-RS's answer to an upload means. */
async function answered(
  options: DispatchRoom,
  key: string,
  taskId: string,
  given: QueuedDecision,
  { reference, correlationId, description, sender }: About,
  fate: Fate<{ url: string }>,
): Promise<Upload> {
  const loaded = await loadReview(options.store, taskId, key);
  if (!loaded.ok) return next(later(loaded.retryAfterMs));
  const review = loaded.value;
  const decision = review?.record.data.decision;
  // Taken back meanwhile, or in the hands of another engine that took over: the file stays loose, and what e-RS said of it
  // says nothing of what that engine has begun.
  if (review === undefined || decision === undefined || !isSameJson(decision, given)) return next(reload);
  const recorded = options.clock.now().toISOString();
  const task = review.task ?? { ...review.record.data.baseline, id: taskId };
  const refusal = fate.kind === 'ok' ? { status: 201 } : (fate.refusal ?? {});
  const call = { operation: 'A020', correlationId, sender } as const;
  const audit = attemptAudit(task, call, { ...refusal, recorded, isRecorded: fate.kind === 'ok' }, options.ids);
  const witnesses: TransactionEntry[] = [{ kind: 'create', resource: audit }];
  if (fate.kind === 'ok') {
    const uploaded = { url: fate.value.url, indexed: recorded, ...(description === undefined ? {} : { description }) };
    return noteUploaded(options, review, withUploaded(decision, reference, uploaded), witnesses);
  }
  const { baseline } = review.record.data;
  // Somebody has written on the Task meanwhile: that is judged first, and must not be written over.
  if (review.task !== undefined && !isSameJson(contentOf(review.task), contentOf({ ...baseline, id: taskId })))
    return next(reload);
  const hand: InHand = { review, step: { task: baseline, record: review.record.data }, isDirty: false };
  const tried: QueuedDecision = {
    ...decision,
    attempts: decision.attempts + 1,
    firstAttemptAt: decision.firstAttemptAt ?? recorded,
  };
  const at = { now: recorded, random: options.random() };
  // What refuses a file is never our own doing, so that an earlier attempt of the decision says nothing here.
  const step = afterAnswer({ ...tried, wasUnknown: false }, fate, at, options.policy);
  if (step.kind !== 'refused') return { kind: 'rule', hand, decision: tried, step, witnesses };
  if (step.isDefect) options.alerts.raise('ers-request-wrong', taskId);
  const refused = uploadRefused(hand.step, decision, step.refusal, correlationId);
  return written(await writeStep(options, review, refused, witnesses));
}

/** Only the record moves: whatever a client wrote on the Task meanwhile is looked at before the decision goes. */
async function noteUploaded(
  { store, people }: DispatchRoom,
  { key, record }: Review,
  decision: QueuedDecision,
  witnesses: readonly TransactionEntry[],
): Promise<Upload> {
  const noted = await store.transaction([
    recordEntry(store, 'ers-dispatch', key, { ...record.data, decision }, record),
    ...witnesses.map((entry) =>
      entry.kind === 'create' ? { ...entry, resource: people.resolve(entry.resource) } : entry,
    ),
  ]);
  return written(noted);
}

const withUploaded = (decision: QueuedDecision, reference: string, uploaded: UploadedAttachment): QueuedDecision => ({
  ...decision,
  attachments: (decision.attachments ?? []).map((one) => (one.reference === reference ? { ...one, uploaded } : one)),
});

/** The file behind an attachment; undefined when it is not there any more, or is none of this review. */
async function fileOf(
  { store }: DispatchRoom,
  { taskId, baseline }: DispatchRecord,
  reference: string,
): Promise<StoreResult<AttachedFile | undefined>> {
  const nothing: StoreResult<undefined> = { ok: true, value: undefined };
  const document = await store.read('DocumentReference', reference.slice('DocumentReference/'.length));
  if (!document.ok) return document.code === 'gone' || document.code === 'not-found' ? nothing : document;
  const file = attachedFile(document.value, { ...baseline, id: taskId });
  if (file === undefined) return nothing;
  const binary = await store.read('Binary', file.binaryId);
  if (binary.ok) return { ok: true, value: file };
  return binary.code === 'gone' || binary.code === 'not-found' ? nothing : binary;
}

/** A file that was there when it was named, and is not any more: the reviewer has to attach it again (E-9c). */
async function giveBack(options: DispatchRoom, { review, step }: InHand): Promise<Upload> {
  const { decision: _, ...record } = step.record;
  const gone = invalid({ task: step.task, record }, [
    {
      code: 'attachment-unusable',
      expression: "Task.output.where(type.coding.code = 'attachment')",
      text: 'An attachment is no longer in the store: attach it again, then decide again.',
    },
  ]);
  return written(await writeStep(options, review, gone));
}
