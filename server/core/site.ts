import type { BookableType, DecisionCode, WorklistName } from '../../mappings/index.ts';

/** One e-RS service as the site configures it (`ERS_SERVICES`); e-RS does not let providers read it (provider-api 9, 30). */
export interface SiteService {
  readonly id: string;
  readonly name?: string;
  readonly bookableType?: BookableType;
  readonly lists: readonly WorklistName[];
  /** Polls a day for each list; what is left of the permitted ones is an operator's. Default: shared evenly by the lists. */
  readonly pollSplit?: Readonly<Partial<Record<WorklistName, number>>>;
  /** Decisions that NHS England approved for unattended use here; default none (4.7). */
  readonly unattended: readonly DecisionCode[];
}
