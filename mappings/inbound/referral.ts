import type { DocumentReference, Patient, Reference } from '@medplum/fhirtypes';
import { hasValidCheckDigit, type IdSpace, parseNhsNumber, parseUbrn, SYSTEM, type Ubrn } from '../ids.ts';
import type { MappingIssue } from '../issues.ts';
import { documentKey, referenceTo, requestIdWithoutOne } from '../keys.ts';
import type { Mapped, MappedReferral, ServiceName, WorklistItem } from '../model.ts';
import { referralReference } from '../references.ts';
import { normaliseSystem } from '../tables/code-systems.ts';
import { type MappedAppointment, mapAppointment } from './appointment.ts';
import { anchorOf, findCriteria, nameDocuments, readAnchor, readAppointmentId, readContained } from './contained.ts';
import { mapDocument } from './document.ts';
import { Findings, readStructure } from './elements.ts';
import { factsOf } from './facts.ts';
import { keepLeftovers, type Owners, unusedOfWorklist } from './leftovers.ts';
import { buildServiceRequest, type ReferralIdentity, readReferral } from './service-request.ts';
import { SharedResources } from './shared.ts';
import { type MappedShortlist, mapShortlist } from './shortlist.ts';
import { Source } from './source.ts';

export interface ReferralOptions {
  readonly ids: IdSpace;
  /** The service whose worklist showed the referral, where A005 names none (M-27). */
  readonly worklistService?: ServiceName;
  /** The worklist's own values, used only where A005 has none (M-66). */
  readonly worklistItem?: WorklistItem;
  /** SDS id of the clinician whom a worklist named (M-28), where no item is at hand. */
  readonly namedClinician?: string;
}

/** A mapping with the source that it read, which knows what became of each leaf. */
export interface TracedReferral {
  readonly mapped: Mapped<MappedReferral>;
  readonly source: Source;
}

/**
 * Maps a ReferralRequest: A005, or the body of A013, A014, A022, A028.
 * Issues: REQUIRED_ELEMENT_MISSING forbids a value (G-1); every other one goes with it
 * Source: target-model 1.1, 1.2, 1.4..1.6
 */
export function mapReferral(source: unknown, options: ReferralOptions): Mapped<MappedReferral> {
  return traceReferral(source, options).mapped;
}

/**
 * Maps the answer of A036: Parameters with the updated referral and, if its appointment was cancelled with it, that.
 * Source: A036; I-13
 */
export function mapCancelAnswer(source: unknown, options: ReferralOptions): Mapped<MappedReferral> {
  return traceCancelAnswer(source, options).mapped;
}

export function traceCancelAnswer(source: unknown, options: ReferralOptions): TracedReferral {
  const answer = new Source(source, 'Parameters');
  const resource = (name: string) =>
    answer
      .get('parameter')
      .items()
      .find((one) => one.get('name').peek() === name)
      ?.get('resource');
  const referral = resource('updatedReferralRequest');
  if (!referral) return { mapped: failed('Parameters.parameter'), source: answer };
  readStructure(answer, 'Parameters', ['eRS-CancelReferral-Response-Parameters-1']);
  for (const one of answer.get('parameter').items())
    one.get('name').structuralIf((name) => name === 'updatedReferralRequest' || name === 'updatedAppointment');
  return trace(answer, referral, resource('updatedAppointment'), options);
}

export function traceReferral(source: unknown, options: ReferralOptions): TracedReferral {
  const root = new Source(source, 'ReferralRequest');
  return trace(root, root, undefined, options);
}

function trace(
  root: Source,
  referral: Source,
  updatedAppointment: Source | undefined,
  options: ReferralOptions,
): TracedReferral {
  const findings = new Findings();
  const identity = readIdentity(referral, findings);
  if (!identity) return { mapped: { ok: false, issues: findings.issues }, source: root };
  const value = mapParts(root, referral, updatedAppointment, identity, findings, options);
  return { mapped: { ok: true, value, issues: distinct(findings.issues) }, source: root };
}

const failed = (at: string): Mapped<never> => ({ ok: false, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at }] });

const distinct = (issues: readonly MappingIssue[]): MappingIssue[] => [
  ...new Map(issues.map((issue) => [`${issue.code} ${issue.at}`, issue])).values(),
];

/** M-1..M-3, M-11, G-1; undefined when the referral must be quarantined. */
function readIdentity(source: Source, findings: Findings): ReferralIdentity | undefined {
  const isReferral = source.get('resourceType').peek() === 'ReferralRequest';
  const ubrn = parseUbrn(source.get('id').peek());
  const version = source.get('meta').get('versionId').unsigned();
  const subject = source.first('subject').first('identifier');
  const system = subject.get('system').peek();
  const isNhsNumber = system === undefined || normaliseSystem(system).system === SYSTEM.nhsNumber;
  const nhsNumber = isNhsNumber ? parseNhsNumber(subject.get('value').peek()) : undefined;
  const missing = {
    resourceType: !isReferral,
    id: !ubrn,
    'meta.versionId': version === undefined,
    'subject.identifier': !nhsNumber,
  };
  for (const [path, isMissing] of Object.entries(missing))
    if (isMissing) findings.add('REQUIRED_ELEMENT_MISSING', `${source.at}.${path}`);
  if (!isReferral || !ubrn || version === undefined || !nhsNumber) return undefined;
  source.get('id').taken();
  subject.get('value').taken();
  subject.get('system').taken();
  if (!hasValidCheckDigit(nhsNumber)) findings.add('NHS_NUMBER_CHECK_DIGIT', subject.get('value').at);
  return { ubrn, requestId: readRequestId(source, ubrn, findings), version, nhsNumber };
}

