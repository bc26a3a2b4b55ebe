import type { Answer } from '../answers.ts';
import { emptyAnswer, jsonAnswer, stu3Outcome } from '../answers.ts';
import type { CheckedCall, PlainEndpoint } from '../endpoint.ts';
import type { ParameterRules } from '../parameters.ts';
import { readParameters } from '../parameters.ts';
import { appointmentServiceOf, participantOf } from '../referral-document.ts';
import { isOwnService } from '../relationship.ts';
import type { Parameter } from '../wire.ts';
import { codeSystem, profile, SYSTEM } from '../wire.ts';
import { buildWorklist, listsOf } from '../worklists.ts';
import type { ListCode, Referral, World } from '../world.ts';
import { wayOf } from '../world.ts';

const PROVIDER_LISTS: ListCode[] = ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'];
const REFERRER_LISTS = [
  'REJECTED_TRIAGE_RESPONSE',
  'ASSESSMENT_RETURNED_CANCELLED_DNA',
  'AWAITING_BOOKING',
  'LETTERS_OUTSTANDING',
];

const RULES: ParameterRules = {
  profile: profile('eRS-FetchWorklist-Parameters-1'),
  parameters: {
    listType: { value: 'valueCodeableConcept', isRequired: true },
    service: { value: 'valueIdentifier' },
    specialtyAssignedIndicator: { value: 'valueCodeableConcept' },
    specialty: { value: 'valueCodeableConcept' },
    location: { value: 'valueIdentifier' },
    clinicianAssignedIndicator: { value: 'valueCodeableConcept' },
    clinician: { value: 'valueIdentifier' },
  },
  unknownName: 'UNEXPECTED_FIELD',
  brokenStructure: 'INVALID_FHIR_STRUCTURE',
};

/** Serves a worklist of the provider, derived from the referrals as they are now. Source: A008; provider-api 4. */
export const retrieveWorklist: PlainEndpoint = {
  id: 'A008',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/\$ers\.fetchworklist$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: [
    'SERVICE_PROVIDER_CLINICIAN',
    'SERVICE_PROVIDER_ADMIN',
    'SERVICE_PROVIDER_CLINICIAN_ADMIN',
    'REFERRING_CLINICIAN',
    'REFERRING_CLINICIAN_ADMIN',
    'REFERRING_ADMIN',
  ],
  body: 'json',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer(call, world) {
    const read = readParameters(call.json, RULES);
    if ('refusal' in read) return read.refusal;
    const one = (name: string): Parameter | undefined => read.values.get(name)?.[0];
    const list = readList(call, one('listType'));
    if (typeof list !== 'string') return list;
    const refusal =
      refuseIndicator(one('specialtyAssignedIndicator'), one('specialty'), 'specialty') ??
      refuseIndicator(one('clinicianAssignedIndicator'), one('clinician'), 'clinician') ??
      refuseFilters(call, world, one);
    if (refusal) return refusal;
    const shown = [...world.referrals.values()]
      .map((referral) => asListed(referral, call.at))
      .filter((referral) => listsOf(referral).includes(list) && passes(call, world, referral, one));
    const answer = jsonAnswer(200, buildWorklist(world, list, shown));
    return Buffer.isBuffer(answer.body) && answer.body.length > world.largestWorklistBytes
      ? refuseLargeList(world)
      : answer;
  },
};

/** The service that a worklist request asks for, whether or not it will be answered: polls are counted by it. */
export function polledService(body: Buffer | undefined): string {
  let json: { parameter?: unknown } | null;
  try {
    json = JSON.parse(body?.toString('utf8') ?? '');
  } catch {
    return '(none)';
  }
  const parameters = json?.parameter;
  if (!Array.isArray(parameters)) return '(none)';
  const service: Parameter | undefined = parameters.find((each: Parameter | null) => each?.name === 'service');
  const id: unknown = service?.valueIdentifier?.value;
  return typeof id === 'string' ? id : '(none)';
}

/** e-RS's answer to a list over 10 MB is not documented: 500, or by seed whatever a gateway says. Source: provider-api 9.1 no. 4. */
const refuseLargeList = (world: World): Answer =>
  emptyAnswer(wayOf(world, 'answer to a list over 10 MB', [500, 502, 504]));

const asListed = (referral: Referral, at: Date): Referral =>
  referral.lag && referral.lag.untilMs > at.getTime() ? referral.lag.view : referral;

