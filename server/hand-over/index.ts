export type { HandOver, HandOverOptions } from './hand-over.ts';
export { CONNECT_MS, createHandOver } from './hand-over.ts';
