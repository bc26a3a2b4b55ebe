import type { CodeableConcept, Coding, Extension, Reference, ServiceRequest } from '@medplum/fhirtypes';
import { MAPPING_VERSION, structureDefinition } from '../canonical.ts';
import { concept, ersExtension, identifier, sourceCode } from '../elements.ts';
import { type IdSpace, type NhsNumber, parseUbrn, SYSTEM, type Ubrn } from '../ids.ts';
import { idOf, requestKey } from '../keys.ts';
import type { ReferralStateCode, ServiceName, WorklistItem } from '../model.ts';
import { patientReference, shortlistReference } from '../references.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { ownRow } from '../tables/own-row.ts';
import { mapPriority } from '../tables/priority.ts';
import { readState } from '../tables/referral-state.ts';
import { REFERRAL_STATUS } from '../tables/referral-status.ts';
import {
  Extensions,
  type Findings,
  readCoding,
  readIdentifier,
  readValueCoding,
  readValueDateTime,
} from './elements.ts';
import type { SharedResources } from './shared.ts';
import type { Source } from './source.ts';

/** The identity of a referral: without it nothing can be landed (G-1). */
export interface ReferralIdentity {
  readonly ubrn: Ubrn;
  readonly requestId: string;
  readonly version: number;
  readonly nhsNumber: NhsNumber;
}

/** What the referral's own members say; worklist values stand in where A005 has none (M-66). */
export interface ReferralContent {
  readonly status?: string;
  readonly intent?: string;
  readonly priority?: Coding;
  readonly specialty?: CodeableConcept;
  readonly state?: {
    readonly code?: ReferralStateCode;
    readonly coding?: Coding;
    readonly reason?: Coding;
    readonly comments?: string;
  };
  readonly commissioningOrganisation?: Reference;
  readonly firstSubmitted?: string;
  readonly lastUpdated?: string;
  readonly pathwayStart?: string;
  readonly additionalRequirements: readonly Coding[];
  readonly related: readonly Ubrn[];
  readonly adviceUbrn?: Ubrn;
  readonly supportingInfo: readonly { readonly key: string; readonly reference: Reference }[];
  readonly basedOn: readonly Reference<ServiceRequest>[];
}

/**
 * Reads the members of a ReferralRequest that are not contained resources.
 * @param documents references to the mapped attachments by their contained id (M-12)
 * Source: M-5..M-23
 */
export function readReferral(
  source: Source,
  documents: ReadonlyMap<string, { key: string; reference: Reference }>,
  shared: SharedResources,
  findings: Findings,
  item: WorklistItem | undefined,
): ReferralContent {
  const extensions = new Extensions(source);
  const dateTime = (name: string) => extensions.one(name, readValueDateTime);
  const coding = (name: string) => extensions.one(name, (extension) => readValueCoding(extension, findings));
  const priority = coding('Extension-eRS-ReferralPriority-1') ?? item?.priority;
  if (priority && mapPriority(priority.code) === undefined) findings.add('CODE_UNKNOWN', source.at);
  const specialty = source.first('specialty');
  const specialtyConcept = readSpecialty(specialty, findings) ?? (item?.specialty && concept(item.specialty));
  const state = readReferralState(extensions, findings);
  if (!state?.coding) findings.add('STATE_MISSING', source.get('extension').at);
  const organisation = extensions.one('Extension-eRS-Commissioning-Rule-Org-1', (extension) => {
    const named = readIdentifier(extension.get('valueIdentifier'));
    if (named?.system === SYSTEM.organisation) return shared.organisation(named.value);
    return named && { identifier: named };
  });
  const firstSubmitted = dateTime('Extension-eRS-ClinicalInfoFirstSubmitted-1') ?? item?.clinicalInfoFirstSubmitted;
  const lastUpdated = dateTime('Extension-eRS-ClinicalInfoLastUpdated-1') ?? item?.clinicalInfoLastUpdated;
  const pathwayStart = dateTime('Extension-eRS-eReferralPathwayStart-1') ?? item?.pathwayStart;
  const status = source.get('status').text();
  const intent = source.get('intent').text();
  return {
    ...(status !== undefined && { status }),
    ...(intent !== undefined && { intent }),
    ...(priority && { priority }),
    ...(specialtyConcept && { specialty: specialtyConcept }),
    ...(state && { state }),
    ...(organisation && { commissioningOrganisation: organisation }),
    ...(firstSubmitted !== undefined && { firstSubmitted }),
    ...(lastUpdated !== undefined && { lastUpdated }),
    ...(pathwayStart !== undefined && { pathwayStart }),
    additionalRequirements: extensions
      .all('Extension-eRS-PatientAdditionalRequirement-1', (extension) => readValueCoding(extension, findings))
      .toSorted((a, b) => ((a.code ?? '') < (b.code ?? '') ? -1 : 1)),
    ...readSupportingInfo(source, documents, findings),
  };
}

