import { z } from 'zod';
import { type Engine, type EngineAnswer, parseUbrn, type UserSession } from '../core/index.ts';

/** What a standby asks of the active engine: all that the facade asks, but for hints and readiness. */
export type HandedOver = Omit<Engine, 'wake' | 'readiness' | 'isAtHand'>;

const session = z.object({
  token: z.string(),
  organisation: z.string(),
  businessFunction: z.string(),
  onBehalfOf: z.string().optional(),
});
const sessionOf = ({ onBehalfOf, ...rest }: z.output<typeof session>): UserSession => ({
  ...rest,
  ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
});
const id = z.string().min(1).max(64);

/** A call by name, with what it takes. */
export const callSchema = z.discriminatedUnion('name', [
  z.object({ name: z.literal('isAtHand') }),
  z.object({ name: z.literal('fetch'), ubrn: z.string() }),
  z.object({ name: z.literal('refresh'), serviceRequestId: id }),
  z.object({ name: z.literal('send'), taskId: id, session, decisionId: id.optional() }),
  z.object({
    name: z.literal('signAndSend'),
    session,
    taskIds: z.array(id).max(1_000).optional(),
    shown: z.record(id, id).optional(),
    waitMs: z.number().int().min(0).max(60_000),
  }),
  z.object({ name: z.literal('waiting'), session }),
  z.object({ name: z.literal('openSession'), idToken: z.string() }),
  z.object({ name: z.literal('reopen'), taskId: id }),
  z.object({
    name: z.literal('poll'),
    service: z.string(),
    list: z.enum(['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES']).optional(),
  }),
  z.object({ name: z.literal('reconcile') }),
]);
export type HandedCall = z.output<typeof callSchema>;

/** Carries a call out on this process's engine. */
export function carryOut(engine: Engine, call: HandedCall): Promise<unknown> {
  switch (call.name) {
    case 'isAtHand':
      return engine.isAtHand();
    case 'fetch': {
      const ubrn = parseUbrn(call.ubrn);
      const unknown: EngineAnswer<never> = { ok: false, code: 'resource-not-found' };
      return ubrn === undefined ? Promise.resolve(unknown) : engine.fetch(ubrn);
    }
    case 'refresh':
      return engine.refresh(call.serviceRequestId);
    case 'send':
      return engine.send(call.taskId, sessionOf(call.session), call.decisionId);
    case 'signAndSend': {
      const { taskIds, shown, waitMs } = call;
      return engine.signAndSend(sessionOf(call.session), {
        waitMs,
        ...(taskIds === undefined ? {} : { taskIds }),
        ...(shown === undefined ? {} : { shown }),
      });
    }
    case 'waiting':
      return engine.waiting(sessionOf(call.session));
    case 'openSession':
      return engine.openSession(call.idToken);
    case 'reopen':
      return engine.reopen(call.taskId);
    case 'poll':
      return engine.poll(call.service, call.list);
    case 'reconcile':
      return engine.reconcile();
  }
}
