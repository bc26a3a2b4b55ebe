export type { Dispatch } from './dispatch.ts';
export { createDispatch } from './dispatch.ts';
export type { DispatchOptions } from './room.ts';
