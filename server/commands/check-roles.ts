import { randomUUID } from 'node:crypto';
import { DECISION_CODES, DECISION_OPERATION } from '../../mappings/index.ts';
import {
  CLINICIAN_ADMIN,
  type ErsClient,
  type ErsContext,
  parseUbrn,
  REVIEWER_ROLES,
  type SiteService,
  type UserSession,
} from '../core/index.ts';
import { ACCESS_REFUSALS } from '../ers/index.ts';
import { inWords, nameOf, type Report, whyNot } from './check-report.ts';

/** A referral that cannot be: e-RS looks at the caller's role before it looks for the referral. */
const NOBODYS_UBRN = '000000000000';
/** What a caller is answered whose role was good. */
const AFTER_THE_ROLE: ReadonlySet<number | undefined> = new Set([404, 422]);

const context = (session?: UserSession): ErsContext => ({
  correlationId: randomUUID(),
  priority: 'urgent',
  ...(session === undefined ? {} : { session }),
});

const decisionNamed = (code: (typeof DECISION_CODES)[number]): string =>
  `decision ${code} (${DECISION_OPERATION[code]})`;

/**
 * Checks the application's own role by a read that only a provider's application may make. No endpoint tells an application its
 * role, and an approval for unattended decisions shows only when one is sent, which no check does.
 * Source: provider-api 1.2, 1.3 (A005), 6.6
 */
export async function checkApplicationRole(
  ers: ErsClient,
  services: readonly SiteService[],
  report: Report,
): Promise<void> {
  const ubrn = parseUbrn(NOBODYS_UBRN);
  if (ubrn === undefined) throw new Error('twelve digits are a UBRN');
  const answer = await ers.fetchReferral(ubrn, context());
  if (answer.kind === 'ok' || AFTER_THE_ROLE.has(answer.refusal?.status))
    report.good('role: the application may read referrals, as the application of a provider may (A005)');
  else report.refused('role', whyNot(answer));
  for (const code of DECISION_CODES) {
    const where = services.filter(({ unattended }) => unattended.includes(code)).map(({ id }) => id);
    if (where.length > 0)
      report.skipped(
        `${decisionNamed(code)}, unattended at ${where.join(', ')}: not checked, since e-RS tells of its approval only when one is sent`,
      );
  }
}

/** A session in a role that may decide, and how it is told. */
interface Reviewer {
  readonly session: UserSession;
  readonly as: string;
}

/**
 * Checks a clinician's session: which roles it has where (A030), for whom it may act (A040), whether that suffices for each
 * decision, and whether the clinician works for each service, by a worklist read that costs no poll, being a user's.
 * Source: provider-api 1.3, 1.4, 3, 6.7
 */
export async function checkSession(
  ers: ErsClient,
  token: string,
  services: readonly SiteService[],
  report: Report,
): Promise<void> {
  const own = await ers.fetchOwnRoles(context({ token, organisation: '', businessFunction: '' }));
  if (own.kind !== 'ok') return report.refused('session (A030)', whyNot(own, 'user'));
  const held = own.value.roles.map(
    ({ organisation, businessFunctions }) => `${organisation} as ${businessFunctions.join(', ') || 'nobody'}`,
  );
  report.good(`session: at ${held.join('; at ')}`);
  const reviewers: Reviewer[] = [];
  let whyNone = inWords(ACCESS_REFUSALS.sessionCannotDecide);
  for (const { organisation, businessFunctions } of own.value.roles)
    for (const businessFunction of REVIEWER_ROLES.filter((role) => businessFunctions.includes(role))) {
      const found = await reviewerOf(ers, { token, organisation, businessFunction });
      if (typeof found === 'string') whyNone = found;
      else reviewers.push(found);
    }
  for (const code of DECISION_CODES)
    if (reviewers.length > 0) report.good(`${decisionNamed(code)}: ${reviewers.map(({ as }) => as).join(', or ')}`);
    else report.refused(decisionNamed(code), whyNone);
  if (reviewers.length > 0) for (const service of services) await checkService(ers, service, reviewers, report);
}

/** The session in one of its roles, or why it cannot decide in it. */
async function reviewerOf(ers: ErsClient, session: UserSession): Promise<Reviewer | string> {
  const as = `as ${session.businessFunction} at ${session.organisation}`;
  if (session.businessFunction !== CLINICIAN_ADMIN) return { session, as };
  const actsFor = await ers.fetchOnBehalfOf(context(session));
  if (actsFor.kind !== 'ok') return whyNot(actsFor, 'user');
  const [onBehalfOf] = actsFor.value;
  if (onBehalfOf === undefined) return inWords(ACCESS_REFUSALS.sessionActsForNobody);
  return { session: { ...session, onBehalfOf }, as: `${as} for ${actsFor.value.length} who allow it` };
}

/** Whether one of the session's roles reaches a service. */
async function checkService(
  ers: ErsClient,
  service: SiteService,
  reviewers: readonly Reviewer[],
  report: Report,
): Promise<void> {
  const list = service.lists[0] ?? 'REFERRALS_FOR_REVIEW';
  let why = '';
  for (const { session, as } of reviewers) {
    const answer = await ers.fetchWorklist({ service: service.id, list }, context(session));
    if (answer.kind === 'ok') {
      answer.value.stream.destroy();
      return report.good(`${nameOf(service)}, in the session: its worklist ${list} can be read ${as}`);
    }
    why = whyNot(answer, 'user');
  }
  report.refused(`${nameOf(service)}, in the session`, why);
}
