import type { ErsRefusal } from '../core/index.ts';

/** Why e-RS, or the gateway before it, does not let the application in. */
export interface AccessRefusal {
  readonly id: string;
  /** What it answers, as an operator may find it in a log. */
  readonly answers: string;
  readonly means: string;
  readonly remedy: string;
}

const refusal = (id: string, answers: string, means: string, remedy: string): AccessRefusal => ({
  id,
  answers,
  means,
  remedy,
});

/** The one table of refused access; `docs/errors.md` lists the same. Source: provider-api 1.2, 1.6, 2.2, 2.3 */
export const ACCESS_REFUSALS = {
  keyIdUnknown: refusal(
    'key-id-unknown',
    'token endpoint 401, kid',
    'No public key of this key id is registered for the application.',
    'Compare ERS_KEY_ID with the key set (JWKS) that is registered; a newly registered one may take some minutes.',
  ),
  keyWrong: refusal(
    'key-wrong',
    'token endpoint 401, signature',
    'The private key is not the other half of the public key that is registered under this key id.',
    'Compare ERS_PRIVATE_KEY_FILE with the key that ERS_KEY_ID names.',
  ),
  keyUnusable: refusal(
    'key-unusable',
    'nothing: nothing could be signed',
    'The private key cannot sign with RS512.',
    'ERS_PRIVATE_KEY_FILE must hold an RSA key (PKCS 8, PEM), of 2,048 bits at least.',
  ),
  apiKeyUnknown: refusal(
    'api-key-unknown',
    'token endpoint 401, iss or sub',
    'The gateway does not know this API key here, or the application is not approved.',
    'Compare ERS_API_KEY with the application of this very environment, and its approval.',
  ),
  audienceWrong: refusal(
    'audience-wrong',
    'token endpoint 401, aud',
    'The signed assertion names another token endpoint than the one that it was sent to.',
    'Set ERS_TOKEN_AUDIENCE to the exact token URL of the environment, or leave it out.',
  ),
  clockWrong: refusal(
    'clock-wrong',
    'token endpoint 400, exp',
    'By the clock of the gateway the signed assertion has expired, or ends more than five minutes from now.',
    'Set this machine by a time server (NTP).',
  ),
  tokenRefused: refusal(
    'token-refused',
    'token endpoint, any other 4xx',
    'The token endpoint does not take the application.',
    'Check ERS_TOKEN_URL, the API key and that signed JWT is enabled for the application.',
  ),
  tokenNotTaken: refusal(
    'token-not-taken',
    '401',
    'A token was granted, but e-RS does not take it.',
    'ERS_BASE_URL and ERS_TOKEN_URL must be of one environment, and the e-RS API one of those that the application has.',
  ),
  roleNotAllowed: refusal(
    'role-not-allowed',
    '403 FORBIDDEN, REC_FORBIDDEN',
    'The role of the application may not do this.',
    'It needs the business function PROVIDER_AUTHORISED_APPLICATION, and approval for this use.',
  ),
  organisationNotAllowed: refusal(
    'organisation-not-allowed',
    '403 NO_ACCESS, ACCESS_DENIED',
    'The organisation of the application is not let in.',
    'Ask NHS England which ODS code the application stands for, and whether it is enabled for e-RS.',
  ),
  applicationIncomplete: refusal(
    'application-incomplete',
    '403 without a code',
    'The application lacks something that the gateway needs, such as its ASID.',
    'Ask NHS England to complete the attributes of the application (ASID, ODS code, user id, business function).',
  ),
  notAProvider: refusal(
    'not-a-provider',
    '422 INVALID_VALUE to a worklist read',
    "The application is no provider's: this worklist is not one of its own.",
    'It needs the business function PROVIDER_AUTHORISED_APPLICATION.',
  ),
  serviceUnknown: refusal(
    'service-not-found',
    '422 REFERENCE_NOT_FOUND to a worklist read',
    'e-RS has no service of this number.',
    'Compare the ids in ERS_SERVICES with the directory of services of this environment.',
  ),
  notOurService: refusal(
    'service-of-another',
    '403 or 422 NO_RELATIONSHIP',
    'The service exists, but is not one of the organisation that the application stands for.',
    "Compare the service's provider with the ODS code of the application.",
  ),
  sessionEnded: refusal(
    'session-ended',
    "401 in a clinician's session",
    'The user token has expired, or is of another environment, or the sign-in was not strong enough for e-RS.',
    'Have the clinician sign in again, with a smartcard or its like; a token lives ten minutes or so.',
  ),
  sessionCannotDecide: refusal(
    'session-cannot-decide',
    'A030 without a role that decides; 403 FORBIDDEN in a session',
    'The clinician is neither SERVICE_PROVIDER_CLINICIAN nor SERVICE_PROVIDER_CLINICIAN_ADMIN there, and no other role may decide.',
    'Have the role added for the organisation that provides the service.',
  ),
  sessionActsForNobody: refusal(
    'session-acts-for-nobody',
    'A040 without an entry',
    'A SERVICE_PROVIDER_CLINICIAN_ADMIN decides on behalf of a clinician, and none has allowed it.',
    'A clinician allows it in e-RS.',
  ),
  sessionNotInWorkgroup: refusal(
    'session-not-in-workgroup',
    'NO_RELATIONSHIP in a session',
    'The clinician, or whom they act for, is in no workgroup of the service at this organisation.',
    'Have them added to one in e-RS.',
  ),
  baseUrlWrong: refusal(
    'base-url-wrong',
    '404',
    'There is no e-RS at this address.',
    'ERS_BASE_URL goes up to and with /FHIR.',
  ),
  requestWrong: refusal(
    'request-refused',
    'any other 4xx',
    'e-RS refuses the request.',
    'Report it with the status, the code and the X-Request-ID that are shown.',
  ),
  slowedDown: refusal(
    'slowed-down',
    '429',
    'The application sends more than it is granted.',
    'Another instance may be running with this API key; else wait, and try again.',
  ),
  failing: refusal(
    'failing',
    '5xx',
    'e-RS cannot answer. When every call gets 500, the application may lack its ODS code.',
    'Try again later; if it stays, ask NHS England to complete the attributes of the application.',
  ),
  unreachable: refusal(
    'unreachable',
    'nothing',
    'No connection, or no answer in time.',
    'Check the address, the firewall and HTTPS_PROXY; real e-RS is reached through HSCN or the internet by HTTPS.',
  ),
} as const;

