import { randomUUID } from 'node:crypto';
import type { CodeSystem } from '@medplum/fhirtypes';
import { canonicalJson, mapReferenceData } from '../../mappings/index.ts';
import type { ErsContext } from '../core/index.ts';
import type { IntakeRoom } from './room.ts';

/** What e-RS publishes by A004; rejection reasons first, since decisions wait for them. */
const TYPES = [
  'APPOINTMENT-CANCELLATION-REASON',
  'PRIORITY',
  'REFERRAL-CANCELLATION-REASON',
  'APPOINTMENT-NON-ATTENDANCE-REASON',
  'SPECIALTY',
  'CLINIC-TYPE',
];

/** Mirrors e-RS's reference data in the store. True: all of it was had. Source: A004; target-model 5 */
export async function mirrorReferenceData(room: IntakeRoom): Promise<boolean> {
  let isComplete = true;
  for (const [index, type] of TYPES.entries()) {
    const context: ErsContext = {
      correlationId: randomUUID(),
      priority: index === 0 ? 'decision' : 'recheck',
      signal: room.signal,
    };
    const answer = await room.ers.fetchCodeSystem(type, context);
    const mapped = answer.kind === 'ok' ? mapReferenceData(answer.value) : undefined;
    if (mapped?.ok !== true || !(await keep(room, mapped.value))) {
      isComplete = false;
      room.log.warn('intake.reference.unread', {
        operation: 'A004',
        code: answer.kind === 'ok' ? 'ERS_ANSWER_UNREADABLE' : answer.code,
      });
    }
  }
  return isComplete;
}

async function keep({ store }: IntakeRoom, mirror: CodeSystem): Promise<boolean> {
  const found = await store.search('CodeSystem', `url=${encodeURIComponent(mirror.url ?? '')}`);
  if (!found.ok) return false;
  const held = found.value.matches[0];
  if (held !== undefined && canonicalJson(held) === canonicalJson(mirror)) return true;
  if (held !== undefined) return (await store.update({ ...mirror, id: held.id }, { ifMatch: held.meta.versionId })).ok;
  if (store.capabilities.clientIds) return (await store.update({ ...mirror, id: mirror.id ?? '' })).ok;
  return (await store.create(mirror, { ifNoneExist: `url=${encodeURIComponent(mirror.url ?? '')}` })).ok;
}
