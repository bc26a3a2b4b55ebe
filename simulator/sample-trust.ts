import { convertFromAdvice } from './advice.ts';
import { attachStored, attachTo } from './attach.ts';
import { createReferral, pickAttachments } from './new-referral.ts';
import { appointmentOf, attachmentsOf, extensionOf, setState } from './referral-document.ts';
import { accept, cancelReferral, propose, reject } from './transitions.ts';
import { codeSystem, REFERENCE_DATA } from './wire.ts';
import type { Referral, Service, World } from './world.ts';

/** The services of the sample trust; one in a neighbour's hands, so that relationships can end. */
export const makeSampleServices = (odsCode: string): [Service, ...Service[]] => [
  {
    id: '70101',
    name: 'Sample Trust Direct Booking Clinic',
    bookableType: 'DIRECTLY_BOOKABLE',
    lists: ['REFERRALS_FOR_REVIEW'],
    odsCode,
  },
  {
    id: '70102',
    name: 'Sample Trust Indirect Booking Clinic',
    bookableType: 'INDIRECTLY_BOOKABLE',
    lists: ['REFERRALS_FOR_REVIEW'],
    odsCode,
  },
  {
    id: '70103',
    name: 'Sample Trust Referral Assessment Service',
    bookableType: 'TRIAGE',
    lists: ['REFERRALS_FOR_REVIEW'],
    odsCode,
  },
  {
    id: '70104',
    name: 'Sample Trust Clinic Short of Slots',
    bookableType: 'DIRECTLY_BOOKABLE',
    lists: ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'],
    odsCode,
  },
  {
    id: '79901',
    name: 'Neighbour Trust Clinic',
    bookableType: 'DIRECTLY_BOOKABLE',
    lists: ['REFERRALS_FOR_REVIEW'],
    odsCode: 'ZZ9',
  },
];

/**
 * Fills the world with a synthetic trust: every kind of referral in turn, and one of each known irregularity.
 * Source: provider-api 9; target-model 1.11
 */
export function fillSampleTrust(world: World, count: number): void {
  const services = makeSampleServices(world.application.odsCode);
  for (const service of services) world.services.set(service.id, service);
  const [direct, indirect, triage, slotless] = services as [Service, Service, Service, Service];
  const shapes = [
    { kind: 'booked-direct', service: direct },
    { kind: 'booked-indirect', service: indirect },
    { kind: 'triage', service: triage },
    { kind: 'slot-issue', service: slotless },
    { kind: 'booked-direct', service: slotless },
  ] as const;
  const made: Referral[] = [];
  for (let index = 0; index < count; index += 1) {
    const shape = shapes[index % shapes.length] ?? shapes[0];
    const related = made.at(-3)?.resource.id;
    const referral = createReferral(world, {
      ...shape,
      attachments: pickAttachments(world.dice),
      ...(index % 9 === 8 && related !== undefined && { relatedTo: [related] }),
      ...(index % 4 === 1 && { alsoShortlisted: [direct] }),
      ...(index % 7 === 6 && { requirements: ['INTERPRETER', 'TRANSPORT'] }),
    });
    made.push(referral);
    const irregularity = IRREGULARITIES[index];
    if (irregularity) irregularity(referral, world, made);
  }
}

type Irregularity = ((referral: Referral, world: World, made: Referral[]) => void) | undefined;

/**
 * What is odd about the first referrals of the sample trust, by position; the first five are plain. A position that
 * takes a referral off the lists keeps a kind whose other members stay on them.
 */
