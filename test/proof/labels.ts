import type { AuditEvent, Basic, Resource } from '@medplum/fhirtypes';
import type { DispatchRecord, SyncRecord, TransactionEntry, WorklistRecord } from '../../server/core/index.ts';
import type { Asked } from './in-memory-http.ts';

/** What an engine record in a transaction holds, if the resource is one. */
export function recordIn(resource: Resource): { kind: string; data: unknown } | undefined {
  if (resource.resourceType !== 'Basic') return undefined;
  const basic: Basic = resource;
  const json = basic.extension?.[0]?.valueString;
  return json === undefined ? undefined : { kind: basic.code?.coding?.[0]?.code ?? '', data: JSON.parse(json) };
}

/**
 * Names what an engine asks of the store and of e-RS by the numbered step of intake (bring.ts) or dispatch (deliver.ts, upload.ts)
 * that asks for it. It remembers what it has named: some steps look alike but for what came before.
 */
export class Steps {
  /** Correlation ids of attempts: under them dispatch reads a referral. */
  readonly #attempts = new Set<string>();
  /** Referrals that a process has read last for dispatch. */
  readonly #settling = new Set<string>();
  readonly #uploadNames = new Map<string, number>();
  readonly #polledAt = new Map<string, string>();

  /** A call of e-RS by a process. */
  ofCall({ url, headers }: Asked, life: number): string {
    const endpoint = endpointOf(url);
    if (endpoint !== 'A005') return CALLS[endpoint] ?? `e-RS ${endpoint}`;
    const reading = `${life} ${ubrnOf(url)}`;
    const isSettling = this.#attempts.has(String(headers['x-correlation-id']));
    this.#settling[isSettling ? 'add' : 'delete'](reading);
    return isSettling ? 'dispatch 5c: A005' : 'intake 4: A005';
  }

  /** A write by a process. */
  ofWrite(entries: readonly TransactionEntry[], life: number): string {
    const resources = entries.flatMap((entry) => (entry.kind === 'delete' ? [] : [entry.resource]));
    const records = new Map(
      resources.flatMap((resource) => recordIn(resource) ?? []).map((one) => [one.kind, one.data]),
    );
    const dispatch = records.get('ers-dispatch') as DispatchRecord | undefined;
    const audit = resources.find((resource) => resource.resourceType === 'AuditEvent');
    const sync = records.get('ers-sync') as SyncRecord | undefined;
    const isNamed = dispatch !== undefined && this.#isNamed(dispatch);
    if (dispatch?.decision?.lastAttempt) this.#attempts.add(dispatch.decision.lastAttempt.correlationId);
    if (sync) return this.#ofLanding(`${life} ${sync.ubrn}`, dispatch, audit);
    if (dispatch) return ofDecision(dispatch, audit, isNamed);
    const worklist = records.get('ers-worklist') as WorklistRecord | undefined;
    if (worklist) return this.#ofWorklist(worklist);
    const [kind] = records.keys();
    return kind === undefined
      ? `shared ${resources[0]?.resourceType ?? 'nothing'}`
      : (RECORDS[kind] ?? `record ${kind}`);
  }

  #ofLanding(reading: string, dispatch: DispatchRecord | undefined, audit: AuditEvent | undefined): string {
    if (audit) return 'dispatch 4: recorded, with the referral';
    if (this.#settling.has(reading)) return dispatch ? 'dispatch 5c: settled' : 'dispatch 5c: landed, nothing settled';
    if (dispatch?.ended) return 'intake 8: landed, the review closed';
    if (dispatch?.decision) return 'intake 8: landed under a decision';
    return dispatch ? 'intake 8: landed with a review' : 'intake 8: landed';
  }

