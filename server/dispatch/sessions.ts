import { randomUUID } from 'node:crypto';
import {
  CLINICIAN_ADMIN,
  type Clock,
  type Code,
  type EngineAnswer,
  type ErsClient,
  type ErsContext,
  type OpenedSession,
  REVIEWER_ROLES,
  type UserSession,
} from '../core/index.ts';
import type { QueuedDecision } from '../decisions/index.ts';

/** A clinician's session with the SDS user id that e-RS gave for it (A030). */
export interface IdentifiedSession {
  readonly session: UserSession;
  readonly sdsUserId: string;
}

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
  if (!holds || !REVIEWER_ROLES.includes(session.businessFunction)) return { ok: false, code: 'session-role-not-held' };
  if (session.businessFunction === CLINICIAN_ADMIN) {
    const actsFor = await ers.fetchOnBehalfOf(context);
    if (actsFor.kind !== 'ok') return refusalOf(actsFor);
    if (session.onBehalfOf === undefined || !actsFor.value.includes(session.onBehalfOf))
      return { ok: false, code: 'on-behalf-not-permitted' };
  }
  return { ok: true, value: { session, sdsUserId: roles.value.sdsUserId } };
}

/**
 * Opens a session for the bearer of a CIS2 id token, whatever they are at e-RS: what they hold is in the answer.
 * Codes: ERS_USER_SESSION_ENDED, or what kept e-RS from answering
 * Source: provider-api 1.2; A030
 */
export async function openSession(ers: ErsClient, idToken: string): Promise<EngineAnswer<OpenedSession>> {
  const exchanged = await ers.exchangeIdToken(idToken);
  if (exchanged.kind !== 'ok') return refusalOf(exchanged);
  const { token } = exchanged.value;
  // A030 takes no organisation and no role; those are chosen from what it says.
  const session: UserSession = { token, organisation: '', businessFunction: '' };
  const roles = await ers.fetchOwnRoles({ correlationId: randomUUID(), priority: 'decision', session });
  return roles.kind === 'ok' ? { ok: true, value: { ...exchanged.value, ...roles.value } } : refusalOf(roles);
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

/** How long e-RS is asked whose a session is: no longer than a client would wait. */
const IDENTIFY_MS = 30_000;

export interface SessionsOptions {
  readonly ers: ErsClient;
  readonly clock: Clock;
  /** A clinician who is always signed in; the demo's only. */
  readonly standingSession?: (() => Promise<UserSession | undefined>) | undefined;
  /** Ends what e-RS is being asked. */
  readonly signal: AbortSignal;
}

/** Clinicians' sessions, in memory only, by the Task whose decision they were given for. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #given = new Map<string, IdentifiedSession>();
  /** Tasks for which a session was given that e-RS has not been asked about yet. */
  readonly #expected = new Map<string, number>();
  /** Why the last session that was tried on a Task could not send its decision. */
  readonly #whyNot = new Map<string, Code>();
  #standing: IdentifiedSession | undefined;
  /** Tasks whose decision e-RS refused to take from the standing session. */
  readonly #notStanding = new Set<string>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Whose session it is. Codes: as `identify` */
  async identify(session: UserSession): Promise<EngineAnswer<IdentifiedSession>> {
    const { ers, clock, signal } = this.#options;
    const answered = new AbortController();
    const late = new AbortController();
    void clock.sleep(IDENTIFY_MS, answered.signal).then(() => late.abort());
    try {
      return await identify(ers, session, AbortSignal.any([late.signal, signal]));
    } finally {
      answered.abort();
    }
  }

  /**
   * The session to send a decision in: the one given for it; the standing one only where none came with it (4.7).
   * `expected`: one is about to come.
   */
  async for(taskId: string, decision: QueuedDecision): Promise<IdentifiedSession | 'expected' | undefined> {
    const given = this.#given.get(taskId);
    if (given === undefined && decision.isInSession && this.#expected.has(taskId)) return 'expected';
    if (given !== undefined && maySend(given, decision)) return given;
    if (given !== undefined) this.refuse(taskId, 'sender-not-decider');
    if (decision.isInSession || this.#notStanding.has(taskId)) return undefined;
    const standing = await this.#standingOne();
    return standing !== undefined && maySend(standing, decision) ? standing : undefined;
  }

  async #standingOne(): Promise<IdentifiedSession | undefined> {
    const session = await this.#options.standingSession?.();
    if (session === undefined) return undefined;
    if (session.token !== this.#standing?.session.token) {
      const identified = await this.identify(session);
      this.#standing = identified.ok ? identified.value : undefined;
    }
    return this.#standing;
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
    this.#notStanding.add(taskId);
    this.#standing = undefined;
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
    this.#notStanding.delete(taskId);
  }
}
