import type { ServiceRequest } from '@medplum/fhirtypes';
import { SYSTEM } from '../../mappings/index.ts';
import type { Store, Stored, StoreResult, TransactionEntry } from '../core/index.ts';
import { readIfThere } from './parts.ts';
import type { SyncIndex } from './sync-index.ts';

type Supporting = NonNullable<ServiceRequest['supportingInfo']>[number];

const ubrnOf = (reference: Supporting): string | undefined =>
  reference.type === 'ServiceRequest' && reference.identifier?.system === SYSTEM.ubrn
    ? reference.identifier.value
    : undefined;

/** Gives references to related referrals that are in the store their literal part (M-13). */
export function withRelatedLinked(
  serviceRequest: ServiceRequest,
  idOf: (ubrn: string) => string | undefined,
): ServiceRequest {
  if (serviceRequest.supportingInfo === undefined) return serviceRequest;
  const supportingInfo = serviceRequest.supportingInfo.map((one): Supporting => {
    const id = one.reference === undefined ? idOf(ubrnOf(one) ?? '') : undefined;
    return id === undefined ? one : ({ reference: `ServiceRequest/${id}`, ...one } as Supporting);
  });
  return { ...serviceRequest, supportingInfo };
}

/**
 * The writes by which related referrals that landed earlier point at one that lands now for the first time.
 * Source: M-13
 */
export async function linksBack(
  store: Store,
  index: SyncIndex,
  landed: { readonly ubrn: string; readonly reference: string; readonly related: ReadonlySet<string> },
): Promise<StoreResult<readonly TransactionEntry[]>> {
  const entries: TransactionEntry[] = [];
  for (const ubrn of landed.related) {
    const known = index.byUbrn(ubrn);
    if (known === undefined) continue;
    const stored = await readIfThere(store, 'ServiceRequest', known.serviceRequestId);
    if (!stored.ok) return stored;
    const serviceRequest = stored.value as Stored<ServiceRequest> | undefined;
    const isUnlinked = serviceRequest?.supportingInfo?.some(
      (one) => one.reference === undefined && ubrnOf(one) === landed.ubrn,
    );
    if (serviceRequest === undefined || !isUnlinked) continue;
    const supportingInfo = serviceRequest.supportingInfo?.map((one) =>
      one.reference === undefined && ubrnOf(one) === landed.ubrn
        ? ({ reference: landed.reference, ...one } as Supporting)
        : one,
    );
    entries.push({
      kind: 'put',
      resource: { ...serviceRequest, ...(supportingInfo && { supportingInfo }) },
      ifMatch: serviceRequest.meta.versionId,
    });
  }
  return { ok: true, value: entries };
}
