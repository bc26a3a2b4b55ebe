/** One entry of a worklist, as it is on the wire. */
export interface WireEntry {
  extension: { url: string; extension: WireField[] }[];
  item: { reference: string };
}
export type WireField = { url: string } & Record<string, unknown>;

type Cardinality = '1..1' | '0..1';

/** How often each field stands on an item; the OpenAPI tree has this as prose only. Source: provider-api 4.4. */
const FIELDS: Record<string, Record<string, Cardinality>> = {
  ReferralsforReview: {
    priority: '1..1',
    specialty: '1..1',
    patient: '1..1',
    namedClinician: '0..1',
    eReferralPathwayStart: '1..1',
    clinicalInfoPrinted: '1..1',
    requestContextStatus: '1..1',
    clinicalInfoFirstSubmitted: '0..1',
    clinicalInfoLastUpdated: '0..1',
    referralType: '1..1',
    appointmentStart: '0..1',
    allocatedClinician: '0..1',
    service: '1..1',
    referralRequestVersion: '1..1',
  },
  AppointmentSlotIssues: {
    priority: '1..1',
    specialty: '1..1',
    patient: '1..1',
    namedClinician: '0..1',
    eReferralPathwayStart: '1..1',
    clinicalInfoPrinted: '1..1',
    service: '1..1',
    ubrnReceived: '0..1',
    patientContactExpected: '0..1',
    clinicalInformationStatus: '0..1',
    reason: '0..1',
    lastContact: '0..1',
  },
};
const REFERENCES: Record<string, RegExp> = { ReferralsforReview: /^reference$/, AppointmentSlotIssues: /^identifier$/ };

/** What is wrong with the fields of a worklist's items: too many, too few, or a patient in the shape of the other list. */
export function problemsOfItems(entries: readonly WireEntry[]): string[] {
  return entries.flatMap(({ extension: [item, ...more] }) => {
    const list = /Extension-eRS-(\w+)-Work[Ll]istItem-1$/.exec(item?.url ?? '')?.[1] ?? '';
    const fields = FIELDS[list];
    if (!item || !fields || more.length > 0) return [`${item?.url} is no item of a provider's list`];
    const counts = Map.groupBy(item.extension, ({ url }) => url);
    const unknown = [...counts.keys()].filter((url) => !(url in fields)).map((url) => `${list}: ${url} is unknown`);
    const wrong = Object.entries(fields).flatMap(([url, cardinality]) => {
      const count = counts.get(url)?.length ?? 0;
      return count > 1 || (count === 0 && cardinality === '1..1') ? [`${list}: ${url} ${cardinality} is ${count}`] : [];
    });
    const patient = Object.keys(counts.get('patient')?.[0]?.['valueReference'] ?? {}).join();
    const shape = REFERENCES[list]?.test(patient) ? [] : [`${list}: patient by ${patient}`];
    return [...unknown, ...wrong, ...shape];
  });
}
