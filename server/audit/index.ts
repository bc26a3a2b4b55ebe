export { chainKey } from './chain.ts';
export type { Break, BreakKind, Verdict } from './verify.ts';
export { verifyAudit } from './verify.ts';
export { witnessedStore } from './witnessed-store.ts';
export type { AuditOptions, AuditTrail } from './writer.ts';
export { createAudit } from './writer.ts';
