import express, { type Express, type Request, type Response } from 'express';
import { HAND_OVER_PATH } from '../core/index.ts';
import { notePattern } from './trace.ts';

/** A thousand Tasks and a token; far below what would hurt. */
const MAX_MESSAGE_BYTES = 200_000;

/**
 * The door for what another process of the installation hands over: it tells by itself whether it is one. Who is not learns
 * nothing. Source: docs/decisions/0022
 */
export function serveHandOver(
  app: Express,
  receive: ((text: string) => Promise<string | undefined>) | undefined,
): void {
  if (receive === undefined) return;
  const readText = express.text({ type: 'application/jose', limit: MAX_MESSAGE_BYTES, inflate: false });
  app.post(HAND_OVER_PATH, readText, async (req: Request, res: Response) => {
    notePattern(res, HAND_OVER_PATH);
    const answer = typeof req.body === 'string' ? await receive(req.body) : undefined;
    if (answer === undefined) res.status(401).setHeader('WWW-Authenticate', 'Bearer').end();
    else res.status(200).type('application/jose').send(answer);
  });
}
