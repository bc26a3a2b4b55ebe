export type { Patience, SentinelOptions } from './room.ts';
export { createSentinel, type Sentinel } from './sentinel.ts';
