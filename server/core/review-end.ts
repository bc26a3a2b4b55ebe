import type { DispatchRecord } from './records.ts';

/**
 * Whether a worklist was polled after the review ended, so that what it lists asks for another one; what was polled before
 * shows the referral as it was while the review was open.
 * Source: target-model 4.6
 */
export const isPolledSince = (ended: DispatchRecord['ended'], polledAt: string | undefined): boolean =>
  ended !== undefined && polledAt !== undefined && polledAt > ended.at;
