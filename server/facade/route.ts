import {
  type Interaction,
  interactionsOf,
  isServedType,
  type ServedOperation,
  type ServedType,
  type StoreFeatures,
  servedOperations,
} from '../../conformance/index.ts';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';

/** What a request asks for. `pattern` names it in logs and metrics: it holds no id. */
export type Route = { readonly pattern: string } & (
  | { readonly kind: 'metadata' }
  | { readonly kind: 'search'; readonly type: ServedType }
  | { readonly kind: 'history'; readonly type: ServedType; readonly id?: string }
  | { readonly kind: 'read'; readonly type: ServedType; readonly id: string }
  | { readonly kind: 'update'; readonly type: ServedType; readonly id: string }
  | { readonly kind: 'patch'; readonly type: ServedType; readonly id: string }
  | { readonly kind: 'vread'; readonly type: ServedType; readonly id: string; readonly versionId: string }
  | {
      readonly kind: 'operation';
      readonly type?: ServedType;
      readonly code: string;
      readonly id?: string;
      readonly takesFile?: boolean;
    }
);

export interface Unrouted {
  readonly pattern: string;
  readonly refusal: Refusal;
}

type Target = { readonly methods: Readonly<Record<string, Route | undefined>>; readonly pattern: string };

/** R4's rule for logical ids and version ids. */
const ID = /^[A-Za-z0-9.-]{1,64}$/;

/**
 * Reads method and path below the base. What it lets through is what the CapabilityStatement says, since both ask the
 * same tables.
 * Source: FHIR R4 http.html
 */
export function findRoute(method: string, path: string, features: StoreFeatures): Route | Unrouted {
  // Some clients encode the dollar sign of operations; nothing else in a path of ours needs encoding.
  const segments = path
    .replaceAll('%24', '$')
    .split('/')
    .filter((segment) => segment !== '');
  const target = findTarget(segments, features);
  if ('refusal' in target) return target;
  const route = target.methods[method === 'HEAD' ? 'GET' : method];
  if (route) return route;
  const allowed = Object.keys(target.methods).filter((name) => target.methods[name] !== undefined);
  const allow = (allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed).join(', ');
  if (allow === '') {
    const text =
      'Nothing can be done at this path: batches and this history are not offered. See /metadata for what is.';
    return { pattern: target.pattern, refusal: refuse('method-not-allowed', { headers: { Allow: '' }, text }) };
  }
  const text = `Here can be used: ${allow}. Clients write Tasks only.`;
  return { pattern: target.pattern, refusal: refuse('method-not-allowed', { headers: { Allow: allow }, text }) };
}

function findTarget(segments: readonly string[], features: StoreFeatures): Target | Unrouted {
  const [type, second, third, fourth] = segments;
  if (type === undefined) return { pattern: '/', methods: {} };
  if (type === 'metadata' && segments.length === 1) {
    return { pattern: '/metadata', methods: { GET: { kind: 'metadata', pattern: '/metadata' } } };
  }
  if (type.startsWith('$') && segments.length === 1) return operationTarget(undefined, type, 'system');
  if (!isServedType(type)) return { pattern: '/:unknown', refusal: refuse('resource-unknown') };
  const allowed = new Set<Interaction>(interactionsOf(type, features));
  const only = <T extends Route>(interaction: Interaction, route: T) => (allowed.has(interaction) ? route : undefined);
  const at = (rest: string) => `/${type}${rest}`;

  switch (segments.length) {
    case 1: {
      const pattern = at('');
      return { pattern, methods: { GET: only('search-type', { kind: 'search', type, pattern }) } };
    }
    case 2: {
      if (second === '_search') {
        const pattern = at('/_search');
        return { pattern, methods: { POST: only('search-type', { kind: 'search', type, pattern }) } };
      }
      if (second === '_history') {
        const pattern = at('/_history');
        return { pattern, methods: { GET: only('history-type', { kind: 'history', type, pattern }) } };
      }
      if (second?.startsWith('$')) return operationTarget(type, second, 'type');
      if (!isId(second)) return unknownPath(type);
      const pattern = at('/:id');
      return {
        pattern,
        methods: {
          GET: only('read', { kind: 'read', type, id: second, pattern }),
          PUT: only('update', { kind: 'update', type, id: second, pattern }),
          PATCH: only('patch', { kind: 'patch', type, id: second, pattern }),
        },
      };
    }
    case 3: {
      if (!isId(second)) return unknownPath(type);
      if (third?.startsWith('$')) return operationTarget(type, third, 'instance', second);
      if (third !== '_history') return unknownPath(type);
      const pattern = at('/:id/_history');
      return { pattern, methods: { GET: only('history-instance', { kind: 'history', type, id: second, pattern }) } };
    }
    case 4: {
      if (!isId(second) || third !== '_history' || !isId(fourth)) return unknownPath(type);
      const pattern = at('/:id/_history/:versionId');
      return {
        pattern,
        methods: { GET: only('vread', { kind: 'vread', type, id: second, versionId: fourth, pattern }) },
      };
    }
    default:
      return unknownPath(type);
  }
}

const isId = (segment: string | undefined): segment is string => segment !== undefined && ID.test(segment);

const unknownPath = (type: ServedType): Unrouted => ({
  pattern: `/${type}/:unknown`,
  refusal: refuse('resource-not-found', {
    text: 'There is nothing at this path. See /metadata for what can be asked.',
  }),
});

function operationTarget(
  type: ServedType | undefined,
  segment: string,
  level: 'system' | 'type' | 'instance',
  id?: string,
): Target | Unrouted {
  const at = type === undefined ? '' : `/${type}`;
  const operation = servedOperations.find((one) => one.type === type && `$${one.code}` === segment && isAt(one, level));
  if (!operation) {
    const where = type === undefined ? '' : ' of the type';
    return {
      pattern: `${at}/:unknown`,
      refusal: refuse('resource-not-found', {
        text: `There is no such operation here. See /metadata for the operations${where}.`,
      }),
    };
  }
  const pattern = `${at}${id === undefined ? '' : '/:id'}/$${operation.code}`;
  const route: Route = {
    kind: 'operation',
    code: operation.code,
    pattern,
    ...(type === undefined ? {} : { type }),
    ...(id === undefined ? {} : { id }),
    ...(operation.takesFile ? { takesFile: true } : {}),
  };
  // R4 lets an operation that changes nothing and takes simple parameters be called with GET.
  return { pattern, methods: operation.isSafe ? { GET: route, POST: route } : { POST: route } };
}

const isAt = (operation: ServedOperation, level: 'system' | 'type' | 'instance') =>
  operation.level === level || (operation.level === 'both' && level !== 'system');
