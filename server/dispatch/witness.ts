import type { AuditEvent, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionOperation,
  type IdSpace,
  identifierOf,
  practitionerReference,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import { engineReference } from '../decisions/index.ts';

const OPERATION_DISPLAY: Readonly<Record<DecisionOperation | 'A020', string>> = {
  A013: 'Accept referral',
  A014: 'Reject referral',
  A020: 'Upload file to document store',
  A022: 'Cancel appointment, action later',
  A028: 'Record review outcome',
};

/** A call that changes something in e-RS. */
export interface AuditedCall {
  readonly operation: DecisionOperation | 'A020';
  readonly correlationId: string;
  /** SDS user id of the one in whose session it was made. */
  readonly sender?: string;
  readonly number?: number;
  readonly version?: number;
}

/** One e-RS decision call or upload, as the NHS audit list wants it. Source: example 23; E-3 */
export function attemptAudit(
  task: Task,
  attempt: AuditedCall,
  answer: { status?: number; ersRequestId?: string; recorded: string; isRecorded: boolean },
  ids: IdSpace,
): AuditEvent {
  const engine = engineReference(ids);
  const detail: [string, string | undefined][] = [
    ['X-Correlation-ID', attempt.correlationId],
    ['X-Request-ID', answer.ersRequestId],
    ['If-Match', attempt.version === undefined ? undefined : `W/"${attempt.version}"`],
    ['attempt', attempt.number === undefined ? undefined : String(attempt.number)],
  ];
  return {
    resourceType: 'AuditEvent',
    meta: { profile: [ukCoreProfile('AuditEvent')] },
    type: {
      system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
      code: 'rest',
      display: 'RESTful Operation',
    },
    subtype: [
      { system: CODE_SYSTEM.operation, code: attempt.operation, display: OPERATION_DISPLAY[attempt.operation] },
    ],
    action: 'E',
    recorded: answer.recorded,
    outcome: answer.isRecorded ? '0' : '4',
    outcomeDesc: answer.status === undefined ? 'no complete answer' : `HTTP ${answer.status}`,
    agent: [
      ...(attempt.sender === undefined ? [] : [{ who: practitionerReference(ids, attempt.sender), requestor: true }]),
      { who: engine, requestor: attempt.sender === undefined },
    ],
    source: { observer: engine },
    entity: [
      {
        what: {
          reference: `Task/${task.id ?? ''}`,
          type: 'Task',
          identifier: { system: SYSTEM.reviewTask, value: identifierOf(task, SYSTEM.reviewTask) ?? '' },
        },
        detail: detail.flatMap(([type, valueString]) => (valueString === undefined ? [] : [{ type, valueString }])),
      },
    ],
  };
}
