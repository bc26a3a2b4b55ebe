import { CODES, type Code, type Fate, type SiteService } from '../core/index.ts';
import { type AccessRefusal, explainRefusal } from '../ers/index.ts';
import type { Call } from './command.ts';

/** The lines of a check of e-RS, and whether one of them is a refusal. */
export class Report {
  isRefused = false;
  readonly #say: Call['say'];
  constructor(say: Call['say']) {
    this.#say = say;
  }
  good(text: string): void {
    this.#say(`ok       ${text}`);
  }
  skipped(text: string): void {
    this.#say(`skipped  ${text}`);
  }
  refused(what: string, why: string): void {
    this.isRefused = true;
    this.#say(`REFUSED  ${what}: ${why}`);
  }
}

export const inWords = ({ id, means, remedy }: AccessRefusal, status?: number): string =>
  `${id}${status === undefined ? '' : ` (HTTP ${status})`}. ${means} ${remedy}`;

const NOT_ASKED: ReadonlySet<Code> = new Set(['poll-refused-by-ledger', 'store-unavailable']);

/** Why e-RS refused, or was not asked. @param mode whose call it was: the application's, or one in a clinician's session */
export function whyNot(
  fate: Exclude<Fate<unknown>, { kind: 'ok' }>,
  mode: 'application' | 'user' = 'application',
): string {
  if (NOT_ASKED.has(fate.code)) return `e-RS was not asked. ${CODES[fate.code].happened}`;
  const { status, ersCode, ersRequestId } = fate.refusal ?? {};
  const said = [ersCode, ersRequestId && `X-Request-ID ${ersRequestId}`].filter((one) => one !== undefined).join(', ');
  return `${inWords(explainRefusal(fate.refusal, mode), status)}${said === '' ? '' : ` [${said}]`}`;
}

export const nameOf = ({ id, name }: SiteService): string => `service ${id}${name === undefined ? '' : ` (${name})`}`;
