import type { BundleEntry, Resource, ServiceRequest } from '@medplum/fhirtypes';
import { isServedType } from '../../conformance/index.ts';
import type { Answer, Refusal } from './answer.ts';
import { refuse, refuseForStore } from './outcome.ts';
import { isOpen, isReached, isSearchable, type Limit } from './reach.ts';
import { literalReferences } from './reference-walk.ts';
import type { Call, FacadeRoom } from './room.ts';

type CarryOut = (room: FacadeRoom, call: Call) => Promise<Answer>;

/**
 * Carries a call out as far as the caller's e-RS services go. What belongs to other services is as if it were not there:
 * the same refusal after the same work. What could not be kept apart is refused whatever is in the store.
 * Issues: beyond-services; resource-not-found
 * Source: docs/decisions/0019
 */
export async function carryOutLimited(room: FacadeRoom, call: Call, carryOut: CarryOut): Promise<Answer> {
  const limit = await room.directory.limitOf(call.caller);
  if (!limit.ok) return refuseForStore(limit);
  if (limit.value === undefined) return carryOut(room, call);
  const barred = barredBy(call);
  if (barred) return barred;
  const before = await refuseUnreached(room, call, limit.value);
  if (before) return before;
  const answer = await carryOut(room, { ...call, limit: limit.value });
  // Meanwhile the engine may have heard from e-RS that the referral is another service's now.
  const after = mayHaveMoved(call) ? await refuseUnreached(room, call, limit.value) : undefined;
  return after ?? withoutRelated(answer);
}

/** Operations on many resources that leave out by themselves what the caller does not reach. */
const KEEPS_TO_LIMIT: ReadonlySet<string> = new Set(['ers-sign-and-send']);

/** What is not offered to limited callers, whatever it would find. */
function barredBy({ route }: Call): Refusal | undefined {
  switch (route.kind) {
    case 'search':
      return isSearchable(route.type)
        ? undefined
        : beyond(`${route.type} cannot be searched by it: follow the references of its referrals.`);
    case 'history':
      return route.id !== undefined || isOpen(route.type)
        ? undefined
        : beyond(`The history of all ${route.type}s spans services: ask for that of one, by its id.`);
    case 'operation':
      return route.id !== undefined ||
        KEEPS_TO_LIMIT.has(route.code) ||
        (route.type !== undefined && isOpen(route.type))
        ? undefined
        : beyond('This operation is not about one referral.');
    default:
      return undefined;
  }
}

const beyond = (text: string): Refusal =>
  refuse('beyond-services', { text: `This client is limited to some e-RS services. ${text}` });

const mayHaveMoved = ({ route }: Call): boolean =>
  route.kind === 'update' || route.kind === 'patch' || (route.kind === 'operation' && route.id !== undefined);

async function refuseUnreached({ store }: FacadeRoom, { route }: Call, limit: Limit): Promise<Refusal | undefined> {
  if (!('type' in route) || route.type === undefined || !('id' in route) || route.id === undefined) return undefined;
  const reached = await isReached(store, limit, route.type, route.id);
  if (!reached.ok) return refuseForStore(reached);
  return reached.value ? undefined : refuse('resource-not-found');
}

/**
 * Refuses an update that newly refers to what the caller does not reach, in the words with which a store refuses a
 * reference to nothing: otherwise updates would tell what there is.
 * Issues: store-refused
 */
export async function refuseForeignReferences(
  { store }: FacadeRoom,
  { limit }: Call,
  before: Resource,
  wanted: Resource,
): Promise<Refusal | undefined> {
  if (limit === undefined) return undefined;
  const known = new Set(literalReferences(before));
  for (const reference of new Set(literalReferences(wanted))) {
    const [, type = '', id = ''] = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/.*)?$/.exec(reference) ?? [];
    if (type === '' || known.has(reference) || (isServedType(type) && isOpen(type))) continue;
    const reached = await isReached(store, limit, type, id);
    if (!reached.ok) return refuseForStore(reached);
    if (!reached.value) {
      return refuse('store-refused', {
        text: `A reference leads to a ${isServedType(type) ? type : 'resource'} that is not here: name one that is.`,
        expression: 'Task',
      });
    }
  }
  return undefined;
}

/**
 * A referral names related ones by UBRN, as e-RS does; that they are in this store as well, under an id, is told to
 * those only who see all services (M-13).
 */
function withoutRelated(answer: Answer): Answer {
  const { body } = answer;
  if (body?.resourceType === 'ServiceRequest') return { ...answer, body: unrelated(body) };
  if (body?.resourceType !== 'Bundle' || body.entry === undefined) return answer;
  const entry = body.entry.map(
    (one): BundleEntry =>
      one.resource?.resourceType === 'ServiceRequest' ? { ...one, resource: unrelated(one.resource) } : one,
  );
  return { ...answer, body: { ...body, entry } };
}

function unrelated(referral: ServiceRequest): ServiceRequest {
  const named = Object.fromEntries(
    (['basedOn', 'replaces', 'supportingInfo'] as const).flatMap((name) => {
      const references = referral[name];
      return references === undefined ? [] : [[name, references.map(unnamed)]];
    }),
  );
  return { ...referral, ...named };
}

function unnamed<T extends { reference?: string }>(one: T): T {
  if (!one.reference?.startsWith('ServiceRequest/')) return one;
  const { reference: _, ...rest } = one;
  return rest as T;
}
