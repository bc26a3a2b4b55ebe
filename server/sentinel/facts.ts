import type { DispatchRecord, SyncRecord } from '../core/index.ts';

/** What the account needs of a landed referral, small enough to keep all in memory. */
export interface Landed {
  readonly ubrn: string;
  readonly requestId: string;
  readonly serviceRequestId: string;
  readonly episode: number;
  readonly state?: string;
  /** A worklist names it, as far as has been dealt with. */
  readonly isListed: boolean;
  /** Since when the file waits that has waited longest. */
  readonly fileAwaitedSince?: string;
}

/** What the account needs of one review. */
export interface Review {
  readonly requestId: string;
  readonly episode: number;
  readonly taskId: string;
  readonly serviceRequestId: string;
  readonly service?: string;
  /** Of the Task, as the engine last wrote it. */
  readonly status: string;
  /** Absent while it is open. */
  readonly endedAt?: string;
  readonly hasDecision: boolean;
  /** Of a decision that waits for e-RS, not for a person. */
  readonly decidedAt?: string;
  /** Since when nobody can tell whether e-RS has recorded the decision, whomever it waits for besides. */
  readonly outcomeUnknownSince?: string;
}

/** What the account needs of a Task: as anybody may have left it. */
export interface TaskFacts {
  readonly status: string;
  readonly updatedAt: string;
}

/** It is decided in the store, and the engine has not made the decision its own. */
export const isUntaken = (review: Review, task: Pick<TaskFacts, 'status'> | undefined): boolean =>
  !review.hasDecision && (task?.status === 'accepted' || task?.status === 'rejected');

export function landedOf(record: SyncRecord): Landed {
  const { ubrn, requestId, serviceRequestId, episode, state, items, attachments, summaryAwaitedSince } = record;
  const awaited = [
    ...Object.values(attachments).flatMap(({ awaitedSince }) => awaitedSince ?? []),
    ...(summaryAwaitedSince === undefined ? [] : [summaryAwaitedSince]),
  ].toSorted()[0];
  return {
    ubrn,
    requestId,
    serviceRequestId,
    episode,
    ...(state === undefined ? {} : { state }),
    isListed: items.length > 0,
    ...(awaited === undefined ? {} : { fileAwaitedSince: awaited }),
  };
}

const PERSON_WAITED_FOR = 'awaiting-user-authorisation';

/** @param key of the record: `{request id}.{episode}` */
export function reviewOf(key: string, record: DispatchRecord): Review {
  const { requestId, taskId, serviceRequestId, baseline, reviewed, decision, ended } = record;
  const isPersonWaitedFor = baseline.businessStatus?.coding?.some(({ code }) => code === PERSON_WAITED_FOR) === true;
  const unknownSince = decision?.isUnknowable ? decision.queuedAt : decision?.hiddenSince;
  return {
    requestId,
    episode: Number(key.slice(requestId.length + 1)),
    taskId,
    serviceRequestId,
    ...(reviewed.service === undefined ? {} : { service: reviewed.service }),
    status: baseline.status,
    ...(ended === undefined ? {} : { endedAt: ended.at }),
    hasDecision: decision !== undefined,
    ...(decision === undefined || isPersonWaitedFor ? {} : { decidedAt: decision.queuedAt }),
    ...(unknownSince === undefined ? {} : { outcomeUnknownSince: unknownSince }),
  };
}
