import type { Caller } from './endpoint.ts';
import { relationOf } from './relationship.ts';
import type { StoredFile, World } from './world.ts';

/**
 * Finds the file behind a Binary id. Real data shares ids among files, so one
 * that can be read goes first, and of those one of the commonest type.
 * Source: provider-api 6.7 (A042); target-model 1.11
 */
export function findFile(world: World, caller: Caller, binaryId: string): StoredFile | 'unknown' | 'unrelated' {
  const shown = (world.files.get(binaryId) ?? []).filter(({ ubrn }) => ubrn !== undefined);
  if (shown.length === 0) return 'unknown';
  const readable = shown.filter(({ ubrn }) => {
    const referral = world.referrals.get(ubrn ?? '');
    return referral !== undefined && relationOf(world, caller, referral);
  });
  const available = readable.filter(({ availability }) => availability === 'AVAILABLE');
  const among = available.length > 0 ? available : readable;
  const alike = (file: StoredFile): number =>
    among.filter(({ contentType }) => contentType === file.contentType).length;
  return among.toSorted((one, other) => alike(other) - alike(one))[0] ?? 'unrelated';
}
