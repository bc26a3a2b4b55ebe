import type { AuditEvent, AuditEventAgent, AuditEventEntity, AuditEventEntityDetail } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  deviceKey,
  identifierSystem,
  organisationKey,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import type { ErsCallEnd, NotedAccess, NotedStrangers, ResourceType, Subject, UserSession } from '../core/index.ts';

/** Interactions that change what is stored; others read. */
const CHANGES: ReadonlySet<string> = new Set(['update', 'patch']);

const ENGINE = { type: 'Device', identifier: deviceKey('engine') } as const;

/** What happens at the facade, as an AuditEvent. Source: NHS audit field list; R4 AuditEvent; decision 0021 */
export function accessEvent(access: NotedAccess, recorded: string): AuditEvent {
  const { interaction, operation, query } = access;
  const detail = details({
    'X-Request-ID': access.requestId,
    'X-Correlation-ID': access.correlationId,
    operation: operation && `$${operation}`,
  });
  const [first, ...more] = access.subjects.map(entityOf);
  return {
    ...restEvent(recorded, access.status),
    subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: interaction }],
    action: operation === undefined ? (CHANGES.has(interaction) ? 'U' : 'R') : 'E',
    agent: [...agentsOf(access), ...sessionAgents(access.session)],
    entity:
      query === undefined && access.id !== undefined
        ? [
            { ...(first ?? { name: `${access.type}/${access.id}` }), detail: [...(first?.detail ?? []), ...detail] },
            ...more,
          ]
        : [
            {
              type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '2' },
              role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '24', display: 'Query' },
              description: access.type ?? 'system',
              // A name or a query, not both (sev-1).
              ...(query === undefined || query === ''
                ? { name: access.type ?? 'system' }
                : { query: Buffer.from(query).toString('base64') }),
              detail,
            },
            ...(first === undefined ? [] : [first]),
            ...more,
          ],
  };
}

/** One request to e-RS that is no decision; those have a witness in their own transaction (E-3). Source: decision 0021 */
export function ersCallEvent(call: ErsCallEnd, recorded: string): AuditEvent {
  const detail = details({ 'X-Correlation-ID': call.correlationId, 'X-Request-ID': call.ersRequestId });
  return {
    ...restEvent(recorded, call.status),
    subtype: [{ system: CODE_SYSTEM.operation, code: call.operation }],
    action: 'E',
    outcome: call.isOk ? '0' : call.status === undefined ? '8' : '4',
    agent: [{ who: ENGINE, requestor: call.session === undefined }, ...sessionAgents(call.session)],
    entity: [
      call.ubrn === undefined
        ? { name: 'e-RS', detail }
        : { what: { type: 'ServiceRequest', identifier: { system: SYSTEM.ubrn, value: call.ubrn } }, detail },
    ],
  };
}

/** Callers who could not say who they are, as one event for each reason and minute. Source: DICOM PS3.15 A.5.3.11; decision 0021 */
export function strangersEvent({ code, count, since }: NotedStrangers, recorded: string): AuditEvent {
  return {
    resourceType: 'AuditEvent',
    meta: { profile: [ukCoreProfile('AuditEvent')] },
    type: { system: 'http://dicom.nema.org/resources/ontology/DCM', code: '110114', display: 'User Authentication' },
    action: 'E',
    period: { start: since, end: recorded },
    recorded,
    outcome: '4',
    outcomeDesc: code,
    agent: [{ name: 'not identified', requestor: true }],
    source: { observer: ENGINE },
    entity: [{ name: 'requests', detail: details({ count: String(count) }) }],
  };
}

/** The same event, its subjects named but not referred to: for what has left the store meanwhile. */
export function withoutReferences(event: AuditEvent): AuditEvent {
  const entity = event.entity?.map((one) => {
    if (one.what?.reference === undefined) return one;
    const { reference, ...what } = one.what;
    return { ...one, what: { ...what, display: reference } };
  });
  return entity === undefined ? event : { ...event, entity };
}

function restEvent(recorded: string, status: number | undefined): Omit<AuditEvent, 'agent'> {
  return {
    resourceType: 'AuditEvent',
    meta: { profile: [ukCoreProfile('AuditEvent')] },
    type: {
      system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
      code: 'rest',
      display: 'RESTful Operation',
    },
    recorded,
    outcome: outcomeOf(status),
    outcomeDesc: status === undefined ? 'no complete answer' : `HTTP ${status}`,
    source: { observer: ENGINE },
  };
}

/** Success, minor failure (the request was refused), serious failure. Source: R4 audit-event-outcome */
const outcomeOf = (status = 599): '0' | '4' | '8' => (status < 400 ? '0' : status < 500 ? '4' : '8');

function agentsOf({ caller, session }: NotedAccess): AuditEventAgent[] {
  const client = { system: identifierSystem('ers-client'), value: caller.clientId };
  return [
    ...(caller.user === undefined ? [] : [{ altId: caller.user, requestor: true, ...roleOf(session) }]),
    { who: { identifier: client }, altId: caller.clientId, requestor: caller.user === undefined },
  ];
}

/** Whom the session names: the organisation, and whoever is acted for, in which role. */
function sessionAgents(session: Omit<UserSession, 'token'> | undefined): AuditEventAgent[] {
  if (session === undefined) return [];
  const { organisation, onBehalfOf } = session;
  return [
    { who: { type: 'Organization', identifier: organisationKey(organisation) }, requestor: false, ...roleOf(session) },
    ...(onBehalfOf === undefined
      ? []
      : [
          {
            who: { type: 'Practitioner' as const, identifier: { system: SYSTEM.sdsUser, value: onBehalfOf } },
            requestor: false,
          },
        ]),
  ];
}

const roleOf = (session: Omit<UserSession, 'token'> | undefined) =>
  session === undefined ? {} : { role: [{ text: session.businessFunction }] };

function entityOf({ reference, ubrns }: Subject): AuditEventEntity {
  const type = reference.slice(0, reference.indexOf('/')) as ResourceType;
  const [first] = ubrns;
  if (ubrns.length === 1 && first !== undefined && type !== 'Patient')
    return { what: { reference, type, identifier: { system: SYSTEM.ubrn, value: first } } };
  return {
    what: { reference, type },
    ...(ubrns.length === 0 ? {} : { detail: ubrns.map((valueString) => ({ type: 'UBRN', valueString })) }),
  };
}

const details = (values: Readonly<Record<string, string | undefined>>): AuditEventEntityDetail[] =>
  Object.entries(values).flatMap(([type, valueString]) => (valueString === undefined ? [] : [{ type, valueString }]));
