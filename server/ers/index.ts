export type { ErsClientOptions } from './client.ts';
export { createErsClient } from './client.ts';
