import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { MAX_JSON_BYTES } from '../active-engine.ts';
import { createBudget } from '../budget/index.ts';
import { type Config, type ErsConfig, readConfig, type ServerConfig } from '../config/index.ts';
import { type Budget, type Log, type SiteService, type Store, systemClock } from '../core/index.ts';
import { checkToken, createErsClient, type TokenCheck } from '../ers/index.ts';
import { openStore } from '../open-store.ts';
import { dispatcherFor } from '../product.ts';
import { inWords, nameOf, Report, whyNot } from './check-report.ts';
import { checkApplicationRole, checkSession } from './check-roles.ts';
import type { Command } from './command.ts';

/** More, and the assertion's five minutes or the ledger's minute begin to matter. */
const TOLERABLE_SKEW_SECONDS = 20;

/** `check-ers`: whether a real e-RS would let this configuration in, and if not, why. */
export const checkErs: Command = {
  name: 'check-ers',
  takes: '[--spend-poll]',
  summary: 'Checks the configuration against a live e-RS and explains each refusal in words',
  help: `  --spend-poll  also reads one worklist of each service; its answer is thrown away

It reads the environment of serve, and needs no running server. It checks the credentials (a token is granted), this machine's clock
against e-RS's, what e-RS answers to a read of its reference data (A004), and whether it takes the application for a provider's, by
a read of a referral that does not exist (A005). Whether a service can be reached only a worklist read
tells, and e-RS permits two of those in 24 hours: so that is done with --spend-poll only, by the ledger of the store in DATA_DIR, and
not while a server has that store open (use "poll SERVICE" then). docs/errors.md lists the refusals.

With a clinician's e-RS user token in ERS_USER_TOKEN it says which roles the session has at which organisations (A030, A040), whether they
suffice for each decision, and whether each service can be reached in it, which costs no poll. The token is not kept.`,
  exitCodes: { 0: 'nothing was refused', 1: 'something was refused, not reached, or the environment does not suffice' },
  async run({ args, environment, say, complain }) {
    const { values } = parseArgs({ args: [...args], options: { 'spend-poll': { type: 'boolean', default: false } } });
    const read = readConfig(environment);
    if (!read.ok) {
      complain(['The environment does not suffice:', ...read.faults.map((fault) => `- ${fault}`)].join('\n'));
      return 1;
    }
    const report = new Report(say);
    const userToken = environment['ERS_USER_TOKEN']?.trim();
    await check(read.config, { spendsPoll: values['spend-poll'], ...(userToken && { userToken }) }, report);
    return report.isRefused ? 1 : 0;
  },
};

/** What is to be checked besides the environment. */
interface Wish {
  readonly spendsPoll: boolean;
  /** A clinician's token of e-RS. */
  readonly userToken?: string;
}

async function check({ ers, server }: Config, wish: Wish, report: Report): Promise<void> {
  const dispatcher = dispatcherFor(ers);
  try {
    const token = await checkToken(
      { dispatcher, clock: systemClock },
      { ...ers, privateKeyPem: ers.privateKeyPem.reveal() },
    );
    reportToken(token, report);
    if (!token.isGranted) {
      skipAll(ers.services, 'there is no token', report);
      return;
    }
    const store = wish.spendsPoll ? await openLedger(server, report) : undefined;
    const budget = createBudget({
      store,
      clock: systemClock,
      random,
      log: SILENT,
      requestsPerSecond: ers.requestsPerSecond,
      pollsPerDay: ers.pollsPerDay,
    });
    try {
      await checkCalls({ ers, dispatcher, budget, hasLedger: store !== undefined, ...wish }, report);
    } finally {
      await store?.close();
    }
  } finally {
    await dispatcher.close();
  }
}

const random = () => randomBytes(4).readUInt32BE() / 2 ** 32;

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function reportToken(token: TokenCheck, report: Report): void {
  if (token.isGranted) report.good(`credentials: a token was granted, for ${token.lifeSeconds} seconds`);
  else report.refused('credentials', inWords(token.refusal, token.status));
  reportClock(token.skewSeconds, report);
}

function reportClock(skewSeconds: number | undefined, report: Report): void {
  if (skewSeconds === undefined) {
    report.skipped('clock: nobody told the time');
    return;
  }
  const how = `${Math.abs(skewSeconds)} seconds ${skewSeconds < 0 ? 'behind' : 'ahead of'} e-RS's`;
  if (Math.abs(skewSeconds) <= TOLERABLE_SKEW_SECONDS) report.good(`clock: ${how}`);
  else report.refused('clock', `${how}. Set this machine by a time server (NTP).`);
}

async function openLedger(server: ServerConfig, report: Report): Promise<Store | undefined> {
  const opened = await openStore(server, systemClock, random);
  if (typeof opened !== 'string') return opened;
  report.refused('poll ledger', `${opened} While the server runs, use "poll SERVICE".`);
  return undefined;
}

function skipAll(services: readonly SiteService[], why: string, report: Report): void {
  for (const what of ['reference data (A004)', 'role', 'session']) report.skipped(`${what}: ${why}`);
  for (const service of services) report.skipped(`${nameOf(service)}: ${why}`);
}

async function checkCalls(
  about: Wish & {
    readonly ers: ErsConfig;
    readonly dispatcher: ReturnType<typeof dispatcherFor>;
    readonly budget: Budget;
    readonly hasLedger: boolean;
  },
  report: Report,
): Promise<void> {
  const { ers, budget, dispatcher } = about;
  const client = createErsClient({
    ...ers,
    privateKeyPem: ers.privateKeyPem.reveal(),
    budget,
    clock: systemClock,
    log: SILENT,
    dispatcher,
    limits: { maxFileBytes: 11_000_000, maxJsonBytes: MAX_JSON_BYTES },
  });
  const context = () => ({ correlationId: randomUUID(), priority: 'urgent' as const });
  const reference = await client.fetchCodeSystem('APPOINTMENT-CANCELLATION-REASON', context());
  if (reference.kind === 'ok') report.good('reference data (A004): e-RS answers');
  else report.refused('reference data (A004)', whyNot(reference));
  await checkApplicationRole(client, ers.services, report);
  if (about.userToken !== undefined) await checkSession(client, about.userToken, ers.services, report);
  else report.skipped("session: no clinician's roles were checked, since ERS_USER_TOKEN holds no user token of e-RS");
  for (const service of ers.services) {
    if (!about.spendsPoll) {
      const how = `--spend-poll does, or "poll ${service.id}" while the server runs`;
      report.skipped(`${nameOf(service)}: not checked, since that costs one of its polls of the day; ${how}`);
    } else if (!about.hasLedger) {
      report.skipped(`${nameOf(service)}: not checked, since its polls could not be counted`);
    } else {
      const list = service.lists[0] ?? 'REFERRALS_FOR_REVIEW';
      const spend = () => budget.spendPoll(service.id, list);
      const answer = await client.fetchWorklist({ service: service.id, list, spend }, context());
      const left = await pollsLeft(budget, service.id);
      if (answer.kind === 'ok') {
        answer.value.stream.destroy();
        report.good(`${nameOf(service)}: its worklist ${list} can be read. ${left}`);
      } else report.refused(nameOf(service), `${whyNot(answer)} ${left}`);
    }
  }
}

async function pollsLeft(budget: Budget, service: string): Promise<string> {
  const polls = await budget.pollsOf(service);
  if (polls?.left === undefined) return '';
  return polls.left > 0
    ? `Polls left: ${polls.left}.`
    : `Polls left: 0; the next is free at ${polls.nextAt.toISOString()}.`;
}