const IRREGULARITIES: Irregularity[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  addScans,
  function placeholderSystem({ resource }) {
    const coding = resource.specialty?.coding?.[0];
    if (coding) coding.system = '_baseUrl_/STU3/CodeSystem/SPECIALTY';
  },
  function versionedSystem({ resource }) {
    const coding = resource.specialty?.coding?.[0];
    if (coding) coding.system = `${REFERENCE_DATA.replace('/STU3/', '/STU3/v1/')}SPECIALTY`;
  },
  function reasonBeforeState({ resource }) {
    const state = extensionOf(resource, 'Extension-eRS-ReferralState-1');
    state?.extension?.reverse();
    const pathway = extensionOf(resource, 'Extension-eRS-eReferralPathwayStart-1');
    if (pathway?.valueInstant !== undefined) {
      pathway.valueDateTime = pathway.valueInstant;
      delete pathway.valueInstant;
    }
  },
  function missingSpecialtyAndStart({ resource }) {
    delete resource.specialty;
    resource.extension = (resource.extension ?? []).filter(({ url }) => !url.includes('PathwayStart'));
  },
  function bookedWithoutAppointment({ resource }) {
    resource.contained = (resource.contained ?? []).filter((each) => each.resourceType !== 'Appointment');
    resource.extension = (resource.extension ?? []).filter(({ url }) => !url.includes('eRS-Appointment'));
  },
  shareIds,
  function nullWherePermitted({ resource }) {
    resource.supportingInfo = null;
    resource.contained = (resource.contained ?? []).filter((each) => each.resourceType !== 'DocumentReference');
  },
  function cancelledUnderTheAlias(referral, world) {
    const system = '_baseUrl_/STU3/CodeSystem/REQUEST-CANCELLATION-REASON';
    cancelReferral(referral, world.dice, {
      reason: { system, code: 'PATIENT_DIED', display: 'Patient died' },
      comments: 'Synthetic comment',
    });
  },
  function rejectedWithAnotherDisplay(referral, world) {
    const system = '_baseurl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON';
    reject(referral, world.dice, {
      reason: { system, code: 'OTHER', display: 'Other' },
      comments: 'Synthetic comment',
    });
  },
  convertFromAdvice,
  function cancelledByPatient({ resource }) {
    const system = `${REFERENCE_DATA}APPOINTMENT-CANCELLATION-REASON`;
    const appointment = appointmentOf(resource);
    if (appointment) appointment.status = 'cancelled';
    setState(resource, 'APPT_CANCELLED_BY_PATIENT', { system, code: 'PATIENT_ILL', display: 'Patient is sick' });
  },
  function returnedWithTheOtherState(referral, world) {
    const reason = {
      system: codeSystem('eRS-ReviewOutcome-1'),
      code: 'RETURN_TO_REFERRER_WITH_ADVICE',
      display: 'Return to Referrer With Advice',
    };
    propose(referral, world.dice, 'TRIAGED_PROVIDER_TO_ACTION', { reason, comments: 'Synthetic advice' });
  },
  function onBothLists(referral) {
    referral.isOnBothLists = true;
  },
  function letterChanged(referral) {
    referral.contextStatus = 'LETTER_CHANGED';
    referral.clinicalInformationPrinted = true;
    referral.isListedOtherwise = true;
  },
  function containedAsNull(referral) {
    referral.shownAsNull = ['contained'];
  },
  function extensionAsNull(referral, world, made) {
    referral.shownAsNull = ['extension'];
    // Accepted, and read as the relation of another: a review of a referral without a state could never be decided
    accept(referral, world.dice);
    const other = made.at(-3)?.resource;
    if (!other) return;
    other.supportingInfo = [...(other.supportingInfo ?? []), { reference: `ReferralRequest/${referral.resource.id}` }];
  },
  function extensionOfShortlistAsNull({ resource }) {
    const shortlist = resource.contained?.find((each) => each.resourceType === 'List');
    if (shortlist) shortlist.extension = null;
  },
];

/** Every state of a scan, among them one that ends well after five minutes, and the misprint with a space. */
function addScans(referral: Referral, world: World): void {
  const shapes = [
    {
      title: 'still scanning.pdf',
      contentType: 'application/pdf',
      availability: 'PENDING',
      availableAfterSeconds: 300,
    },
    { title: 'infected.png', contentType: 'image/png', availability: 'THREATS_FOUND' },
    { title: 'infected too.png', contentType: 'image/png', availability: 'THREATS FOUND' },
    { title: 'wrong type.pdf', contentType: 'application/pdf', availability: 'VALIDATION_FAILED' },
  ];
  for (const shape of shapes) attachTo(world, referral, shape);
}

/**
 * Shared by two referrals: one appointment number, one attachment id with different Binary ids, and one Binary id.
 * Source: target-model 1.11
 */
function shareIds(referral: Referral, world: World, made: Referral[]): void {
  const { resource } = referral;
  const other = made.find((each) => each.resource !== resource && attachmentsOf(each.resource).length > 0);
  const mine = attachmentsOf(resource)[0];
  const theirs = other && attachmentsOf(other.resource)[0];
  if (mine && theirs) {
    const old = `#${mine.id}`;
    const attachment = mine.content?.[0]?.attachment;
    if (attachment && theirs.content?.[0]?.attachment?.id !== undefined)
      attachment.id = theirs.content[0].attachment.id;
    if (theirs.id !== undefined) mine.id = theirs.id;
    for (const reference of resource.supportingInfo ?? [])
      if (reference.reference === old) reference.reference = `#${mine.id}`;
  }
  const shared = [...world.files.values()].flat().find(({ ubrn }) => ubrn !== undefined && ubrn !== resource.id);
  if (shared) attachStored(world, referral, { ...shared, ubrn: resource.id });
  const reference = extensionOf(resource, 'Extension-eRS-Appointment-Reference-1')?.valueReference;
  const first = made[0] && extensionOf(made[0].resource, 'Extension-eRS-Appointment-Reference-1')?.valueReference;
  if (reference && first?.reference !== undefined) reference.reference = first.reference;
}
