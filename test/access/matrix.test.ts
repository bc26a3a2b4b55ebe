import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, CapabilityStatement, OperationOutcome } from '@medplum/fhirtypes';
import { type Interaction, interactionsOf, SERVED_TYPES, servedOperations } from '../../conformance/index.ts';
import { createAccess, makeIssuerKey, readClients } from '../../server/access/index.ts';
import { NEED_OF_OPERATION } from '../../server/facade/permit.ts';
import { startFacade, type World } from '../facade/world.ts';
import { type SiteIssuer, startSiteIssuer, type TokenWish } from './issuers.ts';

/** A request of each route: by the tables that the router and the CapabilityStatement read. */
interface Row {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The scope without which it is refused; undefined: open. */
  readonly needs: string;
}

const FEATURES = { typeHistory: true, customSearchParameters: true };
const AUDIENCE = 'https://facade.example/fhir/R4';

const REQUESTS: Readonly<Record<Interaction, readonly (readonly [string, string, string])[]>> = {
  read: [
    ['GET', '/some-id', 'r'],
    ['HEAD', '/some-id', 'r'],
  ],
  vread: [['GET', '/some-id/_history/1', 'r']],
  'history-instance': [['GET', '/some-id/_history', 'r']],
  'history-type': [['GET', '/_history', 's']],
  'search-type': [
    ['GET', '', 's'],
    ['POST', '/_search', 's'],
  ],
  update: [['PUT', '/some-id', 'u']],
  patch: [['PATCH', '/some-id', 'u']],
};

const interactionRows = SERVED_TYPES.flatMap((type) =>
  interactionsOf(type, FEATURES).flatMap((interaction) =>
    REQUESTS[interaction].map(
      ([method, path, letter]): Row => ({
        name: `${interaction} ${method} ${type}`,
        method,
        path: `/${type}${path}`,
        needs: type === 'AuditEvent' ? 'ers/operator' : `system/${type}.${letter}`,
      }),
    ),
  ),
);

const operationRows = servedOperations.flatMap(({ code, type, level, isSafe }): Row[] => {
  const at = type === undefined ? '' : `/${type}`;
  const paths = [
    ...(level === 'instance' || level === 'both' ? [`${at}/some-id/$${code}`] : []),
    ...(level === 'instance' ? [] : [`${at}/$${code}`]),
  ];
  const need = NEED_OF_OPERATION[code];
  const needs = need?.kind === 'resource' ? `system/${need.type}.${need.letter}` : 'ers/operator';
  return paths.flatMap((path) =>
    (isSafe ? ['GET', 'POST'] : ['POST']).map((method) => ({ name: `${method} ${path}`, method, path, needs })),
  );
});

const ROWS = [...interactionRows, ...operationRows];

