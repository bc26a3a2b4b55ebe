import type { Bundle, Resource } from '@medplum/fhirtypes';
import { isConformanceType } from '../../conformance/index.ts';
import { identifierOf, SYSTEM } from '../../mappings/index.ts';
import type { Audit, Subject } from '../core/index.ts';
import type { Answer } from './answer.ts';
import type { Call } from './room.ts';
import type { Route } from './route.ts';
import { readSession } from './user-session.ts';

/** Interactions as http://hl7.org/fhir/restful-interaction names them. */
const INTERACTION: Readonly<Record<Exclude<Route['kind'], 'history' | 'metadata'>, string>> = {
  read: 'read',
  vread: 'vread',
  search: 'search-type',
  update: 'update',
  patch: 'patch',
  operation: 'operation',
};

/** Tells the audit trail of an answer, unless the request was for what we publish to everybody. Source: decision 0021 */
export function noteAccess(
  audit: Audit,
  call: Call,
  answer: Answer,
  trace: { readonly requestId: string; readonly correlationId: string | undefined },
): void {
  const { route, caller, headers } = call;
  const type = 'type' in route ? route.type : undefined;
  const id = 'id' in route ? route.id : undefined;
  if (!mayShowPatients(route)) return;
  const session = readSession(headers);
  const { token: _, ...claimed } = ('session' in session ? session.session : undefined) ?? { token: '' };
  const isSearch = route.kind === 'search' || (route.kind === 'history' && id === undefined);
  audit.noteAccess({
    interaction:
      route.kind === 'history'
        ? `history-${id === undefined ? 'type' : 'instance'}`
        : route.kind === 'metadata'
          ? 'capabilities'
          : INTERACTION[route.kind],
    ...(route.kind === 'operation' ? { operation: route.code } : {}),
    ...(type === undefined ? {} : { type }),
    ...(id === undefined ? {} : { id }),
    ...(isSearch ? { query: queryOf(call) } : {}),
    status: answer.status,
    requestId: trace.requestId,
    ...(trace.correlationId === undefined ? {} : { correlationId: trace.correlationId }),
    caller,
    ...('organisation' in claimed ? { session: claimed } : {}),
    subjects: answer.status < 400 ? subjectsOf(answer.body, type, id) : [],
  });
}

/** Everything but what this product publishes of itself. */
export const mayShowPatients = (route: Route): boolean =>
  route.kind !== 'metadata' && !('type' in route && route.type !== undefined && isConformanceType(route.type));

function queryOf({ query, body, route }: Call): string {
  const text = query.toString();
  if (route.kind !== 'search' || body === undefined || body === '') return text;
  return text === '' ? body : `${text}&${body}`;
}

/** The resource that was asked for, and the patients that were shown, each with the referrals shown of them. */
function subjectsOf(body: Resource | undefined, type: string | undefined, id: string | undefined): Subject[] {
  const asked = type === undefined || id === undefined ? undefined : `${type}/${id}`;
  const shown = body === undefined ? [] : body.resourceType === 'Bundle' ? entriesOf(body) : [body];
  const patients = new Map<string, Set<string>>();
  const own = new Set<string>();
  for (const resource of shown) {
    const ubrn = ubrnOf(resource);
    const patient = patientOf(resource);
    if (ubrn !== undefined && `${resource.resourceType}/${resource.id}` === asked) own.add(ubrn);
    if (patient === undefined || patient === asked) continue;
    const known = patients.get(patient) ?? new Set();
    if (ubrn !== undefined) known.add(ubrn);
    patients.set(patient, known);
  }
  return [
    ...(asked === undefined ? [] : [{ reference: asked, ubrns: [...own] }]),
    ...[...patients].map(([reference, ubrns]) => ({ reference, ubrns: [...ubrns] })),
  ];
}

const entriesOf = ({ entry = [] }: Bundle): Resource[] => entry.flatMap(({ resource }) => resource ?? []);

function ubrnOf(resource: Resource): string | undefined {
  if (resource.resourceType === 'ServiceRequest') return identifierOf(resource, SYSTEM.ubrn);
  const { identifier } = (resource.resourceType === 'Task' ? resource.focus : undefined) ?? {};
  return identifier?.system === SYSTEM.ubrn ? identifier.value : undefined;
}

const LOCAL_PATIENT = /^Patient\/[A-Za-z0-9.-]{1,64}$/;

function patientOf(resource: Resource): string | undefined {
  if (resource.resourceType === 'Patient') return `Patient/${resource.id}`;
  const { subject, patient, for: whom, participant } = resource as unknown as Record<string, unknown>;
  const actors = Array.isArray(participant) ? participant.map((one: { actor?: unknown }) => one?.actor) : [];
  for (const one of [subject, patient, whom, ...actors]) {
    const reference = (one as { reference?: unknown } | undefined)?.reference;
    if (typeof reference === 'string' && LOCAL_PATIENT.test(reference)) return reference;
  }
  return undefined;
}
