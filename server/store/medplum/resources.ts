import type { Resource } from '@medplum/fhirtypes';
import type { Stored } from '../../core/index.ts';
import { isStored } from '../remote/bundles.ts';

/** Notes of Medplum about who wrote what for whom; they are not of the resource that was written. */
const NOTES = new Set(['author', 'project', 'compartment', 'account', 'accounts', 'onBehalfOf']);

/**
 * A resource as the rest of the product expects it: without Medplum's notes, and with files named as they were written.
 * Medplum turns `Binary/id` into an address that opens without authorisation, for an hour, whenever it is read.
 */
export function storedOf<T extends Resource = Resource>(body: unknown): Stored<T> | undefined {
  if (!isStored<T>(body)) return undefined;
  const meta = Object.fromEntries(Object.entries(body.meta).filter(([name]) => !NOTES.has(name)));
  return withoutSignatures({ ...body, meta }) as Stored<T>;
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** `…/{binary}/{version}?Expires=…&Signature=…`: at Medplum's own storage, or in a bucket of whatever name. */
const SIGNED = new RegExp(`^https?://[^?]*/(${UUID})/${UUID}\\?`);

function withoutSignatures(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSignatures);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => {
      const id = name === 'url' && typeof one === 'string' ? SIGNED.exec(one)?.[1] : undefined;
      return [name, id === undefined ? withoutSignatures(one) : `Binary/${id}`];
    }),
  );
}
