import type { OperationOutcome, OperationOutcomeIssue } from '@medplum/fhirtypes';
import type { StoreFailure, StoreFailureCode } from '../../core/index.ts';

const ISSUE_CODE: Record<StoreFailureCode, OperationOutcomeIssue['code']> = {
  'not-found': 'not-found',
  gone: 'deleted',
  conflict: 'conflict',
  'multiple-matches': 'multiple-matches',
  invalid: 'invalid',
  'not-supported': 'not-supported',
  'too-costly': 'too-costly',
  unavailable: 'transient',
  'unknown-outcome': 'incomplete',
};

/** A failure with one issue. `text` names elements and remedies, never values: it reaches clients and logs. */
export function failure(code: StoreFailureCode, text: string, expression?: string): StoreFailure {
  return failureOf(code, [
    {
      severity: 'error',
      code: ISSUE_CODE[code],
      details: { text },
      ...(expression === undefined ? {} : { expression: [expression] }),
    },
  ]);
}

/** Whether it is a failure, and not what was asked for, which says nothing of `ok`. */
export const isFailure = (value: object): value is StoreFailure => 'ok' in value;

/** What is to be replaced is not what the caller has read. */
export const stale = (type: string): StoreFailure =>
  failure('conflict', `This ${type} is no longer at the version given: read it again`);

/** A search that asks for more beside one match than a store includes. */
export const tooManyIncluded: StoreFailure = failure(
  'invalid',
  'The store includes at most 1,000 resources with one match: leave the inclusion out, and search for those themselves',
);

export const binaryRefusal: StoreFailure = failure(
  'not-supported',
  'The bytes of a Binary are streamed, not sent inside JSON',
  'Binary.data',
);

export function failureOf(code: StoreFailureCode, issue: OperationOutcomeIssue[]): StoreFailure {
  const outcome: OperationOutcome = { resourceType: 'OperationOutcome', issue };
  return { ok: false, code, outcome };
}
