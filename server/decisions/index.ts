export type { Episode, OfferedDecisions, ReviewPlan, ReviewSituation } from './situation.ts';
