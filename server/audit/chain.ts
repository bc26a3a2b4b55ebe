import { createHmac, hkdfSync } from 'node:crypto';
import type { AuditEvent, Extension } from '@medplum/fhirtypes';
import { sortedJson, structureDefinition } from '../../mappings/index.ts';
import type { AuditHead } from '../core/index.ts';

const LINK = structureDefinition('ers-audit-link');
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

/** An AuditEvent's place in its chain. `previous`: the hash of the one before, absent for the first. */
export interface Link {
  readonly chain: string;
  /** From 1. */
  readonly sequence: number;
  readonly previous?: string;
  readonly hash: string;
}

/** What no chain has linked yet. */
export const NOTHING_YET: AuditHead = Object.freeze({ sequence: 0 });

/** The key of the links, made from the installation's secret: who can write the store only cannot forge a link. */
export const chainKey = (secret: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', 'ers-fhir audit chain', 32));

/**
 * Links an event to the end of a chain. The hash is over all that the event says, its place included, but its id and meta,
 * which stores write.
 * Source: decision 0021
 */
export function linkEvent(
  key: Buffer,
  chain: string,
  head: AuditHead,
  event: AuditEvent,
): { event: AuditEvent; head: AuditHead } {
  const place = { chain, sequence: head.sequence + 1, ...(head.hash === undefined ? {} : { previous: head.hash }) };
  const hash = hashOf(key, withPlace(event, place));
  return { event: withPlace(event, { ...place, hash }), head: { sequence: place.sequence, hash } };
}

/** The link of an event; undefined when it has none that can be read. */
export function linkOf(event: AuditEvent): Link | undefined {
  const parts = event.extension?.find(({ url }) => url === LINK)?.extension ?? [];
  const part = (name: string) => parts.find(({ url }) => url === name);
  const chain = part('chain')?.valueString;
  const sequence = part('sequence')?.valuePositiveInt;
  const hash = part('hash')?.valueString;
  const previous = part('previous')?.valueString;
  if (chain === undefined || sequence === undefined || hash === undefined || !DIGEST.test(hash)) return undefined;
  return { chain, sequence, hash, ...(previous === undefined ? {} : { previous }) };
}

/** Whether an event is as it was when it was linked. */
export function isAsLinked(key: Buffer, event: AuditEvent, { hash, ...place }: Link): boolean {
  return hashOf(key, withPlace(event, place)) === hash;
}

function withPlace(event: AuditEvent, place: Omit<Link, 'hash'> & { readonly hash?: string }): AuditEvent {
  const { chain, sequence, previous, hash } = place;
  const link: Extension = {
    url: LINK,
    extension: [
      { url: 'chain', valueString: chain },
      { url: 'sequence', valuePositiveInt: sequence },
      ...(previous === undefined ? [] : [{ url: 'previous', valueString: previous }]),
      ...(hash === undefined ? [] : [{ url: 'hash', valueString: hash }]),
    ],
  };
  const others = (event.extension ?? []).filter(({ url }) => url !== LINK);
  return { ...event, extension: [...others, link] };
}

function hashOf(key: Buffer, { id: _, meta: __, ...content }: AuditEvent): string {
  return createHmac('sha256', key).update(sortedJson(content)).digest('base64url');
}
