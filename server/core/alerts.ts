import type { AlertCode } from './codes.ts';

/** Something that a person should know of. `subject` names it without patient data: a service, a Task id, a request id. */
export interface Alert {
  readonly code: AlertCode;
  readonly subject: string;
  readonly since: string;
}

/** The board of standing alerts: raised and cleared by the rooms, shown by readiness and metrics. */
export interface Alerts {
  raise(code: AlertCode, subject: string): void;
  clear(code: AlertCode, subject: string): void;
  standing(): readonly Alert[];
}

/**
 * Alerts of what has happened and is over. Nothing in the store says it afterwards, and no room can say that the person who
 * has to act has acted: nobody clears them, nor raises them again. They stand while the engine that met them does; then
 * its log tells of them.
 */
export const HAPPENED: readonly AlertCode[] = ['task-repaired', 'ers-request-wrong', 'audit-lost'];

/**
 * A board in memory. After a restart the sentinel raises again what its account finds in the store; what else stands is
 * raised again by the room that meets it again.
 */
export function alertBoard(now: () => Date): Alerts {
  const board = new Map<string, Alert>();
  return {
    raise(code, subject) {
      const key = `${code}|${subject}`;
      if (!board.has(key)) board.set(key, { code, subject, since: now().toISOString() });
    },
    clear(code, subject) {
      board.delete(`${code}|${subject}`);
    },
    standing: () => [...board.values()],
  };
}
