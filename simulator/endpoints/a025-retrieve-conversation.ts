import { randomUUID } from 'node:crypto';
import type { Answer } from '../answers.ts';
import { emptyAnswer, jsonAnswer, stu3Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { relationOf } from '../relationship.ts';

/** The includes as the contract spells them, one with its misprint. Source: provider-api 8.3. */
const INCLUDES = [
  'Communication:requester-practitionerrole:PractitionerRole',
  'Communication:sender-practitionerrole:PractionerRole',
  'Communication:content-reference:DocumentReference',
];

const refuse = (code: string, diagnostics: string): Answer => stu3Outcome(400, code, diagnostics);

/** Serves the messages of an advice request; rules broken are 400 here, not 422. Source: A025; provider-api 8.3. */
export const retrieveConversation: PlainEndpoint = {
  id: 'A025',
  method: 'GET',
  path: /^\/STU3\/Communication$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ url, caller, at }, world) {
    const basedOn = url.searchParams.get('based-on');
    if (!basedOn) return refuse('MISSING_PARAMETER', "'based-on' is mandatory");
    const [, ubrn = '', version] = /^CommunicationRequest\/([^/]+)\/_history\/(\d+)$/.exec(basedOn) ?? [];
    if (version === undefined)
      return refuse('INVALID_VALUE', "'based-on' must name a version of a CommunicationRequest");
    const includes = url.searchParams.getAll('_include');
    if (includes.some((each) => !INCLUDES.includes(each)))
      return refuse('INVALID_VALUE', "'_include' is not supported");
    const advice = world.advice.get(ubrn);
    const referral = world.referrals.get(ubrn);
    if (!advice)
      return referral ? refuse('INVALID_REQUEST_TYPE', 'The UBRN is not that of an advice request') : emptyAnswer(404);
    if (referral && !relationOf(world, caller, referral))
      return refuse('NO_RELATIONSHIP', 'No legitimate relationship');
    if (referral?.isPatientRestricted) return refuse('PATIENT_ERROR', 'The patient cannot be retrieved');
    if (version !== advice.resource.meta.versionId) return emptyAnswer(404);
    const hasRoles = includes.some((each) => each !== INCLUDES[2]);
    const entryOf = (mode: string) => (resource: { resourceType: string; id: string }) => ({
      fullUrl: `${url.origin}/FHIR/STU3/${resource.resourceType}/${resource.id}`,
      resource,
      search: { mode },
    });
    return jsonAnswer(200, {
      id: randomUUID(),
      meta: { lastUpdated: at.toISOString(), profile: ['http://hl7.org/fhir/STU3/StructureDefinition/Bundle'] },
      resourceType: 'Bundle',
      type: 'searchset',
      total: advice.messages.length,
      link: [{ relation: 'self', url: url.href }],
      entry: [...advice.messages.map(entryOf('match')), ...(hasRoles ? advice.includes.map(entryOf('include')) : [])],
    });
  },
};
