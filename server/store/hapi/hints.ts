import type { Subscription } from '@medplum/fhirtypes';
import type { Clock, HintRequest, StoreFailure, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { HapiWire } from './client.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';
import { FRESH } from './searches.ts';

const ID = 'ers-fhir-hint';
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 500;

/**
 * Has the server call an address when a resource meets a condition; resolves when it says that it does. There is one such
 * Subscription for all processes: it leads to whoever asked last, the active engine.
 * Source: FHIR R4 Subscription; the notification has no payload, so nothing of a patient travels
 */
export async function installHint(
  wire: HapiWire,
  { criteria, endpoint, secret }: HintRequest,
  clock: Clock,
): Promise<StoreResult<void>> {
  const wanted: Subscription & { id: string } = {
    resourceType: 'Subscription',
    id: ID,
    status: 'requested',
    reason: 'ers-fhir: tells of decided Tasks sooner than the next look',
    criteria,
    channel: { type: 'rest-hook', endpoint, header: [`Authorization: Bearer ${secret}`] },
  };
  const put = await wire.ask('repeatable-write', (client, options) =>
    client.update({ resourceType: 'Subscription', id: ID, body: wanted as never, options }),
  );
  if (!put.ok) return put;
  if (put.value.status >= 300) return refusalOf(put.value, 'Subscription');
  const endsAtMs = clock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    const held = await wire.ask('read', (client, options) => client.request(`Subscription/${ID}`, { options }), FRESH);
    if (!held.ok) return held;
    const status = storedOf<Subscription>(held.value.body)?.status;
    if (status === 'active') return { ok: true, value: undefined };
    if (status === 'error' || clock.monotonicMs() > endsAtMs) return notTold;
    await clock.sleep(LOOK_EVERY_MS);
  }
}

const notTold: StoreFailure = failure(
  'not-supported',
  'The store does not make its Subscription active: set hapi.fhir.subscription.resthook_enabled to true, or leave STORE_HINT_SECRET out',
);
