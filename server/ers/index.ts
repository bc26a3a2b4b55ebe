export type { AccessRefusal } from './access-refusals.ts';
export { ACCESS_REFUSALS, explainRefusal } from './access-refusals.ts';
export type { TokenCheck } from './check-token.ts';
export { checkToken } from './check-token.ts';
export type { ErsClientOptions, WholeErsClient } from './client.ts';
export { createErsClient } from './client.ts';
