export { createFacade } from './create-facade.ts';
export { HINT_PATH } from './hints.ts';
export type { FacadeLimits, FacadeOptions } from './options.ts';
export { SLOW_CLIENTS } from './options.ts';
export { refuseUnparsed } from './refuse-unparsed.ts';
