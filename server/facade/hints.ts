import { createHash, timingSafeEqual } from 'node:crypto';
import type { Express } from 'express';
import type { Clock, Engine } from '../core/index.ts';
import { notePattern } from './trace.ts';

/** Where the store's own server tells that a Task was decided. */
export const HINT_PATH = '/hints/store';
/** What comes within this time is one hint: a bulk of decisions is found by one look. */
const GATHER_MS = 100;

/**
 * The door for hints of the store's server: they say nothing but that it is time to look, and are taken from who knows the
 * secret. Without one there is no such door. Source: architecture 4; a lost hint costs the time until the next scan
 */
export function serveHints(
  app: Express,
  { engine, clock, hintSecret }: { engine: Engine; clock: Clock; hintSecret?: string },
): void {
  if (hintSecret === undefined) return;
  const expected = digest(`Bearer ${hintSecret}`);
  let isGathering = false;
  app.post(HINT_PATH, (req, res) => {
    notePattern(res, HINT_PATH);
    // Whatever was sent along is of no interest.
    req.resume();
    if (!timingSafeEqual(digest(req.get('authorization') ?? ''), expected)) {
      res.status(401).setHeader('WWW-Authenticate', 'Bearer').end();
      return;
    }
    res.status(204).end();
    if (isGathering) return;
    isGathering = true;
    void clock.sleep(GATHER_MS).then(() => {
      isGathering = false;
      engine.wake();
    });
  });
}

/** Of one length, whatever was sent. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
