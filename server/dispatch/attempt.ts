import { createHash, randomUUID } from 'node:crypto';
import { buildDecisionRequest, CODE_SYSTEM, type DecisionRequest, toErsPriority } from '../../mappings/index.ts';
import type { DispatchRecord } from '../core/index.ts';
import type { Attempt, QueuedDecision } from '../decisions/index.ts';
import type { RejectionReference } from '../reviews/index.ts';
import type { IdentifiedSession } from './sessions.ts';

/** What e-RS is told of a decision: its command, with the files that e-RS has of it. */
export const requestOf = (
  record: DispatchRecord,
  decision: QueuedDecision,
  reference: RejectionReference,
): DecisionRequest =>
  buildDecisionRequest(decision.command, {
    rejectionReasonSystem: reference.system ?? '',
    attachments: (decision.attachments ?? []).flatMap(({ uploaded }) => uploaded ?? []),
    ...priorityOf(record),
  });

/** The mark that a request leaves in the record before it leaves for e-RS (step 2 of deliver). */
export function attemptOf(
  decision: QueuedDecision,
  request: DecisionRequest,
  version: number,
  identified: IdentifiedSession | undefined,
  startedAt: string,
): Attempt {
  const number = decision.attempts + 1;
  return {
    number,
    correlationId: randomUUID(),
    operation: request.operation,
    version,
    bodyHash: createHash('sha256')
      .update(JSON.stringify(request.body ?? null))
      .digest('base64url'),
    mode: identified === undefined ? 'application' : 'user',
    ...(identified === undefined ? {} : { sender: identified.sdsUserId }),
    ...(identified?.session.onBehalfOf === undefined ? {} : { onBehalfOf: identified.session.onBehalfOf }),
    startedAt,
    outcome: 'unknown',
  };
}

function priorityOf(record: DispatchRecord) {
  const code = record.reviewed.priority;
  const currentPriority = code === undefined ? undefined : toErsPriority({ system: CODE_SYSTEM.priority, code });
  return currentPriority === undefined ? {} : { currentPriority };
}
