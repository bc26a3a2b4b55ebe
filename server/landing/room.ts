import type { LandingOptions } from './landing.ts';
import type { SharedResources } from './shared-resources.ts';
import type { SyncIndex } from './sync-index.ts';

/** What all landings share. */
export interface LandingRoom {
  readonly options: LandingOptions;
  readonly shared: SharedResources;
  readonly index: SyncIndex;
}
