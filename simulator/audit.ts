import type { IncomingHttpHeaders } from 'node:http';
import type { SimulatorClock } from './clock.ts';
import type { Limits } from './limits.ts';

const KNOWN_HEADERS = new Set([
  'nhsd-end-user-organisation-ods',
  'nhsd-ers-business-function',
  'nhsd-ers-on-behalf-of-user-id',
  'nhsd-ers-file-name',
  'nhsd-ers-referral-id',
  'nhsd-ers-comm-rule-org',
]);
const IDENTITY = [...KNOWN_HEADERS].slice(0, 3);
const DAY_MS = 86_400_000;

/** What e-RS would hold against its clients. */
export interface Audit {
  polled(service: string): void;
  wroteInParallel(): void;
  sawHeaders(headers: IncomingHttpHeaders, mode: 'application' | 'user' | 'none'): void;
  failedSchema(): void;
  report(): AuditReport;
}
export interface AuditReport {
  busiestSecond: number;
  requestsPerSecondLimit: number | null;
  requestsOverLimit: number;
  /** Polls by service, then by day of the simulator's clock. */
  polls: Record<string, Record<string, number>>;
  pollsPerDayLimit: number | null;
  pollsOverLimit: number;
  parallelWrites: number;
  /** Unknown or forbidden headers, each with how often it came. */
  badHeaders: Record<string, number>;
  /** Null where nobody checks. */
  schemaFailures: number | null;
}

interface AuditWish {
  clock: SimulatorClock;
  limits: Limits;
  pollsPerDay: number | undefined;
  /** Whether requests and answers are checked against e-RS's schema. */
  hasSchema: boolean;
}

/** Polls are counted in any rolling 24 hours of the simulator's clock, both lists together. Source: provider-api 3. */
export function createAudit({ clock, limits, pollsPerDay, hasSchema }: AuditWish): Audit {
  const polls: Record<string, Record<string, number>> = {};
  const recent = new Map<string, number[]>();
  const badHeaders: Record<string, number> = {};
  const limit = pollsPerDay || undefined;
  let pollsOverLimit = 0;
  let parallelWrites = 0;
  let schemaFailures = 0;
  return {
    polled(service) {
      const now = clock.now();
      const day = now.toISOString().slice(0, 10);
      polls[service] ??= {};
      polls[service][day] = (polls[service][day] ?? 0) + 1;
      const window = (recent.get(service) ?? []).filter((at) => at > now.getTime() - DAY_MS);
      window.push(now.getTime());
      recent.set(service, window);
      if (limit !== undefined && window.length > limit) pollsOverLimit += 1;
    },
    wroteInParallel: () => {
      parallelWrites += 1;
    },
    sawHeaders(headers, mode) {
      for (const name of Object.keys(headers)) {
        const isOurs = name.startsWith('nhsd-') || name.startsWith('x-ers-');
        const isForbidden = mode === 'application' && IDENTITY.includes(name);
        if (isOurs && (!KNOWN_HEADERS.has(name) || isForbidden)) badHeaders[name] = (badHeaders[name] ?? 0) + 1;
      }
      if (mode === 'none' && 'authorization' in headers)
        badHeaders['authorization (object store)'] = (badHeaders['authorization (object store)'] ?? 0) + 1;
    },
    failedSchema: () => {
      schemaFailures += 1;
    },
    report: () => ({
      busiestSecond: limits.busiestSecond(),
      requestsPerSecondLimit: limits.perSecond ?? null,
      requestsOverLimit: limits.overLimit(),
      polls,
      pollsPerDayLimit: limit ?? null,
      pollsOverLimit,
      parallelWrites,
      badHeaders,
      schemaFailures: hasSchema ? schemaFailures : null,
    }),
  };
}
