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

/** A board in memory: alerts are raised again from the store's state after a restart. */
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
