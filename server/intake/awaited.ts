import type { WorklistRecord } from '../core/index.ts';
import { readRecord, writeRecord } from '../store/index.ts';
import { listsPolled } from './cadence.ts';
import type { IntakeRoom } from './room.ts';

/**
 * Notes of each list that nobody has ever read since when it is waited for, so that `poll-overdue` counts over all processes
 * that wait for it. What the store does not take now is noted at the next start.
 */
export async function noteAwaited({ store, clock, lists, services, pollsPerDay }: IntakeRoom): Promise<void> {
  for (const service of services)
    for (const list of listsPolled(service, pollsPerDay)) {
      if (lists.of(service.id, list) !== undefined) continue;
      const key = `${service.id}.${list}`;
      const held = await readRecord<WorklistRecord>(store, 'ers-worklist', key);
      if (!held.ok || held.value?.data.snapshots[0] !== undefined) continue;
      if (held.value?.data.awaitedSince !== undefined) continue;
      const awaitedSince = clock.now().toISOString();
      const record: WorklistRecord = { service: service.id, list, snapshots: [], awaitedSince };
      await writeRecord(store, 'ers-worklist', key, record, held.value);
    }
}
