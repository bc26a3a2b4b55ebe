import type { OperationOutcome, OperationOutcomeIssue } from '@medplum/fhirtypes';
import { isDecisionIssueCode } from '../../conformance/index.ts';
import { CODE_SYSTEM, codeSystem } from '../../mappings/index.ts';
import {
  CODES,
  type Code,
  type DecisionIssueCode,
  type Identification,
  type StoreFailure,
  type StoreFailureCode,
} from '../core/index.ts';
import type { DecisionIssue } from '../decisions/index.ts';
import type { Refusal } from './answer.ts';

type IssueType = OperationOutcomeIssue['code'];

/** R4's kind of problem by HTTP status; the code of ours beside it names the problem itself. */
const TYPE_OF_STATUS: Readonly<Record<number, IssueType>> = {
  400: 'invalid',
  401: 'login',
  403: 'forbidden',
  404: 'not-found',
  405: 'not-supported',
  406: 'not-supported',
  408: 'timeout',
  409: 'conflict',
  410: 'deleted',
  412: 'conflict',
  413: 'too-long',
  415: 'not-supported',
  421: 'not-supported',
  422: 'business-rule',
  429: 'throttled',
  431: 'too-long',
  500: 'exception',
};

const TYPE_OF_CODE: Partial<Record<Code, IssueType>> = { 'search-too-costly': 'too-costly' };

const TYPE_OF_DECISION_ISSUE: Partial<Record<DecisionIssueCode, IssueType>> = {
  'reason-required': 'required',
  'comment-required': 'required',
  'pas-flag-required': 'required',
  'version-required': 'required',
  'comment-too-long': 'too-long',
  'priority-unknown': 'code-invalid',
  'reason-not-in-force': 'code-invalid',
};

/** How soon a client that met a standby may ask again: a lost engine is then on its way to being replaced. */
const STANDBY_MS = 5_000;

export interface RefusalDetails {
  /** What is wrong with this request and how to mend it; default: what the catalogue says. No patient data. */
  readonly text?: string;
  readonly expression?: string;
  /** Default: the catalogue's, else 503. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal by one code of the catalogue. Source: server/core/codes.ts */
export function refuse(code: Code, { text, expression, status, headers }: RefusalDetails = {}): Refusal {
  const { happened, remedy, httpStatus } = CODES[code];
  const answered = status ?? httpStatus ?? 503;
  const about = headers ?? (code === 'engine-unavailable' ? retryAfter(STANDBY_MS) : undefined);
  return {
    isRefusal: true,
    status: answered,
    body: outcome([
      issue(
        'error',
        code,
        TYPE_OF_CODE[code] ?? TYPE_OF_STATUS[answered] ?? 'transient',
        text ?? `${happened} ${remedy}`,
        expression,
      ),
    ]),
    ...(about === undefined ? {} : { headers: about }),
  };
}

/** A refusal of whoever could not say who they are. */
export function refuseCaller({ code, why, challenge }: Extract<Identification, { ok: false }>): Refusal {
  const text = why === undefined ? {} : { text: `${why} ${CODES[code].remedy}` };
  return refuse(code, { ...text, headers: { 'WWW-Authenticate': challenge } });
}

/** A refusal by the rules of decisions: every broken rule, with its element (target-model 4.8). */
export function refuseDecision(issues: readonly DecisionIssue[]): Refusal {
  const statuses = new Set(issues.map(({ code }) => CODES[code].httpStatus ?? 422));
  // Issues of different kinds have one thing in common: the rules forbid it.
  const [only] = statuses;
  const status = statuses.size === 1 && only !== undefined ? only : 422;
  return { isRefusal: true, status, body: decisionOutcome(issues) };
}

export function decisionOutcome(issues: readonly DecisionIssue[]): OperationOutcome {
  return outcome(
    issues.map(({ code, text, expression }) => {
      const status = CODES[code].httpStatus ?? 422;
      return issue(
        'error',
        code,
        TYPE_OF_DECISION_ISSUE[code] ?? TYPE_OF_STATUS[status] ?? 'business-rule',
        text,
        expression,
      );
    }),
  );
}

const CODE_OF_FAILURE: Readonly<Record<StoreFailureCode, { code: Code; status?: number }>> = {
  'not-found': { code: 'resource-not-found' },
  gone: { code: 'resource-gone' },
  conflict: { code: 'version-conflict' },
  'multiple-matches': { code: 'store-refused', status: 412 },
  invalid: { code: 'store-refused' },
  'not-supported': { code: 'store-refused', status: 400 },
  'too-costly': { code: 'search-too-costly' },
  unavailable: { code: 'store-unavailable', status: 503 },
  'unknown-outcome': { code: 'store-unavailable', status: 503 },
};

/** A refusal for what the store did not do. `invalid`: how the caller names a request that the store cannot take. */
export function refuseForStore(failure: StoreFailure, invalid: Code = 'store-refused'): Refusal {
  const known = failure.code === 'invalid' || failure.code === 'not-supported' ? { code: invalid } : undefined;
  const { code, status } = { status: undefined, ...(known ?? CODE_OF_FAILURE[failure.code]) };
  const base = refuse(code, {
    ...(status === undefined ? {} : { status }),
    ...(status === 503 ? { headers: retryAfter(failure.retryAfterMs) } : {}),
  });
  const said = (failure.outcome?.issue ?? []).filter(
    ({ severity, expression }) =>
      (severity === 'error' || severity === 'fatal') &&
      // Of the engine's own records clients know nothing.
      !expression?.some((path) => path.startsWith('Basic')),
  );
  if (said.length === 0 || known === undefined) return base;
  const [first] = base.body.issue ?? [];
  return {
    ...base,
    body: outcome(
      said.map(({ expression, details, code: type }) => ({
        severity: 'error',
        code: type ?? 'invalid',
        details: {
          coding: first?.details?.coding ?? [],
          text: details?.text?.replace(/^Entry \d+: /, '') ?? CODES[code].happened,
        },
        ...(expression === undefined ? {} : { expression }),
      })),
    ),
  };
}

/** All is well, said in an OperationOutcome. */
export const successOutcome = (text: string): OperationOutcome =>
  outcome([{ severity: 'information', code: 'informational', details: { text } }]);

/** What was done, and what was not. */
export const noticeOutcome = (text: string, code: Code, notice: string): OperationOutcome =>
  outcome([
    { severity: 'information', code: 'informational', details: { text } },
    issue('warning', code, 'incomplete', notice),
  ]);

/** Search parameters that were ignored because the client asked for lenience. */
export const ignoredParameters = (names: readonly string[]): OperationOutcome =>
  outcome(names.map((name) => issue('warning', 'parameter-unknown', 'not-supported', `Ignored: ${name}`)));

/** `Retry-After` in whole seconds, at least one. */
export const retryAfter = (afterMs: number | undefined): Readonly<Record<string, string>> => ({
  'Retry-After': String(Math.max(1, Math.ceil((afterMs ?? 1000) / 1000))),
});

function issue(
  severity: 'error' | 'warning',
  code: Code,
  type: IssueType,
  text: string,
  expression?: string,
): OperationOutcomeIssue {
  const system = isDecisionIssueCode(code) ? CODE_SYSTEM.decisionIssue : codeSystem('ers-facade-issue');
  return {
    severity,
    code: type,
    details: { coding: [{ system, code }], text },
    ...(expression === undefined ? {} : { expression: [expression] }),
  };
}

const outcome = (issues: OperationOutcomeIssue[]): OperationOutcome => ({
  resourceType: 'OperationOutcome',
  issue: issues,
});
