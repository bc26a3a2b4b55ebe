import { randomUUID } from 'node:crypto';
import type { Code, EngineAnswer, ErsClient, ErsContext, UserSession } from '../core/index.ts';
import type { QueuedDecision } from '../decisions/index.ts';

/** A clinician's session with the SDS user id that e-RS gave for it (A030). */
export interface IdentifiedSession {
  readonly session: UserSession;
  readonly sdsUserId: string;
}

const CLINICIAN_ADMIN = 'SERVICE_PROVIDER_CLINICIAN_ADMIN';
/** Roles that may record a review's outcome (provider-api 1.3). */
const REVIEWERS = new Set(['SERVICE_PROVIDER_CLINICIAN', CLINICIAN_ADMIN]);

/**
 * Asks e-RS whom a session belongs to, that they hold the role at the organisation that it claims (A030), and that they
 * may act for whom they say (A040).
 * Codes: session-role-not-held, on-behalf-not-permitted, ERS_USER_SESSION_ENDED, or what kept e-RS from answering
 * Source: target-model 4.7
 */
export async function identify(
  ers: ErsClient,
  session: UserSession,
  signal?: AbortSignal,
): Promise<EngineAnswer<IdentifiedSession>> {
  const context: ErsContext = {
    correlationId: randomUUID(),
    priority: 'decision',
    session,
    ...(signal === undefined ? {} : { signal }),
  };
  const roles = await ers.fetchOwnRoles(context);
  if (roles.kind !== 'ok') return refusalOf(roles);
  const holds = roles.value.roles.some(
    ({ organisation, businessFunctions }) =>
      organisation === session.organisation && businessFunctions.includes(session.businessFunction),
  );
  if (!holds || !REVIEWERS.has(session.businessFunction)) return { ok: false, code: 'session-role-not-held' };
  if (session.businessFunction === CLINICIAN_ADMIN) {
    const actsFor = await ers.fetchOnBehalfOf(context);
    if (actsFor.kind !== 'ok') return refusalOf(actsFor);
    if (session.onBehalfOf === undefined || !actsFor.value.includes(session.onBehalfOf))
      return { ok: false, code: 'on-behalf-not-permitted' };
  }
  return { ok: true, value: { session, sdsUserId: roles.value.sdsUserId } };
}

const refusalOf = (fate: { code: Code } | { code: Code; afterMs: number }): EngineAnswer<never> => ({
  ok: false,
  code: fate.code,
  ...('afterMs' in fate ? { retryAfterMs: fate.afterMs } : {}),
});

/**
 * Whether a session may send a decision: its decider's own, or one of somebody who acts for the decider. Where e-RS's
 * number of the decider is not known, the sender takes the decision over.
 * Source: target-model 4.7, Q-10
 */
export function maySend({ session, sdsUserId }: IdentifiedSession, { user }: QueuedDecision): boolean {
  const decider = user?.sdsUserId;
  return decider === undefined || decider === sdsUserId || decider === session.onBehalfOf;
}

/** Clinicians' sessions, in memory only, by the Task whose decision they were given for. */
export class Sessions {
  readonly #given = new Map<string, IdentifiedSession>();
  /** Tasks for which a session was given that e-RS has not been asked about yet. */
  readonly #expected = new Map<string, number>();
  /** Why the last session that was tried on a Task could not send its decision. */
  readonly #whyNot = new Map<string, Code>();

  /** The session of a Task; `expected`: one is about to come. */
  of(taskId: string): IdentifiedSession | 'expected' | undefined {
    return this.#given.get(taskId) ?? (this.#expected.has(taskId) ? 'expected' : undefined);
  }

  whyNot(taskId: string): Code | undefined {
    return this.#whyNot.get(taskId);
  }

  expect(taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#expected.set(taskId, (this.#expected.get(taskId) ?? 0) + 1);
  }

  /** What was expected has come, or will not. */
  expectNoMore(taskIds: readonly string[]): void {
    for (const taskId of taskIds) {
      const left = (this.#expected.get(taskId) ?? 1) - 1;
      if (left > 0) this.#expected.set(taskId, left);
      else this.#expected.delete(taskId);
    }
  }

  give(taskId: string, session: IdentifiedSession): void {
    this.#given.set(taskId, session);
    this.#whyNot.delete(taskId);
  }

  /**
   * e-RS refused a Task's decision in its session, or the session could not be used. One that has ended sends nothing
   * more: answers the other Tasks that it was given for.
   */
  refuse(taskId: string, why: Code): readonly string[] {
    const token = this.#given.get(taskId)?.session.token;
    this.#given.delete(taskId);
    this.#whyNot.set(taskId, why);
    if (why !== 'ERS_USER_SESSION_ENDED' || token === undefined) return [];
    const others = [...this.#given].flatMap(([id, { session }]) => (session.token === token ? [id] : []));
    for (const id of others) {
      this.#given.delete(id);
      this.#whyNot.set(id, why);
    }
    return others;
  }

  /** The decision is settled, or gone. */
  forget(taskId: string): void {
    this.#given.delete(taskId);
    this.#whyNot.delete(taskId);
  }
}
