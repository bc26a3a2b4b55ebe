import type { Device, Practitioner, Provenance, ProvenanceAgent, Reference } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  deviceKey,
  ersExtension,
  type IdSpace,
  practitionerReference,
  referenceTo,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import type { DispatchRecord, VerifiedUser } from '../core/index.ts';
import type { QueuedDecision } from './delivery.ts';

const participant = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code }],
});

/** Whom a decision came from. `decider`: whom the Task names; `user`: whom the facade authenticated; the others as e-RS says. */
interface Deciders {
  readonly decider?: string;
  readonly user?: VerifiedUser;
  readonly sender?: string;
  readonly onBehalfOf?: string;
}

/**
 * Who decided and who sent: the witness that is written with E-4.
 * @param answer the version of the referral that recorded it, and when that became known
 * Source: target-model 4.7; example 21
 */
export function decisionProvenance(
  record: Pick<DispatchRecord, 'taskId' | 'serviceRequestId' | 'requestId'>,
  decision: Pick<QueuedDecision, 'code' | 'decider' | 'user' | 'lastAttempt'>,
  answer: { version: number; at: string },
  ids: IdSpace,
): Provenance {
  return {
    resourceType: 'Provenance',
    meta: { profile: [ukCoreProfile('Provenance')] },
    target: [
      { reference: `Task/${record.taskId}`, type: 'Task' },
      { reference: `ServiceRequest/${record.serviceRequestId}`, type: 'ServiceRequest' },
    ],
    recorded: answer.at,
    activity: { coding: [{ system: CODE_SYSTEM.decision, code: decision.code }] },
    agent: [
      ...decidersOf({ ...decision.lastAttempt, ...decision }, ids),
      { type: participant('performer'), who: engineReference(ids) },
    ],
    entity: [
      {
        role: 'source',
        what: { identifier: { system: SYSTEM.requestId, value: `${record.requestId}/_history/${answer.version}` } },
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

/** The Device that stands for this engine. */
export const engineReference = (ids: IdSpace): Reference<Device> =>
  referenceTo<Device>('Device', ids, deviceKey('engine'), { identifier: deviceKey('engine') });
