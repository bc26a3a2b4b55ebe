import type { CodeSystem, ValueSet, ValueSetExpansionContains } from '@medplum/fhirtypes';
import { readRejectionReference } from '../reviews/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { refuse, refuseForStore } from './outcome.ts';
import { readValues } from './parameters.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

interface Wish {
  readonly url: string | undefined;
  readonly filter: string | undefined;
  readonly count: number | undefined;
  readonly offset: number;
}

const TAKEN: readonly string[] = ['url', 'filter', 'count', 'offset'];

/**
 * `ValueSet/$expand`: what a pick list shows. Rejection reasons are those that e-RS offers today.
 * Source: R4 valueset-operation-expand; target-model 4.3, 5
 */
export async function expandValueSet(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const wish = readWish(call);
  if (isRefusal(wish)) return wish;
  const { id } = call.route;
  const found =
    id === undefined ? room.published.findByUrl('ValueSet', wish.url ?? '') : room.published.find('ValueSet', id);
  if (found?.resourceType !== 'ValueSet') {
    return refuse('resource-not-found', {
      text: 'There is no such value set here: GET ValueSet lists those that there are.',
    });
  }
  const all = await codesOf(room, found);
  if (all !== undefined && isRefusal(all)) return all;
  if (all === undefined) {
    return refuse('ers-unavailable', {
      text: "e-RS's reasons have not been read yet. Try again in a minute.",
      headers: { 'Retry-After': '60' },
    });
  }
  const wanted = wish.filter?.toLowerCase();
  const matching =
    wanted === undefined ? all : all.filter(({ code, display }) => `${code} ${display}`.toLowerCase().includes(wanted));
  const end = wish.count === undefined ? undefined : wish.offset + wish.count;
  const { compose: _, ...about } = found;
  const body: ValueSet = {
    ...about,
    expansion: {
      timestamp: room.clock.now().toISOString(),
      total: matching.length,
      offset: wish.offset,
      contains: matching.slice(wish.offset, end),
    },
  };
  // No ETag: what is in force changes with the day, the value set does not.
  return { status: 200, body };
}

/** Undefined: the codes are e-RS's, and have not been read yet. */
async function codesOf(
  room: FacadeRoom,
  { compose }: ValueSet,
): Promise<ValueSetExpansionContains[] | Refusal | undefined> {
  const contains: ValueSetExpansionContains[] = [];
  for (const { system = '', concept, filter } of compose?.include ?? []) {
    const codes = filter ? await reasonsInForce(room) : (concept ?? conceptsOf(room, system));
    if (codes === undefined || isRefusal(codes)) return codes;
    for (const { code = '', display } of codes) {
      const shown = display ?? conceptsOf(room, system).find((one) => one.code === code)?.display;
      contains.push({ system, code, ...(shown === undefined ? {} : { display: shown }) });
    }
  }
  return contains;
}

async function reasonsInForce({ store, clock }: FacadeRoom) {
  const reference = await readRejectionReference(store, clock.now().toISOString());
  return reference.ok ? reference.value.reasons : refuseForStore(reference);
}

function conceptsOf({ published }: FacadeRoom, system: string): NonNullable<CodeSystem['concept']> {
  const found = published.findByUrl('CodeSystem', system);
  return found?.resourceType === 'CodeSystem' ? (found.concept ?? []) : [];
}

/** Reads the parameters from the query, or from a Parameters resource. */
function readWish(call: Call<RouteOf<'operation'>>): Wish | Refusal {
  const given = readValues(call, '$expand', TAKEN);
  if (isRefusal(given)) return given;
  const [count, offset] = [given.get('count'), given.get('offset')];
  if ([count, offset].some((one) => one !== undefined && !/^\d{1,6}$/.test(one))) {
    return refuse('parameter-invalid', { text: 'count and offset are whole numbers.' });
  }
  if (call.route.id === undefined && !given.has('url')) {
    return refuse('parameter-invalid', {
      text: 'Give the canonical url of the value set, or call $expand on the value set.',
    });
  }
  return {
    url: given.get('url'),
    filter: given.get('filter'),
    count: count === undefined ? undefined : Number(count),
    offset: Number(offset ?? 0),
  };
}
