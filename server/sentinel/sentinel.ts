import { type Account, type AccountException, type AlertCode, describeError, type Readiness } from '../core/index.ts';
import { Evidence } from './evidence.ts';
import { DEFAULT_PATIENCE, type SentinelOptions } from './room.ts';
import { takeAccount } from './take-account.ts';

/** Holds what became of the referrals against what the worklists named, for ever. */
export interface Sentinel {
  start(): void;
  stop(): Promise<void>;
  /** Makes the account now, and raises and clears its alerts. Undefined: the store cannot be read. */
  reconcile(): Promise<Account | undefined>;
  /** The latest account for readiness and metrics: counts and codes; undefined until the first. */
  inBrief(): Readiness['account'];
}

/** Alerts that the account owns; quarantine and unread lists are told by the rooms that meet them. */
const OWN: readonly AlertCode[] = [
  'referral-vanished',
  'referral-overdue',
  'file-overdue',
  'decision-overdue',
  'outcome-unknown',
  'poll-overdue',
  'decided-but-listed',
];
/** In full once an hour, whatever the counts say: a watermark loses updates (architecture 4). */
const LOAD_EVERY_MS = 3_600_000;
const LOOKS = 6;

export function createSentinel(options: SentinelOptions): Sentinel {
  const { store, clock, log, alerts } = options;
  const evidence = new Evidence(store, clock);
  const patience = { ...DEFAULT_PATIENCE, ...options.patience };
  const decisionMs = patience.decisionMs + (options.decisionDelayMs ?? 0);
  const about = {
    services: options.services,
    patience: { ...patience, decisionMs },
    startedAt: clock.now().toISOString(),
  };
  const closing = new AbortController();
  const raised = new Map<string, { code: AlertCode; subject: string }>();
  let latest: Account | undefined;
  let loadedMs: number | undefined;
  let working: Promise<Account | undefined> = Promise.resolve(undefined);
  let loop: Promise<void> = Promise.resolve();

  async function make(): Promise<Account | undefined> {
    let suspects = vanishedIn(latest);
    let how: 'load' | 'refresh' =
      loadedMs === undefined || clock.monotonicMs() - loadedMs > LOAD_EVERY_MS ? 'load' : 'refresh';
    for (let looks = 1; ; looks += 1) {
      if (!(await gather(how))) return undefined;
      const account = takeAccount(evidence, about, clock.now().toISOString());
      const vanished = vanishedIn(account);
      // Others write while this reads: what seems to be missing is missing when it is so at two looks, one of them in full.
      if (vanished.isSubsetOf(suspects) || looks === LOOKS) return announce(account);
      suspects = vanished;
      how = looks === 1 ? 'load' : 'refresh';
    }
  }

  async function gather(how: 'load' | 'refresh'): Promise<boolean> {
    const read = how === 'load' ? await evidence.load() : await evidence.refresh();
    if (read.ok) {
      if (how === 'load') loadedMs = clock.monotonicMs();
      alerts.clear('store-unavailable', 'sentinel');
      return true;
    }
    loadedMs = undefined;
    log.warn('sentinel.store.unread', { code: read.code });
    alerts.raise('store-unavailable', 'sentinel');
    return false;
  }

  function announce(account: Account): Account {
    const standing = new Map(
      account.exceptions
        .filter(({ code }) => OWN.includes(code))
        .map((one) => [`${one.code}|${subjectOf(one)}`, { code: one.code, subject: subjectOf(one) }]),
    );
    for (const [key, { code, subject }] of standing) {
      alerts.raise(code, subject);
      if (!raised.has(key)) log.error('sentinel.exception.found', { code, ...idsOf(account, key) });
    }
    for (const [key, { code, subject }] of raised) if (!standing.has(key)) alerts.clear(code, subject);
    raised.clear();
    for (const [key, one] of standing) raised.set(key, one);
    for (const { service, missing } of account.services) {
      const before = latest?.services.find((one) => one.service === service)?.missing ?? 0;
      if (missing > 0 && missing !== before) log.error('sentinel.account.unbalanced', { service, count: missing });
      if (missing === 0 && before > 0) log.info('sentinel.account.balanced', { service });
    }
    latest = account;
    return account;
  }

  /** One account at a time. */
  function reconcile(): Promise<Account | undefined> {
    working = working.then(make, make);
    return working;
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      await reconcile().catch((error: unknown) => log.error('sentinel.account.failed', describeError(error)));
      await clock.sleep(options.everyMs, closing.signal);
    }
  }

  return {
    start() {
      loop = run();
    },
    async stop() {
      closing.abort();
      await loop;
      await working.catch(() => undefined);
      // Who watches next raises what stands.
      for (const { code, subject } of raised.values()) alerts.clear(code, subject);
      alerts.clear('store-unavailable', 'sentinel');
    },
    reconcile,
    inBrief: () => latest && inBrief(latest),
  };
}

const vanishedIn = (account: Account | undefined): ReadonlySet<string> =>
  new Set(
    account?.exceptions
      .filter(({ code }) => code === 'referral-vanished')
      .map(({ service, serviceRequestId, ubrn }) => [service, serviceRequestId, ubrn].join('|')),
  );

/** What an alert is about, without a number that belongs to a patient's referral. */
const subjectOf = ({ code, taskId, serviceRequestId, service }: AccountException): string =>
  (code === 'decision-overdue' || code === 'outcome-unknown' ? taskId : serviceRequestId) ?? service ?? '';

function idsOf({ exceptions }: Account, key: string) {
  const found = exceptions.find((one) => `${one.code}|${subjectOf(one)}` === key);
  const { taskId, serviceRequestId, service } = found ?? {};
  return {
    ...(taskId === undefined ? {} : { taskId }),
    ...(serviceRequestId === undefined ? {} : { serviceRequestId }),
    ...(service === undefined ? {} : { service }),
  };
}

function inBrief({ at, balances, services, exceptions }: Account): NonNullable<Readiness['account']> {
  const byCode = Object.entries(Object.groupBy(exceptions, ({ code }) => code));
  return {
    at,
    balances,
    services,
    exceptions: byCode.map(([code, found]) => ({ code: code as AlertCode, count: found.length })),
  };
}
