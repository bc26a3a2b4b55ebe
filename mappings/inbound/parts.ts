import type { DocumentReference, Patient, Reference, ServiceRequest } from '@medplum/fhirtypes';
import type { IdSpace } from '../ids.ts';
import { documentKey, referenceTo } from '../keys.ts';
import type { MappedDocument, MappedReferral, ServiceName, WorklistItem } from '../model.ts';
import { referralReference } from '../references.ts';
import { type MappedAppointment, mapAppointment } from './appointment.ts';
import {
  anchorOf,
  type Contained,
  findCriteria,
  nameDocuments,
  readAnchor,
  readAppointmentId,
  readContained,
} from './contained.ts';
import { mapDocument } from './document.ts';
import { type Findings, readStructure } from './elements.ts';
import { factsOf } from './facts.ts';
import { keepLeftovers, type Owners, unusedOfWorklist } from './leftovers.ts';
import { buildServiceRequest, type ReferralIdentity, readReferral } from './service-request.ts';
import { SharedResources } from './shared.ts';
import { type MappedShortlist, mapShortlist } from './shortlist.ts';
import type { Source } from './source.ts';

export interface ReferralOptions {
  readonly ids: IdSpace;
  /** The service whose worklist showed the referral, where A005 names none (M-27). */
  readonly worklistService?: ServiceName;
  /** The worklist's own values, used only where A005 has none (M-66). */
  readonly worklistItem?: WorklistItem;
  /** SDS id of the clinician whom a worklist named (M-28), where no item is at hand. */
  readonly namedClinician?: string;
}

/** Where a referral stands in the document that was read. */
export interface ReferralSource {
  readonly root: Source;
  readonly referral: Source;
  /** A036's own copy of the appointment that it cancelled. */
  readonly updatedAppointment?: Source;
}

/** What every part of a referral needs of it. */
interface Context {
  readonly ids: IdSpace;
  readonly requestId: string;
  readonly subject: Reference<Patient>;
  readonly referral: Reference<ServiceRequest>;
  readonly shared: SharedResources;
  readonly findings: Findings;
}

/** A part with the places of the source that it came from, where what nobody reads is kept on it (G-2). */
interface Part<T> {
  readonly value: T;
  readonly places: readonly Source[];
}

/** Maps each part of a referral whose identity is known, and keeps what no rule reads. */
export function mapParts(
  { root, referral: source, updatedAppointment }: ReferralSource,
  identity: ReferralIdentity,
  findings: Findings,
  options: ReferralOptions,
): MappedReferral {
  const { ids, worklistItem } = options;
  const shared = new SharedResources(ids);
  shared.ersDevice();
  const context: Context = {
    ids,
    requestId: identity.requestId,
    subject: shared.patient(identity.nhsNumber),
    referral: referralReference(ids, identity),
    shared,
    findings,
  };
  readStructure(source, 'ReferralRequest', ['eRS-ReferralRequest-1']);
  const contained = readContained(source);
  const shortlist = mapShortlistPart(source, contained, context);
  const appointment = mapAppointmentPart(source, contained, updatedAppointment, identity, context, worklistItem);
  const documents = mapDocuments(contained, context);
  const content = readReferral(source, referencesTo(documents, context), shared, findings, worklistItem);

  const service = appointment?.value.service ?? options.worklistService ?? worklistItem?.service;
  // A worklist may be hours old and name another service than A005: the review's owner must exist all the same (M-65).
  if (worklistItem?.service) shared.service(worklistItem.service);
  const namedClinician = worklistItem?.namedClinician ?? options.namedClinician ?? shortlist?.value.namedClinician;
  const serviceRequest = buildServiceRequest(identity, content, {
    ids,
    hasShortlist: shortlist !== undefined,
    ...(shortlist?.value.clinicType && { clinicType: shortlist.value.clinicType }),
    performers: service ? [service] : (shortlist?.value.services ?? []),
    ...(namedClinician !== undefined && { namedClinician }),
    shared,
    findings,
    at: source.at,
  });
  const owners: Owners = [
    ...(shortlist?.places ?? []).map(({ at }) => [at, shortlist?.value.list] as const),
    ...(appointment?.places ?? []).map(({ at }) => [at, appointment?.value.appointment] as const),
    ...documents.map(({ place, document }) => [place.at, document.resource] as const),
  ];
  const kept = keepLeftovers(root, owners, findings);
  const attachments = documents.map(({ document }) => document);
  return {
    facts: factsOf(identity, content, appointment?.value, service, shortlist?.value, attachments),
    shared: shared.all(),
    serviceRequest: kept(serviceRequest, unusedOfWorklist(worklistItem, appointment?.value)),
    ...(shortlist && { shortlist: kept(shortlist.value.list) }),
    ...(appointment && { appointment: kept(appointment.value.appointment) }),
    documents: attachments
      .map((document) => ({ ...document, resource: kept(document.resource) }))
      .toSorted((a, b) => (a.attachmentId < b.attachmentId ? -1 : 1)),
  };
}

function mapShortlistPart(
  source: Source,
  { anchored }: Contained,
  context: Context,
): Part<MappedShortlist> | undefined {
  const extension = 'Extension-eRS-ReferralShortlist-1';
  const list = anchored('List', anchorOf(source, extension));
  readAnchor(source, extension, list, context.findings);
  if (!list) return undefined;
  const criteria = findCriteria(list, anchored);
  return { value: mapShortlist(list, criteria, context), places: criteria ? [list, criteria] : [list] };
}

function mapAppointmentPart(
  source: Source,
  { anchored }: Contained,
  updated: Source | undefined,
  identity: ReferralIdentity,
  context: Context,
  item: WorklistItem | undefined,
): Part<MappedAppointment> | undefined {
  const extension = 'Extension-eRS-Appointment-1';
  const contained = anchored('Appointment', anchorOf(source, extension));
  readAnchor(source, extension, contained, context.findings);
  const appointment = contained ?? updated;
  if (!appointment) return undefined;
  const appointmentId = readAppointmentId(source) ?? updated?.get('id').peek();
  const value = mapAppointment(appointment, {
    ...context,
    ...identity,
    ...(appointmentId !== undefined && { appointmentId }),
    ...(item?.allocatedClinician !== undefined && { allocatedClinician: item.allocatedClinician }),
    ...(contained && updated && { updated }),
  });
  return { value, places: updated ? [appointment, updated] : [appointment] };
}

interface PlacedDocument {
  readonly place: Source;
  readonly containedId: string | undefined;
  readonly document: MappedDocument;
}

const mapDocuments = ({ ofType }: Contained, context: Context): PlacedDocument[] =>
  nameDocuments(ofType('DocumentReference')).map(({ resource, id, attachmentId }) => ({
    place: resource,
    containedId: id,
    document: mapDocument(resource, attachmentId, context),
  }));

/** References to the attachments by the contained id that supportingInfo names them with (M-12). */
const referencesTo = (documents: readonly PlacedDocument[], { ids, requestId }: Context) =>
  new Map(
    documents.flatMap(({ containedId, document: { attachmentId } }) => {
      const key = documentKey(requestId, attachmentId);
      const reference = referenceTo<DocumentReference>('DocumentReference', ids, key);
      return containedId === undefined
        ? []
        : [[containedId, { key: `attachment ${attachmentId}`, reference }] as const];
    }),
  );
