import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';

/** An authorisation server of a site, as far as this server sees it: keys at an address, and tokens. */
export interface SiteIssuer extends AsyncDisposable {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** How often its keys were asked for. */
  readonly asked: () => number;
  /** From now on it signs with another key; the old one is withdrawn. */
  rotate(): Promise<void>;
  token(wish?: TokenWish): Promise<string>;
  /** Of a key that is published nowhere. */
  tokenOfStranger(): Promise<string>;
  /** `alg: none`. */
  unsigned(): string;
  /** HS256, with the published key's PEM for a secret (RFC 8725 2.1). */
  hmacWithPublicKey(): Promise<string>;
}

export interface TokenWish {
  readonly issuer?: string;
  readonly audience?: string;
  readonly scope?: string;
  readonly clientId?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Seconds from now. */
  readonly notBefore?: number;
  readonly expiresIn?: number;
}

export async function startSiteIssuer(audience: string, now: () => Date): Promise<SiteIssuer> {
  const makeKey = async () => {
    const pair = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    return { ...pair, jwk: { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'RS256' } as JWK };
  };
  let key = await makeKey();
  let asked = 0;
  const served = await startKeys(() => {
    asked += 1;
    return { keys: [key.jwk] };
  });
  const issuer = new URL(served.url).origin;
  const seconds = () => Math.floor(now().getTime() / 1000);
  const payload = (wish: TokenWish = {}) => ({
    client_id: wish.clientId ?? 'epr',
    scope: wish.scope ?? 'system/*.rs system/Task.u ers/operator',
    ...wish.claims,
  });
  const jwt = (wish: TokenWish = {}) =>
    new SignJWT(payload(wish))
      .setIssuer(wish.issuer ?? issuer)
      .setAudience(wish.audience ?? audience)
      .setSubject(wish.clientId ?? 'epr')
      .setNotBefore(seconds() + (wish.notBefore ?? -5))
      .setExpirationTime(seconds() + (wish.expiresIn ?? 300));
  const header = () => ({ alg: 'RS256', kid: key.jwk.kid ?? '' });
  return {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    asked: () => asked,
    async rotate() {
      key = await makeKey();
    },
    token: (wish) => jwt(wish).setProtectedHeader(header()).sign(key.privateKey),
    async tokenOfStranger() {
      const stranger = await makeKey();
      return jwt().setProtectedHeader({ alg: 'RS256', kid: 'unheard-of' }).sign(stranger.privateKey);
    },
    unsigned() {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const claims = { ...payload(), iss: issuer, aud: audience, sub: 'epr', exp: seconds() + 300 };
      return `${part({ alg: 'none' })}.${part(claims)}.`;
    },
    async hmacWithPublicKey() {
      const secret = new TextEncoder().encode(await exportSPKI(key.publicKey));
      return jwt()
        .setProtectedHeader({ alg: 'HS256', kid: key.jwk.kid ?? '' })
        .sign(secret);
    },
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
}

/** Keys at an address, on any path of it. */
export async function startKeys(keys: () => object): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_req, res) => {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify(keys()));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
