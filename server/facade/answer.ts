import type { Readable } from 'node:stream';
import type { OperationOutcome, Resource } from '@medplum/fhirtypes';

/** What a handler wants answered; `respond.ts` alone writes it to the wire. */
export interface Answer {
  readonly status: number;
  readonly body?: Resource;
  readonly stream?: { readonly bytes: Readable; readonly contentType: string; readonly length?: number };
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that says no, and why. */
export interface Refusal extends Answer {
  readonly isRefusal: true;
  readonly body: OperationOutcome;
}

export const isRefusal = <T extends object>(value: T | Refusal): value is Refusal => 'isRefusal' in value;
