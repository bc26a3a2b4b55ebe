export type { Review } from './load-review.ts';
export { loadReview, originalOf, reviewOf } from './load-review.ts';
export type { RejectionReference, Rules } from './read-rules.ts';
export { readRejectionReference, readRules } from './read-rules.ts';
