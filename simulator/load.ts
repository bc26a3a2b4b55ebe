import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  appointmentOf,
  attachmentsOf,
  availabilityOf,
  binaryIdOf,
  participantOf,
  shortlistOf,
  stateOf,
} from './referral-document.ts';
import type { CodeSystem, List, ReferralRequest } from './wire.ts';
import { SYSTEM } from './wire.ts';
import type { BookableType, ListCode, World } from './world.ts';
import { addFile, addReferral } from './world.ts';

/** What became of each file of a folder. */
export interface LoadReport {
  referrals: string[];
  codeSystems: string[];
  worklists: string[];
  advice: string[];
  /** Files that became nothing, each with the reason. */
  ignored: { file: string; why: string }[];
}

/** Folders of the official examples whose referrals are answers of writes, not states of their own. */
const WRITES =
  /(^|\/)(acceptReferral|rejectReferral|recordTriageOutcome|cancelAppointmentActionLater|cancelReferral|convertAdviceAndGuidanceToReferral|createReferral\w*|changeShortlist\w*|maintainReferralLetter)\//;

/** Which list an item's extension belongs to. */
const LIST_OF: Record<string, ListCode> = {
  'extension-ers-referralsforreview-worklistitem-1': 'REFERRALS_FOR_REVIEW',
  'extension-ers-appointmentslotissues-worklistitem-1': 'APPOINTMENT_SLOT_ISSUES',
};
/** What a worklist item knows that its referral does not; all else is derived. */
const LENDABLE = [
  'namedClinician',
  'allocatedClinician',
  'patientContactExpected',
  'lastContact',
  'clinicalInfoPrinted',
];

/**
 * Reads a folder of e-RS JSON, subfolders included: A005 files become referrals, A004 files reference data; worklists are
 * derived, and worklist files only lend the fields that no referral holds. The rule that appointments must lie ahead is
 * waived for what is loaded, since official examples lie in the past.
 * Source: architecture, `POST /simulator/load`
 */
export function loadFolder(world: World, directory: string): LoadReport {
  const report: LoadReport = { referrals: [], codeSystems: [], worklists: [], advice: [], ignored: [] };
  const lists: List[] = [];
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const path of paths) {
    const file = relative(directory, path);
    const ignore = (why: string): void => {
      report.ignored.push({ file, why });
    };
    if (!file.endsWith('.json')) {
      ignore('not a .json file');
      continue;
    }
    const resource = parse(readFileSync(path, 'utf8'));
    if (isReferral(resource)) {
      if (WRITES.test(`${file}`)) ignore('the answer of a write, not a state');
      else if (report.referrals.includes(resource.id)) ignore(`UBRN ${resource.id} is loaded already`);
      else {
        loadReferral(world, resource);
        report.referrals.push(resource.id);
      }
    } else if (resource?.resourceType === 'CodeSystem') {
      const system = resource as unknown as CodeSystem;
      world.codeSystems.set(system.id, system);
      report.codeSystems.push(system.id);
    } else if (resource?.resourceType === 'List') {
      const list = resource as unknown as List;
      if (isWorklist(list)) {
        lists.push(list);
        report.worklists.push(file);
      } else ignore('a List without worklist entries');
    } else ignore(resource ? `not for the simulator: ${resource.resourceType}` : 'not a FHIR resource');
  }
  for (const list of lists) lend(world, list);
  nameServices(world, report.referrals);
  return report;
}

function parse(text: string): ({ resourceType: string } & Record<string, unknown>) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isResource =
      typeof value === 'object' && value !== null && 'resourceType' in value && typeof value.resourceType === 'string';
    return isResource ? (value as { resourceType: string } & Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isReferral = (value: unknown): value is ReferralRequest => {
  const resource = value as Partial<ReferralRequest> | undefined;
  return (
    resource?.resourceType === 'ReferralRequest' &&
    typeof resource.id === 'string' &&
    typeof resource.meta?.versionId === 'string'
  );
};

const listOf = (url: string | undefined): ListCode | undefined => LIST_OF[url?.split('/').at(-1)?.toLowerCase() ?? ''];

const isWorklist = (list: List): boolean =>
  (list.entry ?? []).some(
    ({ extension, item }) => listOf(extension?.[0]?.url) && /^ReferralRequest\/\d{12}$/.test(item?.reference ?? ''),
  );

function loadReferral(world: World, resource: ReferralRequest): void {
  const letter = resource.extension?.find(({ url }) => url.includes('ClinicalInfoFirstSubmitted'))?.valueDateTime;
  const isRelatedElsewhere =
    resource.supportingInfo?.some(({ reference }) => reference?.startsWith('ReferralRequest/')) ?? false;
  addReferral(world, resource, {
    // The clinical information of a related referral may hold all of it [S]
    clinicalInformation: letter !== undefined || isRelatedElsewhere ? 'present' : 'outstanding',
    receivedAt: letter ?? appointmentOf(resource)?.created ?? world.clock.now().toISOString(),
    isDateRuleWaived: true,
  });
  for (const document of attachmentsOf(resource)) {
    const attachment = document.content?.[0]?.attachment;
    addFile(world, {
      binaryId: binaryIdOf(document),
      title: attachment?.title ?? 'unnamed',
      contentType: attachment?.contentType ?? 'application/octet-stream',
      size: 0,
      availability: availabilityOf(document)?.code ?? 'AVAILABLE',
      ubrn: resource.id,
    });
  }
}

function lend(world: World, list: List): void {
  for (const { extension, item } of list.entry ?? []) {
    const code = listOf(extension?.[0]?.url);
    const referral = world.referrals.get(item?.reference?.split('/')[1] ?? '');
    if (!code || !referral || referral.lent[code]) continue;
    const fields = extension?.[0]?.extension ?? [];
    referral.lent[code] = fields.filter(({ url }) => LENDABLE.includes(url));
    referral.clinicalInformationPrinted =
      fields.find(({ url }) => url === 'clinicalInfoPrinted')?.valueBoolean ?? false;
  }
}

/** The services that the folder names, their type guessed from how referrals are booked there. */
function nameServices(world: World, ubrns: string[]): void {
  const { odsCode } = world.application;
  for (const ubrn of ubrns) {
    const resource = world.referrals.get(ubrn)?.resource;
    if (!resource) continue;
    const { value: current, display } = participantOf(resource, SYSTEM.service);
    const named = shortlistOf(resource);
    if (current !== undefined) named.unshift({ id: current, name: display ?? current });
    for (const { id, name } of named) {
      if (!world.services.has(id))
        world.services.set(id, {
          id,
          name,
          bookableType: 'DIRECTLY_BOOKABLE',
          lists: ['REFERRALS_FOR_REVIEW'],
          odsCode,
        });
      const service = world.services.get(id);
      if (!service || id !== current) continue;
      const { state } = stateOf(resource);
      service.bookableType = bookableTypeOf(resource, state) ?? service.bookableType;
      if (state === 'DEFERRED_TO_PROVIDER') service.lists = ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'];
    }
  }
}

function bookableTypeOf(resource: ReferralRequest, state: string): BookableType | undefined {
  if (state === 'AWAITING_TRIAGE') return 'TRIAGE';
  const appointment = appointmentOf(resource);
  if (appointment?.status !== 'booked') return undefined;
  return appointment.slot?.length ? 'DIRECTLY_BOOKABLE' : 'INDIRECTLY_BOOKABLE';
}
