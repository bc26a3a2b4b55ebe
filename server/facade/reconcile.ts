import type { Extension, Measure, MeasureReport, MeasureReportGroup, Reference } from '@medplum/fhirtypes';
import { ersExtension } from '../../mappings/index.ts';
import { type Account, type AccountException, codeSystem, type ServiceAccount, SYSTEM } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { refuse, retryAfter } from './outcome.ts';
import { readValues } from './parameters.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { within } from './within.ts';

interface Wish {
  readonly service: string | undefined;
  readonly count: number;
  readonly offset: number;
}

const DEFAULT_COUNT = 100;
const MAX_COUNT = 1_000;
const TAKEN: readonly string[] = ['service', 'count', 'offset'];

/**
 * `$ers-reconciliation`: the engine's account of every referral that e-RS ever listed, as a MeasureReport.
 * Issues: parameter-unknown, parameter-invalid, service-unknown, store-unavailable
 * Source: target-model 5; K1
 */
export async function reconcile(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const wish = readWish(call);
  if (isRefusal(wish)) return wish;
  const made = await within(room.clock, room.limits.fetchWaitMs, room.engine.reconcile());
  if (made.isLate) return refuse('engine-unavailable', { headers: retryAfter(30_000) });
  if (!made.value.ok) return refuse(made.value.code, { headers: retryAfter(made.value.retryAfterMs ?? 5_000) });
  const account = made.value.value;
  const services = account.services.filter(({ service }) => wish.service === undefined || service === wish.service);
  if (services.length === 0 && wish.service !== undefined) return refuse('service-unknown');
  const exceptions = account.exceptions.filter(
    ({ service }) => wish.service === undefined || service === undefined || service === wish.service,
  );
  return { status: 200, body: reportOf({ ...account, services, exceptions }, wish) };
}

function readWish(call: Call<RouteOf<'operation'>>): Wish | Refusal {
  const given = readValues(call, '$ers-reconciliation', TAKEN);
  if (isRefusal(given)) return given;
  const [service, count, offset] = [given.get('service'), given.get('count'), given.get('offset')];
  if ([count, offset].some((one) => one !== undefined && !/^\d{1,9}$/.test(one)))
    return refuse('parameter-invalid', { text: 'count and offset are whole numbers.' });
  if (service !== undefined && !/^\d{1,12}$/.test(service))
    return refuse('parameter-invalid', { text: 'The parameter service is the number of an e-RS service.' });
  return { service, count: Math.min(Number(count ?? DEFAULT_COUNT), MAX_COUNT), offset: Number(offset ?? 0) };
}

/** What is measured, in the report itself: nothing of it is stored, so nothing else could be referred to. */
const MEASURE: Measure = {
  resourceType: 'Measure',
  id: 'ers-reconciliation',
  status: 'active',
  title: 'seen = open + decided + explained',
  description: 'Every referral that a worklist ever named is open, decided or explained; what is not is missing.',
};

function reportOf(account: Account, { count, offset }: Wish): MeasureReport {
  const page = account.exceptions.slice(offset, offset + count);
  const next = offset + page.length;
  const hasMore = page.length > 0 && next < account.exceptions.length;
  const isBalanced = account.services.every(({ missing }) => missing === 0);
  return {
    resourceType: 'MeasureReport',
    contained: [MEASURE],
    extension: [
      compound('ers-reconciliation', [
        { url: 'balances', valueBoolean: isBalanced },
        { url: 'exceptions', valueUnsignedInt: account.exceptions.length },
        { url: 'offset', valueUnsignedInt: offset },
        ...(hasMore ? [{ url: 'next', valueUnsignedInt: next }] : []),
      ]),
    ],
    status: 'complete',
    type: 'summary',
    measure: `#${MEASURE.id}`,
    date: account.at,
    period: { end: account.at },
    ...(account.services.length === 0 ? {} : { group: account.services.map(groupOf) }),
    ...(page.length === 0 ? {} : { evaluatedResource: page.map(evaluatedOf) }),
  };
}

/** An extension of parts has no value of its own. */
const compound = (id: string, extension: Extension[]): Extension => ersExtension(id, { extension });

function groupOf({ service, explanations, ...counts }: ServiceAccount): MeasureReportGroup {
  const { seen, open, inFlight, decided, explained, missing } = counts;
  const { withdrawn, unasked, quarantined, arriving } = explanations;
  const populations = {
    seen,
    open,
    'in-flight': inFlight,
    decided,
    explained,
    withdrawn,
    unasked,
    quarantined,
    arriving,
    missing,
  };
  return {
    code: { coding: [{ system: SYSTEM.service, code: service }] },
    population: Object.entries(populations).map(([code, count]) => ({
      code: { coding: [{ system: codeSystem('ers-account'), code }] },
      count,
    })),
  };
}

/** The thing to look at; what the store has nothing of is named by its number, and a service by its own. */
function evaluatedOf(exception: AccountException): Reference {
  const { code, missing, since, service, serviceRequestId, taskId, ubrn } = exception;
  const about = compound('ers-reconciliation-exception', [
    { url: 'code', valueCoding: { system: codeSystem('ers-account-exception'), code } },
    ...(missing === undefined ? [] : [{ url: 'missing', valueCode: missing }]),
    ...(since === undefined ? [] : [{ url: 'since', valueDateTime: since }]),
    ...(service === undefined ? [] : [{ url: 'service', valueIdentifier: { system: SYSTEM.service, value: service } }]),
    ...(taskId === undefined ? [] : [{ url: 'task', valueReference: { reference: `Task/${taskId}` } }]),
  ]);
  return { extension: [about], ...namedBy({ service, serviceRequestId, ubrn }) };
}

interface Names {
  readonly service: string | undefined;
  readonly serviceRequestId: string | undefined;
  readonly ubrn: string | undefined;
}

function namedBy({ service, serviceRequestId, ubrn }: Names): Reference {
  if (serviceRequestId !== undefined)
    return { reference: `ServiceRequest/${serviceRequestId}`, type: 'ServiceRequest' };
  if (ubrn !== undefined) return { type: 'ServiceRequest', identifier: { system: SYSTEM.ubrn, value: ubrn } };
  return { type: 'HealthcareService', identifier: { system: SYSTEM.service, value: service ?? '' } };
}