function readList(call: CheckedCall, listType: Parameter | undefined): ListCode | Answer {
  const codings = listType?.valueCodeableConcept?.coding ?? [];
  const [coding] = codings;
  if (codings.length !== 1 || !coding)
    return stu3Outcome(422, 'INVALID_VALUE', "'parameter' (listType) needs one coding");
  if (coding.system !== codeSystem('eRS-ReferralListSelector-1'))
    return stu3Outcome(422, 'INVALID_CODE', "'parameter' (listType) has an unknown system");
  const list = PROVIDER_LISTS.find((each) => each === coding.code);
  const isReferrer = call.caller.role.startsWith('REFERRING');
  if (list && !isReferrer) return list;
  const isKnown = list !== undefined || REFERRER_LISTS.includes(coding.code ?? '');
  return isKnown
    ? stu3Outcome(422, 'INVALID_VALUE', "'parameter' (listType) is not a list of the caller, or is not simulated")
    : stu3Outcome(422, 'INVALID_CODE', "'parameter' (listType) is not a list");
}

/** An indicator and its filter go together. Source: provider-api 4.1 [F]. */
function refuseIndicator(
  indicator: Parameter | undefined,
  filter: Parameter | undefined,
  name: string,
): Answer | undefined {
  const code = indicator?.valueCodeableConcept?.coding?.[0]?.code;
  if (indicator && code !== 'ASSIGNED' && code !== 'NOT_ASSIGNED')
    return stu3Outcome(422, 'INVALID_CODE', `'parameter' (${name}AssignedIndicator) is not an indicator`);
  if (code === 'NOT_ASSIGNED' && name === 'specialty')
    return stu3Outcome(422, 'INVALID_VALUE', "'parameter' (specialtyAssignedIndicator) NOT_ASSIGNED is reserved");
  if (code === 'ASSIGNED' && !filter) return stu3Outcome(422, 'MISSING_VALUE', `'parameter' (${name}) is missing`);
  if (code !== 'ASSIGNED' && filter)
    return stu3Outcome(422, 'UNEXPECTED_FIELD', `'parameter' (${name}) needs its indicator`);
  return undefined;
}

function refuseFilters(
  { caller }: CheckedCall,
  world: World,
  one: (name: string) => Parameter | undefined,
): Answer | undefined {
  const service = one('service')?.valueIdentifier;
  if (caller.mode === 'application' && !service)
    return stu3Outcome(422, 'MISSING_VALUE', "'parameter' (service) is mandatory in application-restricted mode");
  if (service) {
    if (service.system !== SYSTEM.service || !service.value)
      return stu3Outcome(422, 'INVALID_VALUE', "'parameter' (service) is not a service identifier");
    if (!world.services.has(service.value))
      return stu3Outcome(422, 'REFERENCE_NOT_FOUND', "'parameter' (service) does not exist");
    if (!isOwnService(world, caller, service.value))
      return stu3Outcome(422, 'NO_RELATIONSHIP', "'parameter' (service) is not a service of the caller");
  }
  const specialty = one('specialty')?.valueCodeableConcept?.coding?.[0]?.code;
  const specialties = world.codeSystems.get('SPECIALTY')?.concept ?? [];
  if (specialty !== undefined && !specialties.some(({ code }) => code === specialty))
    return stu3Outcome(422, 'REFERENCE_NOT_FOUND', "'parameter' (specialty) does not exist");
  const location = one('location')?.valueIdentifier?.value;
  if (location !== undefined && location !== caller.organisation)
    return stu3Outcome(422, 'REFERENCE_NOT_FOUND', "'parameter' (location) does not exist");
  return undefined;
}

function passes(
  call: CheckedCall,
  world: World,
  { resource }: Referral,
  one: (name: string) => Parameter | undefined,
): boolean {
  const service = appointmentServiceOf(resource) ?? '';
  if (!isOwnService(world, call.caller, service)) return false;
  const wanted = one('service')?.valueIdentifier?.value;
  const specialty = one('specialty')?.valueCodeableConcept?.coding?.[0]?.code;
  const clinicianIndicator = one('clinicianAssignedIndicator')?.valueCodeableConcept?.coding?.[0]?.code;
  const clinician = participantOf(resource, SYSTEM.sdsUser).value;
  return (
    (wanted === undefined || wanted === service) &&
    (specialty === undefined || specialty === resource.specialty?.coding?.[0]?.code) &&
    (clinicianIndicator !== 'NOT_ASSIGNED' || clinician === undefined) &&
    (clinicianIndicator !== 'ASSIGNED' || clinician === one('clinician')?.valueIdentifier?.value)
  );
}
