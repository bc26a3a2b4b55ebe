import type { SimulatorClock } from './clock.ts';
import type { Dice } from './dice.ts';
import { chanceOf } from './dice.ts';
import type { CodeSystem, Extension, Meta, ReferralRequest } from './wire.ts';

export type ListCode = 'REFERRALS_FOR_REVIEW' | 'APPOINTMENT_SLOT_ISSUES';
export type BookableType = 'DIRECTLY_BOOKABLE' | 'INDIRECTLY_BOOKABLE' | 'TRIAGE';

/** A service of the pretend trust, or of a neighbour. */
export interface Service {
  id: string;
  name: string;
  bookableType: BookableType;
  lists: ListCode[];
  /** Who provides it: only that organisation has a relationship with its referrals. */
  odsCode: string;
}

/** A file that e-RS stores. Its bytes are made when asked for, so that large ones cost no memory. */
export interface StoredFile {
  binaryId: string;
  title: string;
  contentType: string;
  size: number;
  /** The very bytes, for uploads; otherwise a file of the type is made. */
  content?: Buffer;
  availability: string;
  /** When the scan ends, on the simulator's clock, and how. */
  settlesAt?: number;
  settlesAs?: string;
  /** The referral that shows it. */
  ubrn?: string;
  /** Set for uploads: which referral it may be linked to, who sent it, and whether it was linked. */
  upload?: { ubrn?: string; at: number; linked: boolean; userId: string; odsCode: string };
}

/** One decision on a referral that e-RS recorded: at which version, and whether it came by the API. */
export interface RecordedDecision {
  version: number;
  kind: 'accepted' | 'rejected' | 'proposed' | 'cancelled';
  reason?: string;
  comments?: string;
  /** `web`: somebody did it in the web application. */
  by: 'api' | 'web';
  /** Of the API call, if it had one. */
  correlationId?: string;
}

/** A referral as e-RS holds it: the resource that A005 answers, and what A005 does not show. */
export interface Referral {
  resource: ReferralRequest;
  review: 'awaiting' | 'done';
  /** Whether the referrer's letter is there. Without it nothing reaches a review list. Source: provider-api T2 [F]. */
  clinicalInformation: 'present' | 'outstanding';
  contextStatus: 'NEVER_REVIEWED' | 'LETTER_CHANGED' | 'PRIORITY_CHANGED' | 'PRIORITY_AND_LETTER_CHANGED';
  clinicalInformationPrinted: boolean;
  receivedAt: string;
  /** Extra worklist fields, by list, as the worklist files of a loaded folder lend them. */
  lent: Partial<Record<ListCode, Extension[]>>;
  /** e-RS refuses to show this patient (422 PATIENT_ERROR). */
  isPatientRestricted: boolean;
  /** Loaded from files: their appointments lie in the past, and the rule on dates would forbid every decision. */
  isDateRuleWaived: boolean;
  /** Off its lists without any other sign, as after a change in the e-RS web application. */
  isHidden: boolean;
  /** A slot issue that also waits for clinical review, so that it is on both lists. */
  isOnBothLists: boolean;
  /** Listed with an extension url that is written otherwise than its neighbours' (target-model 1.11). */
  isListedOtherwise?: boolean;
  /** Members that are answered as null, as e-RS's schema lets them be, though e-RS knows better (target-model 1.11). */
  shownAsNull?: readonly ('contained' | 'extension')[];
  /** The booking system of the provider plays up at the next cancellation. */
  pas?: 'error' | 'silent' | 'refused';
  /** What was decided on it, in order, whatever was answered. */
  decisions: RecordedDecision[];
  /** The lists still show it as it was before a write, until this time on the simulator's clock. */
  lag?: { untilMs: number; view: Referral };
}

