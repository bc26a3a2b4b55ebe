import type { Appointment, DocumentReference, Resource, ServiceRequest } from '@medplum/fhirtypes';
import {
  type BusinessKey,
  clinicalSummaryDocument,
  documentKey,
  type IdSpace,
  identifierOf,
  idOf,
  type MappedReferral,
  requestKey,
  SYSTEM,
  summaryKey,
} from '../../mappings/index.ts';
import type { Store, Stored, StoreFailure, StoreResult, SyncRecord, TransactionEntry } from '../core/index.ts';
import { landDocument, superseded } from './documents.ts';
import { importProvenance } from './import-provenance.ts';
import type { FetchedSummary, LandInput } from './landing.ts';
import { entryOf, locate, type Part } from './parts.ts';
import type { References } from './references.ts';
import { linksBack, withRelatedLinked } from './related.ts';
import type { LandingRoom } from './room.ts';

/** What a landing starts from, once the shared resources are in place. */
export interface CoreInput {
  readonly referral: MappedReferral;
  readonly input: LandInput;
  readonly sync: SyncRecord | undefined;
  readonly references: References;
  readonly isNew: boolean;
  readonly now: string;
}

/** The writes that make the store agree with e-RS about one referral; none where it does already. */
export interface CoreWrites {
  /** ServiceRequest first, shortlist, Appointments, Provenance. */
  readonly core: readonly TransactionEntry[];
  readonly documents: readonly TransactionEntry[];
  readonly attachments: SyncRecord['attachments'];
  /** The ServiceRequest without its documents, where it is not in the store yet: what surplus documents can refer to. */
  readonly foundation: readonly TransactionEntry[] | undefined;
}

/** Compares a referral and its documents with the store. Source: I-11, 1.5, 1.6, M-122 */
export async function coreWrites(room: LandingRoom, about: CoreInput): Promise<StoreResult<CoreWrites>> {
  const { store, ids } = room.options;
  const { referral, input, sync, references, isNew, now } = about;
  const { facts } = referral;
  const linked = withRelatedLinked(referral.serviceRequest, (ubrn) => room.index.byUbrn(ubrn)?.serviceRequestId);
  const documents = documentsOf(about, ids);
  const gone = isNew ? [] : vanished(about, ids);

  const keyed = (resources: readonly Resource[], system: string) =>
    resources.map((resource) => ({ resource, key: ownKey(resource, system) }));
  const wanted = [
    { resource: linked, key: requestKey(facts.requestId) },
    ...keyed(referral.shortlist ? [referral.shortlist] : [], SYSTEM.shortlist),
    ...keyed(referral.appointment ? [referral.appointment] : [], SYSTEM.appointment),
    ...keyed([...documents.map(({ resource }) => resource), ...gone], SYSTEM.document),
  ];
  const parts: Part[] = [];
  for (const { resource, key } of wanted) {
    const part = await locate(store, resource, key, references, isNew);
    if (!part.ok) return part;
    parts.push(part.value);
  }
  if (sync?.summary?.binaryId !== undefined && input.summary?.kind !== 'stored') {
    // The review names the summary although it is not written now, so its id must be known.
    const summary = await locate(
      store,
      standIn(summaryKey(facts.requestId), ids),
      summaryKey(facts.requestId),
      references,
      store.capabilities.clientIds,
    );
    if (!summary.ok) return summary;
  }
  const [serviceRequest] = parts;
  const ofGone = new Set(gone);
  const isDocument = (part: Part) => part.wanted.resourceType === 'DocumentReference';
  const supersede = parts
    .filter((part) => ofGone.has(part.wanted as DocumentReference))
    .flatMap((part) => (part.stored ? [{ ...part, wanted: superseded(part.stored as DocumentReference) }] : []));
  const entries = (some: readonly Part[]) => some.flatMap((part) => entryOf(part, references) ?? []);

  const core = entries(parts.filter((part) => !isDocument(part)));
  const isChanged = serviceRequest !== undefined && entryOf(serviceRequest, references) !== undefined;
  const replaced =
    isChanged && serviceRequest.stored ? await replacedAppointments(store, serviceRequest.stored, parts) : none;
  if (!replaced.ok) return replaced;
  const backlinks =
    sync === undefined
      ? await linksBack(store, room.index, {
          ubrn: facts.ubrn,
          reference: references.of(`ServiceRequest/${linked.id ?? ''}`),
          related: new Set([...facts.related, ...room.index.naming(facts.ubrn)]),
        })
      : none;
  if (!backlinks.ok) return backlinks;
  const provenance = importProvenance(facts, ids, serviceRequest?.stored === undefined, now);
  return {
    ok: true,
    value: {
      core: [
        ...core,
        ...replaced.value,
        ...backlinks.value,
        ...(isChanged ? [{ kind: 'create', resource: references.resolve(provenance) } as const] : []),
      ],
      documents: entries([
        ...parts.filter((part) => isDocument(part) && !ofGone.has(part.wanted as DocumentReference)),
        ...supersede,
      ]),
      attachments: Object.fromEntries(
        documents.flatMap(({ attachmentId, record }) =>
          attachmentId === undefined || record === undefined ? [] : [[attachmentId, record]],
        ),
      ),
      foundation: serviceRequest?.stored === undefined ? entries(foundationOf(parts)) : undefined,
    },
  };
}

