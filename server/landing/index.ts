export { createLanding } from './create-landing.ts';
export type {
  FetchedFile,
  FetchedSummary,
  LandInput,
  Landing,
  LandingOptions,
  LandingSituation,
  LandResult,
  LatestReview,
  Prepared,
  ReviewWrites,
  Unlandable,
  UnreadableResult,
} from './landing.ts';
export { later } from './looks.ts';
export { References } from './references.ts';
export { engineDevice, practitioner, SharedResources } from './shared-resources.ts';
export type { SyncIndex, SyncSummary } from './sync-index.ts';
export { itemHash } from './sync-index.ts';
