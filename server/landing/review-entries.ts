import { randomUUID } from 'node:crypto';
import type { Resource, Task } from '@medplum/fhirtypes';
import { canonicalJson, identifierOf, parseTaskKey, SYSTEM } from '../../mappings/index.ts';
import type { DispatchRecord, Store, TransactionEntry } from '../core/index.ts';
import { recordEntry } from '../store/index.ts';
import type { LatestReview, ReviewWrites } from './landing.ts';
import { idIn, type References } from './references.ts';

/** The writes of a review, and what they mean for the sync record. */
export interface ReviewEntries {
  readonly entries: readonly TransactionEntry[];
  readonly task?: Task;
  readonly record?: { readonly key: string; readonly data: DispatchRecord };
  readonly episode?: number;
}

/** Turns what the caller decided into writes that insist on what it decided on. Source: architecture 1, D1 */
export function reviewEntries(
  store: Store,
  { task, record, extra = [], witness }: ReviewWrites,
  latest: LatestReview | undefined,
  references: References,
  now: string,
): ReviewEntries {
  const key = identifierOf(task ?? record?.baseline, SYSTEM.reviewTask);
  const before = key !== undefined && key === latest?.key ? latest : undefined;
  const taskEntry = task === undefined ? undefined : entryOfTask(store, task, before, references, now);
  const data = record && withKnownIds(record, references);
  const all: readonly TransactionEntry[] = [
    ...extra,
    ...(witness ? [{ kind: 'create', resource: witness } as const] : []),
  ];
  const witnesses = all.map(
    (entry): TransactionEntry =>
      entry.kind === 'delete'
        ? entry
        : ({ ...entry, resource: references.resolve(entry.resource) } as TransactionEntry),
  );
  const held = before && { id: before.recordId, versionId: before.recordVersion, data: before.record };
  return {
    entries: [
      ...(taskEntry ? [taskEntry.entry] : []),
      ...(data && key !== undefined ? [recordEntry(store, 'ers-dispatch', key, data, held)] : []),
      ...witnesses,
    ],
    ...(taskEntry ? { task: taskEntry.task } : {}),
    ...(data && key !== undefined ? { record: { key, data } } : {}),
    ...(key === undefined ? {} : { episode: parseTaskKey(key)?.episode ?? 0 }),
  };
}

function entryOfTask(
  store: Store,
  wanted: Task,
  before: LatestReview | undefined,
  references: References,
  now: string,
): { entry: TransactionEntry; task: Task } | undefined {
  const resolved = references.resolve(wanted);
  if (before?.taskVersion !== undefined) {
    if (contentOf(resolved) === contentOf(before.task)) return undefined;
    const task = { ...resolved, id: before.task.id ?? '', lastModified: now };
    return { entry: { kind: 'put', resource: task, ifMatch: before.taskVersion }, task };
  }
  const task = { ...resolved, lastModified: now };
  if (store.capabilities.clientIds) return { entry: { kind: 'put', resource: { ...task, id: wanted.id ?? '' } }, task };
  const fullUrl = `urn:uuid:${randomUUID()}`;
  references.set(`Task/${wanted.id ?? ''}`, fullUrl);
  const { id: _, ...content } = task;
  return { entry: { kind: 'create', resource: content as Resource, fullUrl }, task: { ...task, id: fullUrl } };
}

/** When a Task was last modified is no content of it (I-14). */
const contentOf = ({ lastModified: _, ...task }: Task): string => canonicalJson(task);

function withKnownIds(record: DispatchRecord, references: References): DispatchRecord {
  const id = (type: string, made: string) => (made.startsWith('urn:') ? made : idIn(references.of(`${type}/${made}`)));
  const taskId = id('Task', record.taskId);
  return {
    ...record,
    taskId,
    serviceRequestId: id('ServiceRequest', record.serviceRequestId),
    baseline: { ...references.resolve(record.baseline), id: taskId },
  };
}