function readRequestId(source: Source, ubrn: Ubrn, findings: Findings): string {
  const own = source
    .get('identifier')
    .items()
    .find((one) => one.get('system').peek() === SYSTEM.requestId && /^\S+$/.test(one.get('value').peek() ?? ''));
  const requestId = own?.get('value').uri();
  own?.get('system').taken();
  if (requestId === undefined) findings.add('REQUEST_ID_MISSING', source.get('identifier').at);
  return requestId ?? requestIdWithoutOne(ubrn);
}

function mapParts(
  root: Source,
  source: Source,
  updatedAppointment: Source | undefined,
  identity: ReferralIdentity,
  findings: Findings,
  options: ReferralOptions,
): MappedReferral {
  const { ids, worklistItem } = options;
  const { requestId, nhsNumber } = identity;
  const shared = new SharedResources(ids);
  shared.ersDevice();
  const subject: Reference<Patient> = shared.patient(nhsNumber);
  const referral = referralReference(ids, identity);
  const { ofType, anchored } = readContained(source);
  readStructure(source, 'ReferralRequest', ['eRS-ReferralRequest-1']);

  const listSource = anchored('List', anchorOf(source, 'Extension-eRS-ReferralShortlist-1'));
  readAnchor(source, 'Extension-eRS-ReferralShortlist-1', listSource, findings);
  const criteria = listSource && findCriteria(listSource, anchored);
  const shortlist: MappedShortlist | undefined =
    listSource && mapShortlist(listSource, criteria, { ids, requestId, subject, shared, findings });

  const contained = anchored('Appointment', anchorOf(source, 'Extension-eRS-Appointment-1'));
  readAnchor(source, 'Extension-eRS-Appointment-1', contained, findings);
  const appointmentSource = contained ?? updatedAppointment;
  const appointmentId = (appointmentSource && readAppointmentId(source)) ?? updatedAppointment?.get('id').peek();
  const appointment: MappedAppointment | undefined =
    appointmentSource &&
    mapAppointment(appointmentSource, {
      ids,
      ...identity,
      ...(appointmentId !== undefined && { appointmentId }),
      referral,
      subject,
      shared,
      findings,
      ...(worklistItem?.allocatedClinician !== undefined && { allocatedClinician: worklistItem.allocatedClinician }),
      ...(contained && updatedAppointment && { updated: updatedAppointment }),
    });

  const documents = nameDocuments(ofType('DocumentReference')).map(({ resource, id, attachmentId }) => ({
    at: resource.at,
    id,
    document: mapDocument(resource, attachmentId, { ids, requestId, subject, referral, shared, findings }),
  }));
  const references = new Map(
    documents.flatMap(({ id, document: { attachmentId } }) =>
      id === undefined
        ? []
        : [
            [
              id,
              {
                key: `attachment ${attachmentId}`,
                reference: referenceTo<DocumentReference>(
                  'DocumentReference',
                  ids,
                  documentKey(requestId, attachmentId),
                ),
              },
            ] as const,
          ],
    ),
  );
  const content = readReferral(source, references, shared, findings, worklistItem);

  const service = appointment?.service ?? options.worklistService ?? worklistItem?.service;
  const namedClinician = worklistItem?.namedClinician ?? options.namedClinician ?? shortlist?.namedClinician;
  const serviceRequest = buildServiceRequest(identity, content, {
    ids,
    hasShortlist: shortlist !== undefined,
    ...(shortlist?.clinicType && { clinicType: shortlist.clinicType }),
    performers: service ? [service] : (shortlist?.services ?? []),
    ...(namedClinician !== undefined && { namedClinician }),
    shared,
    findings,
    at: source.at,
  });
  const owners: Owners = [
    ...(listSource && shortlist ? [[listSource.at, shortlist.list] as const] : []),
    ...(criteria && shortlist ? [[criteria.at, shortlist.list] as const] : []),
    ...(contained && appointment ? [[contained.at, appointment.appointment] as const] : []),
    ...(updatedAppointment && appointment ? [[updatedAppointment.at, appointment.appointment] as const] : []),
    ...documents.map(({ at, document }) => [at, document.resource] as const),
  ];
  const kept = keepLeftovers(root, owners, findings);
  const homeless = unusedOfWorklist(worklistItem, appointment);
  return {
    facts: factsOf(
      identity,
      content,
      appointment,
      service,
      shortlist,
      documents.map(({ document }) => document),
    ),
    shared: shared.all(),
    serviceRequest: kept(serviceRequest, homeless),
    ...(shortlist && { shortlist: kept(shortlist.list) }),
    ...(appointment && { appointment: kept(appointment.appointment) }),
    documents: documents
      .map(({ document }) => ({ ...document, resource: kept(document.resource) }))
      .toSorted((a, b) => (a.attachmentId < b.attachmentId ? -1 : 1)),
  };
}
