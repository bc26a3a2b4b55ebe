import { profile } from './wire.ts';

/** What goes back on the wire. A body may be a stream of chunks, for files of many megabytes. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body?: Buffer | Generator<Buffer>;
}
export type FhirVersion = 'STU3' | 'R4';

const FHIR_JSON = 'application/fhir+json';
const NHSD_CODES = 'https://fhir.nhs.uk/CodeSystem/NHSD-API-ErrorOrWarningCode';
const HTTP_CODES = 'https://fhir.nhs.uk/CodeSystem/http-error-codes';
const ERS_CODES = 'https://fhir.nhs.uk/CodeSystem/ers-error-codes';
const STU3_CODES = 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-APIErrorCode-1';

/** FHIR issue type of each e-RS code; what is not here is a broken value. Source: provider-api 2.1 to 2.4. */
const ISSUE_TYPES: Record<string, string> = {
  FORBIDDEN: 'forbidden',
  NO_ACCESS: 'login',
  ACCESS_DENIED: 'login',
  NO_RELATIONSHIP: 'business-rule',
  INVALID_REQUEST_STATE: 'business-rule',
  INVALID_REQUEST_TYPE: 'business-rule',
  PATIENT_ERROR: 'business-rule',
  INAPPROPRIATE_VALUE: 'business-rule',
  FIELD_NOT_PERMITTED: 'business-rule',
  VALUE_IS_REQUIRED: 'business-rule',
  INVALID_STATE: 'business-rule',
  DUPLICATE_FILENAME: 'business-rule',
  PRIORITY_NOT_CURRENT: 'business-rule',
  CONFLICTING_VALUES: 'business-rule',
  UNABLE_TO_CANCEL_APPOINTMENT: 'business-rule',
  MISSING_VALUE: 'required',
  MISSING_PARAMETER: 'required',
  MISSING_HEADER: 'required',
  INVALID_CODE: 'code-invalid',
  REFERENCE_NOT_FOUND: 'not-found',
  INVALID_FHIR_STRUCTURE: 'structure',
  SYSTEM_UNAVAILABLE: 'transient',
  PAS_NOT_RESPONDING: 'timeout',
  PAS_RESPONDED_WITH_ERROR: 'exception',
  REC_FORBIDDEN: 'forbidden',
  REC_NOT_FOUND: 'not-found',
  REC_NOT_ACCEPTABLE: 'not-supported',
  REC_UNSUPPORTED_MEDIA_TYPE: 'not-supported',
  REC_SERVER_ERROR: 'exception',
  REC_UNAVAILABLE: 'transient',
  TOO_MANY_REQUESTS: 'throttled',
};

export const jsonAnswer = (status: number, value: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'Content-Type': FHIR_JSON, ...headers },
  body: Buffer.from(JSON.stringify(value)),
});

export const emptyAnswer = (status: number, headers: Record<string, string> = {}): Answer => ({ status, headers });

export const textAnswer = (status: number, text: string): Answer => ({
  status,
  headers: { 'Content-Type': 'text/plain;charset=utf-8' },
  body: Buffer.from(text),
});

const displayOf = (code: string): string => {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** A refusal that e-RS itself gives in STU3: an OperationOutcome with one code; diagnostics say which rule failed. */
export const stu3Outcome = (status: number, code: string, diagnostics?: string, issueType?: string): Answer =>
  jsonAnswer(status, {
    meta: { profile: [profile('eRS-OperationOutcome-1')] },
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: 'error',
        code: issueType ?? ISSUE_TYPES[code] ?? 'value',
        details: { coding: [{ system: STU3_CODES, code, display: displayOf(code) }] },
        ...(diagnostics && { diagnostics }),
      },
    ],
  });

/** A refusal in R4, whose code system depends on the layer that refuses. Source: provider-api 2.1, 2.4. */
export function r4Outcome(status: number, code: string, at: Date, diagnostics?: string): Answer {
  const gateway = ['ACCESS_DENIED', 'TOO_MANY_REQUESTS', 'MISSING_HEADER', 'NO_ACCESS'].includes(code);
  const system = gateway ? NHSD_CODES : code.startsWith('REC_') ? HTTP_CODES : ERS_CODES;
  return jsonAnswer(status, {
    resourceType: 'OperationOutcome',
    meta: { lastUpdated: at.toISOString() },
    issue: [
      {
        severity: 'error',
        code: status === 403 ? 'forbidden' : (ISSUE_TYPES[code] ?? 'invalid'),
        details: { coding: [{ system, code }] },
        ...(diagnostics && { diagnostics }),
      },
    ],
  });
}

/** A refusal of the gateway, before e-RS sees the call. Source: provider-api 1.6. */
export const gatewayOutcome = (fhir: FhirVersion, status: number, code: string, issueType: string, at: Date): Answer =>
  jsonAnswer(status, {
    resourceType: 'OperationOutcome',
    meta: {
      lastUpdated: at.toISOString(),
      profile: [
        fhir === 'STU3' ? profile('eRS-OperationOutcome-1') : 'https://www.hl7.org/fhir/R4/operationoutcome.html',
      ],
    },
    issue: [
      {
        severity: 'error',
        code: issueType,
        details: { coding: [{ system: fhir === 'STU3' ? STU3_CODES : NHSD_CODES, code, display: displayOf(code) }] },
      },
    ],
  });