/** A signed-in clinician or administrator. */
export interface User {
  sdsUserId: string;
  roles: string[];
  organisations: string[];
  onBehalfOf: string[];
  /** How well the user is known to CIS2: identity and authentication assurance levels. */
  assurance: { ial: number; aal: number };
  /** The services that the user works for; absent means all of the organisation. */
  services?: string[];
  /** Seconds of the time at which their sessions were ended: what was issued before is worth nothing. */
  endedAt?: number;
  /** How long tokens live that are exchanged for them. */
  tokenSeconds?: number;
}

/** An A&G request that was converted into a referral. */
export interface AdviceRequest {
  ubrn: string;
  resource: { resourceType: 'CommunicationRequest'; id: string; meta: Meta & { versionId: string } } & Record<
    string,
    unknown
  >;
  messages: ({ resourceType: string; id: string } & Record<string, unknown>)[];
  includes: ({ resourceType: string; id: string } & Record<string, unknown>)[];
}

export interface Application {
  apiKey: string;
  keyId: string;
  odsCode: string;
}

/** How the simulator settles what the evidence leaves open. */
export interface OpenQuestions {
  /** `documented`: as provider-api recommends. `by-seed`: each way that e-RS might, by seed and referral. */
  answers: 'documented' | 'by-seed';
  returnedState?: 'TRIAGE_RESPONSE' | 'TRIAGED_PROVIDER_TO_ACTION';
}

/** All that the pretend e-RS knows. */
export interface World {
  clock: SimulatorClock;
  dice: Dice;
  seed: number;
  openQuestions: OpenQuestions;
  application: Application;
  services: Map<string, Service>;
  referrals: Map<string, Referral>;
  /** By Binary id, in order of arrival: real data shares one id among several files. */
  files: Map<string, StoredFile[]>;
  /** Files whose scan has not ended. */
  scans: Set<StoredFile>;
  /** Uploads that nobody has linked yet. */
  uploads: Set<StoredFile>;
  advice: Map<string, AdviceRequest>;
  codeSystems: Map<string, CodeSystem>;
  users: Map<string, User>;
  /** A worklist that is larger is not delivered. */
  largestWorklistBytes: number;
  /** UBRNs on which a write is going on. */
  locks: Set<string>;
  nextUbrn: number;
  nextAppointment: number;
  nextDocument: number;
}

/** How the evidence's open question is answered here: by seed and subject, the other way or the documented one. */
export const isOtherwise = ({ openQuestions, seed }: World, question: string, odds = 0.5): boolean =>
  openQuestions.answers === 'by-seed' && chanceOf(seed, question) < odds;

/** The same for a question of more than two answers: the documented one comes first. */
export function wayOf<Way>({ openQuestions, seed }: World, question: string, ways: readonly [Way, ...Way[]]): Way {
  if (openQuestions.answers === 'documented') return ways[0];
  return ways[Math.floor(chanceOf(seed, question) * ways.length)] ?? ways[0];
}

/** Makes the next UBRN: twelve digits, leading zeros significant. */
export function takeUbrn(world: World): string {
  world.nextUbrn += 1;
  return String(world.nextUbrn).padStart(12, '0');
}

export function addFile(world: World, file: StoredFile): void {
  world.files.set(file.binaryId, [...(world.files.get(file.binaryId) ?? []), file]);
  if (file.settlesAt !== undefined) world.scans.add(file);
  if (file.upload && !file.upload.linked) world.uploads.add(file);
}

export function addReferral(world: World, resource: ReferralRequest, more: Partial<Referral> = {}): Referral {
  const referral: Referral = {
    resource,
    review: 'awaiting',
    clinicalInformation: 'present',
    contextStatus: 'NEVER_REVIEWED',
    clinicalInformationPrinted: false,
    receivedAt: world.clock.now().toISOString(),
    lent: {},
    isPatientRestricted: false,
    isDateRuleWaived: false,
    isHidden: false,
    isOnBothLists: false,
    decisions: [],
    ...more,
  };
  world.referrals.set(resource.id, referral);
  return referral;
}
