import { randomUUID } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts';
import { createStillClock, startSimulator } from '../../simulator/index.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const CLINICIAN = { sdsUserId: '999012345678', roles: ['SERVICE_PROVIDER_CLINICIAN'], organisations: ['ZZ1'] };

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  json: ReturnType<typeof JSON.parse>;
}
export interface SendOptions {
  token?: string;
  headers?: Record<string, string>;
  json?: unknown;
  body?: string | Uint8Array<ArrayBuffer>;
  accept?: string;
}

/** The simulator over real sockets, with the clients that the tests need. */
export interface FarSide extends AsyncDisposable {
  simulator: Simulator;
  /** An application's token unless another is given. */
  send(method: string, path: string, options?: SendOptions): Promise<Reply>;
  control(method: string, path: string, body?: unknown): Promise<Reply>;
  /** A token of a signed-in clinician with the headers that go with it. */
  signIn(
    wish?: Partial<typeof CLINICIAN> & Record<string, unknown>,
  ): Promise<{ token: string; headers: Record<string, string> }>;
  create(wish: Record<string, unknown>): Promise<string>;
  versionOf(ubrn: string): Promise<number>;
  token(): Promise<string>;
}

export interface AssertionWish {
  alg?: string;
  kid?: string;
  iss?: string;
  sub?: string;
  aud?: string;
  jti?: string;
  expiresInSeconds?: number;
  privateKeyPem?: string;
}

/** A client assertion, right in everything that the wish does not spoil. */
export async function signAssertion(simulator: Simulator, wish: AssertionWish = {}): Promise<string> {
  const { credentials } = simulator;
  const algorithm = wish.alg ?? 'RS512';
  const key = await importPKCS8(wish.privateKeyPem ?? credentials.privateKeyPem, algorithm);
  const nowSeconds = Math.floor(simulator.clock.now().getTime() / 1000);
  const header = { alg: algorithm, typ: 'JWT', ...(wish.kid !== '' && { kid: wish.kid ?? credentials.keyId }) };
  return new SignJWT({})
    .setProtectedHeader(header)
    .setIssuer(wish.iss ?? credentials.apiKey)
    .setSubject(wish.sub ?? credentials.apiKey)
    .setAudience(wish.aud ?? credentials.tokenAudience)
    .setJti(wish.jti ?? randomUUID())
    .setExpirationTime(nowSeconds + (wish.expiresInSeconds ?? 200))
    .sign(key);
}

export async function askToken(
  simulator: Simulator,
  assertion: string,
  more: Record<string, string> = {},
): Promise<Reply> {
  const form = {
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...more,
  };
  return readReply(await fetch(simulator.tokenUrl, { method: 'POST', body: new URLSearchParams(form) }));
}