  /** Whether a record holds a name more for a file. */
  #isNamed({ taskId, uploadNames = [] }: DispatchRecord): boolean {
    const before = this.#uploadNames.get(taskId) ?? 0;
    this.#uploadNames.set(taskId, uploadNames.length);
    return uploadNames.length > before;
  }

  #ofWorklist({ service, list, snapshots: [latest] }: WorklistRecord): string {
    const key = `${service}.${list}`;
    const isNews = latest !== undefined && this.#polledAt.get(key) !== latest.polledAt;
    if (isNews) this.#polledAt.set(key, latest.polledAt);
    return isNews ? 'intake 3: the answer is noted' : 'intake 9: the list is dealt with';
  }
}

/** A write of dispatch, or of the facade, that lands no referral. */
function ofDecision({ decision, deciding }: DispatchRecord, audit: AuditEvent | undefined, isNamed: boolean): string {
  const attempt = decision?.lastAttempt;
  if (audit?.subtype?.[0]?.code === 'A020') return 'dispatch 1c: what the answer to an upload means';
  if (audit) {
    // An answer that was lost leaves a doubt besides; what nobody waited for has its witness only.
    const isUnheard =
      attempt?.outcome === 'unknown' && decision?.doubtedAt !== attempt.startedAt && !decision?.isUnknowable;
    return isUnheard ? 'dispatch 5a: an attempt unheard is witnessed' : 'dispatch 4: what the answer means';
  }
  if (attempt?.outcome === 'unknown' && decision?.hiddenSince) return 'dispatch 5c: e-RS hides it, noted';
  if (attempt?.outcome === 'unknown')
    return attempt.isWitnessed ? 'dispatch 5b: repaired' : 'dispatch 2: the attempt is marked';
  if (isNamed) return 'dispatch 1a: a file is named';
  if (decision) return 'dispatch 1: taken over';
  return deciding ? 'facade: decided' : 'dispatch 1: given back, noted or repaired';
}

/** Names a file on its way into the store by who brings it there. */
export function stepOfFile({ contentType, maxBytes }: { contentType: string; maxBytes?: number }): string {
  if (contentType === 'application/fhir+json') return 'intake 2: the list is kept';
  if (contentType === 'application/json') return 'intake 8: what cannot be landed is kept';
  return maxBytes === undefined ? 'intake 6: a file is kept' : 'facade: a file is kept';
}

const RECORDS: Readonly<Record<string, string>> = {
  'ers-poll-ledger': 'intake 1: a poll is spent',
  'ers-quarantine': 'intake 8: in quarantine',
};
const CALLS: Readonly<Record<string, string>> = {
  A008: 'intake 1: A008',
  A042: 'intake 6: A042',
  'OBJECT-STORE': 'intake 6: OBJECT-STORE',
  A007: 'intake 6: A007',
  A029: 'intake 7: A029',
  A020: 'dispatch 1b: A020',
  A013: 'dispatch 3: A013',
  A014: 'dispatch 3: A014',
  A022: 'dispatch 3: A022',
  A028: 'dispatch 3: A028',
};

const ENDPOINTS: readonly (readonly [RegExp, string])[] = [
  [/\$ers\.acceptReferral/, 'A013'],
  [/\$ers\.rejectReferral/, 'A014'],
  [/\$ers\.cancelAppointmentActionLater/, 'A022'],
  [/\$ers\.recordReviewOutcome/, 'A028'],
  [/\$ers\.generateCRI/, 'A007'],
  [/\$ers\.fetchworklist/i, 'A008'],
  [/STU3\/ReferralRequest\//, 'A005'],
  [/CodeSystem\//, 'A004'],
  [/ObjectStore\//, 'OBJECT-STORE'],
  [/R4\/Binary\//, 'A042'],
  [/STU3\/Binary/, 'A020'],
  [/PractitionerRole/, 'A030'],
  [/STU3\/Task/, 'A029'],
  [/oauth2\/token/, 'TOKEN'],
];
export const DECIDING: ReadonlySet<string> = new Set(['A013', 'A014', 'A022', 'A028']);

/** The e-RS number of a request. */
export const endpointOf = (url: string): string => ENDPOINTS.find(([path]) => path.test(url))?.[1] ?? 'other';
export const ubrnOf = (url: string): string | undefined => /ReferralRequest\/(\d{12})/.exec(url)?.[1];
