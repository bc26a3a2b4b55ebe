export type { Dispatch } from './dispatch.ts';
export { createDispatch, DECIDED_BY_OTHERS } from './dispatch.ts';
export type { DispatchOptions } from './room.ts';
