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

/**
 * What tells a decision from every other one on its Task, also where it says the same: decided, taken back and decided
 * again are two. A record that an older version wrote is told by the time at which it was queued.
 */
export const decisionIdOf = ({ id, queuedAt }: QueuedDecision): string => id ?? queuedAt;

/** What is known of the sessions that were given for one decision. */
interface Known {
  readonly given?: IdentifiedSession;
  /** Why the last one that was tried could not send it. */
  readonly whyNot?: Code;
}

/** Clinicians' sessions, in memory only, by the decision that they were given for: no other one on its Task is sent in them. */
export class Sessions {
  readonly #options: SessionsOptions;
  /** By Task, then by decision. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** Decisions for which a session was given that e-RS has not been asked about yet. */
  readonly #expected = new Map<string, number>();
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
    const id = decisionIdOf(decision);
    const given = this.#known.get(taskId)?.get(id)?.given;
    if (given === undefined && decision.isInSession && this.#expected.has(nameOf(taskId, id))) return 'expected';
    if (given !== undefined && maySend(given, decision)) return given;
    if (given !== undefined) this.refuse(taskId, id, 'sender-not-decider');
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

  whyNot(taskId: string, decisionId: string): Code | undefined {
    return this.#known.get(taskId)?.get(decisionId)?.whyNot;
  }

  expect(taskId: string, decisionId: string): void {
    const name = nameOf(taskId, decisionId);
    this.#expected.set(name, (this.#expected.get(name) ?? 0) + 1);
  }

  /** What was expected has come, or will not. */
  expectNoMore(taskId: string, decisionId: string): void {
    const name = nameOf(taskId, decisionId);
    const left = (this.#expected.get(name) ?? 1) - 1;
    if (left > 0) this.#expected.set(name, left);
    else this.#expected.delete(name);
  }

  give(taskId: string, decisionId: string, session: IdentifiedSession): void {
    this.#note(taskId, decisionId, { given: session });
  }

  /**
   * e-RS refused a decision in its session, or the session could not be used. One that has ended sends nothing more:
   * answers the other Tasks for whose decisions it was given.
   */
  refuse(taskId: string, decisionId: string, why: Code): readonly string[] {
    const token = this.#known.get(taskId)?.get(decisionId)?.given?.session.token;
    this.#note(taskId, decisionId, { whyNot: why });
    this.#notStanding.add(taskId);
    this.#standing = undefined;
    if (why !== 'ERS_USER_SESSION_ENDED' || token === undefined) return [];
    const others: string[] = [];
    for (const [otherId, decisions] of this.#known) {
      for (const [id, { given }] of decisions) {
        if (given?.session.token !== token) continue;
        decisions.set(id, { whyNot: why });
        others.push(otherId);
      }
    }
    return others;
  }

  #note(taskId: string, decisionId: string, known: Known): void {
    const decisions = this.#known.get(taskId) ?? new Map<string, Known>();
    this.#known.set(taskId, decisions.set(decisionId, known));
  }

  /** The decision is settled, or gone. */
  forget(taskId: string): void {
    this.#known.delete(taskId);
    this.#notStanding.delete(taskId);
  }
}

const nameOf = (taskId: string, decisionId: string): string => `${taskId}/${decisionId}`;
