import type { NextFunction, Request, Response } from 'express';
import { refuse } from './outcome.ts';
import { respond } from './respond.ts';

/** The authority of a request target in absolute form, and the rest of it. Source: RFC 9112 3.2.2 */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

/** A request target from its path on, in whichever form it came. */
export function originForm(target: string): string {
  const [, , rest = target] = ABSOLUTE.exec(target) ?? [];
  return rest;
}

/**
 * Lets a request pass that is meant for this server: for loopback, for the address that it came to, or for the host of
 * PUBLIC_URL. A page of a stranger whose name was made to point here (DNS rebinding) says the stranger's name.
 * Source: RFC 9110 7.4, 15.5.20; RFC 9112 3.2
 */
export function checkHost(publicUrl: string) {
  const ours = new URL(publicUrl).hostname;
  return (req: Request, res: Response, next: NextFunction): void => {
    // A browser always says which host it means; who does not is none.
    const named = ABSOLUTE.exec(req.url)?.[1] ?? req.headers.host;
    // Whoever stands in front may have heeded the other one (RFC 9112 3.2).
    const isTwofold = (req.headersDistinct['host']?.length ?? 0) > 1;
    if (!isTwofold && (named === undefined || isMeant(named, [ours, ...addressesOf(req)]))) next();
    else respond(req, res, refuse('host-unknown'), false);
  };
}

function isMeant(authority: string, ours: readonly string[]): boolean {
  const url = `http://${authority}`;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return (
    hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname) || ours.includes(hostname)
  );
}

/** The address that the connection came to: a number cannot be made to point elsewhere. */
function addressesOf({ socket }: Request): string[] {
  const address = socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '');
  return address === undefined ? [] : [address, `[${address}]`];
}