let world: World;
let site: SiteIssuer;
beforeAll(async () => {
  site = await startSiteIssuer(AUDIENCE, () => new Date('2026-01-02T09:30:00Z'));
  const clock = { now: () => new Date('2026-01-02T09:30:00Z'), monotonicMs: () => 0, sleep: async () => undefined };
  const { issuer, jwksUrl } = site;
  const access = await createAccess(
    { kind: 'issuer', issuer, jwksUrl, audience: AUDIENCE, tokenUrl: `${issuer}/token`, clients: undefined },
    'https://facade.example',
    clock,
  );
  world = await startFacade({ access });
}, 60_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

async function ask({ method, path }: Row, token: string | undefined) {
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const answer = await fetch(`${world.fhir}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(hasBody
        ? { 'Content-Type': path.endsWith('_search') ? 'application/x-www-form-urlencoded' : 'application/fhir+json' }
        : {}),
    },
    ...(hasBody ? { body: path.endsWith('_search') ? '' : '{}' } : {}),
  });
  const text = await answer.text();
  const outcome = text === '' ? undefined : (JSON.parse(text) as OperationOutcome);
  return {
    status: answer.status,
    challenge: answer.headers.get('www-authenticate'),
    code: outcome?.issue?.[0]?.details?.coding?.[0]?.code,
    type: outcome?.resourceType,
  };
}

/** HEAD has no body to say it in. */
const refusal = (row: Row, status: number, code: string) =>
  row.method === 'HEAD' ? { status, code: undefined, type: undefined } : { status, code, type: 'OperationOutcome' };

/** Routes that ask for no bearer token: codes, counts, public keys, and what has a secret of its own: the store's hints, and what replicas hand over. */
const OUTSIDE = [
  '/auth/jwks',
  '/auth/token',
  '/engine',
  '/fhir/R4/.well-known/smart-configuration',
  '/health/live',
  '/health/ready',
  '/hints/store',
  '/metrics',
];

const BAD: readonly [string, () => Promise<string | undefined>, string][] = [
  ['no token', async () => undefined, 'token-missing'],
  ['an expired token', () => site.token({ expiresIn: -60 }), 'token-invalid'],
  ['a token that is not yet valid', () => site.token({ notBefore: 120 }), 'token-invalid'],
  ['a token for another audience', () => site.token({ audience: 'https://other.example' }), 'token-invalid'],
  ['a token of another issuer', () => site.token({ issuer: 'https://stranger.example' }), 'token-invalid'],
  ['a token of an unknown key', () => site.tokenOfStranger(), 'token-invalid'],
  ['alg none', async () => site.unsigned(), 'token-invalid'],
  ['HS256 with the public key', () => site.hmacWithPublicKey(), 'token-invalid'],
];

describe('every route', () => {
  test('of the CapabilityStatement has its row here, so that a new one cannot be forgotten', async () => {
    const statement = (await (await fetch(`${world.fhir}/metadata`)).json()) as CapabilityStatement;
    const [rest] = statement.rest ?? [];
    const told = (rest?.resource ?? []).flatMap(({ type, interaction }) =>
      (interaction ?? []).map(({ code }) => `${code} ${type}`),
    );
    const rows = new Set(interactionRows.map(({ name }) => name.replace(/ [A-Z]+ /, ' ')));
    expect([...rows].toSorted()).toEqual(told.toSorted());
    const operations = [
      ...(rest?.operation ?? []),
      ...(rest?.resource ?? []).flatMap(({ operation }) => operation ?? []),
    ];
    expect(Object.keys(NEED_OF_OPERATION).toSorted()).toEqual(
      [...new Set(operations.map(({ name }) => name))].toSorted(),
    );
  });

  test.each(BAD)('is refused with %s: 401, an OperationOutcome, and WWW-Authenticate', async (_, make, code) => {
    const token = await make();
    for (const row of ROWS) {
      const { challenge, ...said } = await ask(row, token);
      expect([row.name, said]).toEqual([row.name, refusal(row, 401, code)]);
      expect(challenge).toMatch(code === 'token-missing' ? /^Bearer realm="ers-fhir"$/ : /error="invalid_token"/);
    }
  });

  test('is refused without its scope: 403, and the scope that it needs is named', async () => {
    const all = SERVED_TYPES.flatMap((type) => ['r', 's', 'u'].map((letter) => `system/${type}.${letter}`));
    for (const row of ROWS) {
      const scope = [...all, 'ers/operator'].filter((one) => one !== row.needs).join(' ');
      const { challenge, ...said } = await ask(row, await site.token({ scope }));
      expect([row.name, said]).toEqual([row.name, refusal(row, 403, 'scope-missing')]);
      expect(challenge).toContain(`error="insufficient_scope", scope="${row.needs}"`);
    }
  });

  test('is let through with a good token and its scope alone', async () => {
    for (const row of ROWS) {
      const { status, code } = await ask(row, await site.token({ scope: row.needs }));
      expect([row.name, status]).not.toEqual([row.name, 401]);
      expect([row.name, code]).not.toEqual([row.name, 'scope-missing']);
      if (row.method === 'HEAD') expect([row.name, status]).not.toEqual([row.name, 403]);
    }
  });

  test('but for the statement and the smart-configuration, which a client needs before it has a token', async () => {
    expect((await fetch(`${world.fhir}/metadata`)).status).toBe(200);
    const smart = await fetch(`${world.fhir}/.well-known/smart-configuration`);
    expect([smart.status, await smart.json()]).toEqual([
      200,
      expect.objectContaining({ issuer: site.issuer, token_endpoint: `${site.issuer}/token` }),
    ]);
  });
});

describe('what asks for no token', () => {
  test('is named here, every route of it: a new one outside of the FHIR base has nobody at its door', async () => {
    const read = readClients(JSON.stringify([{ clientId: 'epr', services: 'all' }]));
    if (!read.ok) throw new Error(read.faults.join());
    const access = await createAccess(
      { kind: 'built-in', key: await makeIssuerKey(), clients: read.clients, tokenSeconds: 300 },
      'https://facade.example',
      { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined },
    );
    await using open = await startFacade({
      access,
      hintSecret: 'a secret of the store here',
      receiveHandOver: async () => undefined,
      signIn: () => undefined,
    });
    const { stack } = open.app.router as unknown as { stack: readonly { route?: { path: string } }[] };
    expect(stack.flatMap(({ route }) => (route === undefined ? [] : [route.path])).toSorted()).toEqual(OUTSIDE);
    // Those without a path: the trace, the host, the crowd before /auth and /sign-in, the pages of /sign-in, the two of the FHIR base,
    // what is nowhere, what went wrong.
    expect(stack.filter(({ route }) => route === undefined)).toHaveLength(8);
  });
});

describe('how the server fares', () => {
  const ask = async (path: string, base: World, authorization?: string) => {
    const answer = await fetch(`${base.url}${path}`, { headers: authorization === undefined ? {} : { authorization } });
    const text = await answer.text();
    return { status: answer.status, text, challenge: answer.headers.get('www-authenticate') };
  };
  const operator = async () => `Bearer ${await site.token({ scope: 'ers/operator' })}`;

  test('is told by /metrics to an operator, and to nobody else: it counts the referrals of every service', async () => {
    for (const [authorization, status] of [
      [undefined, 401],
      [`Bearer ${await site.tokenOfStranger()}`, 401],
      [`Bearer ${await site.token({ scope: 'system/*.rs' })}`, 403],
      [await operator(), 200],
    ] as const) {
      const said = await ask('/metrics', world, authorization);
      expect(said.status).toBe(status);
      if (status !== 200) expect(said.challenge).toMatch(/^Bearer realm="ers-fhir"/);
      expect(said.text.includes('account_referrals')).toBe(status === 200);
    }
  });

  test('is told to a monitor that shows the secret of monitors, and to no client that is limited to some services', async () => {
    const metricsSecret = 'a secret of the monitor';
    const read = readClients(JSON.stringify([{ clientId: 'epr', services: ['11002'] }]));
    if (!read.ok) throw new Error(read.faults.join());
    const { issuer, jwksUrl } = site;
    const clock = { now: () => new Date('2026-01-02T09:30:00Z'), monotonicMs: () => 0, sleep: async () => undefined };
    const access = await createAccess(
      { kind: 'issuer', issuer, jwksUrl, audience: AUDIENCE, tokenUrl: undefined, clients: read.clients },
      'https://facade.example',
      clock,
    );
    await using watched = await startFacade({ access, metricsSecret });
    expect((await ask('/metrics', watched, `Bearer ${metricsSecret}`)).status).toBe(200);
    expect((await ask('/metrics', watched, `Bearer ${metricsSecret}x`)).status).toBe(401);
    expect((await ask('/metrics', watched, await operator())).status).toBe(403);
  });

  test('is told by /health/ready in one word to whoever asks, so that a load balancer knows, and in full to an operator', async () => {
    for (const authorization of [
      undefined,
      'Bearer nonsense',
      `Bearer ${await site.token({ scope: 'system/*.rs' })}`,
    ]) {
      const { status, text } = await ask('/health/ready', world, authorization);
      expect([status, JSON.parse(text)]).toEqual([200, { ready: true, engine: 'active' }]);
    }
    const { text } = await ask('/health/ready', world, await operator());
    expect(JSON.parse(text)).toMatchObject({ ready: true, rooms: { dispatch: 'ok' }, alerts: [] });
  });
});

describe('the door for other processes of the installation', () => {
  test('says to strangers nothing but that they are, and reads no more of them than a session could need', async () => {
    await using open = await startFacade({ receiveHandOver: async () => undefined });
    const send = (body: string, type = 'application/jose') =>
      fetch(`${open.url}/engine`, { method: 'POST', headers: { 'Content-Type': type }, body });
    for (const answer of [await send('x.y.z'), await send(''), await send('{}', 'application/json')])
      expect([answer.status, await answer.text()]).toEqual([401, '']);
    expect((await send('x'.repeat(200_001))).status).toBe(413);
  });
});

describe('a search', () => {
  test('that includes what the caller may not read is refused, and the scope is named', async () => {
    const token = await site.token({ scope: 'system/Task.rs' });
    const ask_ = (query: string) =>
      fetch(`${world.fhir}/Task?${query}`, { headers: { Authorization: `Bearer ${token}` } });
    expect((await ask_('status=requested')).status).toBe(200);
    const refused = await ask_('status=requested&_include=Task:patient');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('system/Patient.r'),
    ]);
  });

  test.each([
    ['a chain', 'patient.birthdate=1970-01-01', 'system/Patient.s'],
    ['a chain that names its type', 'focus:ServiceRequest.status=active', 'system/ServiceRequest.s'],
    ['a chain of chains', 'focus:ServiceRequest.patient.birthdate=1970-01-01', 'system/ServiceRequest.s'],
    ['_has', '_has:Provenance:target:recorded=gt2020', 'system/Provenance.s'],
    ['_has of what operators alone may see', '_has:AuditEvent:entity:date=gt2020', 'ers/operator'],
  ])(
    'that looks by %s into what the caller may not search is refused: values could be guessed',
    async (_, query, needed) => {
      const search = async (scope: string) => {
        const token = await site.token({ scope });
        const asked = { headers: { Authorization: `Bearer ${token}` } };
        const answer = await fetch(`${world.fhir}/Task?${query}`, asked);
        return [answer.status, answer.headers.get('www-authenticate') ?? ''];
      };
      expect(await search('system/Task.rs')).toEqual([403, expect.stringContaining(`scope="${needed}"`)]);
      expect((await search('system/*.rs ers/operator'))[0]).toBe(200);
    },
  );

  test('is refused by POST and on a page that somebody else was given, too', async () => {
    const [all, tasks] = [await site.token({ scope: 'system/*.rs' }), await site.token({ scope: 'system/Task.rs' })];
    const posted = await fetch(`${world.fhir}/Task/_search`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${tasks}`, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'patient.identifier=9990000018',
    });
    expect(posted.status).toBe(403);
    const asked = { headers: { Authorization: `Bearer ${all}` } };
    const given = (await (await fetch(`${world.fhir}/Task?patient.identifier=9990000018`, asked)).json()) as Bundle;
    const [self] = given.link ?? [];
    expect(self?.url).toContain('_page=');
    const stolen = await fetch(self?.url ?? '', { headers: { Authorization: `Bearer ${tasks}` } });
    expect([400, 403]).toContain(stolen.status);
  });
});

