import { createHash } from 'node:crypto';
import { identifierSystem } from './canonical.ts';

/** A unique booking reference number: 12 digits, leading zeros significant. Only {@link parseUbrn} makes one. */
export type Ubrn = string & { readonly __brand: 'Ubrn' };
/** Ten digits. The check digit is not promised: a failing number is kept and flagged (M-40). */
export type NhsNumber = string & { readonly __brand: 'NhsNumber' };
/** The code of an NHS organisation. */
export type OdsCode = string & { readonly __brand: 'OdsCode' };

/** Identifier systems (target-model 2.1). */
export const SYSTEM = {
  ubrn: 'https://fhir.nhs.uk/Id/UBRN',
  requestId: 'https://fhir.nhs.uk/Id/ers-request-id',
  nhsNumber: 'https://fhir.nhs.uk/Id/nhs-number',
  organisation: 'https://fhir.nhs.uk/Id/ods-organization-code',
  site: 'https://fhir.nhs.uk/Id/ods-site-code',
  sdsUser: 'https://fhir.nhs.uk/Id/sds-user-id',
  service: 'https://fhir.nhs.uk/Id/ers-service',
  request: identifierSystem('ers-request'),
  reviewTask: identifierSystem('ers-review-task'),
  appointment: identifierSystem('ers-appointment'),
  document: identifierSystem('ers-document'),
  attachment: identifierSystem('ers-attachment'),
  binary: identifierSystem('ers-binary'),
  shortlist: identifierSystem('ers-shortlist'),
  slot: identifierSystem('ers-slot'),
  device: identifierSystem('device'),
} as const;

/** Reads a UBRN; undefined when it is not 12 digits. */
export function parseUbrn(value: unknown): Ubrn | undefined {
  return typeof value === 'string' && /^\d{12}$/.test(value) ? (value as Ubrn) : undefined;
}

/** Reads an NHS number's shape (ten digits); its check digit is a separate question: {@link hasValidCheckDigit}. */
export function parseNhsNumber(value: unknown): NhsNumber | undefined {
  return typeof value === 'string' && /^\d{10}$/.test(value) ? (value as NhsNumber) : undefined;
}

/** Modulus 11 over the first nine digits, weights 10 to 2. Source: NHS Data Dictionary, NHS NUMBER; M-40. */
export function hasValidCheckDigit(nhsNumber: string): boolean {
  const digits = [...nhsNumber].map(Number);
  const sum = digits.slice(0, 9).reduce((total, digit, index) => total + digit * (10 - index), 0);
  const check = 11 - (sum % 11);
  return digits.length === 10 && check !== 10 && (check === 11 ? 0 : check) === digits[9];
}

export function parseOdsCode(value: unknown): OdsCode | undefined {
  return typeof value === 'string' && /^[A-Z0-9]{1,12}$/i.test(value) ? (value as OdsCode) : undefined;
}

/** The fixed namespace of our logical ids (target-model 2.2); it does not follow the canonical base. */
export const ID_NAMESPACE = '3a24ef3d-383c-5617-9171-70a418477210';

/** UUID version 5 (RFC 9562 5.5) of `name` in `namespace`. */
export function uuidV5(namespace: string, name: string): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.subarray(0, 16).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * Where logical ids come from: `patientNamespace` is a UUID made from the installation's secret, since the space of
 * NHS numbers is small enough to reverse a published one (target-model 2.2).
 */
export interface IdSpace {
  readonly patientNamespace: string;
}

/** Makes the {@link IdSpace} of an installation from its secret. */
export function idSpace(secret: string): IdSpace {
  return { patientNamespace: uuidV5(ID_NAMESPACE, `patient-namespace|${secret}`) };
}

/** The logical id of a business key: UUIDv5 over `system|value`; Patients in the installation's own namespace. */
export function logicalId(space: IdSpace, system: string, value: string): string {
  return uuidV5(system === SYSTEM.nhsNumber ? space.patientNamespace : ID_NAMESPACE, `${system}|${value}`);
}
