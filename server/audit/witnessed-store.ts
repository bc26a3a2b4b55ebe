import type { AuditEvent, Basic } from '@medplum/fhirtypes';
import type { DispatchRecord, Store, TransactionEntry } from '../core/index.ts';
import { contentOfRecord, withContent } from '../store/index.ts';
import { linkEvent, NOTHING_YET } from './chain.ts';

/**
 * The store as dispatch sees it: the AuditEvents of a decision are linked in the very transaction that writes them, to the
 * chain of their review, whose head is kept in the review's own record. The record's If-Match keeps the chain in order, and a
 * kill leaves all of it or nothing.
 * Source: decision 0021
 */
export function witnessedStore(store: Store, key: Buffer): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'transaction')
        return (entries: readonly TransactionEntry[]) => target.transaction(linked(entries, key));
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** The chain of a review's AuditEvents is named by its record's key. */
export const reviewChain = (recordKey: string): string => `review/${recordKey}`;

function linked(entries: readonly TransactionEntry[], key: Buffer): readonly TransactionEntry[] {
  if (!entries.some(isWitness)) return entries;
  const record = entries.find((entry) => recordOf(entry) !== undefined);
  const found = record && recordOf(record);
  if (record === undefined || record.kind === 'delete' || found === undefined) return entries;
  let head = found.data.audited ?? NOTHING_YET;
  const events = new Map<TransactionEntry, TransactionEntry>();
  for (const entry of entries.filter(isWitness)) {
    const next = linkEvent(key, reviewChain(found.key), head, entry.resource);
    head = next.head;
    events.set(entry, { ...entry, resource: next.event });
  }
  const written = withContent(found.basic, { ...found.data, audited: head });
  return entries.map((entry) =>
    entry === record ? ({ ...record, resource: written } as TransactionEntry) : (events.get(entry) ?? entry),
  );
}

type Witness = TransactionEntry & { readonly kind: 'create'; readonly resource: AuditEvent };

const isWitness = (entry: TransactionEntry): entry is Witness =>
  entry.kind === 'create' && entry.resource.resourceType === 'AuditEvent';

function recordOf(entry: TransactionEntry): { basic: Basic; key: string; data: DispatchRecord } | undefined {
  if (entry.kind === 'delete' || entry.resource.resourceType !== 'Basic') return undefined;
  const basic = entry.resource;
  const content = contentOfRecord<DispatchRecord>(basic, 'ers-dispatch');
  return content && { basic, ...content };
}