// What a client may have of its own services, and of no other's: test/facade/services.test.ts, over the same routes.

describe('a client of the file', () => {
  const accessFor = (more: object) => {
    const read = readClients(JSON.stringify([{ clientId: 'epr', services: 'all', ...more }]));
    if (!read.ok) throw new Error(read.faults.join());
    const { issuer, jwksUrl } = site;
    const clock = { now: () => new Date('2026-01-02T09:30:00Z'), monotonicMs: () => 0, sleep: async () => undefined };
    return createAccess(
      { kind: 'issuer', issuer, jwksUrl, audience: AUDIENCE, tokenUrl: undefined, clients: read.clients },
      'https://facade.example',
      clock,
    );
  };
  const as = async (wish: TokenWish) => ({ authorization: `Bearer ${await site.token(wish)}` });

  test('comes in with its services, and whom the file does not name is refused: 403', async () => {
    const access = await accessFor({ services: ['11002'] });
    expect(await access.authenticate(await as({}))).toMatchObject({
      ok: true,
      caller: { services: new Set(['11002']), scopes: ['system/*.rs', 'system/Task.u', 'ers/operator'] },
    });
    await using limited = await startFacade({ access });
    const answer = await fetch(`${limited.fhir}/Task`, { headers: await as({ clientId: 'stranger' }) });
    const { issue } = (await answer.json()) as OperationOutcome;
    expect([answer.status, issue?.[0]?.details?.coding?.[0]?.code, answer.headers.get('www-authenticate')]).toEqual([
      403,
      'client-unknown',
      expect.stringContaining('insufficient_scope'),
    ]);
  });

  test('has no more than its scopes there, whatever its issuer gives it', async () => {
    const access = await accessFor({ scopes: ['system/Task.rs'] });
    expect(await access.authenticate(await as({ scope: 'system/*.cruds ers/operator' }))).toMatchObject({
      ok: true,
      caller: { scopes: ['system/Task.rs'] },
    });
  });
});