function readSpecialty(source: Source, findings: Findings): CodeableConcept | undefined {
  const coding = readCoding(source.first('coding'), findings);
  return coding && concept(coding);
}

/** M-16..M-18. */
function readReferralState(extensions: Extensions, findings: Findings): ReferralContent['state'] {
  return extensions.one('Extension-eRS-ReferralState-1', (extension) => {
    const parts = new Extensions(extension);
    const coding = parts.one('state', (part) => readValueCoding(part, findings));
    const reason = parts.one('reason', (part) => readValueCoding(part, findings));
    const comments = parts.one('comments', (part) => part.get('valueString').text());
    if (!coding && !reason && comments === undefined) return undefined;
    const code = readState(coding?.code);
    if (coding && code === undefined) findings.add('CODE_UNKNOWN', extension.at);
    return {
      ...(code !== undefined && { code }),
      ...(coding && { coding }),
      ...(reason && { reason }),
      ...(comments !== undefined && { comments }),
    };
  });
}

/** M-12..M-15. What cannot be resolved is shown by its text and kept. */
function readSupportingInfo(
  source: Source,
  documents: ReadonlyMap<string, { key: string; reference: Reference }>,
  findings: Findings,
): Pick<ReferralContent, 'supportingInfo' | 'basedOn' | 'related' | 'adviceUbrn'> {
  const supportingInfo: { key: string; reference: Reference }[] = [];
  const related = new Set<Ubrn>();
  const advice = new Set<Ubrn>();
  for (const one of source.get('supportingInfo').items()) {
    const reference = one.get('reference');
    const text = reference.peek() ?? '';
    const document = text.startsWith('#') ? documents.get(text.slice(1)) : undefined;
    const [, type, digits] = /^(ReferralRequest|CommunicationRequest)\/(\d{12})$/.exec(text) ?? [];
    const ubrn = parseUbrn(digits);
    if (document) supportingInfo.push(document);
    else if (ubrn) (type === 'ReferralRequest' ? related : advice).add(ubrn);
    if (document || ubrn) {
      reference.taken();
      continue;
    }
    if (text.startsWith('#')) findings.add('REFERENCE_DANGLING', reference.at);
    const display = one.get('display').text() ?? text;
    if (display !== '') supportingInfo.push({ key: `~${display}`, reference: { display } });
  }
  for (const ubrn of related) supportingInfo.push({ key: `referral ${ubrn}`, reference: byUbrn(ubrn) });
  const [adviceUbrn] = advice;
  return {
    supportingInfo: [...new Map(supportingInfo.map((one) => [one.key, one])).values()],
    basedOn: [...advice].toSorted().map(byUbrn),
    related: [...related].toSorted(),
    ...(adviceUbrn && { adviceUbrn }),
  };
}

/** By UBRN alone: whether that request is in the store is not known here; landing makes it literal if it is. */
const byUbrn = (ubrn: Ubrn): Reference<ServiceRequest> => ({
  type: 'ServiceRequest',
  identifier: { system: SYSTEM.ubrn, value: ubrn },
});

/** The other parts of the referral that its ServiceRequest points at. */
export interface ReferralParts {
  readonly ids: IdSpace;
  readonly hasShortlist: boolean;
  readonly clinicType?: Coding;
  /** M-27: the service that has it now, else every one that may take it. */
  readonly performers: readonly ServiceName[];
  readonly namedClinician?: string;
  readonly shared: SharedResources;
  readonly findings: Findings;
  /** Where status and intent stand, for findings. */
  readonly at: string;
}

