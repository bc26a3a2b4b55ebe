import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from './answers.ts';
import { emptyAnswer, gatewayOutcome, r4Outcome, stu3Outcome, textAnswer } from './answers.ts';
import { chanceOf } from './dice.ts';
import type { Call, Endpoint } from './endpoint.ts';
import type { Limits } from './limits.ts';
import { versionOf } from './referral-document.ts';
import { relationOf } from './relationship.ts';
import type { Bearer, Tokens } from './tokens.ts';
import type { Referral, World } from './world.ts';
import { isOtherwise } from './world.ts';

const IDENTITY_HEADERS = [
  'nhsd-end-user-organisation-ods',
  'nhsd-ers-business-function',
  'nhsd-ers-on-behalf-of-user-id',
] as const;
const INTERNAL_HEADERS = ['x-ers-ods-code', 'x-ers-business-function', 'x-ers-user-id'];
const LIST_LAG_MS = 30_000;
const APPLICATION_ROLES = [
  'PROVIDER_AUTHORISED_APPLICATION',
  'REFERRER_AUTHORISED_APPLICATION',
  'AUTHORISED_APPLICATION',
];

export interface Gate {
  world: World;
  tokens: Tokens;
  limits: Limits;
}
/** A check refuses with an answer, or lets the call pass. */
type Check = (call: Call, endpoint: Endpoint, gate: Gate) => Answer | undefined;

/**
 * Takes a call through every check in e-RS's order, then lets the endpoint answer.
 * Source: provider-api 6.6; its steps 11 to 14 are the endpoint's own
 */
export async function runPipeline(call: Call, endpoint: Endpoint, gate: Gate): Promise<Answer> {
  for (const check of CHECKS) {
    const refusal = check(call, endpoint, gate);
    if (refusal) return refusal;
  }
  const { caller, referral } = call;
  if (!caller) throw new Error('The first check sets the caller');
  if (endpoint.subject === 'none') {
    await call.pause();
    return endpoint.answer({ ...call, caller }, gate.world);
  }
  if (!referral) throw new Error('The seventh check sets the referral');
  if (!endpoint.isWrite) {
    await call.pause();
    return endpoint.answer({ ...call, caller, referral }, gate.world);
  }
  const ubrn = referral.resource.id;
  if (gate.world.locks.has(ubrn)) return emptyAnswer(423);
  gate.world.locks.add(ubrn);
  try {
    await call.pause();
    // While it waited the referral may have changed: what e-RS compares is what it holds when it writes
    const late = checkRelationship(call, endpoint, gate) ?? checkIfMatch(call, endpoint, gate);
    if (late) return late;
    const before = gate.world.openQuestions.answers === 'by-seed' ? structuredClone(referral) : undefined;
    const known = referral.decisions.length;
    const answer = await endpoint.answer({ ...call, caller, referral }, gate.world);
    const correlationId = header(call, 'x-correlation-id');
    for (const made of referral.decisions.slice(known))
      Object.assign(made, { by: 'api', ...(correlationId && { correlationId }) });
    if (before && answer.status === 200) letListsLag(gate.world, referral, before);
    return answer;
  } finally {
    gate.world.locks.delete(ubrn);
  }
}

/** Nobody knows how soon the lists follow a write: by seed, some show the old picture for half a minute. */
function letListsLag({ seed, clock }: World, referral: Referral, before: Referral): void {
  const { id } = referral.resource;
  if (chanceOf(seed, `lists lag behind ${id} at ${versionOf(before.resource)}`) >= 0.5) return;
  delete before.lag;
  referral.lag = { untilMs: clock.now().getTime() + LIST_LAG_MS, view: before };
}

/** For whom a request speaks, if its token is known and has not expired. */
export function bearerOf(tokens: Tokens, { authorization = '' }: IncomingHttpHeaders): Bearer | undefined {
  const token = /^Bearer (\S+)$/.exec(authorization)?.[1];
  return token === undefined ? undefined : tokens.bearerOf(token);
}

