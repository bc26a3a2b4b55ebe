import type { EngineAnswer } from '../core/index.ts';
import { isKnownNotApplied, reopenedByOperator } from '../decisions/index.ts';
import type { InHand } from './next.ts';
import type { DispatchRoom } from './room.ts';
import { readAndSettle } from './settle.ts';
import { unwitnessed, witnessUnheard } from './unheard.ts';
import { writeStep } from './write.ts';

/** A review as it is found now, with what others wrote on it taken over. Undefined: no review of ours. */
export type Find = () => Promise<EngineAnswer<InHand | undefined>>;

const TRIES = 4;

/**
 * Gives a decision that is stuck on its way back to the reviewers, if e-RS is known not to have recorded it: e-RS is
 * read first where that is in doubt. Runs in the referral's turn, so that no attempt is under way.
 * Codes: nothing-to-reopen, task-closed, outcome-unknown; ers-unavailable, store-unavailable, engine-unavailable: ask again
 * Source: E-9a (D3)
 */
export async function reopen(options: DispatchRoom, find: Find): Promise<EngineAnswer<void>> {
  let hasRead = false;
  for (let tries = 0; tries < TRIES; tries += 1) {
    // Another engine may have begun an attempt.
    if (options.fence?.() === false) return { ok: false, code: 'engine-unavailable' };
    const found = await find();
    if (!found.ok) return found;
    if (found.value === undefined) return { ok: false, code: 'resource-not-found' };
    const { review, step, isDirty } = found.value;
    const { decision, ended, taskId } = step.record;
    if (decision === undefined) {
      if (isDirty) await writeStep(options, review, step);
      if (ended !== undefined) return { ok: false, code: 'task-closed' };
      // Reading e-RS has opened it: the referral has changed, and ours was not recorded (4.5).
      return hasRead ? { ok: true, value: undefined } : { ok: false, code: 'nothing-to-reopen' };
    }
    const now = options.clock.now().toISOString();
    if ((hasRead || !decision.wasUnknown) && isKnownNotApplied(decision, now, options.policy)) {
      const written = await writeStep(options, review, reopenedByOperator(step, decision));
      if (written.ok) {
        options.log.info('dispatch.decision.reopened', { taskId, decision: decision.code, attempt: decision.attempts });
        return { ok: true, value: undefined };
      }
      if (written.code !== 'conflict') return { ok: false, code: 'store-unavailable' };
    } else if (hasRead) {
      const isUnread = !decision.isUnknowable && decision.lastAttempt?.outcome === 'unknown';
      return { ok: false, code: isUnread ? 'ers-unavailable' : 'outcome-unknown' };
    } else {
      const unheard = unwitnessed(decision);
      if (unheard !== undefined) {
        await witnessUnheard(options, found.value, decision, unheard);
        continue;
      }
      const { isRead } = await readAndSettle(options, review, decision, 'unknown');
      if (!isRead) return { ok: false, code: decision.isUnknowable ? 'outcome-unknown' : 'ers-unavailable' };
      hasRead = true;
    }
  }
  return { ok: false, code: 'version-conflict' };
}
