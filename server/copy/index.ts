export type { CopyEnd, CopyOptions, CopyProgress } from './account.ts';
export { copyStore } from './copy-store.ts';