/** Step 1. Source: provider-api 1.6 [P]: STU3 paths answer with an empty body. */
const checkToken: Check = (call, endpoint, { tokens, world }) => {
  const bearer = bearerOf(tokens, call.headers);
  if (!bearer) {
    const refusal =
      endpoint.fhir === 'STU3' ? emptyAnswer(401) : gatewayOutcome('R4', 401, 'ACCESS_DENIED', 'login', call.at);
    return { ...refusal, headers: { ...refusal.headers, 'WWW-Authenticate': 'Bearer error="invalid_token"' } };
  }
  if (bearer.mode === 'application') {
    const { odsCode: organisation, apiKey } = world.application;
    call.caller = { mode: 'application', organisation, role: 'PROVIDER_AUTHORISED_APPLICATION', userId: apiKey };
  } else {
    const { user } = bearer;
    const code = endpoint.fhir === 'STU3' ? 'NO_ACCESS' : 'ACCESS_DENIED';
    if (user.assurance.ial < 3) return gatewayOutcome(endpoint.fhir, 401, code, 'forbidden', call.at);
    if (user.assurance.aal < 2) return gatewayOutcome(endpoint.fhir, 401, code, 'login', call.at);
    call.caller = { mode: 'user', user, organisation: '', role: '', userId: user.sdsUserId };
  }
  return undefined;
};

/** Step 2. Source: provider-api 1.4, 1.6. */
const checkIdentityHeaders: Check = (call, endpoint, { world }) => {
  if (!call.caller) return undefined;
  if (INTERNAL_HEADERS.some((name) => name in call.headers)) return textAnswer(403, '');
  if (call.caller.mode === 'application')
    return IDENTITY_HEADERS.some((name) => name in call.headers) && !isOtherwise(world, 'identity headers are ignored')
      ? forbidden(call, endpoint, 'Identity headers are not allowed in application-restricted mode')
      : undefined;
  if (endpoint.roles.length === 0) return undefined;
  const organisation = header(call, 'nhsd-end-user-organisation-ods');
  const role = header(call, 'nhsd-ers-business-function');
  if (!organisation) return gatewayOutcome(endpoint.fhir, 400, 'MISSING_HEADER', 'required', call.at);
  if (APPLICATION_ROLES.includes(role))
    return gatewayOutcome(
      endpoint.fhir,
      403,
      endpoint.fhir === 'STU3' ? 'NO_ACCESS' : 'ACCESS_DENIED',
      'forbidden',
      call.at,
    );
  call.caller = { ...call.caller, organisation, role };
  return undefined;
};

/** Step 3. Source: provider-api 1.3, 1.4. */
const checkRole: Check = (call, endpoint, { world }) => {
  const { caller } = call;
  if (!caller) return undefined;
  if (caller.mode === 'application')
    return endpoint.isOpenToApplications
      ? undefined
      : forbidden(call, endpoint, 'This endpoint is not available in application-restricted mode');
  if (endpoint.roles.length === 0) return undefined;
  const { user, role, organisation } = caller;
  if (!user.roles.includes(role) || !user.organisations.includes(organisation))
    return forbidden(call, endpoint, 'The user does not hold this business function at this organisation');
  if (!endpoint.roles.some((allowed) => allowed === role))
    return forbidden(call, endpoint, 'This business function may not call this endpoint');
  if (endpoint.id === 'A040') return undefined;
  const onBehalfOf = header(call, 'nhsd-ers-on-behalf-of-user-id');
  const needsPrincipal = role === 'SERVICE_PROVIDER_CLINICIAN_ADMIN';
  if (needsPrincipal !== (onBehalfOf !== ''))
    return forbidden(
      call,
      endpoint,
      needsPrincipal ? 'On-behalf-of user is required' : 'On-behalf-of user is not allowed with this business function',
    );
  if (needsPrincipal && !user.onBehalfOf.includes(onBehalfOf))
    return forbidden(call, endpoint, 'The user may not act on behalf of this clinician');
  if (needsPrincipal) call.caller = { ...caller, principal: world.users.get(onBehalfOf) ?? {} };
  return undefined;
};

/** Step 4. Source: provider-api 3, 1.6: STU3 paths answer with an empty body. */
const checkRate: Check = (call, endpoint, { limits }) => {
  if (!limits.isOver()) return undefined;
  return endpoint.fhir === 'STU3' ? emptyAnswer(429) : r4Outcome(429, 'TOO_MANY_REQUESTS', call.at);
};

