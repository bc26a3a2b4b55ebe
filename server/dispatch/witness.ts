import type {
  AuditEvent,
  Device,
  Practitioner,
  Provenance,
  ProvenanceAgent,
  Reference,
  Task,
} from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
  type DecisionOperation,
  deviceKey,
  ersExtension,
  type IdSpace,
  identifierOf,
  practitionerReference,
  referenceTo,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import type { DispatchRecord, VerifiedUser } from '../core/index.ts';

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

/** Whom a decision came from. `decider`: whom the Task names; `user`: whom the facade authenticated; the others as e-RS says. */
export interface Deciders {
  readonly decider?: string;
  readonly user?: VerifiedUser;
  readonly sender?: string;
  readonly onBehalfOf?: string;
}

/** Who decided and who sent: the witness that is written with E-4. Source: target-model 4.7; example 21 */
export function decisionProvenance(
  record: DispatchRecord,
  decision: Deciders & { code: DecisionCode; version: number; recorded: string },
  ids: IdSpace,
): Provenance {
  const engine = engineReference(ids);
  return {
    resourceType: 'Provenance',
    meta: { profile: [ukCoreProfile('Provenance')] },
    target: [
      { reference: `Task/${record.taskId}`, type: 'Task' },
      { reference: `ServiceRequest/${record.serviceRequestId}`, type: 'ServiceRequest' },
    ],
    recorded: decision.recorded,
    activity: { coding: [{ system: CODE_SYSTEM.decision, code: decision.code }] },
    agent: [...decidersOf(decision, ids), { type: participant('performer'), who: engine }],
    entity: [
      {
        role: 'source',
        what: { identifier: { system: SYSTEM.requestId, value: `${record.requestId}/_history/${decision.version}` } },
      },
    ],
  };
}

/**
 * The author is the user whom the facade authenticated; else the sender, who takes the decision over. A sender beside
 * the author attests it. Whom only the Task names is marked unverified.
 */
function decidersOf({ decider, user, sender, onBehalfOf }: Deciders, ids: IdSpace): ProvenanceAgent[] {
  const sent = sender === undefined ? undefined : practitionerReference(ids, sender);
  const actedFor = onBehalfOf === undefined ? {} : { onBehalfOf: practitionerReference(ids, onBehalfOf) };
  if (user !== undefined) {
    const who = user.sdsUserId === undefined ? namedUser(user) : practitionerReference(ids, user.sdsUserId);
    const isSender = sender !== undefined && sender === user.sdsUserId;
    return [
      { type: participant('author'), who, ...(isSender ? actedFor : {}) },
      ...(sent === undefined || isSender ? [] : [{ type: participant('attester'), who: sent, ...actedFor }]),
    ];
  }
  const unverified = (role: string): ProvenanceAgent[] =>
    decider === undefined || decider === sent?.reference
      ? []
      : [{ extension: [UNVERIFIED], type: participant(role), who: { reference: decider } }];
  if (sent === undefined) return unverified('author');
  return [{ type: participant('author'), who: sent, ...actedFor }, ...unverified('enterer')];
}

const UNVERIFIED = ersExtension('ers-unverified', { valueBoolean: true });

/** A user of whom only the token's word is known: a FHIR server of somebody else's, or none. */
const namedUser = ({ name }: VerifiedUser): Reference<Practitioner> => ({
  identifier: { ...(URL.canParse(name) ? { system: 'urn:ietf:rfc:3986' } : {}), value: name },
});

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
