import type { ServedType } from '../../conformance/index.ts';
import { type Caller, OPERATOR_SCOPE, parseScope } from '../core/index.ts';
import type { Answer, Refusal } from './answer.ts';
import { refuse } from './outcome.ts';
import type { Route } from './route.ts';

/** What an interaction asks of whoever calls it. */
export type Need =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'operator' }
  | { readonly kind: 'resource'; readonly type: string; readonly letter: 'r' | 's' | 'u' };

const onTask: Need = { kind: 'resource', type: 'Task', letter: 'u' };
const operator: Need = { kind: 'operator' };

/** A test holds this against the operations that are served: one without a row is refused to everybody. */
export const NEED_OF_OPERATION: Readonly<Record<string, Need>> = {
  'ers-send-decision': onTask,
  'ers-sign-and-send': onTask,
  'ers-validate-decision': onTask,
  'ers-attach': onTask,
  'ers-reopen': operator,
  'ers-refresh': { kind: 'resource', type: 'ServiceRequest', letter: 'r' },
  'ers-fetch': operator,
  'ers-poll': operator,
  'ers-reconciliation': operator,
  expand: { kind: 'resource', type: 'ValueSet', letter: 'r' },
};

/** Who asked for what is the operators' to see, whatever scopes name the type. */
const needOn = (type: string, letter: 'r' | 's' | 'u'): Need =>
  type === 'AuditEvent' ? operator : { kind: 'resource', type, letter };

/** Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources" */
export function needOf(route: Route): Need | undefined {
  switch (route.kind) {
    case 'metadata':
      return { kind: 'nothing' };
    case 'search':
      return needOn(route.type, 's');
    case 'history':
      return needOn(route.type, route.id === undefined ? 's' : 'r');
    case 'read':
    case 'vread':
      return needOn(route.type, 'r');
    case 'update':
    case 'patch':
      return needOn(route.type, 'u');
    case 'operation':
      return NEED_OF_OPERATION[route.code];
  }
}

/** Refuses what a caller's scopes do not permit. */
export function permit(route: Route, caller: Caller): Refusal | undefined {
  const need = needOf(route);
  if (need === undefined) return insufficient(OPERATOR_SCOPE);
  const lacked = lackedScope(need, caller);
  return lacked === undefined ? undefined : insufficient(lacked);
}

/** Refuses whoever is no operator. */
export function permitOperator(caller: Caller): Refusal | undefined {
  const lacked = lackedScope(operator, caller);
  return lacked === undefined ? undefined : insufficient(lacked);
}

/** Refuses a search that looks into a type which the caller may not search. */
export function permitLooks(types: Iterable<ServedType>, caller: Caller): Refusal | undefined {
  for (const type of types) {
    const lacked = lackedScope(needOn(type, 's'), caller);
    if (lacked !== undefined) return insufficient(lacked);
  }
  return undefined;
}

/** Refuses an answer in which something stands that the caller may not read: what a search includes is read, too. */
export function permitAnswer(answer: Answer, caller: Caller): Refusal | undefined {
  const { body } = answer;
  if (body?.resourceType !== 'Bundle') return undefined;
  for (const { resource } of body.entry ?? []) {
    const type = resource?.resourceType;
    if (type === undefined || type === 'OperationOutcome') continue;
    const lacked = lackedScope(needOn(type, 'r'), caller);
    if (lacked !== undefined && lackedScope(needOn(type, 's'), caller) !== undefined) return insufficient(lacked);
  }
  return undefined;
}

/** The scope that a caller would need for something; undefined: it has one. */
function lackedScope(need: Need, { scopes }: Caller): string | undefined {
  if (need.kind === 'nothing') return undefined;
  if (need.kind === 'operator') return scopes.includes(OPERATOR_SCOPE) ? undefined : OPERATOR_SCOPE;
  const { type, letter } = need;
  const isGranted = scopes.some((scope) => {
    const granted = parseScope(scope);
    if (granted === undefined || granted === 'operator') return false;
    return (granted.type === '*' || granted.type === type) && granted.letters.includes(letter);
  });
  return isGranted ? undefined : `system/${type}.${letter}`;
}

const insufficient = (scope: string): Refusal =>
  refuse('scope-missing', {
    text: `This needs the scope ${scope}: get a token that has it.`,
    headers: { 'WWW-Authenticate': `Bearer realm="ers-fhir", error="insufficient_scope", scope="${scope}"` },
  });