describe('the keys of an issuer', () => {
  test('are asked for anew when it signs with another one', async () => {
    await using other = await startSiteIssuer(AUDIENCE, () => new Date());
    const { issuer, jwksUrl } = other;
    const clock = { now: () => new Date(), monotonicMs: () => performance.now(), sleep: async () => undefined };
    const config = {
      kind: 'issuer',
      issuer,
      jwksUrl,
      audience: AUDIENCE,
      tokenUrl: undefined,
      clients: undefined,
    } as const;
    const first = await createAccess(config, 'https://facade.example', clock);
    const bearer = async () => ({ authorization: `Bearer ${await other.token()}` });
    expect(await first.authenticate(await bearer())).toMatchObject({ ok: true, caller: { clientId: 'epr' } });
    await other.rotate();
    // Within half a minute of the last look a stranger's key makes nobody ask.
    expect(await first.authenticate(await bearer())).toMatchObject({ ok: false, code: 'token-invalid' });
    const later = await createAccess(config, 'https://facade.example', clock);
    expect(await later.authenticate(await bearer())).toMatchObject({ ok: true });
  });

  test('that cannot be had are our trouble, not the token’s', async () => {
    const gone = await startSiteIssuer(AUDIENCE, () => new Date());
    const token = await gone.token();
    await gone[Symbol.asyncDispose]();
    const { issuer, jwksUrl } = gone;
    const clock = { now: () => new Date(), monotonicMs: () => performance.now(), sleep: async () => undefined };
    const config = {
      kind: 'issuer',
      issuer,
      jwksUrl,
      audience: AUDIENCE,
      tokenUrl: undefined,
      clients: undefined,
    } as const;
    const access = await createAccess(config, 'https://facade.example', clock);
    expect(await access.authenticate({ authorization: `Bearer ${token}` })).toMatchObject({
      ok: false,
      code: 'issuer-unavailable',
    });
  });
});