/** Step 5. Source: provider-api 1.4. */
const checkMediaTypes: Check = (call, endpoint) => {
  if (!accepts(call.headers.accept, endpoint.answers))
    return endpoint.fhir === 'STU3' ? textAnswer(406, 'Not Acceptable') : r4Outcome(406, 'REC_NOT_ACCEPTABLE', call.at);
  const type = call.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (endpoint.body === 'json' && type !== 'application/fhir+json') return textAnswer(415, 'Unsupported Media Type');
  return undefined;
};

/** Step 6: what is not JSON, or not FHIR at all. The fields are the endpoint's matter. */
const checkStructure: Check = (call, endpoint) => {
  if (endpoint.body === 'none') return call.body.length > 0 ? emptyAnswer(400) : undefined;
  if (endpoint.body === 'raw') return undefined;
  try {
    call.json = JSON.parse(call.body.toString('utf8'));
  } catch {
    return emptyAnswer(400);
  }
  const isParameters =
    typeof call.json === 'object' &&
    call.json !== null &&
    'resourceType' in call.json &&
    call.json.resourceType === 'Parameters';
  return isParameters ? undefined : emptyAnswer(400);
};

/** Step 7. */
const checkReferral: Check = (call, endpoint, { world }) => {
  if (endpoint.subject === 'none') return undefined;
  const ubrn = call.path['ubrn'] ?? '';
  const referral = world.referrals.get(ubrn);
  if (referral) {
    call.referral = referral;
    return undefined;
  }
  return world.advice.has(ubrn)
    ? stu3Outcome(422, 'INVALID_REQUEST_TYPE', 'The UBRN is not that of an active referral')
    : emptyAnswer(404);
};

/** Step 8. Source: provider-api 2.3. */
const checkRelationship: Check = (call, _endpoint, { world }) => {
  if (!call.referral || !call.caller) return undefined;
  if (!relationOf(world, call.caller, call.referral))
    return stu3Outcome(
      422,
      'NO_RELATIONSHIP',
      `No legitimate relationship with referral (${call.referral.resource.id})`,
    );
  if (call.referral.isPatientRestricted)
    return stu3Outcome(422, 'PATIENT_ERROR', 'The patient cannot be retrieved. Do not attempt again.');
  return undefined;
};

/** Step 9. Source: provider-api 1.4, 2.2: absent 412, malformed 400, stale 409. */
const checkIfMatch: Check = (call, endpoint, { world }) => {
  if (endpoint.subject === 'none' || !endpoint.isWrite || !call.referral) return undefined;
  const ifMatch = call.headers['if-match'];
  if (ifMatch === undefined) return emptyAnswer(412);
  const version = /^W\/"(\d+)"$/.exec(ifMatch)?.[1];
  if (version === undefined) return emptyAnswer(400);
  if (Number(version) === versionOf(call.referral.resource)) return undefined;
  // Which is looked at first, version or state, is not known: a repeat of what was done may be either [I]
  const isStateFirst = isOtherwise(world, 'state is looked at before version');
  return (isStateFirst ? endpoint.refuseState?.(call.referral, world) : undefined) ?? emptyAnswer(409);
};

const CHECKS: Check[] = [
  checkToken,
  checkIdentityHeaders,
  checkRole,
  checkRate,
  checkMediaTypes,
  checkStructure,
  checkReferral,
  checkRelationship,
  checkIfMatch,
];

function header(call: Call, name: string): string {
  const value = call.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

const forbidden = (call: Call, endpoint: Endpoint, diagnostics: string): Answer =>
  endpoint.fhir === 'STU3'
    ? stu3Outcome(403, 'FORBIDDEN', diagnostics)
    : r4Outcome(403, 'REC_FORBIDDEN', call.at, diagnostics);

function accepts(accept: string | undefined, answers: string): boolean {
  if (accept === undefined || answers === '*/*') return true;
  const json = ['application/fhir+json', 'application/json', 'application/*'];
  const taken = answers === 'application/pdf' ? ['application/pdf', 'application/*'] : json;
  return accept.split(',').some((range) => {
    const type = range.split(';')[0]?.trim().toLowerCase() ?? '';
    return type === '*/*' || type === '' || taken.includes(type);
  });
}
