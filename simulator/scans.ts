import { chanceOf } from './dice.ts';
import { attachmentsOf, availabilityOf, binaryIdOf } from './referral-document.ts';
import { rise } from './transitions.ts';
import type { World } from './world.ts';

const UPLOAD_LIFE_MS = 86_400_000;

/**
 * Ends the scans whose time has come and purges uploads that nobody linked within a day.
 * Whether the end of a scan raises the version is open: by default it does not. Source: provider-api 5.7 [I], 3 [F], 9.1 no. 11
 */
export function settleFiles(world: World): void {
  purgeUploads(world);
  const now = world.clock.now().getTime();
  for (const file of world.scans) {
    if (file.settlesAt === undefined || file.settlesAt > now) continue;
    world.scans.delete(file);
    file.availability = file.settlesAs ?? 'AVAILABLE';
    const referral = world.referrals.get(file.ubrn ?? '');
    if (!referral) continue;
    for (const document of attachmentsOf(referral.resource)) {
      const coding = availabilityOf(document);
      if (binaryIdOf(document) === file.binaryId && coding) coding.code = file.availability;
    }
    const isOpen = world.openQuestions.answers === 'by-seed';
    if (isOpen && chanceOf(world.seed, `scan raises version of ${file.binaryId}`) < 0.5) rise(referral, world.dice);
  }
}

/** Forgets uploads that were not linked in time. */
function purgeUploads(world: World): void {
  const oldest = world.clock.now().getTime() - UPLOAD_LIFE_MS;
  for (const file of world.uploads) {
    if (!file.upload || file.upload.at > oldest) continue;
    world.uploads.delete(file);
    world.files.delete(file.binaryId);
  }
}
