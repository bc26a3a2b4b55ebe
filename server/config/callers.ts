import { resolve } from 'node:path';
import { type AccessConfig, type Client, readClients } from '../access/index.ts';
import { readFile } from './read-values.ts';

type FromSite = Extract<AccessConfig, { kind: 'issuer' }>;
type FromHere = Extract<AccessConfig, { kind: 'built-in' }>;

/** Who may come in. The audience and the key are made where they are left out, once the address is known. */
export type CallersConfig =
  | (Omit<FromSite, 'audience'> & { readonly audience: string | undefined })
  | (Omit<FromHere, 'key'> & { readonly keyFile: string });

/** The tokens of the built-in issuer are good for so long. Source: SMART App Launch 2.2, backend services (five minutes) */
const TOKEN_SECONDS = 300;

export function callersConfig(
  values: Readonly<
    Record<
      'AUTH_ISSUER' | 'AUTH_JWKS_URL' | 'AUTH_AUDIENCE' | 'AUTH_TOKEN_URL' | 'AUTH_CLIENTS_FILE' | 'AUTH_KEY_FILE',
      string | undefined
    >
  > & { readonly DATA_DIR: string },
  faults: string[],
): CallersConfig | undefined {
  const { AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl, AUTH_CLIENTS_FILE: clientsFile } = values;
  const clients = clientsFile === undefined ? undefined : clientsIn(clientsFile, faults);
  if ((issuer === undefined) !== (jwksUrl === undefined))
    faults.push('AUTH_ISSUER and AUTH_JWKS_URL go together: set both, or neither.');
  if (issuer !== undefined && jwksUrl !== undefined)
    return {
      kind: 'issuer',
      issuer,
      jwksUrl,
      audience: values.AUTH_AUDIENCE,
      tokenUrl: values.AUTH_TOKEN_URL,
      clients,
    };
  if (clients === undefined) return undefined;
  const keyless = [...clients.values()].find(
    ({ jwks, jwksUri, scopes }) => (jwks ?? jwksUri) === undefined || scopes.length === 0,
  );
  if (keyless !== undefined)
    faults.push(
      `AUTH_CLIENTS_FILE: ${keyless.clientId} needs jwks (or jwksUri) and scopes, since this server issues its tokens.`,
    );
  const keyFile = values.AUTH_KEY_FILE ?? resolve(values.DATA_DIR, 'auth-key.json');
  return { kind: 'built-in', keyFile, clients, tokenSeconds: TOKEN_SECONDS };
}

function clientsIn(path: string, faults: string[]): ReadonlyMap<string, Client> | undefined {
  const text = readFile('AUTH_CLIENTS_FILE', path, faults);
  if (text === '') return undefined;
  const read = readClients(text);
  if (read.ok) return read.clients;
  faults.push(...read.faults.map((fault) => `AUTH_CLIENTS_FILE: ${fault}.`));
  return undefined;
}
