export type { Lease, LeaseOptions } from './lease.ts';
export { createLease } from './lease.ts';