/**
 * Builds the ServiceRequest.
 * Source: M-1..M-31
 */
export function buildServiceRequest(
  identity: ReferralIdentity,
  content: ReferralContent,
  parts: ReferralParts,
): ServiceRequest {
  const { ids, shared, findings, at } = parts;
  const key = requestKey(identity.requestId);
  const status = ownRow(REFERRAL_STATUS, content.status);
  if (!status) findings.add('CODE_UNKNOWN', `${at}.status`);
  const isPlan = content.intent === undefined || content.intent === 'plan';
  if (!isPlan) findings.add('CODE_UNKNOWN', `${at}.intent`);
  const priority = mapPriority(content.priority?.code);
  const supportingInfo = content.supportingInfo
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ reference }) => reference);
  return {
    resourceType: 'ServiceRequest',
    id: idOf(ids, key),
    meta: { profile: [structureDefinition('ers-service-request')] },
    extension: extensions(identity, content, parts),
    identifier: [{ system: SYSTEM.ubrn, value: identity.ubrn }, identifier(key)],
    ...(content.basedOn.length > 0 && { basedOn: [...content.basedOn] }),
    status: status ?? 'unknown',
    ...(!status && content.status !== undefined && { _status: sourceCode(content.status) }),
    intent: 'order',
    ...(!isPlan && content.intent !== undefined && { _intent: sourceCode(content.intent) }),
    category: [
      {
        coding: [
          { system: CODE_SYSTEM.snomed, code: '3457005', display: 'Patient referral' },
          { system: CODE_SYSTEM.messageCategory, code: 'referral' },
        ],
      },
    ],
    ...(priority && { priority }),
    ...(parts.clinicType && { code: concept(parts.clinicType) }),
    subject: patientReference(ids, identity.nhsNumber),
    ...(content.specialty && { performerType: content.specialty }),
    ...(parts.performers.length > 0 && { performer: parts.performers.map((service) => shared.service(service)) }),
    ...(supportingInfo.length > 0 && { supportingInfo }),
  };
}

/** In one fixed order, so that a second run is byte-equal (G-7). */
function extensions({ version, requestId }: ReferralIdentity, content: ReferralContent, parts: ReferralParts) {
  const { state, priority, commissioningOrganisation } = content;
  const dateTime = (id: string, value: string | undefined): Extension[] =>
    value === undefined ? [] : [ersExtension(id, { valueDateTime: value })];
  return [
    ersExtension('ers-version', { valueUnsignedInt: version }),
    ersExtension('ers-mapping-version', { valueString: MAPPING_VERSION }),
    ...(state ? [ersExtension('ers-referral-state', { extension: stateParts(state) })] : []),
    ...(priority ? [ersExtension('ers-priority', { valueCoding: priority })] : []),
    ...dateTime('ers-pathway-start', content.pathwayStart),
    ...dateTime('ers-clinical-info-first-submitted', content.firstSubmitted),
    ...dateTime('ers-clinical-info-last-updated', content.lastUpdated),
    ...content.additionalRequirements.map((coding) =>
      ersExtension('ers-additional-requirement', { valueCoding: coding }),
    ),
    ...(commissioningOrganisation
      ? [ersExtension('ers-commissioning-rule-organisation', { valueReference: commissioningOrganisation })]
      : []),
    ...(parts.hasShortlist
      ? [ersExtension('ers-shortlist', { valueReference: shortlistReference(parts.ids, requestId) })]
      : []),
    ...(parts.namedClinician === undefined
      ? []
      : [ersExtension('ers-named-clinician', { valueReference: parts.shared.practitioner(parts.namedClinician) })]),
  ];
}

/** M-16: one spelling of the two cancelled states, the rest verbatim. */
function stateParts({ code, coding, reason, comments }: NonNullable<ReferralContent['state']>): Extension[] {
  return [
    ...(coding ? [{ url: 'state', valueCoding: { ...coding, ...(code !== undefined && { code }) } }] : []),
    ...(reason ? [{ url: 'reason', valueCoding: reason }] : []),
    ...(comments === undefined ? [] : [{ url: 'comments', valueString: comments }]),
  ];
}