const none = { ok: true, value: [] } as const;

const ownKey = (resource: Part['wanted'], system: string): BusinessKey => ({
  system,
  value: identifierOf(resource, system) ?? '',
});

interface DocumentPart {
  readonly resource: DocumentReference;
  readonly attachmentId?: string;
  readonly record?: SyncRecord['attachments'][string];
}

function documentsOf({ referral, input, sync, now }: CoreInput, ids: IdSpace): DocumentPart[] {
  const attachments = referral.documents.map((document) =>
    landDocument(document, input.files?.get(document.attachmentId), sync?.attachments[document.attachmentId], now),
  );
  return input.summary?.kind === 'stored'
    ? [...attachments, { resource: summaryOf(referral, input.summary, ids) }]
    : attachments;
}

const summaryOf = (
  { facts }: MappedReferral,
  { binaryId, size, sha1, contentType, fileName, generatedAt }: Extract<FetchedSummary, { kind: 'stored' }>,
  ids: IdSpace,
) =>
  clinicalSummaryDocument({
    facts,
    ids,
    binaryId,
    size,
    sha1,
    contentType,
    date: generatedAt,
    ...(fileName === undefined ? {} : { title: fileName }),
  });

/** Stand-ins for attachments that landed earlier and are no longer listed (M-122). */
function vanished({ referral, sync }: CoreInput, ids: IdSpace): DocumentReference[] {
  const listed = new Set(referral.documents.map(({ attachmentId }) => attachmentId));
  return Object.keys(sync?.attachments ?? {})
    .filter((attachmentId) => !listed.has(attachmentId))
    .map((attachmentId) => standIn(documentKey(referral.facts.requestId, attachmentId), ids));
}

/** Enough of a document to find it by. */
const standIn = ({ system, value }: BusinessKey, ids: IdSpace): DocumentReference => ({
  resourceType: 'DocumentReference',
  id: idOf(ids, { system, value }),
  identifier: [{ system, value }],
  status: 'superseded',
  content: [{ attachment: {} }],
});

/** e-RS never has two appointments of a referral at once: an earlier one that still looks alive is cancelled (1.5). */
async function replacedAppointments(
  store: Store,
  serviceRequest: Stored,
  parts: readonly Part[],
): Promise<{ ok: true; value: readonly TransactionEntry[] } | StoreFailure> {
  const current = new Set(parts.map(({ stored }) => stored?.id));
  const found = await store.search('Appointment', `based-on=ServiceRequest/${serviceRequest.id}&_count=100`);
  if (!found.ok) return found;
  return {
    ok: true,
    value: found.value.matches
      .filter((one): one is Stored<Appointment> => one.resourceType === 'Appointment' && !current.has(one.id))
      .filter(({ status }) => status === 'booked' || status === 'proposed' || status === 'pending')
      .map((one) => ({ kind: 'put', resource: { ...one, status: 'cancelled' }, ifMatch: one.meta.versionId })),
  };
}

/** The referral as surplus documents need it before them: without a word of documents that are not there yet. */
function foundationOf(parts: readonly Part[]): Part[] {
  return parts
    .filter(({ wanted }) => wanted.resourceType !== 'DocumentReference')
    .map((part) => {
      if (part.wanted.resourceType !== 'ServiceRequest') return part;
      const { supportingInfo, ...rest }: ServiceRequest = part.wanted;
      const others = supportingInfo?.filter(({ type }) => type !== 'DocumentReference') ?? [];
      return { ...part, wanted: { ...rest, ...(others.length > 0 ? { supportingInfo: others } : {}) } };
    });
}
