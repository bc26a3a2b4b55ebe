import type { Basic, Resource } from '@medplum/fhirtypes';
import type { DispatchRecord, TransactionEntry } from '../../server/core/index.ts';

/** What an engine record in a transaction holds, if the resource is one. */
export function recordIn(resource: Resource): { kind: string; data: unknown } | undefined {
  if (resource.resourceType !== 'Basic') return undefined;
  const basic: Basic = resource;
  const json = basic.extension?.[0]?.valueString;
  return json === undefined ? undefined : { kind: basic.code?.coding?.[0]?.code ?? '', data: JSON.parse(json) };
}

/** Names a write by the numbered step of intake or dispatch that makes it (deliver.ts, bring.ts). */
export function stepOfWrite(entries: readonly TransactionEntry[]): string {
  const resources = entries.flatMap((entry) => (entry.kind === 'delete' ? [] : [entry.resource]));
  const records = resources.flatMap((resource) => recordIn(resource) ?? []);
  const of = (kind: string) => records.find((record) => record.kind === kind);
  const dispatch = of('ers-dispatch')?.data as DispatchRecord | undefined;
  const isWitnessed = resources.some(({ resourceType }) => resourceType === 'AuditEvent');
  if (of('ers-sync')) {
    if (isWitnessed) return 'dispatch 4: recorded, with the referral';
    if (dispatch?.decision || dispatch?.ended) return 'dispatch 5: settled, or closed by intake';
    return dispatch ? 'intake: landed with a review' : 'intake: landed';
  }
  if (dispatch) {
    if (isWitnessed) return 'dispatch 4: what the answer means';
    if (dispatch.decision?.lastAttempt?.outcome === 'unknown' && !dispatch.decision.isUnknowable)
      return 'dispatch 2: the attempt is marked';
    return dispatch.decision ? 'dispatch 1: taken over' : 'dispatch 1: given back, noted or repaired';
  }
  const [record] = records;
  if (record) return `record ${record.kind}`;
  return `intake: shared ${resources[0]?.resourceType ?? 'nothing'}`;
}

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
  [/R4\/Task/, 'A029'],
  [/oauth2\/token/, 'TOKEN'],
];
export const DECIDING: ReadonlySet<string> = new Set(['A013', 'A014', 'A022', 'A028']);

/** The e-RS number of a request. */
export const endpointOf = (url: string): string => ENDPOINTS.find(([path]) => path.test(url))?.[1] ?? 'other';
export const ubrnOf = (url: string): string | undefined => /ReferralRequest\/(\d{12})/.exec(url)?.[1];