async function readReply(response: Response): Promise<Reply> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** Starts a simulator on a free port, its clock standing still. */
export async function startFarSide(options: SimulatorOptions = {}): Promise<FarSide> {
  const simulator = await startSimulator({
    clock: createStillClock(new Date('2027-03-01T09:00:00Z')),
    referrals: 0,
    ...options,
  });
  let minted: Promise<string> | undefined;
  const mint = async (): Promise<string> =>
    (await askToken(simulator, await signAssertion(simulator))).json.access_token;
  const farSide: FarSide = {
    simulator,
    async send(method, path, { token, headers = {}, json, body, accept } = {}) {
      const bearer = token ?? (await farSide.token());
      const answer = await fetch(`${simulator.baseUrl}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(json !== undefined && { 'content-type': 'application/fhir+json' }),
          ...(accept !== undefined && { accept }),
          ...headers,
        },
        ...((json !== undefined || body !== undefined) && {
          body: json === undefined ? (body ?? null) : JSON.stringify(json),
        }),
      });
      return readReply(answer);
    },
    async control(method, path, body) {
      const init = body === undefined ? {} : { body: JSON.stringify(body) };
      return readReply(await fetch(`${simulator.controlUrl}${path}`, { method, ...init }));
    },
    async signIn(wish = {}) {
      const user = { ...CLINICIAN, ...wish };
      const { json } = await farSide.control('POST', '/users', user);
      return {
        token: json.userToken,
        headers: {
          'NHSD-End-User-Organisation-ODS': user.organisations[0] ?? '',
          'NHSD-eRS-Business-Function': user.roles[0] ?? '',
        },
      };
    },
    create: async (wish) => (await farSide.control('POST', '/referrals', wish)).json.ubrn,
    versionOf: async (ubrn) => (await farSide.control('GET', `/referrals/${ubrn}`)).json.version,
    token: async () => {
      minted ??= mint();
      return minted;
    },
    [Symbol.asyncDispose]: () => simulator.close(),
  };
  return farSide;
}

const S3 = 'https://fhir.nhs.uk/STU3/';
export const DIRECT = { kind: 'booked-direct', service: '70101' };
export const INDIRECT = { kind: 'booked-indirect', service: '70102' };
export const TRIAGE = { kind: 'triage', service: '70103' };
export const SLOT_ISSUE = { kind: 'slot-issue', service: '70104' };

export const parameters = (profile: string, ...parameter: unknown[]): unknown => ({
  resourceType: 'Parameters',
  meta: { profile: [`${S3}StructureDefinition/${profile}`] },
  parameter,
});

export const worklistRequest = (list: string, service?: string, ...more: unknown[]): unknown =>
  parameters(
    'eRS-FetchWorklist-Parameters-1',
    {
      name: 'listType',
      valueCodeableConcept: { coding: [{ system: `${S3}CodeSystem/eRS-ReferralListSelector-1`, code: list }] },
    },
    ...(service === undefined
      ? []
      : [{ name: 'service', valueIdentifier: { system: 'http://fhir.nhs.net/Id/ers-service', value: service } }]),
    ...more,
  );

const coding = (system: string, code: string): unknown => ({ system, code });
const comment = (name: string, text: string | undefined): unknown[] =>
  text === undefined ? [] : [{ name, valueString: text }];
const flag = (value: boolean | undefined): unknown[] =>
  value === undefined ? [] : [{ name: 'appointmentCancelledInPAS', valueBoolean: value }];
const prioritySystem = `${S3}CodeSystem/eRS-Priority-1`;

export const rejection = (reason = 'SERVICE_INAPPROPRIATE', comments?: string, inPas?: boolean): unknown =>
  parameters(
    'eRS-RejectReferral-Parameters-1',
    {
      name: 'rejectionReason',
      valueCoding: coding('_baseurl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON', reason),
    },
    ...comment('rejectionComments', comments),
    ...flag(inPas),
  );

export const redirection = (comments?: string, inPas?: boolean, ...more: unknown[]): unknown =>
  parameters(
    'eRS-cancelAppointmentActionLater-Parameters-1',
    ...comment('comments', comments),
    ...flag(inPas),
    ...more,
  );

export const outcome = (code: string, comments: string | undefined, priority?: string, ...more: unknown[]): unknown =>
  parameters(
    'eRS-RecordReviewOutcome-Parameters-1',
    { name: 'reviewOutcome', valueCoding: coding(`${S3}CodeSystem/eRS-ReviewOutcome-1`, code) },
    ...comment('reviewComments', comments),
    ...(priority === undefined ? [] : [{ name: 'reviewPriority', valueCoding: coding(prioritySystem, priority) }]),
    ...more,
  );

export const cancellation = (reason: string, comments?: string): unknown =>
  parameters(
    'eRS-CancelReferral-Request-Parameters-1',
    {
      name: 'cancellationReason',
      valueCoding: coding('_baseurl_/STU3/CodeSystem/REFERRAL-CANCELLATION-REASON', reason),
    },
    ...comment('cancellationComments', comments),
  );

export const changedPriority = (code: string, system = prioritySystem): unknown => ({
  name: 'priority',
  valueCoding: coding(system, code),
});

export const fileLink = (name: string, location: string, wish: Record<string, unknown> = {}): unknown => ({
  name,
  resource: {
    resourceType: 'DocumentReference',
    meta: { profile: [`${S3}StructureDefinition/eRS-DocumentReference-1`] },
    type: { coding: [{ system: `${S3}CodeSystem/eRS-AttachmentType-1`, code: 'PROVIDER' }] },
    status: 'current',
    indexed: '2027-03-01T09:00:00.000000+00:00',
    content: [{ attachment: { url: location } }],
    ...wish,
  },
});

export const ifMatch = (version: number): Record<string, string> => ({ 'If-Match': `W/"${version}"` });

/** The e-RS error code of an answer. */
export const codeOf = (reply: Reply): string | undefined => reply.json?.issue?.[0]?.details?.coding?.[0]?.code;

/** The UBRNs on a worklist. */
export const ubrnsOf = (reply: Reply): string[] =>
  (reply.json.entry ?? []).map((entry: { item: { reference: string } }) => entry.item.reference.split('/')[1]);
