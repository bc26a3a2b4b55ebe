import type { ReferralKind } from './build-referral.ts';
import { buildReferral } from './build-referral.ts';
import type { Dice } from './dice.ts';
import type { Priority } from './referral-document.ts';
import { smallFile } from './sample-files.ts';
import { makeNhsNumber, makeSdsUserId } from './synthetic-people.ts';
import type { Referral, Service, StoredFile, World } from './world.ts';
import { addFile, addReferral, takeUbrn } from './world.ts';

const DAY_MS = 86_400_000;
const REFERRING_ORGANISATION = 'Z99001';

/** A file that a referrer attaches. */
export interface AttachmentPlan {
  title: string;
  contentType: string;
  /** Least size; a real file of the type is never smaller than its format needs. */
  bytes?: number | undefined;
  availability?: string | undefined;
  /** Seconds until the scan ends with the file available. */
  availableAfterSeconds?: number | undefined;
  /** How the scan ends, if not well. */
  settlesAs?: string | undefined;
}
/** A referral as a referrer would make it; what is left out, chance fills in. */
export interface NewReferral {
  kind: ReferralKind;
  service: Service;
  nhsNumber?: string | undefined;
  priority?: Priority | undefined;
  attachments?: AttachmentPlan[] | undefined;
  relatedTo?: string[] | undefined;
  requirements?: ('ADVOCACY' | 'INTERPRETER' | 'TRANSPORT')[] | undefined;
  alsoShortlisted?: Service[] | undefined;
  hasClinicalInformation?: boolean | undefined;
  appointmentInDays?: number | undefined;
}

/** Makes a referral and puts it into the world. Source: provider-api 6.3 T1 to T4. */
export function createReferral(world: World, wish: NewReferral): Referral {
  const { dice, clock } = world;
  const now = clock.now();
  const ubrn = takeUbrn(world);
  world.nextAppointment += 1;
  const files = (wish.attachments ?? []).map((plan) => storeAttachment(world, ubrn, plan));
  const start = new Date(now.getTime() + (wish.appointmentInDays ?? dice.integer(7, 60)) * DAY_MS);
  start.setUTCHours(dice.integer(9, 16), dice.integer(0, 3) * 15, 0, 0);
  const createdAt = new Date(now.getTime() - dice.integer(1, 10) * DAY_MS - dice.integer(0, DAY_MS / 1000) * 1000);
  const isPresent = wish.hasClinicalInformation ?? true;
  const [specialty, clinicType] = dice.pick(CLINICS);
  const resource = buildReferral({
    ubrn,
    requestId: dice.uuid(),
    kind: wish.kind,
    version: dice.integer(3, 9),
    service: wish.service,
    alsoShortlisted: wish.alsoShortlisted ?? [],
    nhsNumber: wish.nhsNumber ?? makeNhsNumber(dice),
    clinician: makeSdsUserId(dice),
    referringOrganisation: REFERRING_ORGANISATION,
    priority: wish.priority ?? dice.pick(['ROUTINE', 'ROUTINE', 'URGENT', 'TWO_WEEK_WAIT']),
    specialty,
    clinicType,
    createdAt,
    appointmentId: String(world.nextAppointment),
    appointmentStart: start,
    slotIssue: dice.pick(['NO_SLOTS_AT_SERVICE', 'SLOT_NOT_AVAILABLE', 'BOOKING_ATTEMPT_PROBLEM']),
    ...(isPresent && { clinicalInformationAt: new Date(createdAt.getTime() + 60_000) }),
    files,
    relatedTo: wish.relatedTo ?? [],
    requirements: wish.requirements ?? [],
  });
  return addReferral(world, resource, {
    receivedAt: createdAt.toISOString(),
    clinicalInformation: isPresent ? 'present' : 'outstanding',
  });
}

const CLINICS: [[string, string], ...[string, string][]] = [
  ['CARDIOLOGY', 'HEART_FAILURE'],
  ['CARDIOLOGY', 'LIPID_MANAGEMENT'],
  ['UROLOGY', 'GENERAL_UROLOGY'],
  ['DERMATOLOGY', 'GENERAL_DERMATOLOGY'],
  ['ALLERGY', 'ALLERGY_1'],
];

/** Stores a file of a referrer; answers the attachment id that goes with it. */
export function storeAttachment(
  world: World,
  ubrn: string,
  plan: AttachmentPlan,
): { id: string; file: StoredFile; description: string } {
  world.nextDocument += 1;
  const settles = plan.availableAfterSeconds !== undefined;
  const file: StoredFile = {
    binaryId: world.dice.uuid(),
    title: plan.title,
    contentType: plan.contentType,
    size: Math.max(plan.bytes ?? 0, smallFile(plan.contentType).length),
    availability: plan.availability ?? (settles ? 'PENDING' : 'AVAILABLE'),
    ubrn,
    ...(plan.availableAfterSeconds !== undefined && {
      settlesAt: world.clock.now().getTime() + plan.availableAfterSeconds * 1000,
      settlesAs: plan.settlesAs ?? 'AVAILABLE',
    }),
  };
  addFile(world, file);
  return { id: String(world.nextDocument), file, description: `Synthetic ${plan.title.split('.').at(-1)} file` };
}

/** A handful of attachments of awkward names and types. */
export function pickAttachments(dice: Dice): AttachmentPlan[] {
  const choices: [AttachmentPlan, ...AttachmentPlan[]] = [
    { title: 'referral letter.pdf', contentType: 'application/pdf' },
    { title: 'scan.tif', contentType: 'image/tiff' },
    { title: 'letter.doc', contentType: 'application/msword' },
    { title: 'Überweisung – café, “final”.docx', contentType: DOCX },
    { title: 'photo.jpg', contentType: 'image/jpeg' },
    { title: 'ecg.png', contentType: 'image/png', bytes: 40_000 },
    { title: 'notes.txt', contentType: 'text/plain', bytes: 2_000 },
    { title: 'summary.rtf', contentType: 'text/rtf' },
    { title: 'results.xml', contentType: 'text/xml' },
    { title: 'large report.pdf', contentType: 'application/pdf', bytes: 6_000_000 },
  ];
  const count = dice.integer(0, 5);
  const first = dice.integer(0, choices.length - 1);
  // One after the other, so that no two files of a referral have the same name
  return Array.from({ length: count }, (_, index) => choices[(first + index) % choices.length] ?? choices[0]);
}

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
