export type { ErsClientOptions, WholeErsClient } from './client.ts';
export { createErsClient } from './client.ts';
