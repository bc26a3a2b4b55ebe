export type { CallersConfig } from './callers.ts';
export type { ErsConfig } from './ers.ts';
export type { Config } from './read-config.ts';
export { readConfig, readDemoConfig } from './read-config.ts';
export { Secret } from './secret.ts';
export type { ServerConfig } from './server.ts';
export type { RemoteStoreConfig } from './store.ts';
export { readAuditConfig, readCopyConfig } from './store.ts';
export { VARIABLES } from './variables.ts';
