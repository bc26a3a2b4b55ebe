import type { AuditEvent, Device, Practitioner, Provenance, Reference, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
  type DecisionOperation,
  deviceKey,
  type IdSpace,
  identifierOf,
  practitionerReference,
  referenceTo,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import type { DispatchRecord } from '../core/index.ts';

const OPERATION_DISPLAY: Readonly<Record<DecisionOperation | 'A020', string>> = {
  A013: 'Accept referral',
  A014: 'Reject referral',
  A020: 'Upload file to document store',
  A022: 'Cancel appointment, action later',
  A028: 'Record review outcome',
};

const participant = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code }],
});

/** Who decided and who sent: the witness that is written with E-4. Source: target-model 4.7; example 21 */
export function decisionProvenance(
  record: DispatchRecord,
  decision: { code: DecisionCode; decider?: string; sender?: string; version: number; recorded: string },
  ids: IdSpace,
): Provenance {
  const engine = engineReference(ids);
  const author = authorOf(decision, ids);
  return {
    resourceType: 'Provenance',
    meta: { profile: [ukCoreProfile('Provenance')] },
    target: [
      { reference: `Task/${record.taskId}`, type: 'Task' },
      { reference: `ServiceRequest/${record.serviceRequestId}`, type: 'ServiceRequest' },
    ],
    recorded: decision.recorded,
    activity: { coding: [{ system: CODE_SYSTEM.decision, code: decision.code }] },
    agent: [
      ...(author === undefined ? [] : [{ type: participant('author'), who: author }]),
      { type: participant('performer'), who: engine },
    ],
    entity: [
      {
        role: 'source',
        what: { identifier: { system: SYSTEM.requestId, value: `${record.requestId}/_history/${decision.version}` } },
      },
    ],
  };
}

/** The sender whom e-RS knows takes a decision over; without one, the decider as the Task names him, unverified. */
function authorOf(decision: { decider?: string; sender?: string }, ids: IdSpace): Reference<Practitioner> | undefined {
  if (decision.sender !== undefined) return practitionerReference(ids, decision.sender);
  return decision.decider === undefined ? undefined : { reference: decision.decider };
}

const engineReference = (ids: IdSpace): Reference<Device> =>
  referenceTo<Device>('Device', ids, deviceKey('engine'), { identifier: deviceKey('engine') });

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