const TOKEN_WORDS: readonly (readonly [RegExp, AccessRefusal])[] = [
  [/'kid'/, ACCESS_REFUSALS.keyIdUnknown],
  [/signature/i, ACCESS_REFUSALS.keyWrong],
  [/iss\/sub/, ACCESS_REFUSALS.apiKeyUnknown],
  [/\baud\b/, ACCESS_REFUSALS.audienceWrong],
  [/\bexp\b/, ACCESS_REFUSALS.clockWrong],
];

/** Why no token was granted. @param words `error_description`, if there was one */
export function explainTokenRefusal(status: number, words: string): AccessRefusal {
  if (status === 429) return ACCESS_REFUSALS.slowedDown;
  if (status >= 500) return ACCESS_REFUSALS.failing;
  if (status === 404) return { ...ACCESS_REFUSALS.tokenRefused, remedy: 'ERS_TOKEN_URL is not the token endpoint.' };
  return TOKEN_WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? ACCESS_REFUSALS.tokenRefused;
}

const BY_CODE: Readonly<Record<string, AccessRefusal>> = {
  '403 FORBIDDEN': ACCESS_REFUSALS.roleNotAllowed,
  '403 REC_FORBIDDEN': ACCESS_REFUSALS.roleNotAllowed,
  '403 NO_ACCESS': ACCESS_REFUSALS.organisationNotAllowed,
  '403 ACCESS_DENIED': ACCESS_REFUSALS.organisationNotAllowed,
  '403 NO_RELATIONSHIP': ACCESS_REFUSALS.notOurService,
  '422 NO_RELATIONSHIP': ACCESS_REFUSALS.notOurService,
  '422 REFERENCE_NOT_FOUND': ACCESS_REFUSALS.serviceUnknown,
  '422 INVALID_VALUE': ACCESS_REFUSALS.notAProvider,
};

/** What means another thing to a clinician's session than to the application. */
const BY_CODE_IN_SESSION: Readonly<Record<string, AccessRefusal>> = {
  ...BY_CODE,
  '403 FORBIDDEN': ACCESS_REFUSALS.sessionCannotDecide,
  '403 REC_FORBIDDEN': ACCESS_REFUSALS.sessionCannotDecide,
  '403 NO_RELATIONSHIP': ACCESS_REFUSALS.sessionNotInWorkgroup,
  '422 NO_RELATIONSHIP': ACCESS_REFUSALS.sessionNotInWorkgroup,
  '422 INVALID_VALUE': ACCESS_REFUSALS.sessionCannotDecide,
};

/**
 * Why a call was refused to which nothing was wrong; undefined status: it was not answered.
 * @param mode whose call it was: the application's, or one in a clinician's session
 */
export function explainRefusal(
  { status, ersCode }: ErsRefusal = {},
  mode: 'application' | 'user' = 'application',
): AccessRefusal {
  if (status === undefined) return ACCESS_REFUSALS.unreachable;
  const exact = (mode === 'user' ? BY_CODE_IN_SESSION : BY_CODE)[`${status} ${ersCode ?? ''}`];
  if (status === 401 && mode === 'user') return ACCESS_REFUSALS.sessionEnded;
  if (exact !== undefined) return exact;
  if (status === 401) return ACCESS_REFUSALS.tokenNotTaken;
  if (status === 403) return ACCESS_REFUSALS.applicationIncomplete;
  if (status === 404) return ACCESS_REFUSALS.baseUrlWrong;
  if (status === 429) return ACCESS_REFUSALS.slowedDown;
  return status >= 500 ? ACCESS_REFUSALS.failing : ACCESS_REFUSALS.requestWrong;
}
