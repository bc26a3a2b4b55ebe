export { createFacade } from './create-facade.ts';
export type { FacadeLimits, FacadeOptions } from './options.ts';
export { refuseUnparsed } from './refuse-unparsed.ts';
