import { randomUUID } from 'node:crypto';
import type { Answer } from '../answers.ts';
import { jsonAnswer, stu3Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { stateOf, versionOf } from '../referral-document.ts';
import { relationOf } from '../relationship.ts';
import { refuseTriage } from '../review-rules.ts';
import { codeSystem } from '../wire.ts';

const refuse = (code: string, diagnostics: string): Answer => stu3Outcome(400, code, diagnostics);

/** Tells which actions the caller may take now; accept, reject and redirect it never reports. Source: A029; provider-api 6.7. */
export const availableActions: PlainEndpoint = {
  id: 'A029',
  method: 'GET',
  path: /^\/STU3\/Task$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ url, caller, at }, world) {
    const query = url.searchParams;
    for (const name of ['focus', 'intent', 'status'])
      if (!query.get(name)) return refuse('MISSING_PARAMETER', `'${name}' is mandatory`);
    if (query.get('intent') !== 'proposal') return refuse('INVALID_VALUE', "'intent' must be proposal");
    if (query.get('status') !== 'ready') return refuse('INVALID_VALUE', "'status' must be ready");
    const focus = query.get('focus') ?? '';
    const [, ubrn = '', version] = /^ReferralRequest\/([^/]+)\/_history\/(\d+)$/.exec(focus) ?? [];
    if (version === undefined) return refuse('INVALID_VALUE', "'focus' must name a version of a ReferralRequest");
    const referral = world.referrals.get(ubrn);
    if (!referral) return refuse('REFERENCE_NOT_FOUND', "'focus' does not exist");
    if (Number(version) !== versionOf(referral.resource))
      return refuse('HISTORY_NOT_SUPPORTED', "'focus' is not the current version");
    const isMine = relationOf(world, caller, referral) && !referral.isPatientRestricted;
    const actions: [string, string][] = [];
    if (isMine && !caller.role.startsWith('REFERRING') && !refuseTriage(referral, world))
      actions.push(['RECORD_REVIEW_OUTCOME', 'Record Review Outcome']);
    if (isMine && stateOf(referral.resource).state !== 'CANCELLED_REFERRAL')
      actions.push(['CANCEL_REFERRAL', 'Cancel Referral']);
    const base = `${url.origin}/FHIR/STU3/Task`;
    return jsonAnswer(200, {
      id: randomUUID(),
      meta: { lastUpdated: at.toISOString(), profile: ['http://hl7.org/fhir/STU3/StructureDefinition/Bundle'] },
      resourceType: 'Bundle',
      type: 'searchset',
      link: [{ relation: 'self', url: `${base}?focus=${focus}&intent=proposal&status=ready` }],
      entry: actions.map(([code, display]) => {
        const id = randomUUID();
        return {
          fullUrl: `${base}/${id}`,
          resource: {
            id,
            meta: { profile: ['https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Task-1'] },
            resourceType: 'Task',
            status: 'ready',
            intent: 'proposal',
            focus: { reference: focus },
            code: { coding: [{ system: codeSystem('eRS-AvailableActionsForUser-1'), code, display }] },
          },
          search: { mode: 'match' },
        };
      }),
    });
  },
};
