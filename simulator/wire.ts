/** The STU3 shapes that e-RS speaks, as far as the simulator reads or writes them; what it does not know it keeps. */

export interface Coding {
  system?: string;
  code?: string;
  display?: string;
}
export interface CodeableConcept {
  coding?: Coding[];
}
export interface Identifier {
  system?: string;
  value?: string;
}
export interface Reference {
  reference?: string;
  identifier?: Identifier;
  display?: string;
}
export interface Extension {
  url: string;
  extension?: Extension[];
  valueBoolean?: boolean;
  valueCodeableConcept?: CodeableConcept;
  valueCoding?: Coding;
  valueDate?: string;
  valueDateTime?: string;
  valueIdentifier?: Identifier;
  valueInstant?: string;
  valueInteger?: number;
  valueReference?: Reference;
  valueString?: string;
}
export interface Meta {
  versionId?: string;
  lastUpdated?: string;
  profile?: string[];
}
export interface Parameter {
  name?: string;
  resource?: unknown;
  valueBoolean?: boolean;
  valueCodeableConcept?: CodeableConcept;
  valueCoding?: Coding;
  valueIdentifier?: Identifier;
  valueInteger?: number;
  valueReference?: Reference;
  valueString?: string;
  valueUnsignedInt?: number;
}
export interface Parameters {
  resourceType: 'Parameters';
  id?: string;
  meta?: Meta;
  parameter?: Parameter[];
}
export interface Attachment {
  id?: string;
  extension?: Extension[];
  contentType?: string;
  url?: string;
  size?: number;
  title?: string;
  creation?: string;
}
export interface DocumentReference {
  resourceType: 'DocumentReference';
  id?: string;
  meta?: Meta;
  type?: CodeableConcept;
  status?: string;
  indexed?: string;
  description?: string;
  content?: { attachment?: Attachment }[];
}
/** `type` is an object where STU3 wants an array: a known e-RS slip (provider-api 9, trap 1). */
export interface Participant {
  type?: CodeableConcept;
  actor?: Reference;
  status?: string;
}
export interface Appointment {
  resourceType: 'Appointment';
  id?: string;
  meta?: Meta;
  language?: string;
  status?: string;
  reason?: CodeableConcept[];
  description?: string;
  start?: string;
  end?: string;
  slot?: Reference[];
  created?: string;
  comment?: string;
  incomingReferral?: Reference[];
  participant?: Participant[];
}
export interface List {
  resourceType: 'List';
  id?: string;
  meta?: Meta;
  extension?: Extension[] | null;
  contained?: unknown[];
  status?: string;
  mode?: string;
  entry?: { extension?: Extension[]; item?: Reference }[];
}
export type Contained = Appointment | DocumentReference | List | Parameters;
export interface ReferralRequest {
  resourceType: 'ReferralRequest';
  id: string;
  meta: Meta & { versionId: string };
  extension?: Extension[] | null;
  contained?: Contained[] | null;
  status?: string;
  intent?: string;
  specialty?: CodeableConcept;
  subject?: Reference;
  identifier?: Identifier[];
  supportingInfo?: Reference[] | null;
}
export interface CodeSystemConcept {
  code: string;
  display?: string;
  extension?: Extension[];
  property?: {
    code: string;
    valueCoding?: Coding;
    valueBoolean?: boolean;
    valueDateTime?: string;
    valueInteger?: number;
  }[];
}
export interface CodeSystem {
  resourceType: 'CodeSystem';
  id: string;
  meta?: Meta;
  url: string;
  concept?: CodeSystemConcept[];
}

export const STU3 = 'https://fhir.nhs.uk/STU3/';
export const profile = (name: string): string => `${STU3}StructureDefinition/${name}`;
export const codeSystem = (name: string): string => `${STU3}CodeSystem/${name}`;

/** Identifier systems of the STU3 endpoints. Source: provider-api 9, traps 5 to 8. */
export const SYSTEM = {
  service: 'http://fhir.nhs.net/Id/ers-service',
  nhsNumber: 'http://fhir.nhs.net/Id/nhs-number',
  sdsUser: 'http://fhir.nhs.net/Id/sds-user-id',
  ods: 'https://fhir.nhs.uk/Id/ods-organization-code',
  request: 'https://fhir.nhs.uk/Id/ers-request-id',
} as const;

/** Where live systems put their reference data: the base of the environment. Source: provider-api 9, trap 2 [F 12242]. */
export const REFERENCE_DATA = 'https://int.api.service.nhs.uk/referrals/FHIR/STU3/CodeSystem/';
