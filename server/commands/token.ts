import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type ClientKey, makeClientKey, tokenRequest } from '../access/index.ts';
import { DEFAULT_URL } from './ask-server.ts';
import { type Command, WrongUse } from './command.ts';

const clientKey = z.object({ clientId: z.string().min(1), privateKey: z.looseObject({ kty: z.literal('EC') }) });

/** `token`: gets a bearer token for a client, or makes a new client's key. */
export const token: Command = {
  name: 'token',
  takes: '--key FILE [--new-client ID] [--scope SCOPES] [--url URL]',
  summary: "Gets a bearer token of a client that has its key in FILE; makes a new client's key",
  help: `  --key FILE       the client's own key, as --new-client made it
  --new-client ID  makes a key, keeps it in FILE (which must not exist), and prints the entry for AUTH_CLIENTS_FILE
  --scope SCOPES   what to ask for, such as "system/*.rs system/Task.u" (default: all that the client may have)
  --url URL        the server (default ${DEFAULT_URL}); its smart-configuration says where tokens are had

It prints the token and nothing else: TOKEN=$(npm run -s ers -- token --key FILE), then curl --oauth2-bearer "$TOKEN". The other commands
that ask a server take it from the environment: ACCESS_TOKEN.`,
  exitCodes: { 0: 'printed', 1: 'no server, or refused; the reason is said' },
  async run({ args, say, complain }) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        key: { type: 'string' },
        'new-client': { type: 'string' },
        scope: { type: 'string' },
        url: { type: 'string', default: DEFAULT_URL },
      },
    });
    const { key: file, 'new-client': newClient } = values;
    if (file === undefined) throw new WrongUse('Name the file of the key with --key.');
    if (newClient !== undefined) return makeClient(newClient, file, { say, complain });
    const key = keyIn(file);
    if (key === undefined) {
      complain('--key: the file holds no key that --new-client made.');
      return 1;
    }
    const got = await tokenFor(key, values.url.replace(/\/+$/, ''), values.scope);
    if (got.ok) say(got.token);
    else complain(got.said);
    return got.ok ? 0 : 1;
  },
};

function keyIn(file: string): ClientKey | undefined {
  try {
    const read = clientKey.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return read.success ? (read.data as ClientKey) : undefined;
  } catch {
    return undefined;
  }
}

async function makeClient(
  clientId: string,
  file: string,
  { say, complain }: { say(text: string): void; complain(text: string): void },
): Promise<number> {
  const { own, jwks } = await makeClientKey(clientId);
  try {
    writeFileSync(file, JSON.stringify(own), { flag: 'wx', mode: 0o600 });
  } catch {
    complain('--key: the file exists already, or cannot be written.');
    return 1;
  }
  say(JSON.stringify({ clientId, jwks, scopes: ['system/*.rs', 'system/Task.u'], services: 'all' }, undefined, 2));
  return 0;
}

async function tokenFor(
  key: ClientKey,
  url: string,
  scope: string | undefined,
): Promise<{ ok: true; token: string } | { ok: false; said: string }> {
  const where = await jsonAt(`${url}/fhir/R4/.well-known/smart-configuration`);
  const tokenUrl = where?.['token_endpoint'];
  if (typeof tokenUrl !== 'string')
    return { ok: false, said: `no server at ${url}, or it does not say where tokens are had` };
  const body = await tokenRequest(key, { tokenUrl, scope, nowMs: Date.now() });
  const answer = await jsonAt(tokenUrl, { method: 'POST', body });
  const token = answer?.['access_token'];
  if (typeof token === 'string') return { ok: true, token };
  return {
    ok: false,
    said: String(answer?.['error_description'] ?? answer?.['error'] ?? `no answer from ${tokenUrl}`),
  };
}

async function jsonAt(url: string, init?: RequestInit): Promise<Record<string, unknown> | undefined> {
  try {
    return (await (await fetch(url, init)).json()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
