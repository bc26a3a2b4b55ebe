import type { Task } from '@medplum/fhirtypes';
import { attachedFile, outputsOf } from '../../mappings/index.ts';
import type { DispatchRecord, Store, StoreResult } from '../core/index.ts';

/** An attachment as a Task names it. A review that links it is closed by that, so it is linked once (T-6). */
const REFERENCE = /^DocumentReference\/([A-Za-z0-9.-]{1,64})$/;

/**
 * Which of the attachments that a Task names may be sent with its decision: each is there, has its Binary in this store,
 * and was made for this review and its patient.
 * Source: T-6
 */
export async function usableAttachments(
  store: Store,
  { taskId, baseline }: DispatchRecord,
  task: Task | undefined,
): Promise<StoreResult<ReadonlySet<string>>> {
  const usable = new Set<string>();
  const named = new Set((task ? outputsOf(task, 'attachment') : []).map((output) => output.valueReference?.reference));
  for (const reference of named) {
    const id = REFERENCE.exec(reference ?? '')?.[1];
    if (reference === undefined || id === undefined) continue;
    const document = await store.read('DocumentReference', id);
    if (!document.ok) {
      if (isAbsent(document.code)) continue;
      return document;
    }
    const file = attachedFile(document.value, { ...baseline, id: taskId });
    if (file === undefined) continue;
    const binary = await store.read('Binary', file.binaryId);
    if (binary.ok) usable.add(reference);
    else if (!isAbsent(binary.code)) return binary;
  }
  return { ok: true, value: usable };
}

const isAbsent = (code: string): boolean => code === 'not-found' || code === 'gone';
