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

/** What NHS England lets applications send without a clinician, each after approval; a site names what it got (4.7). */
export const UNATTENDED = [
  'accept',
  'accept-book-later',
  'return-with-advice',
] as const satisfies readonly DecisionCode[];

/** Whether decisions of a kind go without a clinician at a service (4.7). */
export const isUnattended = (
  services: readonly SiteService[],
  id: string | undefined,
  decision: DecisionCode,
): boolean =>
  UNATTENDED.some((one) => one === decision) &&
  services.some((service) => service.id === id && service.unattended.includes(decision));
