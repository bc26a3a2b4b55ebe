import type { ServedType } from '../../conformance/index.ts';
import type { Caller } from '../core/index.ts';
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

/** Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources" */
export function needOf(route: Route): Need | undefined {
  const on = (type: ServedType, letter: 'r' | 's' | 'u'): Need =>
    type === 'AuditEvent' ? operator : { kind: 'resource', type, letter };
  switch (route.kind) {
    case 'metadata':
      return { kind: 'nothing' };
    case 'search':
      return on(route.type, 's');
    case 'history':
      return on(route.type, route.id === undefined ? 's' : 'r');
    case 'read':
    case 'vread':
      return on(route.type, 'r');
    case 'update':
    case 'patch':
      return on(route.type, 'u');
    case 'operation':
      return NEED_OF_OPERATION[route.code];
  }
}

/** Refuses what a caller's scopes do not permit. */
export function permit(route: Route, caller: Caller): Refusal | undefined {
  const need = needOf(route);
  if (need === undefined) return insufficient('ers/operator');
  if (need.kind === 'nothing') return undefined;
  if (need.kind === 'operator')
    return caller.scopes.includes('ers/operator') ? undefined : insufficient('ers/operator');
  return isGranted(caller, need.type, need.letter) ? undefined : insufficient(`system/${need.type}.${need.letter}`);
}

/** Refuses a search that looks into a type which the caller may not search. */
export function permitLooks(types: Iterable<ServedType>, caller: Caller): Refusal | undefined {
  for (const type of types) {
    if (type === 'AuditEvent' && !caller.scopes.includes('ers/operator')) return insufficient('ers/operator');
    if (type !== 'AuditEvent' && !isGranted(caller, type, 's')) return insufficient(`system/${type}.s`);
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
    if (type === 'AuditEvent') {
      if (!caller.scopes.includes('ers/operator')) return insufficient('ers/operator');
      continue;
    }
    if (!isGranted(caller, type, 'r') && !isGranted(caller, type, 's')) return insufficient(`system/${type}.r`);
  }
  return undefined;
}

function isGranted({ scopes }: Caller, type: string, letter: string): boolean {
  return scopes.some((scope) => {
    const [, of, granted] = /^(?:system|user)\/(\*|[A-Za-z]+)\.([a-z*]+)$/.exec(scope) ?? [];
    return (of === '*' || of === type) && lettersOf(granted ?? '').includes(letter);
  });
}

/** Words of SMART v1 stand for letters of v2. */
const lettersOf = (permission: string): string =>
  ({ read: 'rs', write: 'cud', '*': 'cruds' })[permission] ?? (/^c?r?u?d?s?$/.test(permission) ? permission : '');

const insufficient = (scope: string): Refusal =>
  refuse('scope-missing', {
    text: `This needs the scope ${scope}: get a token that has it.`,
    headers: { 'WWW-Authenticate': `Bearer realm="ers-fhir", error="insufficient_scope", scope="${scope}"` },
  });
